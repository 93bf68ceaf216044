#!/bin/sh
# SPDX-License-Identifier: LGPL-3.0-or-later
# The pool bench's workloads get what they must with each peer that was built,
# and its table judges rightly.

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"

programs=$BUILDDIR/bench/pool
bars=tools/bench/pool/bars

rows=$("$programs-work" --list | cut -f 1)
is "$(awk '!/^#/ && NF > 0 && !seen[$1]++ { print $1 }' $bars)" "$rows" \
	'each row has a bar, each bar a row'

for peer in work job compat uv glib raw; do
	if [ ! -x "$programs-$peer" ]; then
		skip "$peer was not built"
		continue
	fi
	if [ "$peer/${VARIANT:-release}" = glib/tsan ]; then
		skip "the thread sanitizer does not see GLib's locks"
		continue
	fi
	for row in $rows; do
		"$programs-$peer" --smoke "$row" >"$scratch/out" \
			2>"$scratch/err"
		is $? 0 "$peer: $row gets what it must"
		[ ! -s "$scratch/err" ] || diag "$(cat "$scratch/err")"
		ok "$peer: $row says a figure" \
			grep -qE "^$row	[0-9]+\.[0-9]+$" "$scratch/out"
	done
done

if [ -x "$programs-stock" ]; then
	PTHREADPOOL_LIBRARY=$scratch/none "$programs-stock" --smoke empty-1 \
		>"$scratch/out" 2>"$scratch/err"
	is $? 3 'without its library there is no stock'
	ok 'which is said' test -s "$scratch/err"
else
	skip 'stock was not built'
fi

cat >"$scratch/bars" <<-END
	a-row ours fastest 2 theirs
	a-row ours within 1.25 theirs
	b-row ours above 75
	c-row
END

# judge KIND FILE: the verdict of the bar of that kind; VALUES on stdin.
judge() {
	tr -s ' ' '\t' >"$scratch/values"
	awk -f tools/bench/pool/table.awk -v bars="$scratch/bars" -v json=1 \
		-v rounds=1 -v peers='ours theirs' "$scratch/bars" \
		"$scratch/values" >"$scratch/json"
	grep -oE "\"kind\":\"$1\"[^}]*" "$scratch/json" |
		sed 's/.*"verdict":"//; s/"//g'
}

is "$(echo 'ours a-row 10
theirs a-row 20' | judge fastest)" ok 'twice as fast is fastest 2'
is "$(echo 'ours a-row 10.1
theirs a-row 20' | judge fastest)" missed 'a little less is not'
is "$(echo 'ours a-row 30
theirs a-row 20
ours a-row 10
theirs a-row 90' | judge fastest)" ok 'the best of all rounds counts'
is "$(echo 'ours a-row 12.5
theirs a-row 10' | judge within)" ok 'a quarter more is within 1.25'
is "$(echo 'ours a-row 12.5
theirs a-row 10
ours a-row 9
theirs a-row 1
ours a-row 100
theirs a-row 1' | judge within)" missed 'the median of the rounds counts'
is "$(echo 'ours b-row 60
ours b-row 75' | judge above)" ok 'more is better of a share'
is "$(echo 'ours b-row 74.9' | judge above)" missed 'a little less is not'
is "$(echo 'ours b-row 80' | judge fastest)" 'not run' \
	'nobody is judged who did not run'

# As a table, with its exit code.
printf 'ours\ta-row\t10\ntheirs\ta-row\t11\nours\tc-row\t5\n' \
	>"$scratch/values"
awk -f tools/bench/pool/table.awk -v bars="$scratch/bars" -v rounds=1 \
	-v peers='ours theirs' "$scratch/bars" "$scratch/values" \
	>"$scratch/table"
is $? 1 'a missed bar is an exit code'
is "$(awk '$1 == "c-row" { print $2, $4 }' "$scratch/table")" '5.0 -' \
	'a row without a bar is shown, a peer that is not there is a dash'
is "$(grep -c 'missed$' "$scratch/table")" 1 'one bar is missed'
ok 'the sum says so' grep -q '^1 of 3 bars missed, 1 not run$' "$scratch/table"

done_testing
