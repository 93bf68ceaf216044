# SPDX-License-Identifier: LGPL-3.0-or-later
# shellcheck shell=bash
# Samba's daemons, each alone with its clients on the loopback interface.

# samba_setup LINE...: the server weftbox, with the lines in its [global].
samba_setup() {
	users alice:1001
	mkdir -p /run/samba /var/log/samba /var/lib/samba/private /var/cache/samba
	mkdir -m 777 /box/share
	{
		cat <<-END
			[global]
			netbios name = WEFTBOX
			workgroup = WEFT
			interfaces = lo
			bind interfaces only = yes
			log file = /log/samba.%m
			panic action = false
			load printers = no
			disable spoolss = yes
		END
		printf '%s\n' "$@"
		cat <<-END
			[share]
			path = /box/share
			read only = no
		END
	} >/etc/samba/smb.conf
}

# account NAME PASSWORD
account() {
	printf '%s\n' "$2" "$2" | smbpasswd -s -a "$1"
}

# as_alice COMMAND: smbclient's, in the share.
as_alice() {
	smbclient //localhost/share -U 'WEFT\alice%weft-1' -t 20 -c "$1"
}

# names_of FOLDER: what is in it.
names_of() {
	as_alice "cd $1; ls" | awk '$2 == "D" && $1 !~ /^\./ { print $1 }' |
		sort
}

smbd_start() {
	started smbd --foreground
	check 'smbd answers' until_ok 30 smbclient -L localhost -N || return
}

# Eight clients at once, each with a file of its own.
smbd_crowd() {
	local n pids=()

	for n in 1 2 3 4 5 6 7 8; do
		as_alice "put /box/sent crowd$n; get crowd$n /box/got$n" \
			>"/log/crowd$n" 2>&1 </dev/null &
		pids+=($!)
	done
	wait "${pids[@]}"
	for n in 1 2 3 4 5 6 7 8; do
		check "client $n of 8 gets what it put" \
			cmp /box/sent "/box/got$n"
	done
}

case_smbd() {
	samba_setup
	head -c 20000000 /dev/urandom >/box/sent
	check 'an account is made' account alice weft-1
	smbd_start
	check 'a file is put' as_alice 'put /box/sent file'
	check 'and got' as_alice 'get file /box/got'
	check 'as it was' cmp /box/sent /box/got
	check 'the server has it' cmp /box/sent /box/share/file
	check 'folders are made' as_alice 'mkdir d; cd d; mkdir e; mkdir f'
	show 'and listed' names_of d
	check 'a file is renamed and deleted' as_alice 'rename file x; del x'
	check 'it is gone' test ! -e /box/share/x
	refuse 'a wrong password is refused' \
		smbclient //localhost/share -U 'alice%x' -c ls
	smbd_crowd
	show 'the server tells its accounts' rpcclient localhost \
		-U 'alice%weft-1' -c enumdomusers
	check 'smbcontrol reaches it' smbcontrol smbd ping
	uses smbd rpcd_lsad samba-dcerpcd
	# Other tests of smb2.notify ask for a change before the process that
	# watches knows of it, and then wait for ever, one time in fifty.
	torture_remote smb2.connect smb2.lock smb2.notify.tdis \
		smb2.notify.close smb2.notify.logoff smb2.notify.file \
		smb2.notify.tcp smb2.notify.overflow
	check 'SIGHUP is taken' kill -HUP "$daemon"
	check 'after SIGHUP it still answers' as_alice ls
	check 'SIGTERM ends it' ends 143
}

# torture_remote SUITE...: smbtorture on the share.
torture_remote() {
	smbtorture //localhost/share -U 'WEFT\alice%weft-1' "$@" \
		>/log/torture.out 2>&1
	torture_lines
}

# A wire of our own: names are asked for by broadcast.
case_nmbd() {
	samba_setup
	ip link add name wire0 type veth peer name wire1
	ip addr add 10.9.0.1/24 broadcast 10.9.0.255 dev wire0
	ip link set wire0 up
	ip link set wire1 up
	sed -i 's/interfaces = lo$/interfaces = wire0/' /etc/samba/smb.conf
	started nmbd --foreground --no-process-group
	check 'nmbd answers' until_ok 30 nmblookup -U 10.9.0.1 WEFTBOX || return
	show 'it has its name' nmblookup -U 10.9.0.1 WEFTBOX
	show 'the status query is answered' nmblookup -A 10.9.0.1
	refuse 'a name of nobody is not found' nmblookup -U 10.9.0.1 NOBODY
	check 'smbcontrol reaches it' smbcontrol nmbd ping
	uses nmbd
	check 'SIGTERM ends it' ends 0
}

case_winbindd() {
	samba_setup 'idmap config * : range = 100000-199999'
	check 'an account is made' account alice weft-1
	started winbindd --foreground --no-process-group
	check 'winbindd answers' until_ok 30 wbinfo -p || return
	show 'its domains' wbinfo --all-domains
	show 'its own domain' wbinfo --own-domain
	show 'S-1-1-0 has a name' wbinfo -s S-1-1-0
	check 'a password is right' wbinfo -a 'WEFTBOX\alice%weft-1'
	refuse 'another one is wrong' wbinfo -a 'WEFTBOX\alice%other'
	check 'ntlm_auth agrees' ntlm_auth --username=alice --domain=WEFTBOX \
		--password=weft-1
	sed -i 's/files/files winbind/' /etc/nsswitch.conf
	show 'the name service has the account' getent passwd alice
	check 'many ask at once' winbind_crowd
	check 'smbcontrol reaches it' smbcontrol winbindd ping
	uses winbindd
	check 'SIGTERM ends it' ends 0
}

winbind_crowd() {
	local n pids=()

	for n in {1..20}; do
		wbinfo -n 'WEFTBOX\alice' &
		pids+=($!)
	done
	for n in "${pids[@]}"; do
		wait "$n" || return
	done
}

# An Active Directory controller: all of Samba in one tree of processes.
case_samba() {
	rm /etc/samba/smb.conf
	users
	echo users:x:100: >>/etc/group
	echo nameserver 127.0.0.1 >/etc/resolv.conf
	mkdir -p /run/samba /var/log/samba /var/lib/samba/private /var/cache/samba
	check 'a domain is made' samba-tool domain provision --realm=WEFT.TEST \
		--domain=WEFT --adminpass=weft-Admin-1 --server-role=dc \
		--host-ip=127.0.0.1 --dns-backend=SAMBA_INTERNAL \
		--option='log file = /log/samba.%m' \
		--option='panic action = false' \
		--option='interfaces = lo' \
		--option='bind interfaces only = yes' || return
	started samba --foreground --no-process-group
	check 'samba answers, by SMB' until_ok 60 smbclient //localhost/sysvol \
		-U Administrator%weft-Admin-1 -c ls
	check 'by LDAP' until_ok 60 ldap_accounts
	show 'the level of the domain' samba-tool domain level show
	check 'an account is made' samba-tool user create bob weft-Bob-1
	show 'the accounts, by LDAP' ldap_accounts
	check 'its password is right' smbclient //localhost/sysvol \
		-U bob%weft-Bob-1 -c ls
	show 'the zones, by RPC' zones
	check 'its processes answer' samba-tool processes
	uses samba
	check 'SIGTERM ends it' ends 127
}

ldap_accounts() {
	ldbsearch -H ldap://localhost -U Administrator%weft-Admin-1 \
		'(objectClass=user)' sAMAccountName |
		grep '^sAMAccountName' | sort
}

zones() {
	samba-tool dns zonelist localhost -U Administrator%weft-Admin-1 |
		grep pszZoneName
}
