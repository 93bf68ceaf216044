#!/bin/sh
# SPDX-License-Identifier: LGPL-3.0-or-later
# Each tool explains itself, and refuses what it does not know.

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"

programs="$BUILDDIR/bin/weft-stress $BUILDDIR/bench/loop-raw \
	tools/bench/check tools/bench/run tools/fuzz/run"
[ ! -e "$BUILDDIR/bin/weft-owner" ] ||
	programs="$programs $BUILDDIR/bin/weft-owner"
[ ! -e "$BUILDDIR/bin/weft-shelf" ] ||
	programs="$programs $BUILDDIR/bin/weft-shelf"

scripts=$(find tools -maxdepth 1 -type f -perm -u+x | sort)
ok 'there are tools' test -n "$scripts"

for tool in $scripts $programs; do
	name=$(basename "$tool")
	if head -n 1 "$tool" | grep -aq python3 &&
		! command -v python3 >/dev/null; then
		skip "$name: there is no Python"
		continue
	fi
	# shellcheck disable=SC2016 # the inner shell expands it
	ok "$name --help says how to use it, on standard output" \
		sh -c '"$1" --help 2>/dev/null </dev/null |
			grep -qi "^usage"' sh "$tool"
	"$tool" --no-such-option >/dev/null 2>"$scratch/err" </dev/null
	is $? 2 "$name refuses an unknown option with status 2"
	ok "$name says so on standard error" test -s "$scratch/err"
done

done_testing
