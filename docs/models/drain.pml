/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * drain: who waits until a pool is through is told neither too early nor never.
 *
 * A job is in the shard; behind its key, counted, until whoever ended the one
 * before has put it into the shard, or its end is posted; with a worker, whose bed is serving until
 * the end is posted; or in the hands of a canceller. The drainer stores
 * draining, tells the shard, which takes no more from outside, puts itself into
 * the list of those to tell, and checks. Whoever empties a place passes a fence
 * and checks if the pool is draining.
 *
 * A check that has found somebody in the list, and then all places empty,
 * tells: by then each accepted job must have posted its end, as all others see
 * it. If nobody ever tells, the drainer waits for ever: a deadlock.
 *
 * Weak memory: the stores to what is read without the lock (the post of an end,
 * serving = false, draining) stay in buffers until a process "memory" or a fence
 * moves them on; a release lets earlier ones of its thread go first. A lock is
 * no fence: who takes it sees what the one before has done, that is all.
 *
 * RUN a worker: -DNW=1 -DSENDS=2
 * RUN a worker, a canceller: -DNW=1 -DSENDS=1 -DCANCEL
 * RUN two workers: -DNW=2 -DSENDS=1
 * RUN one behind a key: -DNW=1 -DSENDS=0 -DBEHIND=1
 * RUN one behind a key, a canceller: -DNW=1 -DSENDS=0 -DBEHIND=1 -DCANCEL
 * RUN one behind a key, which is ended: -DNW=1 -DSENDS=0 -DBEHIND=1 -DEND
 * LONG a worker, a canceller, two jobs: -DNW=1 -DSENDS=2 -DCANCEL
 * LONG two workers, two jobs: -DNW=2 -DSENDS=2
 * LONG one behind a key, two workers: -DNW=2 -DSENDS=1 -DBEHIND=1
 * MUTANT looks at the list when all places were empty: -DNW=1 -DSENDS=1 -DBUG_LIST_LATE
 * MUTANT looks at the shard once: -DNW=2 -DSENDS=0 -DBEHIND=1 -DBUG_ONE_LOOK
 * MUTANT does not compare what was accepted: -DNW=2 -DSENDS=0 -DBEHIND=1 -DBUG_NO_COMPARE
 * MUTANT does not look at keys: -DNW=1 -DSENDS=0 -DBEHIND=1 -DEND -DBUG_NO_KEYS
 * MUTANT not behind any more before the end is posted: -DNW=1 -DSENDS=0 -DBEHIND=1 -DEND -DBUG_UP_EARLY
 * MUTANT not behind any more without a release: -DNW=1 -DSENDS=0 -DBEHIND=1 -DEND -DBUG_UP_RELAXED
 * MUTANT does not look at beds: -DNW=1 -DSENDS=1 -DBUG_NO_BEDS
 * MUTANT does not look at hands: -DNW=1 -DSENDS=1 -DCANCEL -DBUG_NO_HANDS
 * MUTANT the shard is not told: -DNW=1 -DSENDS=1 -DBUG_NOT_TOLD
 * MUTANT hands are full after they have taken: -DNW=1 -DSENDS=1 -DCANCEL -DBUG_HANDS_LATE
 * MUTANT a bed is free before the end is posted: -DNW=1 -DSENDS=1 -DBUG_BED_EARLY
 * MUTANT a bed is free without a release: -DNW=1 -DSENDS=1 -DBUG_BED_RELAXED
 * MUTANT hands are empty without a release: -DNW=1 -DSENDS=1 -DCANCEL -DBUG_HANDS_RELAXED
 * MUTANT a worker that finds nothing does not look: -DNW=1 -DSENDS=1 -DBUG_WORKER_BLIND
 * MUTANT who gives from hands does not look: -DNW=1 -DSENDS=1 -DCANCEL -DBUG_HANDS_BLIND
 * MUTANT no fence in begin: -DNW=1 -DSENDS=1 -DBUG_NO_FENCE_BEGIN
 * MUTANT no fence in the worker: -DNW=1 -DSENDS=1 -DBUG_NO_FENCE_WORKER
 * MUTANT no fence in give: -DNW=1 -DSENDS=1 -DCANCEL -DBUG_NO_FENCE_GIVE
 */
#ifndef BEHIND
#define BEHIND 0
#endif
#define CANCELLER NW
#define DRAINER (NW+1)
#define SENDER (NW+2)
#define ENDER (NW+3)
#define T (NW+4)

byte lk = T;			/* who holds the lock of the shard; T: nobody */
byte last = T;			/* who held it last */
byte count = (BEHIND > 0 -> 1 : 0);	/* L(lk): jobs in the shard */
byte accepted = (BEHIND > 0 -> 1 : 0);	/* L(lk) */
bool closed = false;		/* L(lk): the shard is told */
byte line = BEHIND;		/* those that wait for others of their key, */
byte behind = BEHIND;		/* and as they are counted */
byte hands = 0;
bool bh[T];			/* buffered: hands is one less */
bool serving[NW];		/* as others see it */
bool bs[T];			/* buffered store serving = false */
byte posted = 0;		/* ends, as others see them */
byte bp[T];			/* buffered posts */
bool draining = false;
bool bd[T];			/* buffered store draining = true */
bool waits = false;		/* the drainer is in the list of those to tell */
bool told = false;
byte total = (BEHIND > 0 -> 1 : 0) + BEHIND;	/* jobs accepted */

#define POSTS(t)	posted = posted + bp[t]; bp[t] = 0
#define FREES(t)	if :: bs[t] -> serving[t] = false; bs[t] = false :: else fi
#define GIVES(t)	if :: bh[t] -> hands--; bh[t] = false :: else fi
#define DRAINS(t)	if :: bd[t] -> draining = true; bd[t] = false :: else fi
#define FENCE(t)	d_step { POSTS(t); FREES(t); GIVES(t); DRAINS(t) }

/* Who takes the lock sees what the last one did before. */
#define LOCK(t)		atomic { lk == T -> lk = t; \
				if :: last < T && last != t -> POSTS(last); FREES(last); GIVES(last); DRAINS(last) :: else fi }
#define UNLOCK(t)	d_step { last = t; lk = T }

/* The one that waited for this one moves up. */
inline move_up(t)
{
	if
	:: d_step { line > 0 -> line-- }
		LOCK(t);
		d_step { count++; accepted++ }
		UNLOCK(t);
		behind--
	:: else
	fi
}

inline check(t)
{
	/* In the park's lock. */
#ifdef BUG_LIST_LATE
	none = true;
#else
	none = waits;
#endif
	LOCK(t);
	d_step { before = accepted; none = none && (count == 0) }
	UNLOCK(t);
#ifndef BUG_NO_HANDS
	none = none && (hands == 0);
#endif
#ifndef BUG_NO_KEYS
	none = none && (behind == 0);
#endif
#ifndef BUG_NO_BEDS
	none = none && !serving[0];
#if NW > 1
	none = none && !serving[1];
#endif
#endif
#ifndef BUG_ONE_LOOK
	LOCK(t);
#ifndef BUG_NO_COMPARE
	none = none && (accepted == before);
#endif
	none = none && (count == 0);
	UNLOCK(t);
#endif
	atomic {
		if
		:: none && waits -> assert(posted == total); told = true
		:: else
		fi;
		none = false;
		before = 0
	}
}

active proctype judge()
{
	/* When all are through nothing has come in any more. */
	d_step { _nr_pr == T + 1 ->
		assert(told && posted == total && behind == 0) }
}

active [T] proctype memory()
{
	byte me = _pid - 1;
end:	do
	:: atomic { bp[me] > 0 -> POSTS(me) }
#ifdef BUG_BED_RELAXED
	:: atomic { bs[me] -> serving[me] = false; bs[me] = false }
#else
	:: atomic { bs[me] -> POSTS(me); FREES(me) }
#endif
#ifdef BUG_HANDS_RELAXED
	:: atomic { bh[me] -> GIVES(me) }
#else
	:: atomic { bh[me] -> POSTS(me); GIVES(me) }
#endif
	:: atomic { bd[me] -> draining = true; bd[me] = false }
	od
}

active [NW] proctype worker()
{
	byte me = _pid - 1 - T;
	byte before; bool none;

	do
	:: told -> break
	:: !told ->
		/* An empty shard is not locked. */
		if
		:: count > 0 -> LOCK(me)
		:: else -> goto nothing
		fi;
		if
		:: count > 0 ->
			d_step { count--; bs[me] = false; serving[me] = true }
			UNLOCK(me);
#ifdef BUG_BED_EARLY
			bs[me] = true;
#endif
			move_up(me);
			bp[me]++;
#ifndef BUG_BED_EARLY
			bs[me] = true
#endif
		:: else ->
			UNLOCK(me);
nothing:		skip;
#ifndef BUG_NO_FENCE_WORKER
			FENCE(me);
#endif
#ifndef BUG_WORKER_BLIND
			if
			:: draining -> check(me)
			:: else
			fi;
#endif
			/* Asleep: how it wakes is in park.pml. */
			(count > 0 || told)
		fi
	od
}

#ifdef CANCEL
active proctype canceller()
{
	byte before; bool none; bool has;

#ifndef BUG_HANDS_LATE
	hands++;
#endif
	LOCK(CANCELLER);
	d_step { has = (count > 0); count = count - (has -> 1 : 0) }
	UNLOCK(CANCELLER);
#ifdef BUG_HANDS_LATE
	hands++;
#endif
	if
	:: has ->
		move_up(CANCELLER);
		bp[CANCELLER]++
	:: else
	fi;
	has = false;
	bh[CANCELLER] = true;
#ifndef BUG_NO_FENCE_GIVE
	FENCE(CANCELLER);
#endif
#ifndef BUG_HANDS_BLIND
	if
	:: draining -> check(CANCELLER)
	:: else
	fi
#endif
}
#endif

#ifdef END
/* All of the key are cancelled: those behind come to their end where they are. */
active proctype ender()
{
	byte before; bool none;

	if
	:: d_step { line > 0 -> line-- }
#ifdef BUG_UP_EARLY
		behind--;
		bp[ENDER]++;
#else
		bp[ENDER]++;
#ifdef BUG_UP_RELAXED
		behind--;
#else
		d_step { POSTS(ENDER); behind-- }
#endif
#endif
		FENCE(ENDER);
		if
		:: draining -> check(ENDER)
		:: else
		fi
	:: else
	fi
}
#endif

#if SENDS > 0
active proctype sender()
{
	byte sends = SENDS;

	do
	:: sends > 0 ->
		LOCK(SENDER);
		if
		:: closed
		:: else -> d_step { count++; accepted++; total++ }
		fi;
		UNLOCK(SENDER);
		sends--
	:: else -> break
	od
}
#endif

active proctype drainer()
{
	byte before; bool none;

	bd[DRAINER] = true;
#ifndef BUG_NO_FENCE_BEGIN
	FENCE(DRAINER);
#endif
#ifndef BUG_NOT_TOLD
	LOCK(DRAINER);
	closed = true;
	UNLOCK(DRAINER);
#endif
	waits = true;
	check(DRAINER);
	told
}
