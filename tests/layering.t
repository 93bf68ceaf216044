#!/bin/sh
# SPDX-License-Identifier: LGPL-3.0-or-later
# tools/layering holds for the tree, and notices what it is there for.

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"

ok 'includes point downwards' tools/layering

# tree FILE INCLUDE: a tree with that one file and line, and some to point at.
tree() {
	rm -rf "$scratch/tree"
	mkdir -p "$scratch/tree/engine" "$scratch/tree/threadpool" \
		"$scratch/tree/include" "$scratch/tree/tools/shelf"
	touch "$scratch/tree/engine/fd.h" "$scratch/tree/engine/base.h"
	echo "#include $2" >"$scratch/tree/$1"
}

# refused WHAT FILE INCLUDE
refused() {
	tree "$2" "$3"
	nok "$1 is reported" tools/layering "$scratch/tree"
}

# allowed WHAT FILE INCLUDE
allowed() {
	tree "$2" "$3"
	ok "$1 is fine" tools/layering "$scratch/tree"
}

allowed 'a lower level' engine/loop.c '"engine/fd.h"'
allowed 'the own header' engine/fd.c '"engine/fd.h"'
allowed 'a header without symbols' threadpool/park.c '"engine/base.h"'
allowed 'a public header' threadpool/park.c '<tevent.h>'
refused 'a higher level' engine/heap.c '"engine/fd.h"'
refused 'a stranger of the same level' engine/timer.c '"engine/fd.h"'
refused 'a file without a level' engine/nobody.c '"engine/base.h"'
refused 'the pool looking into the engine' threadpool/job.c '"engine/fd.h"'
refused 'the engine looking into the pool' engine/fd.c '"threadpool/park.h"'
refused 'the engine using weft.h' engine/fd.c '<weft.h>'
refused 'the engine using liburcu' engine/fd.c '<urcu-bp.h>'
refused 'a public header with a private one' include/weft.h '"engine/base.h"'
refused 'a program with a private header' tools/shelf/main.c '"engine/base.h"'

done_testing
