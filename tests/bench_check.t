#!/bin/sh
# SPDX-License-Identifier: LGPL-3.0-or-later
# bench-check counts instructions, says which row has moved and writes the file.

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"

program=$BUILDDIR/bin/weft-bench-count
COUNTS=tools/bench/counts

is "$(sed -n 's/^\([a-z][a-z-]*\)[ .].*/\1/p' $COUNTS | grep -v '^made$' |
	uniq)" "$("$program" --list | cut -f 1 | grep -v -- '-busy$')" \
	'the file has each row'
for row in $("$program" --list | cut -f 1); do
	ok "$row gets what it must" "$program" "$row" 2000
done
"$program" no-such-row 1000 >"$scratch/out" 2>&1
is $? 2 'an unknown row is refused'
"$program" req 1500 >"$scratch/out" 2>&1
is $? 2 'so is half a round'

if ! command -v valgrind >/dev/null || ! command -v python3 >/dev/null; then
	skip 'there is no valgrind, or no Python'
	done_testing
	exit
fi

COUNTS=$scratch/counts
export COUNTS BUILDDIR
check() {
	tools/bench/check --only '^(fd-interest|work)$' "$@" >"$scratch/out" 2>&1
}

# moved FACTOR: as if the file had been written when rows took so much more.
moved() {
	awk -v factor="$1" '
		/^[a-z-]+(\.[a-z]+)? +[0-9.]+ / { $2 = $2 * factor }
		{ print }' "$scratch/right" >"$COUNTS"
}

check --update
is $? 0 'it writes a file that was not there'
is "$(grep -c -E '^(fd-interest|work\.(loop|worker)) ' "$COUNTS")" 3 \
	'with each thread of a row'
cp "$COUNTS" "$scratch/right"
check
is $? 0 'a second run counts the same'
moved 0.95
check
is $? 1 'a row that takes more is an error'
ok 'the row is named' grep -q '^fd-interest takes more' "$scratch/out"
ok 'and how to write the file anew' grep -q -e --update "$scratch/out"
moved 1.05
check
is $? 0 'a row that takes less is none'
ok 'but named' grep -q '^fd-interest takes less' "$scratch/out"
{
	cat "$scratch/right"
	echo 'work-gone 1.0 -'
} >"$COUNTS"
tools/bench/check --only '^(fd-interest|work-gone)$' >"$scratch/out" 2>&1
is $? 1 'a row that is no more is an error'
sed 's/^made with: .*/made with: another compiler/' "$scratch/right" >"$COUNTS"
check
is $? 0 'counts of another compiler are not compared'
ok 'which is said' grep -q '^skipped: ' "$scratch/out"
tools/bench/check --no-such-option >"$scratch/out" 2>&1
is $? 2 'an unknown option is refused'

done_testing
