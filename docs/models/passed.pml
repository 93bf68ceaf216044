/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * passed: what acquire and release are for, in the two shapes in which they
 * stand in the code.
 *
 * PASS. One writes something, then a word that says so. Another reads the word,
 * and if it says so, what was written: a pointer to something new, a count of
 * what may be looked at, a flag that somebody is through, a state that was
 * moved.
 *
 * SHARES. Each of two has used something and gives up his share. Whoever gives
 * up the last one takes it apart, after all uses.
 *
 * Weak memory: stores stay in buffers, from which they come in any order, unless
 * the word's is a release: then all earlier ones have come before. A load that
 * no acquire precedes may have been made at any moment before.
 *
 * It is the step of many places, of which x86 shows none: there a store is a
 * release, and a load an acquire, whatever the source says; and ThreadSanitizer
 * shows only what is not ordered by something else as well, by accident.
 *
 * RUN something is passed: -DPASS
 * RUN shares are given up: -DSHARES
 * MUTANT passed without a release: -DPASS -DBUG_NO_RELEASE
 * MUTANT got without an acquire: -DPASS -DBUG_NO_ACQUIRE
 * MUTANT a share is given up without a release: -DSHARES -DBUG_NO_RELEASE
 * MUTANT the last share is given up without an acquire: -DSHARES -DBUG_NO_ACQUIRE
 */
bool thing[2];			/* what was written, as others see it */
bool bt[2];			/* the same, still in a buffer */
bool word = false;
bool bw = false;
byte shares = 2;

#define SETTLE(t) if :: bt[t] -> thing[t] = true; bt[t] = false :: else fi

active proctype memory()
{
end:	do
	:: atomic { bt[0] -> thing[0] = true; bt[0] = false }
	:: atomic { bt[1] -> thing[1] = true; bt[1] = false }
	:: atomic { bw -> word = true; bw = false }
	od
}

#ifdef PASS

active proctype giver()
{
	bt[0] = true;
#ifdef BUG_NO_RELEASE
	bw = true
#else
	atomic { SETTLE(0); bw = true }
#endif
}

active proctype taker()
{
	bool early;
	bool said;

	early = thing[0];
	said = word;
#ifndef BUG_NO_ACQUIRE
	early = thing[0];
#endif
	assert(!said || early)
}

#else

active [2] proctype user()
{
	byte me = _pid - 1;
	bool other;
	bool last;

	bt[me] = true;			/* uses it */
	other = thing[1 - me];
#ifdef BUG_NO_RELEASE
	atomic { shares--; last = (shares == 0) }
#else
	atomic { SETTLE(me); shares--; last = (shares == 0) }
#endif
#ifndef BUG_NO_ACQUIRE
	other = thing[1 - me];
#endif
	assert(!last || other)
}

#endif
