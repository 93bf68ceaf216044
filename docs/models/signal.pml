/* SPDX-License-Identifier: LGPL-3.0-or-later
 *
 * Signals: the full ring and the bell of engine/signal_home.c.
 *
 * The ring. Threads 0 and 1 are readers with a loop each; thread 2 has no loop
 * but takes signals. N deliveries go to the process; the kernel hands each to
 * any thread that has not blocked the signal. A signal handler suspends its own
 * thread and nobody else. The ring holds CAP deliveries; both readers must hear
 * all N. A delivery that is stuck shows as a reader that waits for ever: an
 * invalid end state. A place that is written while somebody may still read it
 * fails an assertion.
 *
 * The bell (-DBELL). Two signal handlers ring the mailbox of a home while its
 * owner closes it, frees the mailbox and uses the home again.
 *
 * A reader that goes (-DGOES). A thread without a loop sends on to a reader that
 * has blocked the signal itself, while that stops to want the information.
 *
 * Each order that the source asks for is a pair of accesses; the memory model
 * could undo it only by exchanging the two, which is what mutants do here.
 *
 * RUN ring of one: -DCAP=1 -DN=3
 * RUN ring of two: -DCAP=2 -DN=3
 * RUN a reader that blocks the signal itself: -DCAP=1 -DN=3 -DUSER_BLOCKED
 * LONG ring of two, four deliveries: -DCAP=2 -DN=4
 * LONG a reader that blocks the signal itself, ring of two: -DCAP=2 -DN=4 -DUSER_BLOCKED
 * MUTANT rings before it says that it waits: -DCAP=1 -DN=3 -DBUG_RING_EARLY
 * MUTANT a pass does not look at what its thread holds back: -DCAP=1 -DN=3 -DBUG_NO_LOOK
 * MUTANT room made for others rings nobody: -DCAP=1 -DN=3 -DBUG_NO_RING
 * MUTANT says that it waits before it is sent on: -DCAP=1 -DN=3 -DUSER_BLOCKED -DBUG_FLAG_FIRST
 * MUTANT rings before the place is filled: -DCAP=2 -DN=3 -DBUG_RING_FIRST
 * MUTANT room is made before it is read: -DCAP=1 -DN=3 -DBUG_ROOM_FIRST
 * RUN the bell: -DBELL
 * MUTANT bell looked at before it is used: -DBELL -DBUG_LOOK_BELL_FIRST
 * MUTANT nobody waits for the users: -DBELL -DBUG_NO_WAIT
 * MUTANT waits before the bell is gone: -DBELL -DBUG_WAIT_FIRST
 * RUN a reader that goes: -DGOES
 * MUTANT it waits for nobody: -DGOES -DBUG_NO_WAIT
 * MUTANT it waits before it takes back what it wants: -DGOES -DBUG_WAIT_FIRST
 * MUTANT sent on without entering: -DGOES -DBUG_NO_ENTER
 * MUTANT sent on after leaving: -DGOES -DBUG_LEAVE_FIRST
 */

#ifdef BELL

byte users = 0;
byte mailbox = 1;		/* 0: none, else its number */
bool freed[3];

proctype handler()
{
	byte mine;
	byte rounds = 2;

	do
	:: rounds > 0 ->
#ifdef BUG_LOOK_BELL_FIRST
		mine = mailbox;
		users++;
#else
		users++;
		mine = mailbox;
#endif
		if
		:: mine != 0 -> assert(!freed[mine])	/* rings */
		:: else
		fi;
		mine = 0;
		users--;
		rounds--
	:: rounds == 0 -> break
	od
}

proctype owner()
{
#ifdef BUG_WAIT_FIRST
	users == 0;
	mailbox = 0;
#else
	mailbox = 0;
#ifndef BUG_NO_WAIT
	users == 0;
#endif
#endif
	freed[1] = true;
	mailbox = 2		/* the home is used again */
}

init {
	atomic { run handler(); run handler(); run owner() }
}

#elif defined(GOES)

byte users = 0;
bool wants = true;
bool waiting = false;
byte private = 0;		/* in the kernel, for the reader's thread */
byte elsewhere = 0;		/* another reader got it */

/* A thread without a loop: the ring is full. */
proctype sender()
{
	bool sent;

#ifndef BUG_NO_ENTER
	users++;
#endif
	sent = wants;
#ifdef BUG_LEAVE_FIRST
	users--;
#endif
	if
	:: sent ->
		private++;
		waiting = true
	:: else -> elsewhere++
	fi;
#if !defined(BUG_NO_ENTER) && !defined(BUG_LEAVE_FIRST)
	users--
#endif
}

proctype reader()
{
#ifdef BUG_WAIT_FIRST
	users == 0;
	wants = false;
#else
	wants = false;
#ifndef BUG_NO_WAIT
	users == 0;
#endif
#endif
	if
	:: waiting ->
		waiting = false;
		/* Unblocked, all come before the call returns. */
		atomic { elsewhere = elsewhere + private; private = 0 }
	:: else
	fi
}

init {
	atomic { run sender(); run sender(); run reader() };
	_nr_pr == 1;
	assert(elsewhere == 2 && private == 0)
}

#else

#define READERS 2
#define THREADS 3

byte sent = 0;			/* to the process, not taken: in the kernel */
byte private[THREADS];		/* to one thread */
bool blocked[THREADS];		/* its mask */
bool inside[THREADS];		/* its signal handler runs */

byte head = 0;
byte tail = 0;
bool filled[N];
byte seen[READERS];
bool reading[READERS];		/* copies; its seen has not moved */

bool waiting[READERS];
bool held[READERS];
bool raised[READERS];
bool locked = false;

#define full (head - tail >= CAP)
#define deliverable(t) (!blocked[t] && (sent > 0 || private[t] > 0))

/* Blocks the signal for when the handler of reader t returns. */
inline hold(t)
{
	held[t] = true;
	waiting[t] = true;
	block = true
}

inline ring_all()
{
	raised[0] = true;
	raised[1] = true
}

proctype handler(byte t)
{
	byte position;
	byte to;
	bool block;

end:	do
	:: atomic {
		!inside[t] && deliverable(t) ->
		inside[t] = true;
		if
		:: private[t] > 0 -> private[t]--
		:: private[t] == 0 -> sent--
		fi
	   };
	   if
	   :: atomic { !full -> position = head; head++ };
#ifdef BUG_RING_FIRST
		ring_all();
#endif
		assert(seen[0] + CAP > position && seen[1] + CAP > position);
		filled[position] = true;
		position = 0;
#ifdef BUG_RING_EARLY
		ring_all();
#endif
		if
		:: t < READERS && full -> hold(t)
		:: else
		fi
	   :: full && t < READERS ->
		private[t]++;
#ifdef BUG_RING_EARLY
		ring_all();
#endif
		hold(t)
	   :: full && t >= READERS ->
		if
		:: to = 0
		:: to = 1
		fi;
#ifdef BUG_FLAG_FIRST
		waiting[to] = true;
		ring_all();
		private[to]++;
#else
		private[to]++;
		waiting[to] = true;
#endif
		to = 0
	   fi;
#if !defined(BUG_RING_FIRST) && !defined(BUG_RING_EARLY) && \
	!defined(BUG_FLAG_FIRST)
	   ring_all();
#endif
	   atomic {
		blocked[t] = block;
		block = false;
		inside[t] = false
	   }
	od
}

/* One step of thread t: its handler suspends it. */
#define step(t) !inside[t]

inline resume(t)
{
	atomic { step(t) -> ours = held[t]; held[t] = false };
	atomic { step(t) -> waiting[t] = false };
	atomic { step(t) -> before = blocked[t]; blocked[t] = false };
	/* What is for this thread comes before the call returns. */
	atomic {
		step(t) && (blocked[t] || private[t] == 0) ->
		if
		:: !ours && before -> blocked[t] = true; held[t] = false
		:: else
		fi;
		ours = false;
		before = false
	}
}

proctype reader(byte t)
{
	byte limit;
	bool ours;
	bool before;
	bool other;

	do
	:: seen[t] == N -> break
	:: else ->
		/* The loop sleeps until its bell rings. */
		atomic { step(t) && raised[t] && !locked ->
			 locked = true; raised[t] = false };
		limit = seen[t];
		do
		:: atomic { limit < N && filled[limit] -> limit++ }
		:: else -> break
		od;
#ifdef BUG_ROOM_FIRST
		atomic { step(t) ->
			 if
			 :: limit < seen[1 - t] -> tail = limit
			 :: else -> tail = seen[1 - t]
			 fi };
#endif
		atomic { step(t) -> seen[t] = limit };
#ifndef BUG_ROOM_FIRST
		atomic { step(t) ->
			 if
			 :: seen[0] < seen[1] -> tail = seen[0]
			 :: else -> tail = seen[1]
			 fi };
#endif
		atomic { step(t) -> other = waiting[1 - t] };
		if
		:: step(t) && other && !full ->
#ifndef BUG_NO_RING
			raised[1 - t] = true
#endif
		:: step(t) && !(other && !full)
		fi;
		other = false;
#ifndef BUG_NO_LOOK
		if
		:: step(t) && waiting[t] && !full -> resume(t)
		:: step(t) && !(waiting[t] && !full)
		fi;
#endif
		limit = 0;
		atomic { step(t) -> locked = false }
	od;
	/* A reader that has heard all goes: its part of B505 is done. */
	atomic { step(t) -> blocked[t] = false; waiting[t] = false }
}

proctype sender()
{
	byte left = N;

	do
	:: left > 0 -> atomic { sent++; left-- }
	:: left == 0 -> break
	od
}

init {
	atomic {
#ifdef USER_BLOCKED
		blocked[1] = true;
#endif
		run handler(0);
		run handler(1);
		run handler(2);
		run reader(0);
		run reader(1);
		run sender()
	}
}

#endif
