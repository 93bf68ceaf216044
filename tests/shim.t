#!/bin/sh
# SPDX-License-Identifier: LGPL-3.0-or-later
# The preload shim itself, on a program that knows nothing of it.

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"

shim=$BUILDDIR/tests/shim.so
[ -r "$shim" ] || skip_all "there is no $shim"

# sorted NTH: sorts with the NTH allocation failing; $status, $failed.
sorted() {
	: >"$scratch/report"
	echo 'b
a' | LD_PRELOAD=$shim SHIM_FAIL=malloc:$1 SHIM_FD=9 sort \
		>"$scratch/out" 2>"$scratch/err" 9>"$scratch/report"
	status=$?
	failed=$(cat "$scratch/report")
}

ok 'without SHIM_FAIL nothing changes' \
	env LD_PRELOAD="$shim" sort /dev/null

sorted 1
is "$failed" 'shim: malloc failed' 'the failure is reported'

# On and on, until the program needs no further allocation.
nth=1
killed=0
silent=0
wrong=0
while [ "$nth" -lt 2000 ]; do
	sorted $nth
	[ -n "$failed" ] || break
	[ "$status" -lt 126 ] || killed=$((killed + 1))
	[ "$status" -eq 0 ] || [ -s "$scratch/err" ] || silent=$((silent + 1))
	[ "$status" -ne 0 ] || [ "$(head -n 1 "$scratch/out")" = a ] ||
		wrong=$((wrong + 1))
	nth=$((nth + 1))
done
ok "a sweep ends: $nth runs" test "$nth" -gt 2 -a "$nth" -lt 2000
is "$status" 0 'its last run succeeds'
is "$killed" 0 'no run is killed'
is "$silent" 0 'each failure is told'
is "$wrong" 0 'each success is one'

# plan PLAN: what is said of it when it is none; else nothing.
plan() {
	env LD_PRELOAD="$shim" SHIM_FAIL="$1" /bin/true 2>&1
}

for bad in malloc malloc:0 nothing:1 malloc:1:ENOTHING malloc:1x \
	eventfd:1:short read:1:-5; do
	is "$(plan $bad)" \
		'shim: SHIM_FAIL is KIND:N[+|%][:ERRNO|short|USEC],...' \
		"$bad is refused"
done
nok 'with a status' env LD_PRELOAD="$shim" SHIM_FAIL=nothing:1 /bin/true

# What a program sees that makes five reads of up to 100 bytes each, and one
# eventfd before them.
cat >"$scratch/reads.c" <<'END'
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

int main(void)
{
	char block[100];
	int fd = eventfd(0, 0);
	int zero = open("/dev/zero", O_RDONLY);

	printf("%d", fd < 0 ? errno : 0);
	for (int i = 0; i < 5; i++) {
		ssize_t got = read(zero, block, sizeof(block));

		printf(" %d", got < 0 ? -errno : (int)got);
	}
	return 0;
}
END
ok 'a program is built' "$CC" -w -o "$scratch/reads" "$scratch/reads.c"

# reads PLAN: its numbers, and what the shim has to say.
reads() {
	env LD_PRELOAD="$shim" SHIM_FAIL="$1" SHIM_FD=9 "$scratch/reads" \
		9>"$scratch/report"
}

is "$(reads read:2)" '0 100 -4 100 100 100' 'the second is interrupted'
is "$(cat "$scratch/report")" 'shim: read failed' 'which is reported'
is "$(reads read:2+:EAGAIN)" '0 100 -11 -11 -11 -11' 'from the second on'
is "$(reads read:2%:short)" '0 100 50 100 50 100' 'a part, each second time'
is "$(cat "$scratch/report")" "shim: read short
shim: read short" 'which is reported each time'
is "$(reads eventfd:1:ENFILE,read:5:EIO)" '23 100 100 100 100 -5' \
	'two kinds at once, with errors of ours'
is "$(reads read:1:1000)" '0 100 100 100 100 100' 'a call that takes its time'
is "$(cat "$scratch/report")" 'shim: read delayed' 'which is reported'

# from LIST: how many reads count, by whom they are made.
from() {
	env LD_PRELOAD="$shim" SHIM_FROM="$1" SHIM_COUNT=1 SHIM_FD=9 \
		"$scratch/reads" 9>"$scratch/report" >"$scratch/out"
	sed -n 's/^shim: called.* read:\([0-9]*\).*/\1/p' "$scratch/report"
}

is "$(from program)" 5 'calls of the program count'
is "$(grep -c 'point read:[124] at program+0x' "$scratch/report")" 3 \
	'the first, second and fourth on a path are points'
is "$(from libtevent.so)" 0 'and those of nobody else do not'

done_testing
