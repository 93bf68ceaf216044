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

# A public header, in a tree of its own.
mkdir "$scratch/include"
# public LINE...: whether a header of these lines passes.
public() {
	{
		echo '#ifndef PUBLIC_H'
		echo '#define PUBLIC_H'
		printf '%s\n' "$@"
		echo '#endif'
	} >"$scratch/include/public.h"
	(cd "$scratch" && "$tools/headers" include/public.h)
}
tools=$PWD/tools
ok 'one that is content with any C and C++ passes' \
	public 'struct sample { int value; };'
nok 'one that needs C11 is reported' public '_Static_assert(1, "");'
nok 'one that is GNU C is reported' public 'struct sample { int many[0]; };'
if command -v g++ >/dev/null || command -v clang++-14 >/dev/null; then
	nok 'one that is no C++ is reported' \
		public 'struct sample { int class; };'
	nok 'one that is no C++17 is reported' \
		public 'static inline int same(int x) { register int y = x; return y; }'
else
	skip 'no C++ compiler'
	skip 'no C++ compiler'
fi

# compiles EXPRESSION: whether it does where a void *block is at hand.
compiles() {
	printf '%s\n' '#include <weft.h>' \
		'void sample(weft_addr_t to, void *block, char *text);' \
		'void sample(weft_addr_t to, void *block, char *text)' \
		"{ (void)block; (void)text; (void)$1; }" >"$scratch/sample.c"
	# shellcheck disable=SC2046,SC2086 # flags are words
	$CC -std=c11 -Werror -fsyntax-only -Iinclude \
		$($PKG_CONFIG --cflags talloc) "$scratch/sample.c"
}
ok 'a block goes by the address of its pointer' \
	compiles 'weft_post(to, NULL, &block)'
ok 'of whatever type' compiles 'weft_post(to, NULL, &text)'
ok 'or is none' compiles 'weft_post(to, NULL, NULL)'
nok 'the pointer itself is refused' compiles 'weft_post(to, NULL, block)'
nok 'of whatever type it is' compiles 'weft_post(to, NULL, text)'

done_testing
