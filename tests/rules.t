#!/bin/sh
# SPDX-License-Identifier: LGPL-3.0-or-later
# Each rule of behaviour has a test that cites it, and tools/rules notices when
# one has not. What the tests' results say is `make rules`.

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"

tree="$scratch/tree"
tab=$(printf '\t')

ok 'every rule is cited, every number cited is a rule' tools/rules --check

# A small tree: two rules, one program that passes and a script.
make_tree() {
	rm -rf "$tree"
	mkdir -p "$tree/tools" "$tree/tests" "$tree/docs" \
		"$tree/build/tests" "$tree/build/stock/tests"
	cp tools/rules "$tree/tools/"
	{
		echo '# rules'
		echo "B101${tab}one"
		echo "B102${tab}two"
		echo "B103${tab}three${tab}untested: nobody could see it"
	} >"$tree/tests/rules.txt"
	echo '| B101 | x | y |' >"$tree/docs/other.md"
	: >"$tree/docs/compat.md"
	echo 'ok(true, "B101 one"); /* B999 "B998" */' >"$tree/tests/a.t.c"
	printf '#!/bin/sh\n# B999\necho "1..1"; echo "ok 1 - B102 two"\n' \
		>"$tree/tests/b.t"
	chmod +x "$tree/tests/b.t"
	says build/tests 'ok 1 - B101 one [epoll]'
	says build/stock/tests 'ok 1 - B101 one [epoll]'
}

# says FOLDER RESULT: what the program prints.
says() {
	printf '#!/bin/sh\necho "1..1"\necho "%s"\n' "$2" >"$tree/$1/a.t"
	chmod +x "$tree/$1/a.t"
}

# note RULE TEXT: as its note in the list.
note() {
	sed -i "s/^$1$tab.*/&$tab$2/" "$tree/tests/rules.txt"
}

report() {
	"$tree/tools/rules" "$@" build
}

# noticed WHAT [OPTION]
noticed() {
	what=$1
	shift
	nok "$what is a problem" report "$@"
}

make_tree
ok 'a small tree is in order' report
ok 'also without running it' report --check
is "$(report | awk '$1 == "B101" { print $2, $3, $4, $5, $6 }')" \
	'1 e 1 one (a)' 'a row: passed, backend, stock, title, tests'
is "$(report --markdown | grep -c '^| B')" 3 'a row a rule for a page'
is "$(report --json | grep -c '"title"')" 3 'and for a program'

make_tree
echo "B104${tab}four" >>"$tree/tests/rules.txt"
noticed 'a rule without a test' --check
noticed 'a rule without a result'

make_tree
echo 'ok(true, "B105 five");' >>"$tree/tests/a.t.c"
noticed 'a number that is no rule' --check

make_tree
echo 'ok(true, "B103 three");' >>"$tree/tests/a.t.c"
noticed 'a test of a rule that is called untested' --check

make_tree
note B101 'perhaps'
noticed 'a note of another kind' --check

make_tree
echo '| B101 | x | y |' >"$tree/docs/compat.md"
noticed 'a difference that only docs/compat.md knows' --check
note B101 'differs: so'
ok 'which is none when both know it' report --check

make_tree
says build/tests 'not ok 1 - B101 one'
noticed 'a failing rule'

make_tree
says build/tests 'ok 1 # skip B101 not here'
noticed 'a rule that is only skipped'

make_tree
says build/tests 'ok 1 - B101 one: no memory is left'
noticed 'a rule of which only the fixture speaks'

make_tree
says build/tests 'ok 2 - B101 one'
noticed 'a program with a broken report'

make_tree
says build/stock/tests 'not ok 1 - B101 one'
noticed 'a rule that fails on stock'

make_tree
says build/stock/tests 'ok 1 # skip B101 stock does otherwise'
noticed 'a skip on stock without a word in the list'
note B101 'differs: so'
ok 'which is none with a word' report

make_tree
rm "$tree/build/tests/a.t"
noticed 'a program that is not built'

done_testing
