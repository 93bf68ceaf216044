# SPDX-License-Identifier: LGPL-3.0-or-later
# shellcheck shell=bash
# smbtorture's tests that need no server: tevent's own, and such as use tevent.

# torture_lines: a line per test that /log/torture.out tells of.
torture_lines() {
	sed -nE 's/ \[$//; s/^success: /ok /p; s/^(failure|error): /not ok /p
		s/^skip: (.*)/ok \1 (skipped)/p' /log/torture.out
}

# torture SUITE...: smbtorture without a server.
torture() {
	smbtorture //localhost/x -U% -s /box/smb.conf "$@" \
		>/log/torture.out 2>&1 </dev/null
	echo "status $?"
	torture_lines
}

torture_setup() {
	mkdir -p /box/lock /box/private /box/cache
	cat >/box/smb.conf <<-END
		[global]
		netbios name = weftbox
		interfaces = lo
		lock directory = /box/lock
		private dir = /box/private
		state directory = /box/lock
		cache directory = /box/cache
		pid directory = /box/lock
		ncalrpc dir = /box/lock
	END
}

case_torture_tevent() {
	torture_setup
	torture local.event local.tevent_req
}

case_torture_local() {
	torture_setup
	torture local.messaging local.irpc local.resolve local.socket \
		local.tfork local.file local.ldb
}
