/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * inbox: jobs that come into a queue without its lock.
 *
 * Owners push nodes on a stack, whose head and mark (closed) are one word. Who
 * holds the lock takes the whole stack out and puts it behind what is in the
 * queue: workers, when the queue is empty (MIXED: always); owners that withdraw
 * a node; who closes the queue, and then evicts what is in it. A node is its
 * owner's to free when he has withdrawn it or was refused, else that of who
 * has claimed it.
 *
 * The workers run nodes and sleep when they find none: they announce it, then
 * look at the inbox, then at the count of the queue. Whoever has sent a node
 * wakes one of them, if one has announced that it sleeps; and who was woken and
 * has found one looks again, and wakes the next. The count passes through a
 * store buffer, drained at arbitrary times, by an exchange that releases, or by
 * the lock. What else there is to say about sleeping is in park.pml.
 *
 * Nodes that run wait for each other: each must be run, withdrawn, evicted or
 * refused before any of them ends. So a node that is lost, or waits beside a
 * worker that sleeps, is a deadlock. Nobody touches a node that was freed,
 * nothing is accepted after close has returned, and each owner's nodes are
 * claimed in the order in which they were sent.
 *
 * RUN one owner: -DS=1 -DEACH=2
 * RUN two owners: -DS=2 -DEACH=1
 * RUN two owners, turns: -DS=2 -DEACH=1 -DMIXED
 * RUN one owner, withdrawals: -DS=1 -DEACH=2 -DCANCEL
 * RUN two owners, withdrawals: -DS=2 -DEACH=1 -DCANCEL
 * RUN one owner, closed: -DS=1 -DEACH=2 -DCLOSE
 * LONG two owners, closed: -DS=2 -DEACH=1 -DCLOSE
 * RUN one owner, withdrawals, closed: -DS=1 -DEACH=2 -DCANCEL -DCLOSE
 * LONG two owners, withdrawals, closed: -DS=2 -DEACH=1 -DCANCEL -DCLOSE
 * LONG three nodes, three workers: -DS=1 -DEACH=3 -DW=3
 * MUTANT counted after the inbox was emptied: -DS=1 -DEACH=2 -DBUG_COUNT_LATE
 * MUTANT emptied without a release: -DS=1 -DEACH=2 -DBUG_NO_RELEASE
 * MUTANT looks at the count first: -DS=1 -DEACH=2 -DBUG_LOOK_ORDER
 * MUTANT looks at the count alone: -DS=1 -DEACH=2 -DBUG_COUNT_ALONE
 * MUTANT looks before it announces: -DS=1 -DEACH=2 -DBUG_LOOK_EARLY
 * MUTANT withdraws without a take: -DS=1 -DEACH=2 -DCANCEL -DBUG_WITHDRAW_BLIND
 * MUTANT withdraws without the lock: -DS=1 -DEACH=2 -DCANCEL -DBUG_WITHDRAW_UNLOCKED
 * MUTANT pushes with a store: -DS=2 -DEACH=1 -DBUG_STORE
 * MUTANT the mark is another word: -DS=1 -DEACH=2 -DCLOSE -DBUG_MARK_APART
 * MUTANT newest first: -DS=1 -DEACH=2 -DBUG_NOT_TURNED
 */
#ifndef W
#define W 2
#endif
#define N (S*EACH)

#define QUEUED    1
#define RUNNING   2
#define CANCELLED 3
#define EVICTED   4

byte head = 0;			/* the word: newest node, 0: none */
bool closed = false;		/* the same word: its mark */
bool closed_returned = false;
byte next[N + 1];
byte state[N + 1];
bool freed[N + 1];
bool linked[N + 1];		/* in the queue */
byte queue[N]; byte length = 0;	/* under the lock */
byte count = 0;			/* visible */
byte buffered = 0; bool is_buffered = false;
bool lk = false;
bool announced[W]; bool parked[W];
#if W > 2
#define CHAIN			/* with two, each is woken by who sends */
bool woken[W];
#endif
byte settled = 0;		/* so many need nobody any more, or run */
byte last[S];			/* of each owner: claimed last */

inline touch(n) { assert(!freed[n]) }
inline drain() {
	if
	:: is_buffered -> count = buffered; is_buffered = false
	:: else
	fi
}
inline store_count(v) { atomic { buffered = v; is_buffered = true } }
inline lock() { atomic { !lk -> lk = true } }
inline unlock() { atomic { drain(); lk = false } }

proctype memory() {
end:	do
	:: atomic { is_buffered -> count = buffered; is_buffered = false }
	od
}

/* After a full fence. */
inline wake_one() {
	atomic {
		i = 0;
		do
		:: i < W -> if :: announced[i] -> break :: else -> i++ fi
		:: else -> break
		od;
		if
		:: i < W ->
			announced[i] = false; parked[i] = false;
#ifdef CHAIN
			woken[i] = true
#endif
		:: else
		fi;
		i = 0
	}
}

/* Under the lock. */
inline absorb() {
	if
	:: head != 0 ->
#ifndef BUG_COUNT_LATE
		store_count(length + 1);
#endif
		atomic {
#ifndef BUG_NO_RELEASE
			drain();
#endif
			newest = head; head = 0
		};
		oldest = 0;
#ifdef BUG_NOT_TURNED
		oldest = newest;
#else
		do
		:: newest != 0 ->
			atomic {
				touch(newest);
				n = next[newest]; next[newest] = oldest;
				oldest = newest; newest = n
			}
		:: else -> break
		od;
#endif
		do
		:: oldest != 0 ->
			atomic {
				touch(oldest);
				queue[length] = oldest; length++;
				linked[oldest] = true;
				oldest = next[oldest]
			}
		:: else -> break
		od;
		newest = 0; n = 0;
		store_count(length)
	:: else
	fi
}

/* Under the lock: takes @n out of the queue. */
inline unlink(x) {
	atomic {
		touch(x);
		linked[x] = false;
		i = 0;
		do
		:: queue[i] != x -> i++
		:: else -> break
		od;
		do
		:: i + 1 < length -> queue[i] = queue[i + 1]; i++
		:: else -> break
		od;
		length--;
		queue[length] = 0;
		i = 0
	}
}

/* Under the lock: the first one that is still to be had, or 0. */
inline take(to) {
	got = 0;
	do
	:: length > 0 && got == 0 ->
		x = queue[0];
		unlink(x);
		atomic {
			touch(x);
			if
			:: state[x] == QUEUED ->
				state[x] = to; got = x;
				assert(last[(x - 1) / EACH] < x);
				last[(x - 1) / EACH] = x
			:: else
			fi
		};
		x = 0;
		store_count(length)
	:: else -> break
	od
}

proctype owner(byte me) {
	byte node, guess, newest, oldest, n, i; bool mark, mine;
	node = me * EACH + 1;
	do
	:: node <= (me + 1) * EACH ->
		state[node] = QUEUED;
		atomic { guess = head; mark = closed };
again:		if
		:: mark ->			/* refused */
			atomic { freed[node] = true; settled++ };
			goto through
		:: else
		fi;
		next[node] = guess;
		atomic {
			if
#ifdef BUG_STORE
			:: true ->
#elif defined(BUG_MARK_APART)
			:: head == guess ->
#else
			:: head == guess && closed == mark ->
#endif
				head = node;
				assert(!closed_returned)
			:: else ->
				guess = head; mark = closed; goto again
			fi
		};
		wake_one();
#ifdef CANCEL
		if
		:: true ->
			atomic {
				mine = state[node] == QUEUED;
				if
				:: mine -> state[node] = CANCELLED
				:: else
				fi
			};
			if
			:: mine ->
#ifndef BUG_WITHDRAW_UNLOCKED
				lock();
#ifndef BUG_WITHDRAW_BLIND
				absorb();
#endif
				if
				:: linked[node] ->
					unlink(node);
					store_count(length)
				:: else
				fi;
				unlock();
#endif
				atomic { freed[node] = true; settled++ }
			:: else
			fi
		:: true
		fi;
		mine = false;
#endif
through:	node++
	:: else -> break
	od
}

proctype worker(byte me) {
	byte got, x, newest, oldest, n, i; bool some;
	do
	:: true ->
		lock();
#ifdef MIXED
		absorb();
#else
		if :: length == 0 -> absorb() :: else fi;
#endif
		take(RUNNING);
		unlock();
		if
		:: got != 0 ->
#ifdef CHAIN
			if
			:: woken[me] ->
				woken[me] = false;
				some = head != 0;
				some = some || count != 0;
				if :: some -> wake_one() :: else fi;
				some = false
			:: else
			fi;
#endif
			settled++;
			(settled == N);
			touch(got);
			freed[got] = true; got = 0
		:: else ->
#ifdef CHAIN
			woken[me] = false;
#endif
#ifndef BUG_LOOK_EARLY
			atomic { announced[me] = true; parked[me] = true };
#endif
			/* a full fence */
#if defined(BUG_COUNT_ALONE)
			some = count != 0;
#elif defined(BUG_LOOK_ORDER)
			some = count != 0;
			some = some || head != 0;
#else
			some = head != 0;
			some = some || count != 0;
#endif
#ifdef BUG_LOOK_EARLY
			if
			:: !some -> announced[me] = true; parked[me] = true
			:: else
			fi;
#endif
			if
			:: some ->
				atomic { announced[me] = false; parked[me] = false }
			:: else ->
				(!parked[me] || settled == N)
			fi;
			some = false;
			if
			:: settled == N && length == 0 && head == 0 -> break
			:: else
			fi
		fi
	od
}

#ifdef CLOSE
proctype closer() {
	byte got, x, newest, oldest, n, i;
	lock();
	absorb();
	closed = true;
	unlock();
	closed_returned = true;
	do
	:: true ->
		lock();
		absorb();
		take(EVICTED);
		unlock();
		if
		:: got != 0 -> atomic { freed[got] = true; settled++ }
		:: else -> break
		fi
	od
}
#endif

init {
	byte t;
	atomic {
		run memory();
		for (t : 0 .. S - 1) { run owner(t) }
		for (t : 0 .. W - 1) { run worker(t) }
#ifdef CLOSE
		run closer()
#endif
	}
	(settled == N);
}
