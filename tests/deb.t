#!/bin/sh
# SPDX-License-Identifier: LGPL-3.0-or-later
# The Debian packages: that they are built and lintian is content, what they
# contain, ask for and take the place of. None is installed.

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"
export LC_ALL=C

for command in dh dpkg-buildpackage lintian; do
	command -v $command >/dev/null ||
		skip_all "there is no $command: tools/packages --install deb"
done
dpkg-checkbuilddeps mk/debian/control 2>"$scratch/lacks" ||
	skip_all "$(sed 's/.*error: //' "$scratch/lacks")"
weft=$(sed -n 's/^WEFT_VERSION := //p' mk/config.mk)
tevent=$(sed -n 's/^TEVENT_VERSION := //p' mk/config.mk)

ok 'the packages are built, and lintian finds nothing' \
	tools/deb "$scratch/deb"

# package NAME
package() {
	echo "$scratch/deb/$1"_*.deb
}

# field PACKAGE FIELD
field() {
	dpkg-deb -f "$(package "$1")" "$2"
}

# holds PACKAGE PATTERN: paths in it.
holds() {
	dpkg-deb -c "$(package "$1")" | grep -qE "$2"
}

is "$(find "$scratch/deb" -name '*.deb' ! -name '*-dbgsym_*' \
	-exec dpkg-deb -f {} Package \; | sort | tr '\n' ' ')" \
	'libtevent-weft-dev libtevent0-weft libweft-dev libweft0 weft-tools ' \
	'there are five'
ok 'beside a source package' test -s "$scratch/deb/weft_$weft-0weft1.dsc"

is "$(field libtevent0-weft Provides)" "libtevent0 (= $tevent)" \
	'libtevent0-weft is a libtevent0'
is "$(field libtevent0-weft Conflicts), $(field libtevent0-weft Replaces)" \
	'libtevent0, libtevent0' 'and takes its place'
ok 'at the same path' holds libtevent0-weft \
	" \./usr/lib/[^/]+/libtevent\.so\.0 -> libtevent\.so\.$tevent\$"
is "$(field libtevent-weft-dev Provides)" "libtevent-dev (= $tevent)" \
	'libtevent-weft-dev is a libtevent-dev'
least=$(field libweft0 Depends | sed -n 's/.*libtevent0 (>= \([^)]*\)).*/\1/p')
ok "libweft0 is content with Debian's libtevent0" \
	dpkg --compare-versions "${least:-99}" le 0.14.1
ok 'weft-tools has the checker' holds weft-tools ' \./usr/bin/weft-owner$'
ok 'with its library' holds weft-tools '/weft/libweft-owner\.so$'
ok 'and the server' holds weft-tools ' \./usr/bin/weft-shelf$'
ok 'and what looks into a daemon' holds weft-tools ' \./usr/bin/weft-top$'
ok 'a manual page is found by the name of a function' \
	holds libweft-dev '/man3/weft_post_msg\.3\.gz -> weft_post\.3\.gz$'

for name in libtevent0-weft libtevent-weft-dev libweft0 libweft-dev \
	weft-tools; do
	ok "$name is unpacked" dpkg-deb -x "$(package $name)" "$scratch/root"
done
lib=$(echo "$scratch"/root/usr/lib/*/libtevent.so.0)
lib=${lib%/*}
is "$(sed -n 's/^library=//p' "$scratch/root/usr/bin/weft-owner")" \
	"${lib#"$scratch/root"}/weft/libweft-owner.so" \
	'weft-owner knows where its library is'
ok 'the server starts on the packaged libraries' \
	env LD_LIBRARY_PATH="$lib" "$scratch/root/usr/bin/weft-shelf" --help

# hardened FILE: what dpkg-buildflags asks for is in it.
hardened() {
	readelf -lW "$1" | grep -q GNU_RELRO &&
		readelf -dW "$1" | grep -qE 'BIND_NOW|FLAGS_1.*NOW' &&
		nm -D "$1" | grep -q __stack_chk_fail
}
for file in "$lib/libtevent.so.0" "$lib/libweft.so.0" \
	"$scratch/root/usr/bin/weft-shelf"; do
	ok "$(basename "$file") is hardened" hardened "$file"
done

# Of a program that is built with our header, what dpkg makes of its needs.
cat >"$scratch/user.c" <<'END'
#include <tevent.h>
int main(void)
{
	return tevent_context_init(NULL) == NULL;
}
END
mkdir -p "$scratch/user/debian/user/DEBIAN" \
	"$scratch/user/debian/libtevent0-weft"
printf 'Source: user\n\nPackage: user\nArchitecture: any\n' \
	>"$scratch/user/debian/control"
dpkg-deb -e "$(package libtevent0-weft)" \
	"$scratch/user/debian/libtevent0-weft/DEBIAN"
# shellcheck disable=SC2046,SC2086 # flags are words
ok 'a program is built with the packaged header' $CC \
	-I"$scratch/root/usr/include" $($PKG_CONFIG --cflags talloc) \
	-o "$scratch/user/debian/user/user" "$scratch/user.c" -L"$lib" -ltevent
is "$(cd "$scratch/user" && dpkg-shlibdeps -O -l"$lib" debian/user/user \
	2>/dev/null | grep -o 'libtevent[^,]*')" 'libtevent0 (>= 0.9.9)' \
	'it asks for any libtevent0 that is not too old'

done_testing
