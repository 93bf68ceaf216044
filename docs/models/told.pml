/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * told: two that tell each other by two words, and must not both miss.
 *
 * One stores that something holds, and looks whether somebody is there to be
 * told of it; the other stores that it is there, and looks whether it holds.
 * A full fence lies between store and look on both sides. So one at least sees
 * the other, whoever comes first. It is the shape of
 *
 *	[PK6]	a job is told to stop / it has a descriptor, or is on a bed
 *	[ST1]	a job is told to stop / it has a stream to wait in
 *	[CH1]	a job is told to stop / it has children
 *	[MX1]	a message is in the port / the mailbox has ended
 *	[PK6]	the pool is stopped / a job is on a bed
 *
 * and with SLEEP of [WA1]: there is something to do / the watch is asleep,
 * which takes the first of the two to be woken by. A watch that sleeps beside
 * something to do is a deadlock.
 *
 * Weak memory: each store stays in a buffer until the process "memory", or a
 * fence, moves it on.
 *
 * RUN told: -DTOLD
 * RUN asleep: -DSLEEP
 * MUTANT who tells has no fence: -DTOLD -DBUG_NO_FENCE_TELL
 * MUTANT who is told has no fence: -DTOLD -DBUG_NO_FENCE_THERE
 * MUTANT who tells looks first: -DTOLD -DBUG_LOOK_FIRST
 * MUTANT who is told does not look: -DTOLD -DBUG_NO_LOOK
 * MUTANT asleep, the caller has no fence: -DSLEEP -DBUG_NO_FENCE_TELL
 * MUTANT asleep, the watch has no fence: -DSLEEP -DBUG_NO_FENCE_THERE
 * MUTANT asleep, the watch does not look: -DSLEEP -DBUG_NO_LOOK
 */
bool told = false;		/* it holds, as others see it */
bool there = false;		/* somebody is there, as others see it */
bool bt = false;		/* told, still in a store buffer */
bool bh = false;		/* there, still in a store buffer */
bool learnt = false;		/* he that is there knows */

#define FLUSH_TOLD	if :: bt -> told = true; bt = false :: else fi
#define FLUSH_THERE	if :: bh -> there = true; bh = false :: else fi

active proctype judge()
{
	/* When both are through. */
	atomic { _nr_pr == 2 -> assert(learnt) }
}

active proctype memory()
{
end:	do
	:: atomic { bt -> told = true; bt = false }
	:: atomic { bh -> there = true; bh = false }
	od
}

active proctype teller()
{
	bool saw;

#ifdef BUG_LOOK_FIRST
	saw = there;
#endif
	bt = true;
#ifndef BUG_NO_FENCE_TELL
	atomic { FLUSH_TOLD }
#endif
#ifndef BUG_LOOK_FIRST
	saw = there;
#endif
	if
	:: saw -> learnt = true
	:: else
	fi
}

active proctype listener()
{
	bh = true;
#ifndef BUG_NO_FENCE_THERE
	atomic { FLUSH_THERE }
#endif
#ifndef BUG_NO_LOOK
	if
	:: told -> learnt = true
	:: else
	fi;
#endif
#ifdef SLEEP
	/* The futex: until somebody has called. */
	learnt
#endif
}
