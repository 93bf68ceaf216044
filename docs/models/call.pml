/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * call: a function on another loop, its answer, and who frees what.
 *
 *   QUEUED --> RUNNING --> UNWANTED     the callee: run, answer
 *      |          |           |         the caller: take back, unwant
 *      |          `-----------`--> ANSWERED
 *      `--> TAKEN_BACK
 *
 * One call, at every step of which the caller may give it up (cancelled, freed,
 * too late) or end its loop, and the callee may run its function, be too late
 * for it, or lose its mailbox. The way home is a port of which only this counts:
 * it is open, then closed by its owner, who takes what has arrived; a post is
 * accepted before that and refused afterwards.
 *
 * The block has one place at a time. The core may be touched by either side
 * until it is freed, once; the handle is freed once; the request has at most one
 * outcome, and then it has the block, unless the function has begun and has not
 * yet answered.
 *
 *   PORT   the caller is a loop, with a request.
 *   WAIT   the caller is a thread that waits. Instead of a port there are two
 *          shares in the core: the last one out frees it.
 *
 * RUN a request: -DPORT
 * RUN a request, and a second owner of the call: -DPORT -DHANDED
 * RUN a thread that waits: -DWAIT
 * MUTANT the caller looks, then takes back: -DPORT -DBUG_TAKE_STORE
 * MUTANT the callee looks, then runs: -DPORT -DBUG_RUN_STORE
 * MUTANT what is taken back is freed at once: -DPORT -DBUG_FREE_BACK
 * MUTANT too late, but RUNNING meanwhile: -DPORT -DBUG_RUNS_LATE
 * MUTANT ANSWERED before the answer is there: -DPORT -DBUG_EARLY
 * MUTANT the callee looks again after the post: -DPORT -DBUG_TOUCH
 * MUTANT an answer under way is left there: -DPORT -DBUG_LEAVE
 * MUTANT an answer is taken, and left as well: -DPORT -DBUG_TAKE_TWICE
 * MUTANT a loop ends without parting: -DPORT -DBUG_NO_CUT
 * MUTANT the port is closed before the parting: -DPORT -DBUG_CLOSE_FIRST
 * MUTANT what is refused is forgotten: -DPORT -DBUG_NO_DISPOSE
 * MUTANT what arrives with the end is forgotten: -DPORT -DBUG_NO_TAKE
 * MUTANT the handle is freed by whoever ends the call: -DPORT -DBUG_HANDLE
 * MUTANT waits, one share: -DWAIT -DBUG_ONE_SHARE
 * MUTANT waits, the callee keeps none while it tells: -DWAIT -DBUG_TELL_LATE
 * MUTANT waits, the caller looks, then takes back: -DWAIT -DBUG_TAKE_STORE
 * MUTANT waits, an answer under way is left there: -DWAIT -DBUG_LEAVE
 */
mtype = { QUEUED, RUNNING, UNWANTED, ANSWERED, TAKEN_BACK };
mtype = { WITH_CALLER, WITH_HANDLE, WITH_CALLEE, IN_ANSWER, FREED };

mtype state = QUEUED;
mtype block = WITH_HANDLE;	/* where it is */
bool in_answer = false;		/* the core's pointer to it */
bool handle = true;		/* not freed */
bool core = true;		/* not freed */
bool ran = false;
byte outcomes = 0;
bool callee_done = false, caller_done = false;

#ifndef PORT
#ifdef BUG_ONE_SHARE
byte refs = 1;
#else
byte refs = 2;
#endif
bool done = false;		/* under the lock */
#else
bool closed = false;
bool arrived = false;		/* the core is in the port */
bool parted = false;		/* the request has let go of the core */
#endif

#define touch() assert(core)

inline free_handle() {
	atomic { assert(handle); handle = false }
}

/* What has come home has its block for @where. */
inline take_answer(where) {
	atomic {
		touch();
		if
		:: state == QUEUED ->	/* refused, cancelled, too late */
			assert(block == WITH_HANDLE && handle);
			state = TAKEN_BACK;
			handle = false;
			block = where
		:: state == ANSWERED && in_answer ->
			assert(block == IN_ANSWER);
			block = where;
#ifndef BUG_TAKE_TWICE
			in_answer = false
#endif
		:: else
		fi
	}
}

inline free_core() {
	atomic { touch(); core = false }
}

/* ---- the way home ---- */

#ifndef PORT
inline unref() {
	atomic {
		assert(refs > 0);
		refs--;
		last = refs == 0
	};
	if
	:: last -> take_answer(FREED); free_core()
	:: else
	fi
}

inline go_home() {
#ifdef BUG_TELL_LATE
	unref();
	atomic { touch(); done = true }
#else
	atomic { touch(); done = true };
	unref()
#endif
}
#else
inline go_home() {
	atomic {
		refused = closed;
		if
		:: !closed -> arrived = true
		:: else
		fi
	};
#ifdef BUG_TOUCH
	touch();
#endif
	if
#ifndef BUG_NO_DISPOSE
	:: refused -> take_answer(FREED); free_core()
#endif
	:: else
	fi
}
#endif

/* ---- the callee ---- */

inline start() {
#ifdef BUG_RUN_STORE
	mine = (state == QUEUED);
	touch();
	if :: mine -> state = RUNNING; ran = true :: else fi
#else
	atomic {
		touch();
		mine = (state == QUEUED);
		if
		:: mine -> state = RUNNING; ran = true
#ifdef BUG_RUNS_LATE
		:: mine -> state = RUNNING	/* only to send it back */
#endif
		:: else
		fi
	}
#endif
}

inline answer() {
	assert(block == WITH_CALLEE);
	free_handle();
#ifdef BUG_EARLY
	atomic { touch(); state = ANSWERED };
	atomic { touch(); block = IN_ANSWER; in_answer = true };
#else
	atomic { touch(); block = IN_ANSWER; in_answer = true };
	atomic { touch(); state = ANSWERED };
#endif
	go_home()
}

proctype replier() {
	bool refused, last;

	assert(block == WITH_CALLEE);
	block = WITH_CALLEE;		/* works on it */
	answer();
	callee_done = true
}

active proctype callee() {
	bool mine, refused, last;

	if
	:: start()
	:: mine = false			/* too late, or the mailbox is gone */
	fi;
	if
	:: !mine ->
#ifdef BUG_HANDLE
		free_handle();
#endif
		go_home();
		callee_done = true
	:: else ->
		atomic { assert(block == WITH_HANDLE); block = WITH_CALLEE };
		touch();		/* is it wanted? */
		assert(block == WITH_CALLEE);
#ifdef HANDED
		if
		:: run replier()
		:: answer(); callee_done = true
		fi
#else
		answer();
		callee_done = true
#endif
	fi
}

/* ---- the caller ---- */

/* back: it was QUEUED. Otherwise it is told, or the answer is taken. */
inline give_up() {
#ifdef BUG_TAKE_STORE
	back = (state == QUEUED);
	touch();
	if :: back -> state = TAKEN_BACK :: else fi;
#else
	atomic {
		touch();
		back = (state == QUEUED);
		if :: back -> state = TAKEN_BACK :: else fi
	};
#endif
	if
	:: back ->
		atomic { assert(block == WITH_HANDLE); block = WITH_CALLER };
		free_handle();
#ifdef BUG_FREE_BACK
		free_core()
#endif
	:: else ->
		atomic {
			touch();
			out = (state == RUNNING);
			if :: out -> state = UNWANTED :: else fi
		};
#ifndef BUG_LEAVE
		if :: !out -> take_answer(WITH_CALLER) :: else fi
#endif
	fi
}

/* The request has its result, and the block unless the callee has that. */
inline outcome() {
	outcomes++;
	assert(outcomes == 1);
	assert(block == WITH_CALLER || (out && ran))
}

inline keep_or_free_block() {
	if
	:: block == WITH_CALLER -> block = FREED
	:: else
	fi
}

#ifndef PORT
active proctype caller() {
	bool back, out, last;

	if
	:: done -> take_answer(WITH_CALLER)
	:: give_up()			/* the time is over */
	fi;
	outcome();
	keep_or_free_block();
	unref();
	caller_done = true
}
#else
active proctype caller() {
	bool back, out, mine;

	do
	:: arrived ->			/* delivered */
		arrived = false;
		if
		:: parted -> take_answer(FREED)
		:: else -> take_answer(WITH_CALLER)
		fi;
		free_core();
		if :: !parted -> parted = true; outcome() :: else fi;
		break
	:: !parted ->			/* cancelled, freed, too late */
		give_up();
		parted = true;
		outcome()
	:: true ->			/* the loop ends */
#ifndef BUG_CLOSE_FIRST
#ifndef BUG_NO_CUT
		if :: !parted -> give_up(); parted = true :: else fi;
#endif
#endif
		atomic { closed = true; mine = arrived; arrived = false };
#ifdef BUG_CLOSE_FIRST
		if :: !parted -> give_up(); parted = true :: else fi;
#endif
		if
#ifndef BUG_NO_TAKE
		:: mine -> take_answer(FREED); free_core()
#endif
		:: else
		fi;
		/* The request may be freed later. */
		if :: !parted -> touch(); parted = true :: else fi;
		break
	od;
	keep_or_free_block();
	caller_done = true
}
#endif

active proctype judge() {
	(callee_done && caller_done);
	assert(!core);
	assert(!handle);
	assert(block == FREED)
}
