# SPDX-License-Identifier: LGPL-3.0-or-later
# shellcheck shell=bash
# ctdb: a cluster of one node, and the tools that speak to it.

case_ctdb() {
	mkdir -p /run/ctdb /var/lib/ctdb/volatile /var/lib/ctdb/persistent \
		/var/lib/ctdb/state /var/log/ctdb /etc/ctdb/events/legacy
	echo 127.0.0.1 >/etc/ctdb/nodes
	cat >/etc/ctdb/ctdb.conf <<-END
		[logging]
		location = file:/log/ctdb
		[legacy]
		realtime scheduling = false
	END
	started ctdbd --interactive
	check 'ctdbd answers' until_ok 30 ctdb ping || return
	check 'the node becomes healthy' until_ok 60 healthy
	show 'its state' ctdb_state
	check 'a database is attached' ctdb attach weft.tdb
	check 'a record is written' ctdb writekey weft.tdb colour blue
	show 'and read' ctdb readkey weft.tdb colour
	check 'a recovery is asked for' ctdb recover
	check 'and survived' until_ok 60 healthy
	show 'the record is there' ctdb readkey weft.tdb colour
	show 'another tunable' ctdb setvar MonitorInterval 3
	show 'is kept' ctdb getvar MonitorInterval
	check 'the event daemon answers' ctdb event status legacy startup
	uses ctdbd ctdb-eventd
	check 'it shuts down' ctdb shutdown
	check 'and is gone' until_ok 30 gone
}

healthy() {
	ctdb nodestatus | grep -q 'OK (THIS NODE)'
}

ctdb_state() {
	ctdb status | grep -E '^(Number|pnn|Recovery mode)'
}
