# SPDX-License-Identifier: LGPL-3.0-or-later
# shellcheck shell=bash
# sssd: its monitor, providers and responders, asked by the name service.

sssd_setup() {
	users
	mkdir -p /var/lib/sss/pipes/private /var/log/sssd
	echo 'alice:x:2001:2001:Alice:/:/bin/sh' >/box/passwd
	echo 'alice:x:2001:' >/box/group
	echo 'staff:x:2002:alice' >>/box/group
	cat >/etc/sssd/sssd.conf <<-END
		[sssd]
		services = nss, pam, ssh, sudo, autofs
		domains = files, proxy
		[nss]
		memcache_timeout = 0
		[domain/files]
		id_provider = files
		passwd_files = /box/passwd
		group_files = /box/group
		[domain/proxy]
		id_provider = proxy
		proxy_lib_name = files
		proxy_pam_target = weft
		min_id = 3001
	END
	chmod 600 /etc/sssd/sssd.conf
	printf '%s required pam_permit.so\n' auth account password session \
		>/etc/pam.d/weft
	echo 'bob:x:3001:3001:Bob:/:/bin/sh' >>/etc/passwd
	printf '%s\n' 'passwd: files sss' 'group: files sss' \
		>/etc/nsswitch.conf
}

case_sssd() {
	sssd_setup
	started sssd --interactive --logger=stderr
	check 'sssd answers' until_ok 60 getent -s sss passwd alice || return
	show 'an account of its files' getent -s sss passwd alice
	show 'of a proxy' getent -s sss passwd bob
	show 'a group' getent -s sss group staff
	show 'the groups of one' id alice
	refuse 'nobody is nobody' getent -s sss passwd carol
	echo 'carol:x:2003:2003:Carol:/:/bin/sh' >>/box/passwd
	check 'a change of the file is seen' until_ok 30 getent -s sss passwd carol
	check 'many ask at once' sssd_crowd
	check 'the cache is invalidated' sss_cache -E
	check 'it answers then' until_ok 30 getent -s sss passwd alice
	uses sssd sssd_be sssd_nss sssd_pam sssd_ssh sssd_sudo sssd_autofs
	check 'SIGTERM ends it' ends 0
}

sssd_crowd() {
	local n pids=()

	for n in {1..20}; do
		getent -s sss passwd alice >>/log/crowd &
		pids+=($!)
	done
	for n in "${pids[@]}"; do
		wait "$n" || return
	done
}
