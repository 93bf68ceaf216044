#!/bin/sh
# SPDX-License-Identifier: LGPL-3.0-or-later
# The example of README.md compiles and runs as printed.

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"

sed -n '/^```c$/,/^```$/p' README.md | grep -v '^```' >"$scratch/example.c"
ok 'there is an example' test -s "$scratch/example.c"

# shellcheck disable=SC2046,SC2086 # flags are words
compile() {
	$CC -std=gnu11 -Wall -Wextra -Werror -Iinclude \
		$($PKG_CONFIG --cflags talloc) -o "$scratch/example" \
		"$scratch/example.c" -L"$BUILDDIR/lib" -lweft -ltevent \
		$($PKG_CONFIG --libs talloc) -Wl,-rpath,"$BUILDDIR/lib"
}

ok 'it compiles without a warning' compile
is "$(timeout 60 "$scratch/example")" '78498 primes below 1000000' \
	'it runs and prints the number of primes'

done_testing
