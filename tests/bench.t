#!/bin/sh
# SPDX-License-Identifier: LGPL-3.0-or-later
# The bench's workloads get what they must with each peer that was built; what
# runs them judges rightly, and says so in each form.

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"

bars=tools/bench/bars

# ---- the programs ----

rows=$(for program in "$BUILDDIR"/bench/*-*; do
	"$program" --list
done | cut -f 1 | sort -u)
unknown=$(awk '!/^#/ && NF > 0 { print $1 }' $bars | sort -u |
	while read -r row; do
		echo "$rows" | grep -qxF "$row" || echo "$row"
	done)
is "$unknown" '' 'each bar is one of a row that exists'

# A sanitizer looks at what is ours, not at other libraries.
case ${VARIANT:-release} in
asan | tsan) peers='weft batch work job compat raw' ;;
*) peers='weft batch work job compat stock uv event ev glib raw' ;;
esac

for program in $(for peer in $peers; do ls "$BUILDDIR"/bench/*-"$peer"; done \
	2>/dev/null); do
	name=$(basename "$program")
	wrong=
	"$program" --list >"$scratch/rows"
	is "$(awk -F '\t' 'NF != 5 || $4 !~ /^(lower|higher)$/' \
		"$scratch/rows")" '' "$name says what its rows are"
	while read -r row _; do
		"$program" --smoke "$row" >"$scratch/out" 2>"$scratch/err" \
			</dev/null
		case $? in
		0) grep -qxE '[0-9]+\.[0-9]+' "$scratch/out" ||
			wrong="$wrong $row: '$(cat "$scratch/out")'" ;;
		3) [ -s "$scratch/err" ] || wrong="$wrong $row: not said why" ;;
		*) wrong="$wrong $(cat "$scratch/err")" ;;
		esac
	done <"$scratch/rows"
	is "$wrong" '' "$name: each row gets what it must, and says a figure"
done

raw=$BUILDDIR/bench/loop-raw
"$raw" --smoke no-such-row >"$scratch/out" 2>&1
is $? 2 'an unknown row is refused'
"$raw" --smoke timer-fire/100 >"$scratch/out" 2>"$scratch/err"
is $? 3 'what a peer cannot do is an exit code of its own'
ok 'which says why' grep -q 'do not fire' "$scratch/err"

python=${PYTHON:-python3}
if ! command -v "$python" >/dev/null; then
	skip 'there is no Python to run the runner'
	done_testing
	exit
fi

# ---- the runner, with programs that say what they are told ----

own=$scratch/build
mkdir -p "$own/bench"

# fake NAME: prints the next line of $own/NAME.ROW, and begins again.
fake() {
	cat >"$own/bench/$1" <<-END
		#!/bin/sh
		own=$own
		name=$1
	END
	cat >>"$own/bench/$1" <<-'END'
		case $1 in
		--list)
			for row in a b c/10 c/1000 c/100000; do
				printf '%s\t%s\tns\tlower\tthis\n' $row "${row%/*} & co"
			done
			printf 'd\tshares\t%%\thigher\tthat\n'
			exit
			;;
		--library) echo "lib-$name"; exit ;;
		--smoke) row=$2 ;;
		*) row=$3 ;;
		esac
		file=$own/$name.$(echo "$row" | tr / _)
		value=$(head -n 1 "$file" 2>/dev/null)
		case $value in
		'') echo "not this" >&2; exit 3 ;;
		wrong) echo "a token is lost" >&2; exit 1 ;;
		esac
		echo "$value"
		sed -i '1{h;d};${G}' "$file"
	END
	chmod +x "$own/bench/$1"
}

# values NAME.ROW VALUE...: one a round.
values() {
	file=$own/$1
	shift
	printf '%s\n' "$@" >"$file"
}

# bench OPTION...: its status; what it says is in out and err.
bench() {
	BUILDDIR=$own "$python" tools/bench/run --bars "$scratch/bars" "$@" \
		>"$scratch/out" 2>"$scratch/err"
	echo $?
}

# verdict BAR: of that bar alone.
verdict() {
	echo "$1" >"$scratch/bars"
	bench --rounds 3 --only "^${1%% *}\$" >/dev/null
	awk '/^bar / { on = 1; next } on && NF { print $NF; exit }' \
		"$scratch/out"
}

is "$(bench)" 2 'without programs it cannot run'
fake loop-weft
fake loop-stock
is "$(bench --only no-such)" 2 'nor without a row'

values loop-weft.a 10 10 10
values loop-stock.a 20 20 20
is "$(verdict 'a weft faster 2 stock')" ok 'twice as fast is faster 2'
is "$(verdict 'a weft faster 2.1 stock')" missed 'a little less is not'
is "$(verdict 'a stock within 2 weft')" ok 'twice the cost is within 2'
is "$(verdict 'a stock within 1.9 weft')" missed 'but not within less'
is "$(verdict 'a weft below 10')" ok '10 is below 10'
is "$(verdict 'a weft below 9.9')" missed 'but not below less'
is "$(verdict 'b weft below 9.9')" run 'nobody is judged who did not run'

# Three rounds: 1.5, 2.5 and 1.9 times; the least costs make 30 / 10.
values loop-weft.b 20 20 20
values loop-stock.b 30 50 38
is "$(verdict 'b weft faster 1.9 stock')" ok 'the median of the rounds counts'
is "$(verdict 'b weft faster 2 stock')" missed 'and not their best'
values loop-weft.b 20 10 20
values loop-stock.b 30 70 30
is "$(verdict 'b weft fastest 3 stock')" ok 'with threads the least costs do'
values loop-weft.d 60 75 70
is "$(verdict 'd weft above 75')" ok 'of a share the most counts'
is "$(verdict 'd weft above 76')" missed 'and no more than that'

values loop-weft.c_10 1 1 1
values loop-weft.c_1000 4 2 3
values loop-weft.c_100000 9 9 9
cat >"$scratch/bars" <<-END
	# a comment
	a weft faster 2 stock
	b weft below 1
	c/10 stock below 1
END
is "$(bench --rounds 3 --json "$scratch/json" --markdown "$scratch/md" \
	--svg "$scratch/svg")" 1 'a missed bar is an exit code'
is "$(tail -n 1 "$scratch/out")" '1 of 3 bars missed, 1 not run' \
	'the end is the sum'
is "$(grep -c 'left out' "$scratch/err")" 1 'a peer that is missing is a word'
is "$(wc -l <"$scratch/err")" 1 'there is no progress bar in a pipe'
is "$(awk '$1 == "c/1000" { print $2, $3, $4 }' "$scratch/out")" '2.0 / 3.0' \
	'the table has the best and the median'
ok 'and so has the one for a document' \
	grep -q '^| `c/1000`: this | 2.0 / 3.0 |$' "$scratch/md"

printf '%s\n' before '<!-- measured -->' old '<!-- end of measured -->' after \
	>"$scratch/doc.md"
bench --rounds 1 --markdown "$scratch/doc.md" --svg "$scratch/svg" >/dev/null
is "$(sed -n '1p;2p;/^old/p;$p' "$scratch/doc.md")" 'before
<!-- measured -->
after' 'in a document it takes the place of what was measured before'
ok 'and shows the pictures' grep -qF '![a & co](svg/a-&-co.svg)' \
	"$scratch/doc.md"

is "$("$python" -c '
import json, sys
data = json.load(open(sys.argv[1]))
row = [row for row in data["rows"] if row["row"] == "b"][0]
print(data["missed"], data["not_run"], row["peers"]["stock"]["best"],
      row["peers"]["stock"]["median"], data["libraries"]["loop-weft"])
' "$scratch/json")" '1 1 30.0 30.0 lib-loop-weft' 'JSON has all of it'
is "$("$python" -c '
import sys, xml.dom.minidom
for path in sys.argv[1:]:
    drawn = xml.dom.minidom.parse(path)
    print(len(drawn.getElementsByTagName("polyline")),
          drawn.getElementsByTagName("title")[0].firstChild.data)
' "$scratch"/svg/*.svg)" '0 a & co
0 b & co
1 c & co
0 shares' 'each group has a picture, and a curve its points'

: >"$scratch/bars"
is "$(bench --quick --json -)" 0 'without bars nothing is missed'
ok 'JSON may be all that it says' \
	"$python" -c 'import json, sys; json.load(open(sys.argv[1]))' "$scratch/out"
nok 'quick leaves large n out' grep -q '"c/100000"' "$scratch/out"

values loop-stock.a wrong
is "$(bench --smoke --only '^a$')" 1 'a row that fails is an exit code'
is "$(tail -n 1 "$scratch/err")" \
	'tools/bench/run: a with stock: a token is lost' 'and is named'
values loop-stock.a 7
is "$(bench --smoke --only '^a$')" 0 'a round of everything without figures'
is "$(cat "$scratch/out")" 'each row gets what it must' 'says so'

sed -i 's/lib-\$name/lib/' "$own"/bench/*
is "$(bench)" 2 'a stock that runs on our library is refused'

done_testing
