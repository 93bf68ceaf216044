#!/bin/sh
# SPDX-License-Identifier: LGPL-3.0-or-later
# tools/pairs holds for the tree, and notices what it is there for.

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"

ok 'each ordering is named and has a partner' tools/pairs

cat >"$scratch/good.c" <<'END'
/* [AB1] in prose is no site. */
void put(void)
{
	/* [AB1] release: pairs with get(). */
	atomic_store_explicit(&word, 1, memory_order_release);
}
int get(void)
{
	/* [AB1] acquire: pairs with put(). */
	return atomic_load_explicit(&word, memory_order_acquire);
}
int peek(void)
{
	return atomic_load_explicit(&word, memory_order_relaxed);
}
END
ok 'a pair and a relaxed load are fine' tools/pairs "$scratch/good.c"
is "$(tools/pairs --list "$scratch/good.c" | wc -l | tr -d ' ')" 2 \
	'the list has the two sites and not the prose'

sed 's/\[AB1\] acquire/[AB2] acquire/' "$scratch/good.c" >"$scratch/lonely.c"
nok 'an id with one site is reported' tools/pairs "$scratch/lonely.c"

sed '/\[AB1\]/d' "$scratch/good.c" >"$scratch/nameless.c"
nok 'an ordering without an id is reported' tools/pairs "$scratch/nameless.c"

cat >"$scratch/implicit.c" <<'END'
void put(void)
{
	atomic_store(&word, 1);
}
END
nok 'a sequentially consistent operation without an id is reported' \
	tools/pairs "$scratch/implicit.c"

cat >"$scratch/call.c" <<'END'
void put(void)
{
	/* [AB1] release: pairs with get(). */
	push(&word, 1);
}
int get(void)
{
	/* [AB1] acquire: pairs with put(). */
	return atomic_load_explicit(&word, memory_order_acquire);
}
END
ok 'a call that orders is a site too' tools/pairs "$scratch/call.c"

cat >"$scratch/count.c" <<'END'
/* [AB1] acquire and release: the last one sees what all others did. */
int put(void)
{
	return atomic_fetch_sub_explicit(&n, 1, memory_order_acq_rel);
}
END
ok 'a counter pairs with itself; the head comment names it' \
	tools/pairs "$scratch/count.c"

done_testing
