# SPDX-License-Identifier: LGPL-3.0-or-later
# shellcheck shell=bash
# case: what the cases have in common; runs one of them, inside.
#
# Standard output is the result: lines that are the same whenever the programs
# behave the same. Everything else goes to standard error or to a file in /log.

set -u -o pipefail
cd /

# check NAME COMMAND...: the command succeeds.
check() {
	local what=$1

	shift
	if "$@" >/log/last 2>&1 </dev/null; then
		echo "ok $what"
	else
		echo "not ok $what"
		{
			echo "== $what: $*"
			cat /log/last
		} >&2
		return 1
	fi
}

# refuse NAME COMMAND...: the command fails of itself.
refuse() {
	check "$1" refused "${@:2}"
}

refused() {
	local status=0

	"$@" || status=$?
	[ "$status" -gt 0 ] && [ "$status" -lt 126 ]
}

# show NAME COMMAND...: what the command prints is part of the result.
show() {
	local what=$1 status=0

	shift
	"$@" >/log/last 2>&1 </dev/null || status=$?
	awk -v what="$what: " '{ print what $0 }' /log/last
	if [ "$status" -eq 0 ]; then
		echo "ok $what"
	else
		echo "not ok $what (status $status)"
	fi
}

# until_ok SECONDS COMMAND...: waits until it succeeds.
until_ok() {
	local end=$((SECONDS + $1))

	shift
	until "$@" >/log/last 2>&1 </dev/null; do
		if [ $SECONDS -ge $end ]; then
			return 1
		fi
		sleep 0.1
	done
}

# started COMMAND...: the daemon of the case, in the background.
daemon=
started() {
	"$@" >/log/daemon.out 2>&1 </dev/null &
	daemon=$!
}

# gone: it has ended, whether anybody waited for it or not.
gone() {
	! [ -d "/proc/$daemon" ] ||
		grep -q '^State:.*zombie' "/proc/$daemon/status"
}

# ends STATUS: SIGTERM ends it within 20 seconds, with the status.
ends() {
	local status=0

	kill -TERM "$daemon"
	if ! until_ok 20 gone; then
		echo "still there"
		return 1
	fi
	wait "$daemon" || status=$?
	echo "status $status"
	[ "$status" -eq "$1" ]
}

# uses PROGRAM...: each runs and has libtevent mapped. Which file that is goes
# to /log/used.
uses() {
	local program

	for program; do
		check "$program runs with libtevent" until_ok 20 maps "$program"
		sed "s/^/$program /" /log/maps >>/log/used
	done
}

maps() {
	local pid

	for pid in $(pgrep -x "$(echo "$1" | cut -c1-15)"); do
		awk '$NF ~ /libtevent\.so/ { print $NF }' "/proc/$pid/maps"
	done | sort -u >/log/maps
	test -s /log/maps
}

# users NAME:UID...: accounts of this machine, beside root and nobody.
users() {
	local entry

	echo root:x:0:0:root:/root:/bin/bash >/etc/passwd
	echo nobody:x:65534:65534:nobody:/:/usr/sbin/nologin >>/etc/passwd
	printf 'root:x:0:\nnogroup:x:65534:\n' >/etc/group
	for entry; do
		echo "${entry%:*}:x:${entry#*:}:${entry#*:}::/:/bin/sh" \
			>>/etc/passwd
		echo "${entry%:*}:x:${entry#*:}:" >>/etc/group
	done
}

users
echo '127.0.0.1 localhost weftbox' >/etc/hosts
echo 'passwd: files' >/etc/nsswitch.conf
hostname weftbox
ip link set lo up
mkdir -p /root /box
: >/etc/samba/smb.conf
chmod 1777 /tmp

# shellcheck source=tools/dropin.d/case-certmonger.sh
. /case/case-certmonger.sh
# shellcheck source=tools/dropin.d/case-ctdb.sh
. /case/case-ctdb.sh
# shellcheck source=tools/dropin.d/case-ldb.sh
. /case/case-ldb.sh
# shellcheck source=tools/dropin.d/case-linkage.sh
. /case/case-linkage.sh
# shellcheck source=tools/dropin.d/case-samba.sh
. /case/case-samba.sh
# shellcheck source=tools/dropin.d/case-sssd.sh
. /case/case-sssd.sh
# shellcheck source=tools/dropin.d/case-torture.sh
. /case/case-torture.sh
"case_$1"
