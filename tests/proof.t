#!/bin/sh
# SPDX-License-Identifier: LGPL-3.0-or-later
# tools/proof: runs its parts, goes on where it was, and says which failed. What
# make would do here is said by a stand-in.

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"

cat >"$scratch/make" <<'END'
#!/bin/sh
echo "$*" >>"${0%/*}/calls"
case " $* " in
*" $(cat "${0%/*}/bad") "*) echo 'not ok 1 - it is bad'; exit 1 ;;
esac
echo 'ok 1 - it is good'
END
chmod +x "$scratch/make"

# proof BAD [ARGUMENT...]: with the goal BAD failing.
proof() {
	printf '%s' "$1" >"$scratch/bad"
	shift
	: >"$scratch/calls"
	BUILD=$scratch/build MAKE=$scratch/make tools/proof "$@" \
		>"$scratch/table" 2>"$scratch/err"
}

calls() {
	echo $(($(wc -l <"$scratch/calls")))
}

nok 'a part that fails makes it fail' proof turns orders turns opens
ok 'the table says which' \
	grep -q '^turns  *FAILED .* it is bad$' "$scratch/table"
ok 'and that the others hold' \
	grep -q '^orders  *ok .* it is good$' "$scratch/table"
ok 'what it has said is shown' grep -q 'it is bad' "$scratch/err"
is "$(calls)" 5 'each part has run once, and no other'
ok 'now nothing fails' proof nothing orders turns opens
is "$(calls)" 1 'only what had failed has run again'
ok 'anew' proof nothing --anew orders turns opens
is "$(calls)" 5 'all of them have run again'

# given MINUTES: the seconds that a part gets of them.
given() {
	proof nothing --anew --minutes "$1" stress-jobs-asan
	sed -n 's/.*--seconds \([0-9]*\).*/\1/p' "$scratch/calls"
}

ok 'a part that could go on for ever gets its share of the minutes' \
	test "$(given 600)" -gt "$(given 60)"
nok 'a part that is not there is refused' proof nothing no-such-part

tools/proof --list >"$scratch/list"
for kind in $("$BUILDDIR/bin/weft-stress" --list | cut -d ' ' -f 1); do
	is "$(grep -c "^stress-$kind-[a-z]* " "$scratch/list")" 3 \
		"$kind is hammered in three variants"
done

done_testing
