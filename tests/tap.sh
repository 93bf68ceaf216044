# SPDX-License-Identifier: LGPL-3.0-or-later
# shellcheck shell=sh
# TAP for scripts. A test begins with
#
#       . "$(dirname "$0")/tap.sh"
#
# is then in the root of the tree, has $BUILDDIR, $CC, $PKG_CONFIG and a
# scratch folder $scratch, and ends with `done_testing`.

cd "$(dirname "$0")/.." || exit 1

BUILDDIR=${BUILDDIR:-build/release}
CC=${CC:-gcc}
PKG_CONFIG=${PKG_CONFIG:-pkg-config}
case $BUILDDIR in
/*) ;;
*) BUILDDIR=$PWD/$BUILDDIR ;;
esac
export BUILDDIR CC PKG_CONFIG

tap_count=0
tap_failed=0
mkdir -p "$BUILDDIR/scratch" || exit 1
scratch=$(mktemp -d "$BUILDDIR/scratch/$(basename "$0").XXXXXX") || exit 1
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' HUP INT TERM

diag() {
	printf '%s\n' "$*" | sed 's/^/# /' >&2
}

# result STATUS NAME
result() {
	tap_count=$((tap_count + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $tap_count - $2"
	else
		tap_failed=$((tap_failed + 1))
		echo "not ok $tap_count - $2"
		return 1
	fi
}

# ok NAME COMMAND...: the command succeeds; what it says is shown if not.
ok() {
	tap_name=$1
	shift
	"$@" >"$scratch/.out" 2>&1
	result $? "$tap_name" || {
		diag "$(tail -n 40 "$scratch/.out")"
		return 1
	}
}

# nok NAME COMMAND...: the command fails, of itself and not by a signal.
nok() {
	tap_name=$1
	shift
	"$@" >"$scratch/.out" 2>&1
	tap_status=$?
	if [ $tap_status -ne 0 ] && [ $tap_status -lt 126 ]; then
		result 0 "$tap_name"
	else
		result 1 "$tap_name"
		diag "status $tap_status: $(tail -n 40 "$scratch/.out")"
		return 1
	fi
}

# is GOT WANT NAME
is() {
	if [ "$1" = "$2" ]; then
		result 0 "$3"
	else
		result 1 "$3"
		diag "got:  $1"
		diag "want: $2"
		return 1
	fi
}

# skip WHY: one result that cannot be had here.
skip() {
	tap_count=$((tap_count + 1))
	echo "ok $tap_count # skip $1"
}

# skip_all WHY: nothing to do here at all.
skip_all() {
	echo "1..0 # SKIP $1"
	exit 0
}

done_testing() {
	echo "1..$tap_count"
	[ "$tap_count" -gt 0 ] && [ "$tap_failed" -eq 0 ]
	exit
}
