#!/bin/sh
# SPDX-License-Identifier: LGPL-3.0-or-later
# weft-owner: what it reports, what it lets pass, and that we are clean.

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"

owner=$BUILDDIR/bin/weft-owner
cases=$BUILDDIR/tests/owner_cases
case ${VARIANT:-release} in
asan | tsan) skip_all 'not built beside a sanitizer' ;;
esac
unset WEFT_OWNER WEFT_OWNER_LOG

# The places in a report: which call, and in which thread.
place='thread [0-9]+ "[^"]*" in [a-z_]+\(\)( at tests/owner/[a-z]+\.c:[0-9]+)?$'

# checked OPTION... CASE: $status, and $scratch/err.
checked() {
	"$owner" "$@" >"$scratch/out" 2>"$scratch/err"
	status=$?
}

# has PATTERN: the report has such a line.
has() {
	grep -Eq "$1" "$scratch/err" || {
		cat "$scratch/err"
		return 1
	}
}

# names PATTERN: the case is stopped, for that reason, with both places.
names() {
	[ "$status" -eq 134 ] && has "^weft-owner: [a-z_]+\(\) on a tree that $1" &&
		has '^  object    0x[0-9a-f]+ "' && has "^  touched by $place" &&
		has "^  ($2) +$place" &&
		[ "$(grep -c '(+0x[0-9a-f]*)$' "$scratch/err")" -ge 2 ]
}

"$cases" --list >"$scratch/list"
ok 'there are cases' test -s "$scratch/list"
while read -r kind name; do
	ok "$name: ends well when nobody looks" "$cases" "$name"
	checked "$cases" "$name" 2>/dev/null
	case $kind in
	wrong)
		ok "$name: stopped, with both places" \
			names 'belongs to another thread$' 'owned by'
		;;
	tied)
		ok "$name: stopped, with both places" \
			names '(has a|holds a|is referred)' 'let go by'
		;;
	right)
		is "$status $(cat "$scratch/err")" '0 ' "$name: passes"
		;;
	esac
done <"$scratch/list"

# The texts, one each.
checked "$cases" free
ok 'the object is named' has '^  object .* "struct thing"$'
ok 'and the thread that touches it, with the line' \
	has 'touched by thread .* "other" in talloc_free\(\) at tests/owner/act'
ok 'and its owner, with the call that made it' \
	has 'owned by   thread .* "owner_cases" in talloc_zero\(\)$'
checked "$cases" part_of_a_tree
ok 'so is the root, for a part of a tree' \
	has 'object .* "struct thing" below 0x[0-9a-f]* "struct thing"$'
checked "$cases" used_again
ok 'after a hand-over the receiver is the owner' \
	has 'owned by   thread .* "other" in talloc\(\)$'
for tie in 'referred_to is referred to by another tree' \
	'refers holds a reference to another tree' \
	'of_a_pool has a member of a talloc pool' 'limited has a memory limit'; do
	checked "$cases" "${tie%% *}"
	ok "it says that a tree ${tie#* }" has "that ${tie#* }\$"
done

# Going on.
checked --report "$cases" free
is $status 0 'with --report the program goes on'
is "$(grep -c '^weft-owner: ' "$scratch/err")" 1 'after one report'
checked --report --log "$scratch/log" "$cases" free
is "$status $(cat "$scratch/err")" '0 ' '--log: nothing on standard error'
is "$(grep -c '^weft-owner: ' "$scratch/log")" 1 'but in the file'
checked --log "$scratch/log" "$cases" free
is "$status $(grep -c '^weft-owner: ' "$scratch/log")" '134 2' \
	'to which it is added'
WEFT_OWNER=report checked "$cases" free
is $status 0 'WEFT_OWNER=report does the same'
WEFT_OWNER=maybe checked "$cases" free
is $status 2 'and takes nothing else but abort'

# The script.
checked sh -c 'exit 7'
is $status 7 'the status is the program'\''s'
checked -- sh -c 'exit 8'
is $status 8 'also after --'
checked no-such-program
is $status 127 'a program that is not there'
: >"$scratch/file"
checked "$scratch/file"
is $status 126 'a file that cannot be run'
checked
is $status 2 'no program at all'
checked --log
is $status 2 'an option without its value'
checked --log "$scratch/none/log" "$cases" free
is $status 125 'a log that cannot be written'
cp /bin/sh "$scratch/setuid" && chmod u+s "$scratch/setuid"
checked "$scratch/setuid" -c :
is $status 125 'a program that changes its user'
ok 'is refused with that reason' has 'it changes its user'
sed "s|^library=.*|library=$scratch/none.so|" "$owner" >"$scratch/owner"
sh "$scratch/owner" true 2>"$scratch/err"
is $? 125 'without its library it refuses'
ok 'and says so' has "there is no $scratch/none.so"
sed "s|^library=.*|library=$scratch/file|" "$owner" >"$scratch/owner"
sh "$scratch/owner" true 2>"$scratch/err"
is $? 125 'with a library that does not load it refuses'
ok 'and says what the loader said' has "$scratch/file"

# Ours: each test of the pool, and those of tevent's ways between threads. Some
# switch null tracking on and promise that their threads take turns.
ours() {
	TEST_SCALE=4 "$owner" --report --log "$scratch/ours" "$@"
}

pool_tests=$(awk '$1 == "POOL_TESTS" { inside = 1; next }
	inside && NF == 0 { exit }
	inside { print $1 }' mk/threadpool.mk)
# serial sends hundreds of thousands; serial_cancel has the same ways.
pool_tests=$(printf '%s\n' "$pool_tests" | grep -vx serial)
ok 'the tests of the pool are known' test -n "$pool_tests"
for name in $pool_tests proxy proxy_give proxy_life proxy_threads threaded; do
	ok "tests/$name.t runs under it" ours "$BUILDDIR/tests/$name.t"
done
ok 'weft-stress runs under it' ours "$BUILDDIR/bin/weft-stress" --seconds 2
ok 'tests/echo.t runs under it' ours tests/echo.t
ok 'tests/shelf.t runs under it' ours perl tests/shelf.t
is "$(grep '^  object ' "$scratch/ours" | grep -v '"null_context"$')" '' \
	'nothing was reported of all these, but null tracking'

done_testing
