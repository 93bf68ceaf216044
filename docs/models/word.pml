/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * word: a mailbox in one atomic word, and the lifetime of what is rung.
 *
 *   EMPTY    the receiver is awake, nothing is queued
 *   ARMED    it sleeps or is about to: the next poster rings
 *   CLOSED   it is gone: posts are refused
 *   LULLED   it sleeps, but has set a timer: quiet posts do not ring
 *   BASE+m   message m is the newest, the rest hangs behind it in nxt[]
 *   BASE+M+m the same, and LULLED: nobody has rung
 *
 * The bell is an eventfd: it counts, and whoever rings it after it has been
 * closed hits an assertion; so does a poster that looks at freed memory.
 * "refs" keeps bell and word alive; some ways of counting:
 *
 *   default   each poster holds a reference, dropped by the receiver while it
 *             runs that poster's last message (the poster's handle is freed in
 *             the very handler), or by the poster if it was refused. ARMED
 *             carries one more: whoever replaces it rings, then drops it.
 *   ACCOUNT   posters hold nothing. Each message is owed by its poster until
 *             the receiver has it; the receiver alone counts what is owed and
 *             settles at its end by adding that number, less BIAS, to refs; a
 *             poster that is refused takes one off. ARMED as before.
 *   EXPOSED   posters neither hold nor owe anything: they have found the word in
 *             a read section, where its memory stays (address.pml), so only the
 *             bell can be gone. ARMED as before.
 *   ALWAYS    the receiver never says when it sleeps: it takes with an
 *             exchange to ARMED, so that each post to an empty word rings.
 *
 *   LULL      the receiver sleeps armed or lulled as it likes, and each post is
 *             quiet or not. LULLED carries a reference as ARMED does.
 *
 * MAYCLOSE lets the receiver end at any turn, also while armed.
 *
 * RUN two posters: -DNP=2 -DK=2
 * RUN two posters, may close: -DNP=2 -DK=2 -DMAYCLOSE
 * RUN account: -DNP=2 -DK=2 -DACCOUNT -DMAYCLOSE
 * RUN exposed: -DNP=2 -DK=2 -DEXPOSED -DMAYCLOSE
 * RUN always armed: -DNP=2 -DK=2 -DALWAYS -DMAYCLOSE
 * RUN always armed, account: -DNP=2 -DK=2 -DALWAYS -DACCOUNT -DMAYCLOSE
 * RUN lulled: -DNP=2 -DK=1 -DLULL
 * RUN lulled, account: -DNP=2 -DK=1 -DLULL -DACCOUNT -DMAYCLOSE
 * LONG two posters, lulled: -DNP=2 -DK=2 -DLULL
 * LONG three posters, may close: -DNP=3 -DK=1 -DMAYCLOSE
 * LONG three posters, account: -DNP=3 -DK=1 -DACCOUNT -DMAYCLOSE
 * LONG three posters, always armed: -DNP=3 -DK=1 -DALWAYS -DMAYCLOSE
 * MUTANT arms with a store: -DBUG_ARM_STORE
 * MUTANT empties the bell after arming: -DBUG_LATE_CLEAR
 * MUTANT rings for EMPTY, not for ARMED: -DBUG_RING_EMPTY
 * MUTANT disarms with a store: -DBUG_DISARM_STORE
 * MUTANT closes with a store: -DMAYCLOSE -DBUG_CLOSE_STORE
 * MUTANT runs newest first: -DBUG_NO_REVERSE
 * MUTANT ARMED carries no reference: -DMAYCLOSE -DBUG_NO_TOKEN
 * MUTANT the reference comes after ARMED: -DMAYCLOSE -DBUG_LATE_TOKEN
 * MUTANT ringer drops before it rings: -DMAYCLOSE -DBUG_DROP_FIRST
 * MUTANT found ARMED, reference forgotten: -DMAYCLOSE -DBUG_TOKEN_LEAK
 * MUTANT account without bias: -DNP=2 -DK=1 -DACCOUNT -DMAYCLOSE -DBUG_NO_BIAS
 * MUTANT account forgets what is taken: -DACCOUNT -DMAYCLOSE -DBUG_NO_RETURN
 * MUTANT exposed, ARMED carries no reference: -DEXPOSED -DMAYCLOSE -DBUG_NO_TOKEN
 * MUTANT exposed, ringer drops before it rings: -DEXPOSED -DMAYCLOSE -DBUG_DROP_FIRST
 * MUTANT always armed, found ARMED: -DALWAYS -DMAYCLOSE -DBUG_TOKEN_LEAK
 * MUTANT always armed, but takes to EMPTY: -DALWAYS -DBUG_TAKE_EMPTY
 * MUTANT lulled without a timer: -DNP=2 -DK=1 -DLULL -DBUG_NO_TIMER
 * MUTANT the timer is set once only: -DNP=2 -DK=1 -DLULL -DBUG_TIMER_ONCE
 * MUTANT lulls with a store: -DNP=2 -DK=1 -DLULL -DBUG_ARM_STORE
 * MUTANT quiet by what it saw before: -DNP=2 -DK=1 -DLULL -DBUG_QUIET_BEFORE
 * MUTANT who rings leaves LULLED: -DNP=2 -DK=1 -DLULL -DBUG_LOUD_STAYS
 * MUTANT found LULLED, reference forgotten: -DNP=2 -DK=1 -DLULL -DMAYCLOSE -DBUG_TOKEN_LEAK
 */
#ifndef NP
#define NP 2
#endif
#ifndef K
#define K 2
#endif
#define M (NP*K)
#define EMPTY 0
#define ARMED 1
#define CLOSED 2
#define LULLED 3
#define BASE 4
#define BIAS 100

#define IS_LULLED(h) (h == LULLED || h >= BASE + M)
#define IS_ASLEEP(h) (h == ARMED || IS_LULLED(h))
#define NEWEST(h) (h >= BASE + M -> h - M : (h >= BASE -> h : EMPTY))

#ifndef LULL
#define HUSH(h) false
#else
#ifdef BUG_QUIET_BEFORE
#define HUSH(h) (quiet && may)
#else
#define HUSH(h) (quiet && IS_LULLED(h))
#endif
#endif
#ifdef BUG_LOUD_STAYS
#define TO(h, m) (IS_LULLED(h) -> BASE + M + m : BASE + m)
#else
#define TO(h, m) (HUSH(h) && IS_LULLED(h) -> BASE + M + m : BASE + m)
#endif

byte head = EMPTY;
byte nxt[M];
byte bell = 0;			/* the eventfd's counter */
#ifdef LULL
bool timer = false;		/* it runs */
#endif
bool freed = false;		/* bell closed, word freed */
#ifdef ACCOUNT
#ifdef BUG_NO_BIAS
#define OWNER 1
#else
#define OWNER BIAS
#endif
short refs = OWNER;
short owed = 0;			/* the receiver's own: sent and not back */
#else
#ifdef EXPOSED
short refs = 1;
#else
short refs = 1 + NP;
#endif
#endif

#ifdef EXPOSED
#define there true		/* the memory of the word is */
#else
#define there !freed
#endif
byte consumed = 0, cancelled = 0, refused = 0;
byte last[NP];			/* 1 + newest index seen of each poster */
byte done = 0;

inline unref() {
	atomic {
		refs--;
		if
		:: refs == 0 -> assert(!freed); freed = true
		:: else
		fi
	}
}

inline ring() {
#ifdef BUG_DROP_FIRST
	unref();
	atomic { assert(!freed); bell++ }
#else
	atomic { assert(!freed); bell++ };
#ifndef BUG_NO_TOKEN
	unref()
#endif
#endif
}

proctype poster(byte me) {
	byte i, h, m; bool ok;
#ifdef LULL
	bool quiet, may;
#endif
	do
	:: i < K ->
		m = me * K + i;
		assert(there);
		h = head;			/* relaxed: a guess */
#ifdef LULL
		if :: quiet = false :: quiet = true fi;
		may = IS_LULLED(h);
#endif
		do
		:: h == CLOSED ->
			refused++;
#ifdef ACCOUNT
			unref();
#else
#ifndef EXPOSED
			if :: i == K - 1 -> unref() :: else fi;
#endif
#endif
			break
		:: else ->
			nxt[m] = NEWEST(h);
			atomic {		/* compare and swap */
				assert(there);
				if
				:: head == h -> head = TO(h, m); ok = true
				:: else -> h = head; ok = false
				fi
			}
			/* the receiver may free us and the message now */
			if
#ifdef BUG_RING_EMPTY
			:: ok && h == EMPTY -> ring(); break
			:: ok && h != EMPTY -> break
#else
			:: ok && IS_ASLEEP(h) && !HUSH(h) -> ring(); break
			:: ok && (!IS_ASLEEP(h) || HUSH(h)) -> break
#endif
			:: else
			fi
		od;
#ifdef LULL
		quiet = false;
		may = false;
#endif
		i++
	:: else -> break
	od;
	done++
}

byte st[M]; byte sp;

/* Turns the chain round and runs it; the last of a poster frees its handle. */
inline dispatch(list, counter) {
	sp = 0;
	do
	:: list >= BASE -> st[sp] = list - BASE; sp++; list = nxt[list - BASE]
	:: else -> break
	od;
#ifdef BUG_NO_REVERSE
	j = 0;
	do
	:: j < sp -> m = st[j]; j++;
#else
	do
	:: sp > 0 -> sp--; m = st[sp];
#endif
		assert(last[m / K] < 1 + (m % K));
		last[m / K] = 1 + (m % K);
#ifdef ACCOUNT
#ifndef BUG_NO_RETURN
		owed--;
#endif
#else
#ifndef EXPOSED
		if :: m % K == K - 1 -> unref() :: else fi;
#endif
#endif
		counter++
	:: else -> break
	od;
	m = 0; j = 0; sp = 0; l = 0
}

active proctype receiver() {
	byte l, m, j; bool armed, token;
#ifdef LULL
	byte how;
	bool once;
#else
#define how ARMED
#endif

#ifdef ACCOUNT
	owed = M;			/* all of them have been sent out */
#endif
	do
	:: /* one turn: take all, run it, perhaps sleep */
#ifdef ALWAYS
		if :: !token -> refs++; token = true :: else fi;
#ifdef BUG_TAKE_EMPTY
		atomic { l = head; head = EMPTY };
#else
		atomic { l = head; head = ARMED };
#endif
		/* was it ARMED, we have two references for one arming */
#ifndef BUG_TOKEN_LEAK
		if
		:: armed && l == ARMED -> token = true
		:: else -> token = false
		fi;
#else
		token = false;
#endif
		armed = true;
#else
		if
		:: head != EMPTY ->
			atomic { l = head; head = EMPTY };
#ifdef BUG_TOKEN_LEAK
			skip
#else
			token = (token || (armed && IS_ASLEEP(l)))
#endif
			;
			armed = false
		:: else
		fi;
#endif
		l = NEWEST(l);
		dispatch(l, consumed);
		if
		:: consumed + refused == M && done == NP -> break
		:: true
#ifdef MAYCLOSE
		:: break		/* the owner frees it now */
#endif
		fi;
#ifndef ALWAYS
		if :: armed -> goto sleep :: else fi;
#ifdef LULL
		if
		:: how = ARMED
		:: how = LULLED;
#ifdef BUG_TIMER_ONCE
			timer = timer || !once;
			once = true
#else
#ifndef BUG_NO_TIMER
			timer = true
#endif
#endif
		fi;
#endif
#if !defined(BUG_NO_TOKEN) && !defined(BUG_LATE_TOKEN)
		if :: !token -> refs++; token = true :: else fi;
#endif
#ifdef BUG_ARM_STORE
		if
		:: head == EMPTY -> armed = true; head = how
		:: else -> armed = false
		fi;
#else
		atomic {
			if
			:: head == EMPTY -> head = how; armed = true
			:: else -> armed = false
			fi
		};
#endif
#ifdef BUG_LATE_TOKEN
		if :: armed -> refs++ :: else fi;
#endif
		if :: armed -> token = false :: else fi;
#ifdef LULL
		how = 0;
#endif
#ifdef BUG_LATE_CLEAR
		bell = 0;
#endif
sleep:
#endif
		if
		:: armed ->
			/* the bell, or something else while posters live */
			if
			:: bell > 0
#ifdef LULL
			:: timer -> timer = false
#endif
			:: armed && done < NP
			:: done == NP && consumed == M - refused
			fi
		:: else
		fi;
#ifdef BUG_DISARM_STORE
		if :: head == ARMED -> head = EMPTY; armed = false :: else fi;
#endif
#ifndef BUG_LATE_CLEAR
		bell = 0;		/* before the next arming */
#endif
#ifdef MAYCLOSE
		if :: break :: true fi	/* freed while it may be armed */
#else
		skip
#endif
	od;

	/* the end */
#ifdef BUG_CLOSE_STORE
	l = head; head = CLOSED;
#else
	atomic { l = head; head = CLOSED };
#endif
#ifndef BUG_NO_TOKEN
	if :: armed && IS_ASLEEP(l) -> unref() :: else fi;
	if :: token -> unref() :: else fi;
#endif
	l = NEWEST(l);
	dispatch(l, cancelled);
#ifdef ACCOUNT
	atomic {
		refs = refs + owed - OWNER;
		if
		:: refs == 0 -> assert(!freed); freed = true
		:: else
		fi
	};
#else
	unref();
#endif
	(done == NP);
	assert(consumed + cancelled + refused == M);
	assert(freed)			/* nothing leaks */
}

init {
	byte i;
	atomic {
		do
		:: i < NP -> run poster(i); i++
		:: else -> break
		od
	}
}
