#!/bin/sh
# SPDX-License-Identifier: LGPL-3.0-or-later
# Probes are in the library where their header is, and nothing is where not.

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"
export LC_ALL=C

# probes OBJECT...: the names of those of provider weft.
probes() {
	readelf -n "$@" 2>/dev/null | awk '
		$1 == "Provider:" { ours = $2 == "weft" }
		$1 == "Name:" && ours { print $2 }' | sort -u | tr '\n' ' '
}

all='cancel dispatch finish post start submit '

# A header that leaves a mark in place of a probe: are all of them there?
mkdir "$scratch/sys"
cat >"$scratch/sys/sdt.h" <<'END'
#define DTRACE_PROBE2(provider, name, one, two)             \
	__asm__ volatile("# probe " #provider " " #name :: \
			 "nor"(one), "nor"(two))
END
for file in mailbox run work; do
	# shellcheck disable=SC2046,SC2086
	$CC -std=gnu11 -D_GNU_SOURCE -O2 -I"$scratch" -I. -Iinclude \
		$($PKG_CONFIG --cflags talloc liburcu-bp) -S \
		-o "$scratch/$file.s" threadpool/$file.c
done
is "$(sed -n 's/.*# probe weft //p' "$scratch"/*.s | sort -u | tr '\n' ' ')" \
	"$all" 'each moment has its probe'

if echo '#include <sys/sdt.h>' | $CC -E -xc - >/dev/null 2>&1; then
	is "$(probes "$BUILDDIR/lib/libweft.so.0")" "$all" \
		'the library has them: sys/sdt.h is here'
else
	is "$(probes "$BUILDDIR/lib/libweft.so.0")" '' \
		'the library has none: there is no sys/sdt.h'
fi

done_testing
