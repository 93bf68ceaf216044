#!/bin/sh
# SPDX-License-Identifier: LGPL-3.0-or-later
# tools/style holds for the tree, and notices what it is there for.

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"

ok 'the tree keeps the rules of the house' tools/style

# copy: a fresh copy of what the checker reads.
copy() {
	rm -rf "$scratch/tree"
	mkdir -p "$scratch/tree"
	cp -R Makefile mk engine threadpool include tests tools .ci \
		"$scratch/tree/"
}

# noticed WHAT
noticed() {
	nok "$1 is reported" tools/style "$scratch/tree"
}

copy
ok 'a copy of the tree is as good' tools/style "$scratch/tree"

sed -i 1d "$scratch/tree/engine/heap.c"
noticed 'a file without the licence tag'

copy
echo '/* TODO: later */' >>"$scratch/tree/engine/heap.c"
noticed 'unfinished work'

copy
{
	echo 'static void long_one(void)'
	echo '{'
	yes '	step();' | head -n 91
	echo '}'
} >>"$scratch/tree/engine/heap.c"
noticed 'a function of more than 90 lines'

copy
yes '/* more */' | head -n 700 >>"$scratch/tree/engine/heap.c"
noticed 'a file of more than 700 lines'

copy
printf '\t\t\t\t\t\t\t\t\t/* too far right */\n' \
	>>"$scratch/tree/engine/heap.c"
noticed 'a line of more than 80 columns'

copy
cp engine/heap.c "$scratch/tree/engine/heap2.c"
noticed 'a source in no list'

copy
cp tests/style.t "$scratch/tree/tests/style2.t"
noticed 'a test in no list'

done_testing
