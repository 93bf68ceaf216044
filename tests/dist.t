#!/bin/sh
# SPDX-License-Identifier: LGPL-3.0-or-later
# The tarball: the same bits each time, complete, and what is built of it
# elsewhere is bit for bit what is built here.

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"
export LC_ALL=C

MAKE=${MAKE:-make}
weft=$(sed -n 's/^WEFT_VERSION := //p' mk/config.mk)
tree=$scratch/elsewhere/weft-$weft
tarball=$scratch/dist/weft-$weft.tar.gz

# again: a second tarball, by a clock and a mask that differ.
again() {
	(umask 077 && TZ=Asia/Tokyo tools/dist "$scratch/again") &&
		cmp "$tarball" "$scratch/again/weft-$weft.tar.gz"
}

# sums FOLDER: of each file below it, links by where they point.
sums() {
	(
		cd "$1" || exit
		find . -type f -exec sha256sum {} + | sort -k 2
		find . -type l -printf '%l  %p\n' | sort
	)
}

ok 'a tarball is made' tools/dist "$scratch/dist"
ok 'a second one has the same bits' again
is "$(tar -tvzf "$tarball" | awk '{ print $2, $4 }' | sort -u | wc -l)" 1 \
	'all is of nobody and of one day'
is "$(tar -tzf "$tarball" | grep -vE "^weft-$weft/[^ ]+\$" |
	head -n 3)" '' 'and in one folder'
is "$(tar -tzf "$tarball" | grep -E "^weft-$weft/(build|\.git)/")" '' \
	'nothing that was made is in it'

mkdir "$scratch/elsewhere"
ok 'it is unpacked elsewhere' tar -xzf "$tarball" -C "$scratch/elsewhere"
ok 'where it makes the same tarball' "$tree/tools/dist" "$scratch/third"
ok 'without git' cmp "$tarball" "$scratch/third/weft-$weft.tar.gz"

# install_from TREE BUILDDIR DESTDIR: in folders of their own, for other tests
# run what is in ours.
install_from() {
	"$MAKE" -C "$1" -j2 install BUILDDIR="$2" DESTDIR="$3" prefix=/usr
}
ok 'it is built, outside of its folder' \
	install_from "$tree" "$scratch/objects" "$scratch/there"
ok 'and so is this tree' \
	install_from "$PWD" "$scratch/objects.here" "$scratch/here"
nok 'which is as it was' test -e "$tree/build"
sums "$scratch/here" >"$scratch/sums.here"
sums "$scratch/there" >"$scratch/sums.there"
ok 'both are the same, bit for bit' \
	diff "$scratch/sums.here" "$scratch/sums.there"
ok 'libraries and headers are among it' \
	test "$(grep -cE '\.(so|a|h)' "$scratch/sums.here")" -ge 8
nok 'none of it names the folder it was built in' \
	grep -rlF "$scratch/" "$scratch/there"

if command -v reuse >/dev/null; then
	ok 'each file says its licence and whose it is' \
		reuse --root "$tree" lint
else
	skip 'there is no reuse to look for licences with'
fi

done_testing
