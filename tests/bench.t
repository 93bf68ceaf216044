#!/bin/sh
# SPDX-License-Identifier: LGPL-3.0-or-later
# The bench's workloads get what they must, and its table judges rightly.

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"

engine=$BUILDDIR/bin/weft-bench-engine
bars=tools/bench/bars

rows=$("$engine" --list | cut -f 1)
is "$(awk '!/^#/ && NF == 3 { print $1 }' $bars)" "$rows" \
	'each row has a bar, each bar a row'

for row in $rows; do
	"$engine" --smoke "$row" >"$scratch/out" 2>"$scratch/err"
	case $? in
	0)
		ok "$row gets what it must, and says a cost" \
			grep -qE "^$row	[0-9]+\.[0-9]+$" "$scratch/out"
		;;
	3) skip "$(cat "$scratch/err")" ;;
	*)
		result 1 "$row gets what it must"
		diag "$(cat "$scratch/err")"
		;;
	esac
done

"$engine" --smoke no-such-row >"$scratch/out" 2>&1
is $? 2 'an unknown row is refused'

# judge ROW OURS STOCK: the verdict on these costs.
judge() {
	printf 'ours\t%s\t%s\nstock\t%s\t%s\n' "$1" "$2" "$1" "$3" \
		>"$scratch/costs"
	awk -f tools/bench/table.awk -v bars="$scratch/bars" \
		-v only="^$1\$" "$scratch/bars" "$scratch/costs" |
		awk -v row="$1" '$1 == row { print $NF }'
}

cat >"$scratch/bars" <<-END
	a-row faster 2
	b-row within 1.25
	c-row below 15
	d-row fastest 2
END
is "$(judge a-row 10 20)" ok 'twice as fast is faster 2'
is "$(judge a-row 10.1 20)" missed 'a little less is not'
is "$(judge b-row 12.5 10)" ok 'a quarter more is within 1.25'
is "$(judge b-row 12.6 10)" missed 'a little more is not'
is "$(judge c-row 15 1)" ok '15 is below 15'
is "$(judge c-row 15.1 100)" missed 'a little more is not, whatever stock says'

# Three rounds: 1.5, 2.5 and 1.9 times; the least costs make 30 / 10.
cat >"$scratch/costs" <<-END
	ours	a-row	20
	stock	a-row	30
	ours	a-row	20
	stock	a-row	50
	ours	a-row	20
	stock	a-row	38
	ours	d-row	20
	stock	d-row	30
	ours	d-row	10
	stock	d-row	70
	ours	d-row	20
	stock	d-row	30
END
tr -s ' ' '\t' <"$scratch/costs" >"$scratch/tabbed"
awk -f tools/bench/table.awk -v bars="$scratch/bars" -v json=1 \
	"$scratch/bars" "$scratch/tabbed" >"$scratch/json"
is $? 1 'a missed bar is an exit code'
is "$(grep -o '"ratio":[0-9.]*' "$scratch/json" | tr '\n' ' ')" \
	'"ratio":1.900 "ratio":3.000 ' \
	'the median of the rounds; with threads the least costs'
is "$(grep -o '"not_run":[0-9]*' "$scratch/json")" '"not_run":2' \
	'rows without costs are counted'

done_testing
