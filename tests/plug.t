#!/bin/sh
# SPDX-License-Identifier: LGPL-3.0-or-later
# The programs of tools/plug: a loop of another library beside a weft loop.
# Each says what it has counted; when a message is lost it does not end.

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"

# run ARGUMENT...: the program's status; its words are in $scratch/said.
run() {
	timeout 120 "$program" "$@" >"$scratch/said" 2>&1
	echo $?
}

# said EXPRESSION: the number that the program's words have there.
said() {
	sed -n "s/$1/\\1/p" "$scratch/said"
}

# exchanged N: both sides have counted N of everything.
exchanged() {
	is "$(grep -v 'messages\|ticks' "$scratch/said")" \
		"weft: $1 calls
$name: $1 calls answered, $1 calls served, $1 notes, a farewell" \
		"$name: $1 calls, calls back and posts, and the end in order"
	is "$(said "$name: \\([0-9]*\\) messages.*")" $((3 * $1 + 2)) \
		"$name: the program has dispatched each, the farewell and the end too"
	is "$(said '.* wake-ups, \([0-9]*\) for nothing')" 0 \
		"$name: and was never woken for nothing"
}

# cpu_ms COMMAND...: what the command takes of the processors; nothing if it
# fails.
cpu_ms() {
	# shellcheck disable=SC2016 # Perl's variables
	perl -e '
		my $pid = fork // die;
		if (!$pid) {
			open STDOUT, ">", "/dev/null" or die;
			exec @ARGV or die;
		}
		waitpid $pid, 0;
		my @times = times;
		print int(1000 * ($times[2] + $times[3])) if $? == 0;
	' "$@"
}

# works NAME [PACKAGE]: without the package there is no such program.
works() {
	name=$1
	program=$BUILDDIR/bin/plug-$name
	if [ $# -gt 1 ] && [ ! -x "$program" ]; then
		skip "there is no plug-$name: it needs $2"
		return
	fi

	is "$(run)" 0 "$name: the program and the weft loop talk"
	exchanged 1000
	ok "$name: meanwhile the program's own clock ticks" test \
		"$(said "$name: \\([0-9]*\\) ticks")" -gt 0
	ok "$name: so does the one of the weft loop" test \
		"$(said 'weft: \([0-9]*\) ticks')" -gt 0

	is "$(run --count 20000 --at-once 500)" 0 \
		"$name: more calls under way than one dispatch takes"
	exchanged 20000

	is "$(run --count 0)" 0 "$name: nothing but hello and the end"
	exchanged 0

	# One that spins takes what it can get, on a busy machine a part of it.
	base=$(cpu_ms "$program" --count 10)
	idle=$(cpu_ms "$program" --count 10 --idle-ms 600)
	ok "$name: neither loop spins where there is nothing to do" \
		test "${base:+${idle:-9999}}" -lt $((${base:-0} + 60))
}

works glib libglib2.0-dev
works poll
works sdevent libsystemd-dev
works uv libuv1-dev

program=$BUILDDIR/bin/plug-poll
is "$(run --help)" 0 'the programs explain themselves'
is "$(run --no-such-option)" 2 'and refuse what they do not know'

done_testing
