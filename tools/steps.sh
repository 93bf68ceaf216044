# SPDX-License-Identifier: LGPL-3.0-or-later
# shellcheck shell=bash
# steps: how the scripts beside this file speak and run things; sourced.
#
# Results go to stdout, what is going on to stderr and only to a terminal,
# failures to stderr always. What a step itself prints is kept in a log, whose
# end is shown when the step fails.

# say WORD...: what is going on.
say() {
	if [ -t 2 ]; then
		echo "$*" >&2
	fi
}

die() {
	echo "${0##*/}: $*" >&2
	exit 1
}

# step LOG COMMAND...: runs it out of the way, so that a signal is answered
# while it runs, and ends the script when it fails. $step_pid is its process
# meanwhile, for the script's trap.
step_pid=
step() {
	local log=$1 status=0

	shift
	"$@" >"$log" 2>&1 </dev/null &
	step_pid=$!
	wait "$step_pid" || status=$?
	step_pid=
	if [ "$status" -ne 0 ]; then
		tail -n 30 "$log" >&2
		die "'$1' failed ($status), all it said is in $log"
	fi
}
