#!/bin/sh
# SPDX-License-Identifier: LGPL-3.0-or-later
# tools/packages finds, names and installs what is missing and nothing else.
# It runs on a system of our own: a folder of commands that is all of its PATH,
# where dpkg-query knows the packages in a file and apt-get writes down what it
# was asked for.

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"

farm=$scratch/bin
bash=$(command -v bash)
export CC=gcc PKG_CONFIG=pkg-config PYTHON=python3 farm scratch bash

# make_command NAME: what stands on standard input is a command of our system.
make_command() {
	{
		echo "#!$bash"
		cat
	} >"$farm/$1"
	chmod +x "$farm/$1"
}

# fresh UID: a bare Debian, used by UID. Its apt-get can install build tools.
fresh() {
	rm -rf "$farm"
	mkdir "$farm"
	for name in awk bash cat chmod cut dirname grep mkdir readlink sed \
		tail tr uniq; do
		ln -s "$(command -v $name)" "$farm/$name"
	done
	: >"$scratch/installed"
	: >"$scratch/asked"
	echo "echo $1" | make_command id
	make_command dpkg-query <<-'END'
		grep -qx "${!#}" "$scratch/installed" && echo "ii "
	END
	make_command apt-get <<-'END'
		echo "$*" >>"$scratch/asked"
		if [ "$1" = install ]; then
			for name in gcc make pkg-config; do
				printf '#!%s\ncat >/dev/null\n' "$bash" >"$farm/$name"
				chmod +x "$farm/$name"
			done
		fi
	END
}

# packages ARGUMENT...: its status; what it said is in $scratch/said.
packages() {
	PATH=$farm "$bash" tools/packages "$@" >"$scratch/out" \
		2>"$scratch/said" </dev/null
	echo $?
}

build='gcc libc6-dev make pkg-config libtalloc-dev liburcu-dev'

fresh 1000
is "$(packages build)" 1 'what is missing is an error'
is "$(cat "$scratch/said")" "missing packages; as root: apt-get update && \
apt-get install --no-install-recommends $build" \
	'one line names all that is missing'
is "$(cat "$scratch/out")" '' 'standard output stays empty'
is "$(packages --install build)" 1 'an ordinary user installs nothing'
is "$(wc -l <"$scratch/said")" 1 'and gets the same one line'
is "$(cat "$scratch/asked")" '' 'apt-get was not called'

echo libtalloc-dev >"$scratch/installed"
is "$(packages build)" 1 'some are still missing'
is "$(grep -c libtalloc-dev "$scratch/said")" 0 \
	'without pkg-config, dpkg is asked about a library'

fresh 0
echo libtalloc-dev >"$scratch/installed"
is "$(packages --install build)" 0 'root installs'
is "$(cut -d' ' -f1 <"$scratch/asked" | tr '\n' ' ')" 'update install ' \
	'by one update and one install'
is "$(grep -o 'gcc.*' "$scratch/asked")" \
	"$(echo "$build" | sed 's/libtalloc-dev //')" 'of what is missing'
: >"$scratch/asked"
is "$(packages --install build)" 0 'the second time nothing is missing'
is "$(cat "$scratch/asked")" '' 'and apt-get is not called'

fresh 0
echo 'echo "E: no route"; exit 100' | make_command apt-get
is "$(packages --install build)" 1 'apt-get failing is an error'
ok 'what apt-get said is shown' grep -q 'no route' "$scratch/said"

fresh 0
rm "$farm/apt-get" "$farm/dpkg-query"
is "$(packages --install build)" 1 'on another system they are named'
ok 'with what is needed of each' \
	grep -q 'libtalloc-dev (module talloc), ' "$scratch/said"
for name in gcc make pkg-config; do
	echo : | make_command $name
done
is "$(packages build)" 0 'and found there by what is needed of each'

is "$(packages python)" 1 'Python is missing'
echo : | make_command python3
is "$(packages python)" 1 'or cannot build modules'
echo 'echo include modules' | make_command python3
is "$(packages python)" 0 'or can'

is "$(packages)" 2 'no set is a usage error'
is "$(packages nonsense)" 2 'an unknown set too'
is "$(packages --list build && cut -f1 <"$scratch/out" | tr '\n' ' ')" "0
$build " '--list prints the packages of a set'
is "$(packages --list demo build demo && cut -f1 <"$scratch/out" | head -n 6 |
	tr '\n' ' ')" "0
$build " 'each once'

done_testing
