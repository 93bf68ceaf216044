/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * lane: which jobs may run, and who is told when one may.
 *
 * W workers, all of them there; lane 0 is the own one, lane 1 has at most MAX
 * running and RES reserved, and so has lane 2, where there is one. A job may run
 * while its lane has fewer than its max, and it uses its lane's reserve or a
 * worker is left that none has reserved.
 *
 * [LN1] Where a lane is not open a submitter's job has nobody: the worker that
 * it wakes looks, finds the lane closed and sleeps. So whoever makes room
 * (leaves a lane after a job, or because it found none in it, or takes a lane's
 * reserve away) looks at all queues afterwards, until it sleeps or has seen to
 * it that somebody else looks. A worker that leaves one lane and then finds a
 * job in another one looks, too.
 *
 * The searching token and the way to sleep are those of park.pml, without
 * births and without buffers of their own. Weak memory: what is new here, and
 * read without a lock, stays in a store buffer until a fence, or until the
 * process "memory" drains it; locks do not drain: the count of a new job, of
 * those that run, of what is owed. Under a lock the values are exact.
 *
 * A job ends at once, or only when nothing else can happen. In each such moment
 * no worker sleeps beside a job that may run, and the token is free. Limits and
 * reserves are looked at in each step. All jobs end.
 *
 * RUN a max: -DMAX=1
 * RUN a max, two submitters: -DMAX=1 -DS=2 -DJPS=1
 * RUN a reserve: -DRES=1 -DJPS=2
 * RUN a reserve and a max: -DRES=1 -DMAX=1 -DJPS=2
 * RUN no limit at all: -DJPS=2
 * RUN jobs are withdrawn: -DMAX=1 -DJPS=2 -DCANCEL
 * LONG a reserve, more jobs: -DRES=1
 * LONG a reserve and a max, more jobs: -DRES=1 -DMAX=1
 * LONG a reserve goes: -DRES=1 -DJPS=2 -DPUT
 * LONG a max, more jobs: -DMAX=1 -DJPS=4
 * LONG two lanes with a max: -DL=3 -DMAX=1 -DJPS=2
 * MUTANT enters without a look under the lock: -DMAX=1 -DBUG_ENTER_BLIND
 * MUTANT a reserve in use is still owed: -DRES=1 -DBUG_OWED_ENTER
 * MUTANT a reserve that is free again is not owed: -DRES=1 -DBUG_OWED_LEAVE
 * MUTANT others ignore what is owed: -DRES=1 -DBUG_IGNORE_OWED
 * MUTANT the place is not given back when nothing is found: -DMAX=1 -DBUG_KEEP_PLACE
 * MUTANT the finder does not look without the token: -DMAX=1 -DBUG_NO_LOOK
 * MUTANT the finder does not look, withdrawn: -DMAX=1 -DJPS=2 -DS=2 -DCANCEL -DBUG_NO_LOOK
 * MUTANT a job ends and its worker just sleeps: -DMAX=1 -DBUG_NO_RECHECK
 * MUTANT the place is given back, no fence before the look: -DMAX=1 -DBUG_NO_FENCE_PARK
 * MUTANT no fence in submit: -DMAX=1 -DBUG_NO_FENCE_SUBMIT
 * MUTANT a reserve goes, nobody is told: -DRES=1 -DJPS=2 -DPUT -DBUG_PUT_SILENT
 * MUTANT a reserve goes, no fence before the look: -DRES=1 -DJPS=2 -DPUT -DBUG_PUT_NO_FENCE
 */
#ifndef W
#define W 2
#endif
#ifndef L
#define L 2
#endif
#ifndef S
#define S 1
#endif
#ifndef JPS
#define JPS 3
#endif
#ifndef MAX
#define MAX W
#endif
#ifndef RES
#define RES 0
#endif
#define J (S*JPS)
#define T (W+S+1)		/* threads: workers, submitters, who puts */

/* Exact: under the lock of the queue, the gate, the park. */
byte q[L];			/* jobs that wait */
byte runs[L];			/* that run, or are about to */
byte res[L];			/* reserved */
byte maxi[L];
byte owed = 0;			/* reserved and not in use */
byte idle = 0;
bool searching = false;
bool onstack[W]; bool parked[W];

/* As seen without a lock: the same, less what is still in a buffer. */
short vq[L]; short vruns[L]; short vowed = 0;
short pq[T*L]; short pr[T*L]; short po[T];

byte ended = 0, withdrawn = 0;
bool holds[W];			/* a job that ends when it is let go */
bool finish = false;

#define all_running (runs[0] + runs[1] + THIRD(runs))
#define all_vrunning (vruns[0] + vruns[1] + THIRD(vruns))
#define unused(l) (res[l] > runs[l] -> res[l] - runs[l] : 0)
#if L > 2
#define THIRD(v) v[2]
#define really_owed (unused(1) + unused(2))
#else
#define THIRD(v) 0
#define really_owed (unused(1))
#endif

#ifdef BUG_IGNORE_OWED
#define OWED 0
#define VOWED 0
#else
#define OWED owed
#define VOWED vowed
#endif

/* Under the gate's lock; and as it looks from outside. */
#define may_run(l) (runs[l] < maxi[l] && \
	(runs[l] < res[l] || all_running + OWED < W))
#define is_open(l) (vruns[l] < maxi[l] && \
	(vruns[l] < res[l] || all_vrunning + VOWED < W))
#if L > 2
#define has_jobs ((vq[0] > 0 && is_open(0)) || (vq[1] > 0 && is_open(1)) || \
	(vq[2] > 0 && is_open(2)))
#else
#define has_jobs ((vq[0] > 0 && is_open(0)) || (vq[1] > 0 && is_open(1)))
#endif

#define AT(t, l) ((t)*L + (l))

inline drain_lane(t, l) {
	vq[l] = vq[l] + pq[AT(t, l)]; pq[AT(t, l)] = 0;
	vruns[l] = vruns[l] + pr[AT(t, l)]; pr[AT(t, l)] = 0
}

inline fence(t) {
	atomic {
		drain_lane(t, 0);
		drain_lane(t, 1);
#if L > 2
		drain_lane(t, 2);
#endif
		vowed = vowed + po[t]; po[t] = 0
	}
}

#define DRAIN_LANE(t, l) \
	:: atomic { pq[AT(t, l)] != 0 -> \
		vq[l] = vq[l] + pq[AT(t, l)]; pq[AT(t, l)] = 0 } \
	:: atomic { pr[AT(t, l)] != 0 -> \
		vruns[l] = vruns[l] + pr[AT(t, l)]; pr[AT(t, l)] = 0 }
#if L > 2
#define DRAIN_THIRD(t) DRAIN_LANE(t, 2)
#else
#define DRAIN_THIRD(t)
#endif
#define DRAIN(t) \
	DRAIN_LANE(t, 0) \
	DRAIN_LANE(t, 1) \
	DRAIN_THIRD(t) \
	:: atomic { po[t] != 0 -> vowed = vowed + po[t]; po[t] = 0 }

proctype memory() {
	do
	:: finish -> break
	DRAIN(0)
	DRAIN(1)
	DRAIN(2)
	DRAIN(3)
#if W + S > 3
	DRAIN(4)
#endif
#if W + S > 4
	DRAIN(5)
#endif
	od
}

/* ---- the gate ---- */

inline enter(t, l, ret) {
	atomic {
#ifdef BUG_ENTER_BLIND
		ret = true;
#else
		ret = may_run(l);
#endif
		if
		:: ret ->
			if
			:: runs[l] < res[l] ->
#ifndef BUG_OWED_ENTER
				owed--; po[t] = po[t] - 1
#else
				skip
#endif
			:: else
			fi;
			runs[l]++;
			pr[AT(t, l)] = pr[AT(t, l)] + 1;
			assert(runs[l] <= maxi[l]);
			assert(all_running + really_owed <= W)
		:: else
		fi
	}
}

inline leave(t, l) {
	atomic {
		runs[l]--;
		pr[AT(t, l)] = pr[AT(t, l)] - 1;
		if
		:: runs[l] < res[l] ->
#ifndef BUG_OWED_LEAVE
			owed++; po[t] = po[t] + 1
#else
			skip
#endif
		:: else
		fi
	}
}

/* ---- the park ---- */

inline hand_over() {
	w = 0;
	do
	:: w < W && onstack[w] ->
		onstack[w] = false;
		idle--;
		searching = true;
		parked[w] = false;
		break
	:: w < W && !onstack[w] -> w++
	:: w == W -> break
	od;
	w = 0
}

/* Without its fence, which stands before it. */
inline wake_one() {
	if
	:: atomic { !searching && idle > 0 -> hand_over() }
	:: else
	fi
}

/* ---- threads ---- */

inline publish(t, l) {
	atomic { q[l]++; pq[AT(t, l)] = pq[AT(t, l)] + 1 };
#ifndef BUG_NO_FENCE_SUBMIT
	fence(t);
#endif
	wake_one()
}

proctype submitter(byte me) {
	byte i, w, l;
	do
	:: i < JPS ->
		if
		:: l = 0
		:: l = 1
#if L > 2
		:: l = 2
#endif
		fi;
		publish(me, l);
#ifdef CANCEL
		/* Perhaps it changes its mind: no room is made by that. */
		if
		:: atomic { q[l] > 0 ->
			q[l]--; vq[l]--;
			withdrawn++ }
		:: true
		fi;
#endif
		l = 0;
		i++
	:: else -> break
	od
}

/* A lane's handle goes, and its reserve with it. */
proctype putter(byte me) {
	byte w;

	atomic {
		if
		:: runs[1] < res[1] ->
			po[me] = po[me] - (res[1] - runs[1]);
			owed = owed - (res[1] - runs[1])
		:: else
		fi;
		res[1] = 0
	};
#ifndef BUG_PUT_NO_FENCE
	fence(me);
#endif
#ifndef BUG_PUT_SILENT
	if
	:: has_jobs -> wake_one()
	:: else
	fi
#endif
}

/* The next lane to try: any that has jobs and is open. */
inline pick(t) {
	if
	:: !tried[0] && vq[0] > 0 && is_open(0) -> l = 0
	:: !tried[1] && vq[1] > 0 && is_open(1) -> l = 1
#if L > 2
	:: !tried[2] && vq[2] > 0 && is_open(2) -> l = 2
#endif
	:: else -> l = L
	fi
}

proctype worker(byte me) {
	byte w, l;
	bool token, may, got, tried[L];
search:
	atomic {
		tried[0] = false; tried[1] = false;
#if L > 2
		tried[2] = false;
#endif
		l = 0
	};
next:
	pick(me);
	if :: l == L -> l = 0; goto sleep :: else fi;
	enter(me, l, may);
	if :: !may -> tried[l] = true; goto next :: else fi;
	atomic {
		may = false;
		got = q[l] > 0;
		if
		:: got -> q[l]--; vq[l]--
		:: else
		fi
	};
	if
	:: !got ->
#ifndef BUG_KEEP_PLACE
		leave(me, l);
#endif
		tried[l] = true;
		goto next
	:: else
	fi;
	atomic {
		got = false;
		if :: token -> searching = false :: else fi
	};
	fence(me);
#ifdef BUG_NO_LOOK
	if :: token && has_jobs -> wake_one() :: else fi;
#else
	if :: has_jobs -> wake_one() :: else fi;
#endif
	token = false;
	/* The job. */
	if
	:: skip
	:: holds[me] = true; (!holds[me])
	fi;
	leave(me, l);
	ended++;
	goto search;
sleep:
	atomic {
		onstack[me] = true; parked[me] = true;
		idle++;
		if :: token -> searching = false :: else fi;
		token = false
	};
#ifndef BUG_NO_FENCE_PARK
	fence(me);
#endif
#ifndef BUG_NO_RECHECK
	if
	:: has_jobs ->
		atomic {
			if
			:: onstack[me] ->
				onstack[me] = false; parked[me] = false;
				idle--;
				token = !searching;
				searching = true
			:: else -> token = true
			fi
		};
		goto search
	:: else
	fi;
#endif
	if
	:: !parked[me] -> token = true; goto search
	:: finish
	fi
}

/* Nothing else can happen. */
proctype judge() {
	byte w;
	bool asleep;

	do
	:: timeout ->
		atomic {
			asleep = false;
			w = 0;
			do
			:: w < W -> asleep = asleep || onstack[w]; w++
			:: else -> break
			od;
			w = 0;
			assert(!asleep || !(q[0] > 0 && may_run(0)));
			assert(!asleep || !(q[1] > 0 && may_run(1)));
#if L > 2
			assert(!asleep || !(q[2] > 0 && may_run(2)));
#endif
			assert(!searching && owed == really_owed);
			asleep = false
		};
		if
		:: ended + withdrawn == J ->
			assert(all_running == 0);
			finish = true;
			break
		:: holds[0] -> holds[0] = false
		:: holds[1] -> holds[1] = false
#if W > 2
		:: holds[2] -> holds[2] = false
#endif
		fi
	od
}

init {
	byte i;
	atomic {
		maxi[0] = W;
		maxi[1] = MAX;
		res[1] = RES;
		owed = RES;
#if L > 2
		maxi[2] = MAX;
		res[2] = RES;
		owed = 2 * RES;
#endif
		vowed = owed;
		run memory();
		run judge();
		do :: i < W -> run worker(i); i++ :: else -> break od;
		i = 0;
		do :: i < S -> run submitter(W + i); i++ :: else -> break od;
#ifdef PUT
		run putter(W + S)
#endif
	}
}
