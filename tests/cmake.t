#!/bin/sh
# SPDX-License-Identifier: LGPL-3.0-or-later
# find_package(weft) of what is installed: the targets, the versions, and what
# is said when something is missing.

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"

command -v cmake >/dev/null || skip_all 'there is no cmake'
MAKE=${MAKE:-make}
root=$scratch/root
weft=$(sed -n 's/^WEFT_VERSION := //p' mk/config.mk)

mkdir "$scratch/user"
cat >"$scratch/user/user.c" <<'END'
#include <stdio.h>
#ifdef BOTH
#include <weft.h>
#else
#include <tevent.h>
#define weft_version() "no weft"
#endif
int main(void)
{
	struct tevent_context *ev = tevent_context_init(NULL);
	puts(weft_version());
	return ev == NULL || talloc_free(ev) != 0;
}
END
cat >"$scratch/user/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.10)
project(user C)
find_package(weft ${WANTED} CONFIG REQUIRED)
find_package(weft CONFIG REQUIRED)
add_executable(both user.c)
target_compile_definitions(both PRIVATE BOTH)
target_link_libraries(both weft::weft)
add_executable(loop user.c)
target_link_libraries(loop weft::tevent)
message(STATUS "tevent is ${weft_TEVENT_LIBRARY}")
END

# configure FOLDER [OPTION...]: the project, against what lies below FOLDER;
# what CMake said is in $scratch/said.
configure() {
	where=$1
	shift
	rm -rf "$scratch/build"
	cmake -S "$scratch/user" -B "$scratch/build" \
		-DCMAKE_C_COMPILER="$CC" -DCMAKE_PREFIX_PATH="$where" "$@" \
		>"$scratch/said" 2>&1 && return
	cat "$scratch/said"
	return 1
}

ok 'make install' "$MAKE" install BUILDDIR="$BUILDDIR" DESTDIR="$root" \
	prefix=/opt/weft
ok 'a project that uses weft is configured' configure "$root/opt/weft"
ok 'and built' cmake --build "$scratch/build"
is "$("$scratch/build/both")" "$weft" 'weft::weft runs on the library'
is "$("$scratch/build/loop")" 'no weft' 'weft::tevent alone too'
is "$(ldd "$scratch/build/both" | grep -c "$root/opt/weft/lib/lib")" 2 \
	'both libraries are the installed ones'
is "$(readelf -d "$scratch/build/loop" | grep -c 'NEEDED.*libweft')" 0 \
	'who wants tevent alone gets it alone'

mv "$root/opt/weft" "$root/moved"
ok 'a tree that was moved works' configure "$root/moved"
ok 'as before' cmake --build "$scratch/build"

# wants VERSION
wants() {
	configure "$root/moved" -DWANTED="$1"
}
ok 'this version may be asked for' wants "$weft"
ok 'or its series' wants "${weft%.*}"
nok 'not a later one' wants 99.0
nok 'not another first number' wants 1.0

rm "$root"/moved/lib/libtevent.* "$root/moved/include/tevent.h"
tevent=$(find /usr/lib -name libtevent.so 2>/dev/null | head -n 1)
if [ -n "$tevent" ] && [ -r /usr/include/tevent.h ]; then
	ok 'without our tevent' configure "$root/moved"
	ok 'the one of the system is taken' \
		grep -F "tevent is $tevent" "$scratch/said"
else
	skip 'the system has no tevent'
	skip 'so it cannot be taken'
fi
nok 'no tevent at all is an error' configure "$root/moved" \
	-DCMAKE_FIND_ROOT_PATH="$scratch/nothing" \
	-DCMAKE_FIND_ROOT_PATH_MODE_LIBRARY=ONLY
ok 'that says what is missing' \
	grep 'TEVENT_LIBRARY was not found' "$scratch/said"

done_testing
