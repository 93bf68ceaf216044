#!/bin/sh
# SPDX-License-Identifier: LGPL-3.0-or-later
# A program in C++17 uses both libraries, without a warning, by each compiler.

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"

found=
for cxx in ${CXX:-} g++ clang++ clang++-14; do
	command -v "$cxx" >/dev/null || continue
	found=$cxx
	# shellcheck disable=SC2046 # flags are words
	ok "$cxx builds it" "$cxx" -std=c++17 -O2 -Wall -Wextra -Wpedantic \
		-Wshadow -Werror -Iinclude $($PKG_CONFIG --cflags talloc) \
		-o "$scratch/user" tests/cplusplus/user.cc -L"$BUILDDIR/lib" \
		-lweft -ltevent $($PKG_CONFIG --libs talloc)
	is "$(LD_LIBRARY_PATH=$BUILDDIR/lib "$scratch/user" && echo ended)" \
		'timer: 1
job: 5050
call: 42
ended' 'and it does its work'
done
[ -n "$found" ] || skip_all 'no C++ compiler'

done_testing
