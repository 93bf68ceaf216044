# SPDX-License-Identifier: LGPL-3.0-or-later
# shellcheck shell=bash
# Every program and library of the packages that names libtevent.so.0: whether
# the loader is content with it, and whether each program starts at all.

# needs_tevent: their paths, but for what needs a file system that is not here.
needs_tevent() {
	grep -rl --binary-files=text 'libtevent\.so\.0' /usr/bin /usr/sbin \
		/usr/lib /usr/libexec |
		grep -vE '/libtevent\.so|/ceph\.so|/glusterfs\.so|rados' |
		while read -r file; do
			if [ "$(head -c 4 "$file" | tail -c 3)" = ELF ]; then
				echo "$file"
			fi
		done | sort
}

# loads FILE: each symbol and version of tevent that it asks for is there. What
# a module wants of the program that loads it is missing whatever the library,
# and must be the same.
loads() {
	ldd -r "$1" 2>&1 | grep -E 'undefined|version|not found' |
		sed 's/ (0x[0-9a-f]*)//' | sort >/log/missing
	cksum </log/missing
	! grep -E 'TEVENT|libtevent|no version' /log/missing
}

case_linkage() {
	local file

	for file in $(needs_tevent); do
		show "$file" loads "$file"
	done
}

case_programs() {
	local file status

	for file in $(needs_tevent); do
		case $file in
		*.so | *.so.*) continue ;;
		esac
		status=0
		timeout 5 "$file" --help >/log/help 2>&1 </dev/null || status=$?
		cat /log/help >>/log/help.all
		echo "$file --help: status $status, $(wc -l </log/help) lines"
		check "$file starts" test "$status" -le 124
	done
}
