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

is "$(env LD_PRELOAD="$shim" SHIM_FAIL=malloc /bin/true 2>&1)" \
	'shim: SHIM_FAIL is KIND:N,...' 'a bad SHIM_FAIL is refused'
nok 'with a status' env LD_PRELOAD="$shim" SHIM_FAIL=nothing:1 /bin/true

done_testing
