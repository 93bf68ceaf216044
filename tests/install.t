#!/bin/sh
# SPDX-License-Identifier: LGPL-3.0-or-later
# make install: what it lays down, that it works there, and that it goes again.

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"
export LC_ALL=C

MAKE=${MAKE:-make}
root=$scratch/root
prefix=/opt/weft

install_it() {
	"$MAKE" install BUILDDIR="$BUILDDIR" DESTDIR="$root" prefix="$prefix" "$@"
}

# version NAME: of mk/config.mk.
version() {
	sed -n "s/^$1 := //p" mk/config.mk
}

tevent=$(version TEVENT_VERSION)
weft=$(version WEFT_VERSION)

# Where modules of Python go, when they can be built; else nothing.
python=$("${PYTHON:-python3}" tools/python/where.py "$prefix" 2>/dev/null |
	cut -d' ' -f2)
python_files() {
	[ -z "$python" ] || printf '%s\n' \
		".${python#"$prefix"}/_tevent.abi3.so" \
		".${python#"$prefix"}/tevent.py"
}

# Programs that are built where their libraries are.
tools=$(cd "$BUILDDIR/bin" && find . -name weft-shelf -o -name weft-top)

ok 'make install DESTDIR=... prefix=... works' install_it
is "$(cd "$root$prefix" && find . ! -type d ! -path '*/man/*' | sort)" \
	"$({
		python_files
		printf '%s' "${tools:+$tools
}" | sed 's|^\./|./bin/|'
		cat
	} <<-END | sort
		./bin/weft-owner
		./include/pthreadpool_tevent.h
		./include/tevent.h
		./include/weft.h
		./lib/cmake/weft/weft-config-version.cmake
		./lib/cmake/weft/weft-config.cmake
		./lib/libtevent.a
		./lib/libtevent.so
		./lib/libtevent.so.$tevent
		./lib/libtevent.so.0
		./lib/libweft.a
		./lib/libweft.so
		./lib/libweft.so.$weft
		./lib/libweft.so.0
		./lib/pkgconfig/tevent.pc
		./lib/pkgconfig/weft.pc
		./lib/weft/libweft-owner.so
	END
	)" 'it lays down libraries, headers, files for builds, tools, the module, nothing else'
is "$(sed -n 's/^library=//p' "$root$prefix/bin/weft-owner")" \
	"$prefix/lib/weft/libweft-owner.so" 'weft-owner knows where its library is'
for tool in $tools; do
	tool=$root$prefix/bin/$tool
	ok "$(basename "$tool") runs" \
		env LD_LIBRARY_PATH="$root$prefix/lib" "$tool" --help
	is "$(readelf -d "$tool" | grep -E 'RPATH|RUNPATH')" '' \
		'and does not look for the build tree'
done
if [ -n "$python" ]; then
	is "$(PYTHONPATH=$root$python LD_LIBRARY_PATH=$root$prefix/lib \
		"${PYTHON:-python3}" -B -c '
import tevent
print(next(line.split()[-1] for line in open("/proc/self/maps")
           if "/libtevent.so" in line))')" \
		"$root$prefix/lib/libtevent.so.$tevent" \
		'the Python module runs on the installed library'
else
	skip 'the Python module is left out'
fi

# pc ARGUMENT...: pkg-config that sees the installed files only through DESTDIR.
pc() {
	PKG_CONFIG_PATH=$root$prefix/lib/pkgconfig \
		$PKG_CONFIG --define-variable=prefix="$root$prefix" \
		--define-variable=libdir="$root$prefix/lib" \
		--define-variable=includedir="$root$prefix/include" "$@"
}

is "$(pc --modversion tevent)" "$tevent" 'tevent.pc has the version'
is "$(pc --modversion weft)" "$weft" 'weft.pc has the version'
is "$(pc --variable=libdir tevent >/dev/null &&
	sed -n 's/^libdir=//p' "$root$prefix/lib/pkgconfig/weft.pc")" \
	"$prefix/lib" 'the .pc files name the final place, not the staging one'

cat >"$scratch/user.c" <<'END'
#include <stdio.h>
#include <tevent.h>
#include <weft.h>
int main(void)
{
	struct tevent_context *ev = tevent_context_init(NULL);
	if (ev == NULL) {
		return 1;
	}
	printf("%s\n", weft_version());
	talloc_free(ev);
	return 0;
}
END
cat >"$scratch/header.c" <<'END'
#include <stdio.h>
#include <weft.h>
int main(void)
{
	printf("%d.%d.%d\n", WEFT_VERSION_MAJOR, WEFT_VERSION_MINOR,
	       WEFT_VERSION_PATCH);
	return 0;
}
END

# build SOURCE PROGRAM FLAGS...
build() {
	source=$1
	program=$2
	shift 2
	# shellcheck disable=SC2046
	$CC -o "$program" "$source" $(pc --cflags weft) "$@"
}

# run PROGRAM: with the installed libraries.
run() {
	LD_LIBRARY_PATH=$root$prefix/lib "$1"
}

# shellcheck disable=SC2046
ok 'a program compiles with pkg-config weft' \
	build "$scratch/user.c" "$scratch/user" $(pc --libs weft)
is "$(run "$scratch/user")" "$weft" 'it runs on the installed libraries'
is "$(LD_LIBRARY_PATH=$root$prefix/lib ldd "$scratch/user" |
	grep -c "$root$prefix/lib")" 2 'on both of them'

# shellcheck disable=SC2046
ok 'a program links with the static libraries' \
	build "$scratch/user.c" "$scratch/static" \
	"$root$prefix/lib/libweft.a" "$root$prefix/lib/libtevent.a" \
	$($PKG_CONFIG --libs talloc liburcu-bp) -pthread
is "$("$scratch/static")" "$weft" 'it runs'
is "$(ldd "$scratch/static" | grep -cE 'libtevent|libweft')" 0 \
	'without the shared ones'

ok 'the header says its version' build "$scratch/header.c" "$scratch/header"
is "$("$scratch/header")" "$weft" 'the one of the library and of weft.pc'

man=$root$prefix/share/man
is "$(find "$man" -name 'weft*.3' | wc -l)" \
	"$(cat docs/man/*.3 | grep -c '^\.Nm weft_')" \
	'a manual page is found by the name of each function'
is "$(cat "$man/man3/weft_post_msg.3")" "$(cat docs/man/weft_post.3)" \
	'it is the one about the function'
ok 'and there is one about the whole' test -s "$man/man7/weft.7"

ok 'make uninstall works' "$MAKE" uninstall BUILDDIR="$BUILDDIR" \
	DESTDIR="$root" prefix="$prefix"
is "$(find "$root" ! -type d)" '' 'it leaves no file behind'

libdir=$prefix/lib/odd-arch
ok 'libdir may be chosen' install_it libdir=$libdir
is "$(sed -n 's/^libdir=//p' "$root$libdir/pkgconfig/tevent.pc")" "$libdir" \
	'the .pc files lie and point there'
ok 'so does what CMake reads' \
	test -e "$root$libdir/cmake/weft/../../../../include/weft.h"
ok 'which knows it' grep -qF 'LIST_DIR}/../../../../include' \
	"$root$libdir/cmake/weft/weft-config.cmake"

is "$(sed -n 's/^## \([0-9.]*\), .*/\1/p' docs/CHANGELOG.md | head -n 1)" \
	"$weft" 'the changelog begins with this version'

done_testing
