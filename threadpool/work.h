/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Work: one piece of work and its states; work.c. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/list.h"
#include "threadpool/shard.h"
#include "threadpool/trace.h"

struct weft_job;
struct wf_family;
struct wf_keyed;
struct wf_stream;
struct wf_worker;

enum wf_work_state {
	WF_WORK_NEW,
	WF_WORK_QUEUED,
	WF_WORK_RUNNING,
	WF_WORK_STOPPING,
	WF_WORK_DONE,
	WF_WORK_EVICTED,
	WF_WORK_CANCELLED,
};

/* How a job is called in lists. */
struct wf_label {
	const char *name;     /* never NULL */
	const char *location; /* never NULL */
};

/* What a piece of work is good for. None is called with a lock held, but
 * label. */
struct wf_work_ops {
	/* The user's function. Thread: a worker, which owns it now; the thread
	 * that sent it (caller runs); the worker of its parent.
	 * Return: 0 or a positive errno. */
	int (*call)(struct weft_job *job);
	/* It is over: called once for each that was queued, unless its owner
	 * took it back (wf_work_cancel() said true). @ran: call was, and @error
	 * is what that returned; else why it was not. From here on @job belongs
	 * to nobody else. Thread: any. */
	void (*end)(struct weft_job *job, int error, bool ran);
	/* Strings that outlive the job. Thread: any that may look at it. */
	struct wf_label (*label)(struct weft_job *job);
};

/* Also what the public header calls a job: what the function that runs it has
 * in its hands. Embedded in what knows where it came from.
 *
 * It goes from one processor to another and back, so what each of them needs
 * stands together, and what only its loop needs apart from that: 64 bytes for
 * the queue, 64 for who runs it, and the rest, which goes nowhere. */
struct weft_job {
	/* For the queue, and who takes it out. */
	struct wf_queued queued;       /* see shard.h */
	atomic_int state;              /* A: [WK1] enum wf_work_state */
	atomic_int stop_fd;            /* A: [PK6] -1: none; poke.h */
	const struct wf_work_ops *ops; /* I: */
	/* Order by key: serial.h. NULL: none. Embedded by those that have
	 * it. */
	struct wf_keyed *keyed; /* I: */

	/* For who runs it. */
	uint64_t deadline_ns;     /* I: 0: none */
	uint64_t sent_ns;         /* I: CLOCK_MONOTONIC, see timed */
	struct wf_worker *worker; /* W: NULL: another thread runs it */
	struct weft_job *outer;   /* W: which waits while its child runs here */
	uint64_t begun_ns;        /* W: */
	/* Those that it has made: family.h. */
	_Atomic(struct wf_family *) family; /* A: [CH1] */
	/* Parts and progress, stream.h; or NULL. */
	_Atomic(struct wf_stream *) stream; /* A: [ST1] */
	int error;                          /* Q: what it ended with */
	bool ran;                           /* Q: call was called */
	bool interruptible;                 /* I: */
	bool timed; /* I: sent_ns is exact; else to the last tick */

	/* For its owner. */
	uint64_t id;                /* I: */
	struct wf_family *siblings; /* I: those that it was made among */
};

/* (W: written by the thread that runs it, read by others who hold it:
 * poke.h.) */

/* Sets up all of @job but what is left to the caller: flow of queued, sent_ns,
 * timed, id. It is of normal priority, and has nothing that is optional.
 * Thread: before anybody else knows the work. */
static inline void wf_work_init(struct weft_job *job,
				const struct wf_work_ops *ops)
{
	tev_list_init(&job->queued.link);
	job->queued.priority = WF_PRIORITY_NORMAL;
	job->queued.inside = false;
	atomic_init(&job->state, WF_WORK_NEW);
	atomic_init(&job->stop_fd, -1);
	job->ops = ops;
	job->keyed = NULL;
	job->deadline_ns = 0;
	job->worker = NULL;
	job->outer = NULL;
	job->begun_ns = 0;
	atomic_init(&job->family, NULL);
	atomic_init(&job->stream, NULL);
	job->error = 0;
	job->ran = false;
	job->interruptible = false;
	job->siblings = NULL;
}

/* NEW -> QUEUED, just before it is put into its shard; back if that refused.
 * Thread: owner. */
void wf_work_queued(struct weft_job *job);
void wf_work_unqueued(struct weft_job *job);

/* QUEUED -> RUNNING. Thread: a worker, under the shard's lock; the parent's.
 * Return: false: its owner was faster. */
bool wf_work_start(struct weft_job *job);

/* QUEUED -> EVICTED. Thread: any, under the lock of where it is queued.
 * Return: false: its owner was faster. */
bool wf_work_evict(struct weft_job *job);

/* QUEUED -> CANCELLED, or RUNNING -> STOPPING. Only the state: the rest is
 * pool.h's and poke.h's.
 * Thread: owner.
 * Return: true: it was queued, and nobody else will have it. */
bool wf_work_try_cancel(struct weft_job *job);

/* RUNNING -> STOPPING. Thread: any that holds it (park.h), or the owner. */
void wf_work_tell(struct weft_job *job);

/* RUNNING | STOPPING -> DONE. Thread: the one that runs it. */
static inline void wf_work_finish(struct weft_job *job)
{
	/* [WK1] release: who comes too late to tell it sees that it is done;
	 * pairs with work_move(). A move to STOPPING that was in time may be
	 * overwritten: nothing came with it. */
	atomic_store_explicit(&job->state, WF_WORK_DONE, memory_order_release);
}

/* Writes down that it is @moment for the job, under its name.
 * Thread: any that may look at it.  Lock: none. */
__attribute__((cold)) void wf_work_trace(struct weft_job *job,
					 enum wf_trace_moment moment);

/* Whether it is STOPPING. Thread: any that may look at it. */
bool wf_work_told(const struct weft_job *job);

/* Whether it is QUEUED. Thread: owner. A moment later it may not be. */
bool wf_work_waits(const struct weft_job *job);

/* Whether somebody had it when this process was forked off: then nobody knows
 * in which state its memory is. Thread: owner, in the child. */
bool wf_work_was_running(const struct weft_job *job);
