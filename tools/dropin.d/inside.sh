# SPDX-License-Identifier: LGPL-3.0-or-later
# shellcheck shell=bash
# inside: one run of one case, apart from the machine.
#
#	inside.sh ROOT LOG LIBRARY|'' SECONDS CASE
#
# Runs as process 1 of namespaces of its own: processes, mounts, network, IPC,
# host name. When it ends the kernel ends whatever the case has started, and
# what the case has written is gone but for LOG: the case sees ROOT through a
# layer in memory. With LIBRARY it is all the libtevent there is: found through
# LD_LIBRARY_PATH, while the packaged one is taken away, so that no process can
# use that one unnoticed.

set -eu

root=$1 log=$2 library=$3 limit=$4 name=$5
here=$(dirname "$(readlink -f "$0")")
layer=$root.layer
new=$layer/root

mkdir -p "$layer"
mount -t tmpfs tmpfs "$layer"
mkdir "$layer/upper" "$layer/work" "$new"
mount -t overlay overlay \
	-o "lowerdir=$root,upperdir=$layer/upper,workdir=$layer/work" "$new"
mount -t proc proc "$new/proc"
mount -t tmpfs tmpfs "$new/run"
mount -t tmpfs tmpfs "$new/dev"
mkdir "$new/dev/shm" "$new/run/lock"
chmod 1777 "$new/dev/shm"
for node in null zero full random urandom tty; do
	: >"$new/dev/$node"
	mount --bind "/dev/$node" "$new/dev/$node"
done
ln -s /proc/self/fd "$new/dev/fd"
mount --bind "$here" "$new/case"
mount --bind "$log" "$new/log"

environment=(PATH=/usr/sbin:/usr/bin LC_ALL=C HOME=/root LD_BIND_NOW=1)
if [ -n "$library" ]; then
	cp "$library" "$new/weft/libtevent.so.0"
	rm "$new"/usr/lib/*/libtevent.so.0*
	environment+=(LD_LIBRARY_PATH=/weft)
fi

status=0
timeout -s KILL "$limit" chroot "$new" /usr/bin/env -i "${environment[@]}" \
	bash /case/case.sh "$name" >"$log/result" 2>"$log/errors" \
	</dev/null || status=$?
exit "$status"
