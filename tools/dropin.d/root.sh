# SPDX-License-Identifier: LGPL-3.0-or-later
# shellcheck shell=bash
# root: a Debian of its own below build/dropin/root, for Debian's own programs.
#
# The packages and all they depend on are unpacked, never installed: no script
# of theirs runs, and the machine has them afterwards as little as before. What
# such a script would have made (users, a configuration) each case makes itself,
# in the layer of its run (inside.sh).

# What links libtevent.so.0, and what the cases handle it with.
DROPIN_PACKAGES="samba smbclient winbind samba-testsuite samba-dsdb-modules
	samba-vfs-modules samba-ad-provision ctdb ldb-tools tdb-tools
	sssd sssd-dbus sssd-kcm sssd-tools libnss-sss certmonger dbus openssl
	bash coreutils dash debianutils diffutils findutils grep hostname iproute2
	libc-bin mawk procps sed util-linux"

root_apt() {
	# shellcheck disable=SC2086 # words
	apt-get -q -y -o Dir::State::status="$box/status" \
		-o Dir::Cache::archives="$box/archives" \
		-o Debug::NoLocking=1 --no-install-recommends "$@" \
		$DROPIN_PACKAGES
}

# root_download: the packages, as if nothing were installed here.
root_download() {
	mkdir -p "$box/archives/partial" || return
	: >"$box/status"
	root_apt --download-only install && return
	# An old index names files that are gone.
	apt-get -q update && root_apt --download-only install
}

root_unpack() {
	local folder deb

	rm -rf "$box/root" "$box/root.new"
	mkdir -p "$box/root.new/usr" || return
	for folder in bin sbin lib lib32 lib64 libx32; do
		mkdir "$box/root.new/usr/$folder" &&
			ln -s "usr/$folder" "$box/root.new/$folder" || return
	done
	for deb in "$box"/archives/*.deb; do
		dpkg-deb --fsys-tarfile "$deb" |
			tar -x -p --keep-directory-symlink -C "$box/root.new" ||
			return
	done
	mkdir -p "$box/root.new"/{dev,proc,run,weft,case,log,tmp}
	ln -sf dash "$box/root.new/usr/bin/sh"
	ln -sf mawk "$box/root.new/usr/bin/awk"
	chroot "$box/root.new" /sbin/ldconfig || return
	mv "$box/root.new" "$box/root"
}

# root_make: makes it unless it is there.
root_make() {
	if [ -d "$box/root" ]; then
		return
	fi
	if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null
	then
		die "needs Debian's apt-get and dpkg"
	fi
	mkdir -p "$box" || exit 1
	say "downloading Debian's packages"
	root_download >"$box/download.log" 2>&1 ||
		die "downloading failed, see $box/download.log"
	say "unpacking them"
	root_unpack >"$box/unpack.log" 2>&1 ||
		die "unpacking failed, see $box/unpack.log"
}
