#!/bin/sh
# SPDX-License-Identifier: LGPL-3.0-or-later
# Each header compiles alone; tools/headers notices one that does not.

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"

ok 'each header compiles alone' tools/headers

echo 'size_t lonely(void);' >"$scratch/lonely.h"
nok 'a header that needs another one is reported' \
	tools/headers "$scratch/lonely.h"

printf '#include <stddef.h>\nstruct twice { size_t size; };\n' \
	>"$scratch/twice.h"
nok 'a header without a guard is reported' tools/headers "$scratch/twice.h"

done_testing
