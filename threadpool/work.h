/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Work: one piece of work and its states; work.c. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/list.h"
#include "threadpool/shard.h"

struct weft_job;
struct wf_family;
struct wf_keyed;
struct wf_stream;
struct wf_worker;

/* What a piece of work is good for. Neither is called with a lock held. */
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
};

/* Also what the public header calls a job: what the function that runs it has
 * in its hands. Embedded in what knows where it came from. */
struct weft_job {
	struct wf_queued queued;       /* see shard.h */
	atomic_int state;              /* A: [WK1] enum wf_work_state */
	bool interruptible;            /* I: */
	const struct wf_work_ops *ops; /* I: */
	const char *name;              /* I: for lists; never NULL */
	const char *location;          /* I: for lists; never NULL */
	uint64_t id;                   /* I: */
	uint64_t deadline_ns;          /* I: 0: none */
	uint64_t sent_ns;              /* I: CLOCK_MONOTONIC, see timed */
	bool timed;                    /* I: exactly; else to the last tick */
	/* Order by key: serial.h. NULL: none. Embedded by those that have
	 * it. */
	struct wf_keyed *keyed; /* I: */
	/* Parts and progress, stream.h; or NULL. */
	_Atomic(struct wf_stream *) stream; /* A: [ST1] */
	/* While it runs. */
	struct wf_worker *worker; /* W: NULL: another thread runs it */
	struct weft_job *outer;   /* W: which waits while its child runs here */
	uint64_t begun_ns;        /* W: */
	/* Those that it has made, and those that it was made among:
	 * family.h. */
	_Atomic(struct wf_family *) family; /* A: [CH1] */
	struct wf_family *siblings;         /* I: */
	atomic_int stop_fd;                 /* A: [PK6] -1: none; poke.h */
};

/* (W: written by the thread that runs it, read by others who hold it:
 * poke.h.) */

/* Sets up all of @job but what is named here as left to the caller: flow and
 * priority of queued, interruptible, name, location, id, deadline_ns, sent_ns,
 * timed, keyed.
 * Thread: before anybody else knows the work. */
void wf_work_init(struct weft_job *job, const struct wf_work_ops *ops);

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
void wf_work_finish(struct weft_job *job);

/* Whether it is STOPPING. Thread: any that may look at it. */
bool wf_work_told(const struct weft_job *job);

/* Whether it is QUEUED. Thread: owner. A moment later it may not be. */
bool wf_work_waits(const struct weft_job *job);

/* Whether somebody had it when this process was forked off: then nobody knows
 * in which state its memory is. Thread: owner, in the child. */
bool wf_work_was_running(const struct weft_job *job);
