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
 * or by a lock. That is weaker than x86.
 *
 * Without MAYFAIL all jobs but the first QUICK wait for each other: each must
 * have started before any of them ends (J - QUICK <= W). A worker left asleep,
 * or unborn, beside a queued job is then a deadlock, so work conservation is
 * checked, not merely progress. With MAYFAIL each job must end: run, or
 * refused because no worker can be made.
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
 * LONG none born, quick jobs first, two submitters: -DJPS=2 -DQUICK=2
 * LONG none born, two submitters, they may leave: -DJPS=2 -DQUICK=2 -DLEAVE
 * LONG three workers awake: -DW=3 -DBORN=3
 * LONG births fail, three jobs: -DS=1 -DJPS=3 -DMAYFAIL -DLEAVE
 * MUTANT no fence in submit: -DBORN=2 -DBUG_NO_FENCE_SUBMIT
 * MUTANT no fence in park: -DBORN=2 -DBUG_NO_FENCE_PARK
 * MUTANT no second look: -DBORN=2 -DBUG_NO_RECHECK
 * MUTANT finder wakes nobody: -DBORN=2 -DBUG_NO_CHAIN
 * MUTANT finder wakes nobody, births: -DBUG_NO_CHAIN
 * MUTANT finder keeps the token: -DBORN=2 -DBUG_KEEP_TOKEN
 * MUTANT the popped one forgets the token: -DBORN=2 -DBUG_NAMELESS
 * MUTANT the token is set again: -DBORN=2 -DS=1 -DJPS=3 -DQUICK=1 -DBUG_BLIND_TOKEN
 * MUTANT failed birth keeps the token: -DMAYFAIL -DBUG_BIRTH_TOKEN
 * MUTANT failed birth does not look: -DMAYFAIL -DBUG_BIRTH_NO_LOOK
 * MUTANT failed birth refuses nothing: -DMAYFAIL -DBUG_NO_REFUSE
 * MUTANT failed worker_init does not look: -DS=1 -DJPS=2 -DMAYFAIL -DINIT -DBUG_BIRTH_NO_LOOK
 * MUTANT failed worker_init refuses nothing: -DS=1 -DJPS=2 -DMAYFAIL -DINIT -DBUG_NO_REFUSE
 * MUTANT relied on between two jobs, does not look: -DS=1 -DJPS=3 -DQUICK=1 -DBUG_NO_LOOK_BUSY
 * MUTANT relied on, looks without a fence: -DS=1 -DJPS=3 -DQUICK=1 -DBUG_NO_FENCE_BUSY
 * MUTANT leaver does not look: -DBORN=2 -DLEAVE -DBUG_LEAVE_NO_LOOK
 * MUTANT leaver ignores the token: -DBORN=2 -DLEAVE -DBUG_LEAVE_POPPED
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
#define T (W+S)			/* threads, workers first; at most 5 */

byte qn = 0;			/* visible job count */
byte pq[T];			/* additions to it still in a store buffer */
short idle = 0;			/* visible idle count */
short pi[T];			/* buffered change of it */
short workers = 0;		/* visible worker count */
short pw[T];			/* buffered change of it */
bool searching = false;		/* visible token */
bool pclr[T];			/* buffered store searching = false */
bool busy[W];			/* visible: runs a job */
bool pb[W];			/* buffered store busy = true */
bool lk = false;
bool born[W]; bool onstack[W]; bool parked[W];
byte started = 0, refused = 0, subdone = 0;
bool finish = false;

inline flush(t) {
	atomic {
		qn = qn + pq[t]; pq[t] = 0;
		idle = idle + pi[t]; pi[t] = 0;
		workers = workers + pw[t]; pw[t] = 0;
		if :: pclr[t] -> searching = false; pclr[t] = false :: else fi;
		if :: t < W && pb[t] -> busy[t] = true; pb[t] = false :: else fi
	}
}
inline lock(t)   { atomic { !lk -> lk = true; flush(t) } }
/* Release, and the full fence that follows it in the C code. */
inline unlock(t) { atomic { flush(t); lk = false } }

#define DRAIN(t) \
	:: atomic { pq[t] > 0 -> qn = qn + pq[t]; pq[t] = 0 } \
	:: atomic { pi[t] != 0 -> idle = idle + pi[t]; pi[t] = 0 } \
	:: atomic { pw[t] != 0 -> workers = workers + pw[t]; pw[t] = 0 } \
	:: atomic { pclr[t] -> searching = false; pclr[t] = false }

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
	DRAIN(0)
	DRAIN(1)
	DRAIN(2)
#if W + S > 3
	DRAIN(3)
#endif
#if W + S > 4
	DRAIN(4)
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
	unlock(t);
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

inline wake_one(t) {
	if
	:: !searching && (idle > 0 || workers < W) ->
		w = W;
		lock(t);
		if
		:: searching -> skip
		:: else ->
			hand_over(t);
			if
			:: w == W -> count_on_their_way(t)
			:: else -> ways = 1
			fi;
			if
			:: ways <= 0 && workers < W ->
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
	w = 0; ways = 0
}

proctype submitter(byte me) {
	byte i, w; short ways; bool newborn, none;
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
	byte w; short ways; bool token, got, quick, newborn, none;
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
			flush(me);	/* fence before looking again */
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
		(started == J);		/* needs every other job running */
		flush(me);
		goto out
#endif
	:: else
	fi;
	/* nothing found: get onto the idle stack */
	lock(me);
	onstack[me] = true; parked[me] = true; pi[me] = pi[me] + 1;
	if :: token -> pclr[me] = true; token = false :: else fi;
#ifdef BUG_NO_FENCE_PARK
	lk = false;			/* release, nothing drained */
#else
	unlock(me);
#endif
#ifndef BUG_NO_RECHECK
	if
	:: qn > 0 ->
		lock(me);
		if
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
	if
	:: !parked[me] -> token = true; goto search
	:: started + refused == J -> goto out
#ifdef LEAVE
	:: goto leave			/* the wait timed out */
#endif
	fi;
leave:
	lock(me);
	if
	:: onstack[me] ->
		onstack[me] = false; parked[me] = false;
		pi[me] = pi[me] - 1; pw[me] = pw[me] - 1;
		unlock(me);
#ifndef BUG_LEAVE_NO_LOOK
		if
		:: qn > 0 ->
			lock(me);
			if
			:: !searching && workers < W ->	/* stay after all */
				searching = true; token = true;
				pw[me] = pw[me] + 1;
				unlock(me);
				goto search
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

init {
	byte i;
	atomic {
		do :: i < BORN -> born[i] = true; i++ :: else -> break od;
		workers = BORN;
		i = 0;
		run memory();
		do :: i < W -> run worker(i); i++ :: else -> break od;
		i = 0;
		do :: i < S -> run submitter(W + i); i++ :: else -> break od
	};
	(started + refused == J && subdone == S);
#ifndef MAYFAIL
	assert(refused == 0);
#endif
	finish = true
}
