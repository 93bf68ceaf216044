#!/bin/sh
# SPDX-License-Identifier: LGPL-3.0-or-later
# The fuzzers over their known inputs: what was found once is not found again.

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"

[ -d "$BUILDDIR/fuzz/obj" ] || skip_all 'clang has no libFuzzer here'

for name in mailbox shelf walk; do
	if [ -x "$BUILDDIR/fuzz/$name" ]; then
		ok "$name: nothing is found in what is known" \
			tools/fuzz/run "$name"
		diag "$(grep '^ok' "$scratch/.out")"
	else
		skip "$name is not built"
	fi
done

ok 'it explains itself' sh -c 'tools/fuzz/run --help | grep -q "^usage"'
tools/fuzz/run --no-such-option 2>"$scratch/err"
is $? 2 'an unknown option is refused'

done_testing
