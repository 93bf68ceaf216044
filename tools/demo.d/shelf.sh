# SPDX-License-Identifier: LGPL-3.0-or-later
# shellcheck shell=bash
# shelf: weft-shelf as a process of a script: start, stop, log-in form.

shelf_program=build/release/bin/weft-shelf
shelf_prefix=()	# a command that runs it
login_form='user=alice&password=correct+horse'
login_type='Content-Type: application/x-www-form-urlencoded'
shelf_pid=
shelf_url=

# shelf_start NAME OPTION...: returns once it accepts; $shelf_url says where.
shelf_start() {
	local said=build/demo/$1.shelf.log tries=200

	shift
	"${shelf_prefix[@]}" "$shelf_program" --port 0 --drain 5 "$@" \
		>"$said" 2>&1 </dev/null &
	shelf_pid=$!
	shelf_url=
	while [ -z "$shelf_url" ]; do
		tries=$((tries - 1))
		if [ "$tries" -eq 0 ] || ! kill -0 "$shelf_pid" 2>/dev/null; then
			cat "$said" >&2
			die "weft-shelf did not start"
		fi
		sleep 0.05
		shelf_url=$(sed -n 's/^listening on //p' "$said")
	done
}

# shelf_stop: by SIGTERM, which it answers by exiting 0.
shelf_stop() {
	local status=0

	kill "$shelf_pid"
	wait "$shelf_pid" || status=$?
	shelf_pid=
	if [ "$status" -ne 0 ]; then
		die "weft-shelf exited $status"
	fi
}

# shelf_kill: whatever state it is in; for the trap.
shelf_kill() {
	local tries=20

	kill "$shelf_pid" 2>/dev/null
	while [ "$tries" -gt 0 ] && kill -0 "$shelf_pid" 2>/dev/null; do
		tries=$((tries - 1))
		sleep 0.05
	done
	kill -KILL "$shelf_pid" 2>/dev/null
}
