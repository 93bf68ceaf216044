#!/bin/sh
# SPDX-License-Identifier: LGPL-3.0-or-later
# Under load no immediate, timer, request, message or job has a system call of
# its own. strace counts those of N and of 2 N operations.

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"

program=$BUILDDIR/bin/weft-bench-count

if ! command -v strace >/dev/null; then
	skip 'there is no strace'
	done_testing
	exit
fi
if ! strace -f -c -o "$scratch/out" true 2>"$scratch/err"; then
	skip "nothing may be traced here: $(head -n 1 "$scratch/err")"
	done_testing
	exit
fi

# calls ROW N [WHICH]: how many there are.
calls() {
	strace -f -c ${3:+-e "trace=$3"} -o "$scratch/out" "$program" "$1" "$2" \
		2>"$scratch/err" || diag "$(cat "$scratch/err")"
	awk '$NF == "total" { print $4 }' "$scratch/out"
}

# least ROW N LIMIT WORDS [WHICH]: one operation takes less than LIMIT.
least() {
	some=$(calls "$1" "$2" "${5-}")
	twice=$(calls "$1" $(($2 * 2)) "${5-}")
	each=$(echo "${some:-0} ${twice:-x}" | awk -v n="$2" '
		{ printf "%.4f", $2 == "x" ? 9 : ($2 - $1) / n }')
	ok "$1: $4 ($each each)" awk -v each="$each" -v limit="$3" \
		'BEGIN { exit !(each < limit) }'
}

for row in immediate-chain immediate-batch timer-add timer-push timer-random \
	timer-fire fd-interest req req-nested req-endtime queue; do
	least "$row" 10000 0.001 'no system call'
done

# The byte that is read and written, and the wait for it.
each=$(($(calls fd-event 2000) - $(calls fd-event 1000)))
ok 'fd-event: a wait, and what the handler does' test $each -eq 3000

# A thousand each time, then the loop sleeps.
for row in post msg; do
	least "$row" 10000 0.01 'a thousand share a wake-up and some waits'
done
for row in block call work job; do
	least "$row" 10000 0.03 'a thousand share those, and some memory'
done

# From another thread, to a loop that never sleeps: the waits are its own.
for row in post-busy msg-busy; do
	least "$row" 40000 0.05 'messages share wake-ups' '!epoll_wait'
done

# Whoever has nothing to do for a moment sleeps: that is up to the system.
for row in call-busy work-busy job-busy; do
	least "$row" 40000 1 'many share a wake-up'
done

done_testing
