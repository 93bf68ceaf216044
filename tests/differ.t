#!/bin/sh
# SPDX-License-Identifier: LGPL-3.0-or-later
# Random walks over the API: on ours they end well, also where the original has
# hazards, and they are those of the original where it has none.

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"

walk=$BUILDDIR/tests/walk

# wild FROM TO: no walk may fail.
wild() {
	seed=$1
	while [ "$seed" -le "$2" ]; do
		"$walk" --wild "$seed" 200 >"$scratch/wild" 2>&1 || {
			echo "seed $seed"
			tail -n 30 "$scratch/wild"
			return 1
		}
		seed=$((seed + 1))
	done
}

ok 'B206 B145 B411 B814 wild walks end well' wild 1 50
ok 'a walk can be taken again' sh -c '
	"$1" 7 200 >"$2/one" && "$1" 7 200 >"$2/two" &&
		[ -s "$2/one" ] && cmp "$2/one" "$2/two"' sh "$walk" "$scratch"
nok 'another seed is another walk' sh -c '
	"$1" 8 200 >"$2/two" && cmp "$2/one" "$2/two"' sh "$walk" "$scratch"
ok 'the walk explains itself' sh -c '"$1" --help | grep -q ^usage' sh "$walk"
if [ -x "$BUILDDIR/stock/tests/walk" ]; then
	ok 'ours and the original take the same 50 walks' \
		tools/differ --built --seeds 50 --steps 250
else
	skip 'no libtevent-dev: no walk on the original'
fi

done_testing
