/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * mark: the owner of a lane is told when its number crosses a level.
 *
 * [MK1] Whoever changes the number passes a full fence and looks at the mark.
 * While it lies in the lane (READY) and the number has come to where it waits,
 * he takes it out, by an exchange, and sends it (SENT). The loop looks at the
 * number, tells what differs from what it told last, puts the mark back, passes
 * a full fence and looks as everybody does.
 *
 * High is 1 and low 0. When nothing moves any more the last that was told is
 * what holds; and the mark is never in two hands.
 *
 * Weak memory: each change of the number, and the mark that is put back, stays
 * in a buffer until a fence, or the process "memory", moves it on. An exchange
 * is a fence for who makes it, as far as the mark goes.
 *
 * RUN two that change the number: -DC=2 -DK=2
 * RUN one that changes it four times: -DC=1 -DK=4
 * MUTANT who changes the number has no fence: -DC=2 -DK=2 -DBUG_NO_FENCE_CHANGE
 * MUTANT put back without a fence: -DC=2 -DK=2 -DBUG_NO_FENCE_BACK
 * MUTANT not looked at after it was put back: -DC=2 -DK=2 -DBUG_NO_LOOK
 * MUTANT taken by a load and a store: -DC=2 -DK=2 -DBUG_TAKE_STORE
 * MUTANT put back before the number is looked at: -DC=1 -DK=4 -DBUG_BACK_FIRST
 */
#define OWNER C
#define T (C+1)

short number = 0;		/* as others see it */
short pn[T];			/* buffered changes of it */
bool ready = true;		/* the mark is in the lane, as others see it */
bool pr = false;		/* the owner's buffered store of that */
bool wait_above = true;		/* it waits for the number to be high */
bool told = false;		/* what was told last: above */
bool sent = false;		/* in the port */
byte hands = 0;			/* who have it */

#define FENCE(t) \
	atomic { \
		number = number + pn[t]; pn[t] = 0; \
		if :: t == OWNER && pr -> ready = true; pr = false :: else fi \
	}

inline check(t)
{
	if
	:: (ready || (t == OWNER && pr)) &&
	   (wait_above -> number >= 1 : number <= 0) ->
#ifdef BUG_TAKE_STORE
		mine = ready || (t == OWNER && pr);
		ready = false;
#else
		atomic {
			if :: t == OWNER && pr -> ready = true; pr = false
			:: else fi;
			mine = ready;
			ready = false
		}
#endif
		if
		:: mine ->
			atomic { hands++; assert(hands == 1) }
			atomic { hands--; assert(!sent); sent = true }
		:: else
		fi;
		mine = false
	:: else
	fi
}

#define MOVES(t) \
	:: atomic { pn[t] != 0 -> number = number + pn[t]; pn[t] = 0 }

/* Blocks when nothing is buffered. */
active proctype memory()
{
end:	do
	MOVES(0)
#if C > 1
	MOVES(1)
#endif
	:: atomic { pr -> ready = true; pr = false }
	od
}

active [C] proctype changer()
{
	byte me = _pid - 1;
	byte k = 0;
	bool mine;

	do
	:: k < K ->
		/* Its own jobs come and go. */
		pn[me] = pn[me] + (k % 2 == 0 -> 1 : -1);
#ifndef BUG_NO_FENCE_CHANGE
		FENCE(me);
#endif
		check(me);
		k++
	:: else -> break
	od
}

active proctype loop()
{
	bool mine;

end:	do
	:: sent ->
		sent = false;
#ifdef BUG_BACK_FIRST
		wait_above = !told;
		pr = true;
		FENCE(OWNER);
		told = (number >= 1)
#else
		told = (number >= 1);
		wait_above = !told;
		pr = true;
#ifndef BUG_NO_FENCE_BACK
		FENCE(OWNER);
#endif
#ifndef BUG_NO_LOOK
		check(OWNER)
#endif
#endif
	od
}

/* Nothing moves any more. */
active proctype judge()
{
end:	atomic { timeout -> assert(told == (number >= 1)) }
}
