#!/bin/sh
# SPDX-License-Identifier: LGPL-3.0-or-later
# The build: what it makes again, what it honours, what it says is missing.

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"

MAKE=${MAKE:-make}
# As the build was made: the dependencies name their targets so.
BUILDDIR=${BUILDDIR#"$PWD"/}

# made ARGUMENT...: the objects that make would compile now.
made() {
	"$MAKE" -n V=1 BUILDDIR="$BUILDDIR" "$@" all |
		grep -oE ' -o [^ ]*\.o ' | sed 's/^ -o //; s/ $//' | sort
}

# built SUFFIX: files beside the objects of libraries and tools; those of tests
# and benches are no part of "all".
built() {
	find "$BUILDDIR/obj" -name "*.$1" ! -path '*/tests/*' \
		! -path '*/tools/bench/*' -print0
}

# users HEADER: the objects of libraries and tools that include it.
users() {
	built d |
		xargs -0 grep -lE "(^| )$1( |\$)" | sed 's/\.d$/.o/' | sort
}

# says TEXT COMMAND...: the command fails and its words have TEXT.
says() {
	text=$1
	shift
	if "$@" >"$scratch/said" 2>&1; then
		return 1
	fi
	grep -F "$text" "$scratch/said" || {
		cat "$scratch/said"
		return 1
	}
}

ok 'a second make does nothing' "$MAKE" -q BUILDDIR="$BUILDDIR" all
is "$(made)" '' 'not even in its own words'
is "$(made -W engine/heap.h)" "$(users engine/heap.h)" \
	'a private header makes its users again, and nobody else'
ok 'of which there are some' test -n "$(users engine/heap.h)"
is "$(made -W mk/config.mk | wc -l)" \
	"$(built o | tr '\0' '\n' | wc -l)" \
	'a change of the build makes everything again'

ok 'CFLAGS of the user do not take ours away' sh -c '
	"$1" -n V=1 BUILDDIR="$2" CFLAGS=-O0 "$2/obj/engine/heap.o" |
		grep -- "-fvisibility=hidden.* -O0"' sh "$MAKE" "$scratch/user"
ok 'other flags make everything again' \
	test -n "$(made CFLAGS=-O3)"

nok 'an unknown variant is refused' "$MAKE" -n VARIANT=fast all

# A pkg-config that does not know one module.
cat >"$scratch/pc" <<END
#!/bin/sh
case " \$* " in
*" \$LACKING "*) exit 1 ;;
esac
exec $PKG_CONFIG "\$@"
END
chmod +x "$scratch/pc"

# without MODULE GOAL: a dry run where MODULE is missing.
without() {
	LACKING=$1 "$MAKE" -n PKG_CONFIG="$scratch/pc" \
		BUILDDIR="$scratch/without" "$2"
}

ok 'a missing needed library is named by its package' \
	says libtalloc-dev without talloc all
ok 'so is the other one' says liburcu-dev without liburcu-bp all
ok 'so is pkg-config itself' \
	says 'Debian package pkg-config' "$MAKE" -n PKG_CONFIG=no-such all
ok 'so is the compiler' \
	says 'Debian package no-such-cc' "$MAKE" -n CC=no-such-cc all
without libmicrohttpd all >"$scratch/said" 2>&1
is $? 0 'the libraries of weft-shelf may be missing'
ok 'which is said with their packages' \
	grep -q 'weft-shelf is left out.*libmicrohttpd-dev' "$scratch/said"
nok 'weft-shelf is not built then' grep -q 'bin/weft-shelf' "$scratch/said"
ok 'all else is' grep -q 'libweft.so.0' "$scratch/said"

"$MAKE" -n PYTHON=no-such BUILDDIR="$scratch/without" all >"$scratch/said" 2>&1
is $? 0 'Python may be missing'
ok 'which is said with its package' \
	grep -q 'Python module is left out.*python3-dev' "$scratch/said"
nok 'its module is not built then' grep -q '_tevent' "$scratch/said"

done_testing
