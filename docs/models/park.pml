/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * park: how the workers of a pool sleep, wake, are born and leave.
 *
 * Submitters publish a job first and look for a worker afterwards. At most one
 * worker at a time carries the searching token. It is handed to one named
 * worker: popped from the idle stack, or, when nobody is idle and there are
 * fewer than W, to a thread that is being created, unless some worker is
 * between two jobs and will look by itself. Creation may fail, and an idle
 * worker may leave at any moment. With INIT a newborn gives the token back
 * before user code runs in it, which may fail too.
 *
 * Weak memory: the stores to what is read without the lock (job count, idle
 * count, worker count, token) pass through store buffers, one for each thread
 * and variable, drained at arbitrary times by the process "memory", by a fence
 * or by a lock. That is weaker than x86. Where a mutant has no fence behind a
 * lock, the next who takes the lock sees all that was stored, but nobody else.
 *
 * Without MAYFAIL all jobs but the first QUICK wait for each other: each must
 * have started before any of them ends (J - QUICK <= W). A worker left asleep,
 * or unborn, beside a queued job is then a deadlock, so work conservation is
 * checked, not merely progress. With MAYFAIL each job must end: run, or
 * refused because no worker can be made.
 *
 * With LINGER a worker that has found nothing may take the token, if it is free,
 * and search again before it sleeps.
 *
 * With BLOCK at most M workers are to be active, and each job sleeps in the
 * system until NEED jobs have started; for each that sleeps one more worker may
 * be there, up to W. Those that are too many afterwards rest or leave without a
 * look.
 * The numbers that are read without the lock are read one by one. With GROW M is
 * smaller by one until somebody changes that, at any moment; with SHRINK it
 * becomes smaller by one, and the idle that are too many are sent away.
 *
 * RUN two awake: -DBORN=2
 * RUN two awake, one submitter: -DBORN=2 -DS=1 -DJPS=2
 * RUN two awake, they may leave: -DBORN=2 -DLEAVE
 * RUN one awake: -DBORN=1
 * RUN none born: -DBORN=0
 * RUN none born, quick jobs first: -DS=1 -DJPS=3 -DQUICK=1
 * RUN none born, quick jobs first, they may leave: -DS=1 -DJPS=3 -DQUICK=1 -DLEAVE
 * RUN births fail: -DMAYFAIL
 * RUN births fail, they may leave: -DS=2 -DBORN=1 -DMAYFAIL -DLEAVE
 * RUN none born, with worker_init: -DINIT
 * RUN none born, with worker_init, quick jobs first: -DS=1 -DJPS=3 -DQUICK=1 -DINIT
 * RUN births and worker_init fail: -DS=1 -DJPS=2 -DMAYFAIL -DINIT
 * RUN all sleep: -DBLOCK -DW=2 -DM=1 -DS=1 -DJPS=2
 * RUN all sleep, two submitters: -DBLOCK -DW=2 -DM=1
 * RUN all sleep, one more job: -DBLOCK -DW=2 -DM=1 -DS=1 -DJPS=3 -DNEED=2
 * RUN all sleep, they may leave: -DBLOCK -DW=2 -DM=1 -DS=1 -DJPS=3 -DNEED=2 -DLEAVE
 * RUN more may run: -DGROW -DW=2 -DM=2 -DS=1 -DJPS=2
 * RUN more may run, one idle: -DGROW -DW=2 -DM=2 -DS=1 -DJPS=2 -DBORN=2
 * RUN fewer may run: -DSHRINK -DW=2 -DM=2 -DS=1 -DJPS=1 -DBORN=2
 * LONG fewer may run, quick jobs first: -DSHRINK -DW=2 -DM=2 -DS=1 -DJPS=2 -DQUICK=1 -DBORN=2
 * LONG fewer may run, they may leave: -DSHRINK -DW=2 -DM=2 -DS=1 -DJPS=1 -DBORN=2 -DLEAVE
 * LONG two sleep in one place, one more job: -DBLOCK -DW=3 -DM=1 -DS=1 -DJPS=3 -DNEED=2
 * LONG none born, quick jobs first, two submitters: -DJPS=2 -DQUICK=2
 * LONG none born, two submitters, they may leave: -DJPS=2 -DQUICK=2 -DLEAVE
 * LONG three workers awake: -DW=3 -DBORN=3
 * LONG births fail, three jobs: -DS=1 -DJPS=3 -DMAYFAIL -DLEAVE
 * RUN they linger: -DBORN=2 -DLINGER
 * RUN they linger, one submitter, quick jobs first: -DBORN=2 -DS=1 -DJPS=3 -DQUICK=1 -DLINGER
 * RUN none born, they linger and may leave: -DS=1 -DJPS=2 -DLINGER -DLEAVE
 * MUTANT who lingers forgets the token: -DBORN=2 -DLINGER -DBUG_LINGER_NAMELESS
 * MUTANT who lingered wakes nobody: -DBORN=2 -DLINGER -DBUG_NO_CHAIN
 * MUTANT no fence in submit: -DBORN=2 -DBUG_NO_FENCE_SUBMIT
 * MUTANT no fence in park: -DBORN=2 -DUNFENCED -DBUG_NO_FENCE_PARK
 * MUTANT no second look: -DBORN=2 -DBUG_NO_RECHECK
 * MUTANT finder wakes nobody: -DBORN=2 -DBUG_NO_CHAIN
 * MUTANT finder wakes nobody, births: -DBUG_NO_CHAIN
 * MUTANT finder looks without a fence: -DBORN=2 -DBUG_FOUND_NO_FENCE
 * MUTANT finder keeps the token: -DBORN=2 -DBUG_KEEP_TOKEN
 * MUTANT the popped one forgets the token: -DBORN=2 -DBUG_NAMELESS
 * MUTANT the token is set again: -DBORN=2 -DS=1 -DJPS=3 -DQUICK=1 -DBUG_BLIND_TOKEN
 * MUTANT failed birth keeps the token: -DMAYFAIL -DBUG_BIRTH_TOKEN
 * MUTANT failed birth does not look: -DMAYFAIL -DBUG_BIRTH_NO_LOOK
 * MUTANT failed birth, looks without a fence: -DMAYFAIL -DUNFENCED -DBUG_BIRTH_NO_FENCE
 * MUTANT failed birth refuses nothing: -DMAYFAIL -DBUG_NO_REFUSE
 * MUTANT failed worker_init does not look: -DS=1 -DJPS=2 -DMAYFAIL -DINIT -DBUG_BIRTH_NO_LOOK
 * MUTANT failed worker_init refuses nothing: -DS=1 -DJPS=2 -DMAYFAIL -DINIT -DBUG_NO_REFUSE
 * MUTANT relied on between two jobs, does not look: -DS=1 -DJPS=3 -DQUICK=1 -DBUG_NO_LOOK_BUSY
 * MUTANT relied on, looks without a fence: -DS=1 -DJPS=3 -DQUICK=1 -DBUG_NO_FENCE_BUSY
 * MUTANT leaver does not look: -DBORN=2 -DLEAVE -DBUG_LEAVE_NO_LOOK
 * MUTANT leaver looks without a fence: -DBORN=2 -DLEAVE -DUNFENCED -DBUG_LEAVE_NO_FENCE
 * MUTANT leaver ignores the token: -DBORN=2 -DLEAVE -DBUG_LEAVE_POPPED
 * MUTANT sleeps without a look: -DBLOCK -DW=2 -DM=1 -DS=1 -DJPS=2 -DBUG_BLOCK_NO_LOOK
 * MUTANT sleeps, looks without a fence: -DBLOCK -DW=2 -DM=1 -DS=1 -DJPS=2 -DUNFENCED -DBUG_BLOCK_NO_FENCE
 * MUTANT who wakes forgets the sleepers: -DBLOCK -DW=2 -DM=1 -DS=1 -DJPS=2 -DBUG_FORGET_BLOCKED
 * MUTANT two that are too many leave at once: -DBLOCK -DW=3 -DM=1 -DS=1 -DJPS=3 -DNEED=2 -DBUG_QUIT_UNLOCKED
 * MUTANT the last one leaves: -DBLOCK -DW=2 -DM=1 -DS=1 -DJPS=3 -DNEED=2 -DBUG_QUIT_LAST
 * MUTANT leaves with the token: -DBLOCK -DW=2 -DM=1 -DS=1 -DJPS=3 -DNEED=2 -DBUG_QUIT_TOKEN
 * MUTANT more may run, nobody looks: -DGROW -DW=2 -DM=2 -DS=1 -DJPS=2 -DBUG_GROW_NO_LOOK
 * MUTANT more may run, looks without a fence: -DGROW -DW=2 -DM=2 -DS=1 -DJPS=2 -DUNFENCED -DBUG_GROW_NO_FENCE
 * MUTANT sent away, but still counted: -DSHRINK -DW=2 -DM=2 -DS=1 -DJPS=1 -DBORN=2 -DLEAVE -DBUG_DISMISSED_COUNTED
 */
#ifndef W
#define W 2
#endif
#ifndef S
#define S 2
#endif
#ifndef JPS
#define JPS 1
#endif
#ifndef BORN
#define BORN 0			/* workers that are there from the start */
#endif
#ifndef QUICK
#define QUICK 0			/* first jobs, which wait for nobody */
#endif
#define J (S*JPS)
#ifndef M
#define M W			/* at most so many are active */
#endif
#ifndef NEED
#define NEED J			/* a sleeper wakes when so many have started */
#endif
#if defined(GROW) || defined(SHRINK)
#define T (W+S+1)
#else
#define T (W+S)			/* threads, workers first; at most 5 */
#endif

byte qn = 0;			/* visible job count */
byte pq[T];			/* additions to it still in a store buffer */
short idle = 0;			/* visible idle count */
short pi[T];			/* buffered change of it */
short workers = 0;		/* visible worker count */
short pw[T];			/* buffered change of it */
#ifdef BLOCK
short blocked = 0;		/* visible count of those that sleep */
short pk[T];			/* buffered change of it */
#define BLOCKED blocked
#define BLOCKED_OF(t) (blocked + pk[t])
#else
#define BLOCKED 0
#define BLOCKED_OF(t) 0
#endif
#if defined(GROW)
byte max = M - 1;		/* written under the lock, flushed with it */
#ifdef BUG_GROW_NO_FENCE
bool pm = false;		/* buffered store max = M */
#endif
#elif defined(SHRINK)
byte max = M;
#else
#define max M
#endif
bool searching = false;		/* visible token */
bool pclr[T];			/* buffered store searching = false */
bool busy[W];			/* visible: runs a job */
bool pb[W];			/* buffered store busy = true */
bool lk = false;
bool born[W]; bool onstack[W]; bool parked[W];
#ifdef SHRINK
bool dismissed[W];
#define DISMISSED(t) dismissed[t]
#define FORGIVE(t) dismissed[t] = false
#else
#define DISMISSED(t) false
#define FORGIVE(t) skip
#endif
byte started = 0, refused = 0, subdone = 0;
bool finish = false;

inline flush(t) {
	atomic {
		qn = qn + pq[t]; pq[t] = 0;
		idle = idle + pi[t]; pi[t] = 0;
		workers = workers + pw[t]; pw[t] = 0;
#ifdef BLOCK
		blocked = blocked + pk[t]; pk[t] = 0;
#endif
		if :: pclr[t] -> searching = false; pclr[t] = false :: else fi;
#ifdef BUG_GROW_NO_FENCE
		if :: pm -> max = M; pm = false :: else fi;
#endif
		if :: t < W && pb[t] -> busy[t] = true; pb[t] = false :: else fi
	}
}
#ifdef UNFENCED
#if T > 4
#define FLUSH_FIFTH flush(4)
#else
#define FLUSH_FIFTH skip
#endif
#if T > 3
#define FLUSH_FOURTH flush(3)
#else
#define FLUSH_FOURTH skip
#endif
inline lock(t) {
	atomic {
		!lk -> lk = true;
		flush(0); flush(1); flush(2); FLUSH_FOURTH; FLUSH_FIFTH
	}
}
#else
inline lock(t)   { atomic { !lk -> lk = true; flush(t) } }
#endif
/* Release, and the full fence that follows it in the C code. */
inline unlock(t) { atomic { flush(t); lk = false } }
#if defined(BUG_NO_FENCE_PARK)
#define UNLOCK_PARKED(t) lk = false
#else
#define UNLOCK_PARKED(t) unlock(t)
#endif
#if defined(BUG_BLOCK_NO_FENCE)
#define UNLOCK_BLOCKED(t) lk = false
#else
#define UNLOCK_BLOCKED(t) unlock(t)
#endif
#if defined(BUG_BIRTH_NO_FENCE)
#define UNLOCK_FAILED(t) lk = false
#else
#define UNLOCK_FAILED(t) unlock(t)
#endif
#if defined(BUG_LEAVE_NO_FENCE)
#define UNLOCK_LEFT(t) lk = false
#else
#define UNLOCK_LEFT(t) unlock(t)
#endif

#define DRAIN(t) \
	:: atomic { pq[t] > 0 -> qn = qn + pq[t]; pq[t] = 0 } \
	:: atomic { pi[t] != 0 -> idle = idle + pi[t]; pi[t] = 0 } \
	:: atomic { pw[t] != 0 -> workers = workers + pw[t]; pw[t] = 0 } \
	:: atomic { pclr[t] -> searching = false; pclr[t] = false }
#ifdef BLOCK
#define DRAIN_BLOCKED(t) \
	:: atomic { pk[t] != 0 -> blocked = blocked + pk[t]; pk[t] = 0 }
#else
#define DRAIN_BLOCKED(t)
#endif

/* At most so many threads, with so many that sleep. */
#define LIMIT(sleeping) (max + (sleeping < W - M -> sleeping : W - M))
/* Under the lock: as it really is. */
#define ACTIVE(t) (workers + pw[t] - idle - pi[t] - BLOCKED_OF(t))
#define FULL(t) (ACTIVE(t) >= max || (idle + pi[t] == 0 && \
		 workers + pw[t] >= LIMIT(BLOCKED_OF(t))))

/* Blocks when nothing is buffered, so that a lost wake-up is a deadlock. */
proctype memory() {
	do
	:: finish -> break
	:: atomic { pb[0] -> busy[0] = true; pb[0] = false }
#if W > 1
	:: atomic { pb[1] -> busy[1] = true; pb[1] = false }
#endif
#if W > 2
	:: atomic { pb[2] -> busy[2] = true; pb[2] = false }
#endif
#ifdef BUG_GROW_NO_FENCE
	:: atomic { pm -> max = M; pm = false }
#endif
	DRAIN(0)
	DRAIN_BLOCKED(0)
	DRAIN(1)
	DRAIN_BLOCKED(1)
	DRAIN(2)
	DRAIN_BLOCKED(2)
#if T > 3
	DRAIN(3)
	DRAIN_BLOCKED(3)
#endif
#if T > 4
	DRAIN(4)
	DRAIN_BLOCKED(4)
#endif
	od
}

/* Under the lock: the token goes to the first worker of the idle stack. */
inline hand_over(t) {
	w = 0;
	do
	:: w < W && onstack[w] ->
		onstack[w] = false; pi[t] = pi[t] - 1;
		searching = true;
		parked[w] = false;
		break
	:: w < W && !onstack[w] -> w++
	:: w == W -> break
	od
}

/* Under the lock: workers that are neither idle nor busy will look soon. */
inline count_on_their_way(t) {
	atomic {
		ways = workers + pw[t];
		w = 0;
		do
		:: w < W ->
			if :: onstack[w] || busy[w] -> ways-- :: else fi;
			w++
		:: else -> break
		od;
		w = W
	}
}

/* After a failed birth: nobody searches now, so look for those who trusted.
 * has: the token is still with it. */
inline birth_failed(t, has) {
	lock(t);
	pw[t] = pw[t] - 1;
#ifndef BUG_BIRTH_TOKEN
	if :: has -> pclr[t] = true :: else fi;
#endif
	none = (workers + pw[t] == 0);
	UNLOCK_FAILED(t);
#ifndef BUG_BIRTH_NO_LOOK
	if
	:: qn > 0 && none ->
#ifndef BUG_NO_REFUSE
		atomic { refused = refused + qn; qn = 0 }
#else
		skip
#endif
	:: qn > 0 && !none ->
		lock(t);
		if :: !searching -> hand_over(t) :: else fi;
		unlock(t)
	:: else
	fi;
#endif
	none = false
}

/* What a look without the lock sees. */
#if defined(BLOCK) || defined(GROW)
inline read_park() {
	rw = workers;
	ri = idle;
#ifdef BUG_FORGET_BLOCKED
	rb = 0;
#else
	rb = BLOCKED;
#endif
}
#define MAY_BE (rw - ri - rb < max && (ri > 0 || rw < LIMIT(rb)))
#else
#define read_park() skip
#define MAY_BE (idle > 0 || workers < W)
#endif

inline wake_one(t) {
	read_park();
	if
	:: !searching && MAY_BE ->
		w = W;
		lock(t);
		if
		:: searching || FULL(t) -> skip
		:: else ->
			hand_over(t);
			if
			:: w == W -> count_on_their_way(t)
			:: else -> ways = 1
			fi;
			if
			:: ways <= 0 && workers + pw[t] <
			   LIMIT(BLOCKED_OF(t)) ->
				/* nobody idle: a newborn gets the token */
				searching = true; pw[t] = pw[t] + 1;
				newborn = true
			:: else
			fi
		fi;
		unlock(t);
		if
		:: newborn ->
			newborn = false;
			w = 0;		/* a place that nobody is leaving */
			do
			:: born[w] -> w = (w + 1) % W
			:: !born[w] -> break
			od;
			if
			:: born[w] = true
#ifdef MAYFAIL
			:: birth_failed(t, true)
#endif
			fi
		:: else
		fi
	:: else
	fi;
	w = 0; ways = 0; rw = 0; ri = 0; rb = 0
}

proctype submitter(byte me) {
	byte i, w; short ways, rw, ri, rb; bool newborn, none;
	do
	:: i < JPS ->
		pq[me]++;		/* published; the store may linger */
#ifndef BUG_NO_FENCE_SUBMIT
		flush(me);		/* full fence */
#endif
		wake_one(me);
		i++
	:: else -> break
	od;
	(pq[me] == 0 && !pclr[me] && pi[me] == 0 && pw[me] == 0);
	subdone++
}

proctype worker(byte me) {
	byte w; short ways, rw, ri, rb; bool token, got, quick, newborn, none;
	if :: me < BORN -> goto search :: else fi;
unborn:
	(born[me] || finish);
	if :: finish -> goto out :: else fi;
	token = true;			/* a newborn searches */
#ifdef INIT
	/* but not while the user's worker_init runs: others may */
	token = false;
	pclr[me] = true;
	flush(me);
	if :: qn > 0 -> wake_one(me) :: else fi;
#ifdef MAYFAIL
	if
	:: skip
	:: birth_failed(me, false); born[me] = false; goto unborn
	fi;
#endif
#endif
search:
#ifdef BLOCK
	if
	:: workers - idle - blocked > max
#ifdef BUG_QUIT_LAST
		- 1
#endif
		->
#ifndef BUG_QUIT_TOKEN
		if
		:: token ->
			token = false;
			pclr[me] = true;
			flush(me);
			if :: qn > 0 -> wake_one(me) :: else fi
		:: else
		fi;
#endif
		lock(me);
		if
#ifdef BUG_QUIT_UNLOCKED
		:: true ->
#elif defined(BUG_QUIT_LAST)
		:: ACTIVE(me) >= max ->
#else
		:: ACTIVE(me) > max ->
#endif
			token = false;
			if
			:: true ->		/* leaves */
				pw[me] = pw[me] - 1;
				unlock(me);
				born[me] = false;
				goto unborn
#ifndef BUG_QUIT_UNLOCKED
			:: true ->		/* rests */
				onstack[me] = true; parked[me] = true;
				pi[me] = pi[me] + 1;
				unlock(me);
				goto asleep
#endif
			fi
		:: else -> unlock(me)
		fi
	:: else
	fi;
#endif
	atomic {
		if
		:: qn > 0 -> qn--; got = true; pb[me] = true
		:: else -> got = false
		fi
	};
	if
	:: got ->
		got = false;
		if
		:: token ->
			token = false;
#ifndef BUG_KEEP_TOKEN
			pclr[me] = true;
#endif
#ifndef BUG_NO_CHAIN
#ifndef BUG_FOUND_NO_FENCE
			flush(me);	/* fence before looking again */
#endif
			if :: qn > 0 -> wake_one(me) :: else fi
#endif
		:: else ->
			/* others may have relied on us */
#ifndef BUG_NO_LOOK_BUSY
#ifndef BUG_NO_FENCE_BUSY
			flush(me);
#endif
			if :: qn > 0 -> wake_one(me) :: else fi
#endif
		fi;
		atomic { started++; quick = (started <= QUICK) };
#ifdef MAYFAIL
		atomic { pb[me] = false; busy[me] = false };
		goto search
#else
		if
		:: quick ->
			quick = false;
			atomic { pb[me] = false; busy[me] = false };
			goto search
		:: else
		fi;
#ifdef BLOCK
		lock(me);
		pk[me] = pk[me] + 1;
		UNLOCK_BLOCKED(me);
#ifndef BUG_BLOCK_NO_LOOK
		if :: qn > 0 -> wake_one(me) :: else fi;
#endif
		(started >= NEED);
		lock(me);
		pk[me] = pk[me] - 1;
		unlock(me);
		atomic { pb[me] = false; busy[me] = false };
		goto search
#else
		(started == J);		/* needs every other job running */
		flush(me);
		goto out
#endif
#endif
	:: else
	fi;
#ifdef LINGER
	/* nothing found: perhaps looks on, and others rely on that */
	if
	:: !token ->
		lock(me);
		if
		:: !searching ->
			searching = true;
#ifndef BUG_LINGER_NAMELESS
			token = true
#endif
		:: else
		fi;
		unlock(me);
		if :: token -> goto search :: else fi
	:: true
	fi;
#endif
	/* get onto the idle stack */
	lock(me);
	onstack[me] = true; parked[me] = true; pi[me] = pi[me] + 1;
	if :: token -> pclr[me] = true; token = false :: else fi;
	UNLOCK_PARKED(me);
#ifndef BUG_NO_RECHECK
	if
	:: qn > 0 ->
		lock(me);
		if
#ifdef SHRINK
		:: dismissed[me] ->	/* stays after all, for now */
			dismissed[me] = false;
			pw[me] = pw[me] + 1;
			if
			:: !searching -> searching = true; token = true
			:: else -> token = false
			fi
#endif
		:: onstack[me] ->
			onstack[me] = false; parked[me] = false;
			pi[me] = pi[me] - 1;
#ifdef BUG_BLIND_TOKEN
			/* set again, though its holder just gave it back */
			token = !searching;
			searching = true;
#else
			if
			:: !searching -> searching = true; token = true
			:: else -> token = false
			fi;
#endif
		:: else ->		/* popped: the token is ours */
#ifndef BUG_NAMELESS
			token = true
#else
			skip
#endif
		fi;
		unlock(me);
		goto search
	:: else
	fi;
#endif
asleep:
	if
#ifdef SHRINK
	:: !parked[me] && dismissed[me] ->
		goto leave
	:: !parked[me] && !dismissed[me] -> token = true; goto search
#else
	:: !parked[me] -> token = true; goto search
#endif
	:: started + refused == J -> goto out
#ifdef LEAVE
	:: goto leave			/* the wait timed out */
#endif
	fi;
leave:
	lock(me);
	if
	:: onstack[me] || DISMISSED(me) ->
		if
		:: DISMISSED(me) -> FORGIVE(me)
		:: else ->
			onstack[me] = false; parked[me] = false;
			pi[me] = pi[me] - 1; pw[me] = pw[me] - 1
		fi;
		UNLOCK_LEFT(me);
#ifndef BUG_LEAVE_NO_LOOK
		if
		:: qn > 0 ->
			lock(me);
			if
			:: !searching && ACTIVE(me) < max &&
			   workers + pw[me] < LIMIT(BLOCKED_OF(me)) ->
				/* stay after all */
				searching = true; token = true;
				pw[me] = pw[me] + 1;
				unlock(me);
				goto search
			:: !searching && ACTIVE(me) < max &&
			   workers + pw[me] >= LIMIT(BLOCKED_OF(me)) ->
				hand_over(me);
				w = 0;
				unlock(me)
			:: else -> unlock(me)
			fi
		:: else
		fi;
#endif
		born[me] = false;
		goto unborn
	:: else ->
#ifdef BUG_LEAVE_POPPED
		pw[me] = pw[me] - 1;
		unlock(me);
		born[me] = false;
		goto unborn
#else
		unlock(me);
		token = true;		/* popped meanwhile: we search */
		goto search
#endif
	fi;
out:	skip
}

#if defined(GROW) || defined(SHRINK)
proctype resizer(byte me) {
	byte w; short ways, rw, ri, rb; bool newborn, none;
	lock(me);
#ifdef GROW
#ifdef BUG_GROW_NO_FENCE
	pm = true;
	lk = false;
#else
	max = M;
	unlock(me);
#endif
#ifndef BUG_GROW_NO_LOOK
	if :: qn > 0 -> wake_one(me) :: else fi
#endif
#else
	max = M - 1;
	w = 0;
	do
	:: w < W && onstack[w] && workers + pw[me] > LIMIT(BLOCKED_OF(me)) ->
		onstack[w] = false; pi[me] = pi[me] - 1;
#ifndef BUG_DISMISSED_COUNTED
		pw[me] = pw[me] - 1;
#endif
		dismissed[w] = true;
		parked[w] = false;
		w++
	:: w < W && !(onstack[w] &&
		      workers + pw[me] > LIMIT(BLOCKED_OF(me))) -> w++
	:: w == W -> break
	od;
	w = 0;
	unlock(me);
	if :: qn > 0 -> wake_one(me) :: else fi
#endif
}
#endif

init {
	byte i;
	atomic {
		do :: i < BORN -> born[i] = true; i++ :: else -> break od;
		workers = BORN;
		i = 0;
		run memory();
		do :: i < W -> run worker(i); i++ :: else -> break od;
		i = 0;
		do :: i < S -> run submitter(W + i); i++ :: else -> break od;
#if defined(GROW) || defined(SHRINK)
		run resizer(W + S)
#endif
	};
	(started + refused == J && subdone == S);
#ifndef MAYFAIL
	assert(refused == 0);
#endif
	finish = true
}
