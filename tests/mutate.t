#!/bin/sh
# SPDX-License-Identifier: LGPL-3.0-or-later
# tools/mutate: all its mutants can be made and are in docs/mutations.md; and in
# a small tree it sees who notices what, and who does not.

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"

command -v python3 >/dev/null || skip_all 'there is no Python'

ok 'each mutant can be made, and somebody is asked' tools/mutate --verify

# What the table does not have.
missing() {
	sed -n 's/^| \([A-Z][A-Z]*[0-9][0-9]*\) |.*/\1/p' docs/ordering.md |
		while read -r id; do
			grep -q "^| $id |" docs/mutations.md || echo "$id"
		done
	sed -n 's/^check: //p' tools/mutate.d/checks | while read -r check; do
		grep -qF "| $check |" docs/mutations.md || echo "$check"
	done
}
is "$(missing)" '' 'docs/mutations.md has each id and each check'
ok 'at most three are noticed by nobody' \
	test "$(grep -c 'nobody\*\*' docs/mutations.md)" -le 3

# ---- a tree of one program, with three mutants ----

tree=$scratch/tree
mkdir -p "$tree/engine" "$tree/include" "$tree/mk" "$tree/tests" \
	"$tree/threadpool" "$tree/tools/mutate.d" "$tree/docs"
cp tools/mutate "$tree/tools"
cat >"$tree/engine/sum.c" <<'END'
static int sum(int a, int b)
{
	return a + b;
}

int main(void)
{
	return sum(1, 2) != 3;
}
END
cat >"$tree/Makefile" <<'END'
build/release/tests/sum.t: engine/sum.c
	@mkdir -p $(@D)
	@$(CC) -o $@ $<
END
cat >"$tree/tools/pairs" <<'END'
#!/bin/sh
END
chmod +x "$tree/tools/pairs"
touch "$tree/tests/sum.t.c"
echo '# none' >"$tree/tools/mutate.d/orders"
cat >"$tree/tools/mutate.d/checks" <<'END'
check: the sum is wrong
rule: AB1
file: engine/sum.c
-	return a + b;
+	return a - b;
notice: sum

check: the sum is turned round
rule: AB1
file: engine/sum.c
-	return a + b;
+	return b + a;
notice: sum; nobody: it is the same

check: the sum is made elsewhere
rule: AB1
file: engine/sum.c
-	return a + b;
+	return -(-b - a);
notice: sum
END
printf 'before\n<!-- measured -->\nold\n<!-- end -->\nafter\n' \
	>"$tree/docs/table.md"
"$tree/tools/mutate" --tree "$tree/build/mutate" --markdown docs/table.md \
	>"$scratch/out" 2>"$scratch/err"
is $? 1 'what nobody notices is a failure'
is "$(sed -n 1p "$scratch/out")" 'ok 1 - the sum is wrong, sum: sum' \
	'a mutant is noticed'
is "$(sed -n 2p "$scratch/out")" \
	'ok 2 - the sum is turned round, sum: nobody: it is the same' \
	'one that is explained may live'
is "$(sed -n 3p "$scratch/out" | cut -d ' ' -f 1-2)" 'not ok' \
	'another may not'
is "$(grep -c '^| AB1 |' "$tree/docs/table.md")" 3 'the table has all'
ok 'and nothing old' sh -c "! grep -q old '$tree/docs/table.md'"
is "$(sed -n '1p;$p' "$tree/docs/table.md" | tr '\n' ' ')" 'before after ' \
	'what stands around it stays'
ok 'the sources are as they were' \
	cmp "$tree/engine/sum.c" "$tree/build/mutate/engine/sum.c"

sed -i 's/a + b/a + c/' "$tree/tools/mutate.d/checks"
sed -i 's/^notice: sum$/notice: sums/' "$tree/tools/mutate.d/checks"
is "$("$tree/tools/mutate" --verify | grep -c 'there is no sums')" 2 \
	'a test that is not there is reported'
nok 'a change that does not fit any more is reported' \
	"$tree/tools/mutate" --verify

done_testing
