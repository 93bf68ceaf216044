# SPDX-License-Identifier: LGPL-3.0-or-later
# shellcheck shell=bash
# latency: the three phases, their table, their curves, and the bars.
#
# A phase leaves in build/demo/, by its name: .us (each answered ping's
# microseconds, sorted) and .row (n, errors, p50, p99, max in us, log-ins a
# second, daemon's CPU in %, others' CPU in %), columns parted by blanks.

SECONDS_EACH=10
PHASES='idle inline pool'
OTHERS_MAX=20	# % of all CPUs, above which a pair is measured again
P99_MAX=20000	# us, with the pool
P99_RATIO=50	# inline over pool
LOGIN_RATIO=1.5 # pool over inline

load_pids=

label() {
	case $1 in
	idle) echo "no log-ins" ;;
	inline) echo "log-ins, --inline" ;;
	pool) echo "log-ins, pool" ;;
	esac
}

# ticks_of PID FIRST LAST: the sum of those fields of /proc/PID/stat: 14 and 15
# are its own CPU time, 16 and 17 that of children it has waited for.
ticks_of() {
	sed 's/.*) . //' "/proc/$1/stat" |
		awk -v first="$2" -v last="$3" '
			{ for (i = first; i <= last; i++) sum += $(i - 3) }
			END { print sum + 0 }'
}

# ticks: "daemon's, ours, busy, all" CPU time so far, in ticks.
ticks() {
	echo "$(ticks_of "$shelf_pid" 14 15) $(ticks_of $$ 14 17)" \
		"$(awk '/^cpu / {
			for (i = 2; i <= 9; i++)
				all += $i
			print all - $5 - $6, all
		}' /proc/stat)"
}

# load NAME SECONDS OPTION...: starts one h2load in the background.
load() {
	local files=build/demo/$1 seconds=$2

	shift 2
	rm -f "$files.log" "$files.out"
	h2load --h1 -D "$seconds" --log-file="$files.log" "$@" \
		>"$files.out" 2>&1 </dev/null &
	load_pids="$load_pids $!"
}

# errors FILE...: failed requests by h2load's own count; a load that got no
# answer at all is one.
errors() {
	awk '/^requests:/ { done++; failed += $10; if ($6 == 0) failed++ }
		END { print failed + ARGC - 1 - done }' "$@"
}

# run_phase NAME: starts a daemon, drives it, stops it, leaves NAME's files.
run_phase() {
	local name=$1 before after pid loads=build/demo/$1.ping.out
	local options='' logins=0
	local files=build/demo/$1

	say "measuring for $SECONDS_EACH s: $(label "$name")"
	[ "$name" = inline ] && options=--inline
	shelf_start "$name" --root /usr $options
	before=$(ticks)
	if [ "$name" != idle ]; then
		printf %s "$login_form" >build/demo/login.form
		load "$name.login" $((SECONDS_EACH + 1)) -c 8 \
			-H "$login_type" -d build/demo/login.form \
			"$shelf_url/login"
		loads="$loads $files.login.out"
		sleep 0.5	# log-ins are under way
	fi
	load "$name.ping" "$SECONDS_EACH" -c 20 --rps=5 "$shelf_url/ping"
	for pid in $load_pids; do
		wait "$pid"
	done
	load_pids=
	after=$(ticks)
	shelf_stop
	if [ "$name" != idle ]; then
		logins=$(awk '$2 == 200' "$files.login.log" | wc -l)
	fi
	awk '$2 == 200 { print $3 }' "$files.ping.log" | sort -n >"$files.us"
	# shellcheck disable=SC2086 # a list of files
	summarise "$files.us" "$(errors $loads)" "$logins" \
		"$before" "$after" >"$files.row"
}

# summarise FILE ERRORS LOGINS BEFORE AFTER: the row of a phase.
summarise() {
	awk -v errors="$2" -v logins="$3" -v before="$4" -v after="$5" \
		-v seconds="$SECONDS_EACH" -v cpus="$(grep -c '^cpu[0-9]' /proc/stat)" '
		function rank(q,    i) {
			i = int(NR * q)
			return us[i < NR * q ? i + 1 : i]
		}
		{ us[NR] = $1 }
		END {
			split(before, b)
			split(after, a)
			daemon = a[1] - b[1]
			ours = daemon + a[2] - b[2]
			busy = a[3] - b[3]
			all = a[4] - b[4]
			others = busy > ours ? (busy - ours) / all * 100 : 0
			printf "%d %d %d %d %d %.1f %.0f %.0f\n", NR, errors,
				rank(.5), rank(.99), us[NR],
				logins / (seconds + 1),
				daemon / all * cpus * 100, others
		}' "$1"
}

# disturbed PHASE...: whether something else took its share of the CPU.
disturbed() {
	local phase

	for phase in "$@"; do
		cat "build/demo/$phase.row"
	done | awk -v most="$OTHERS_MAX" '$8 > most { bad = 1 }
		END { exit !bad }'
}

print_table() {
	local phase

	printf '%-18s %5s %6s %9s %9s %9s %9s %5s\n' '/ping at 100/s' n \
		errors 'p50 ms' 'p99 ms' 'max ms' log-ins/s CPU
	for phase in $PHASES; do
		# shellcheck disable=SC2046 # the columns
		printf '%-18s %5d %6d %9s %9s %9s %9s %4s%%\n' \
			"$(label "$phase")" \
			$(awk '{ print $1, $2, ms($3), ms($4), ms($5),
					($6 > 0 ? $6 : "-"), $7 }
				function ms(us) { return sprintf("%.2f", us / 1000) }
			' "build/demo/$phase.row")
	done
}

draw_curves() {
	awk -v labels="$(for phase in $PHASES; do label "$phase"; done)" \
		-v cpus="$(nproc)" -v bar="$P99_MAX" -f tools/demo.d/curves.awk \
		build/demo/idle.us build/demo/inline.us build/demo/pool.us \
		>build/demo/latency.svg || die "awk failed"
}

# judge: the bars, for a machine with two CPUs to itself; what is missed is
# named, and so is what else took the CPU.
judge() {
	local failed

	failed=$(cd build/demo && awk -v cpus="$(nproc)" -v p99_max="$P99_MAX" \
		-v p99_ratio="$P99_RATIO" -v login_ratio="$LOGIN_RATIO" \
		-v others_max="$OTHERS_MAX" -f ../../tools/demo.d/judge.awk \
		idle.row inline.row pool.row)
	if [ -n "$failed" ]; then
		die "$failed"
	fi
	say "curves: build/demo/latency.svg"
}
