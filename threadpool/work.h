/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Work: one piece of work and its states; work.c. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "engine/list.h"

struct wf_crew;
struct wf_shard;
struct wf_work;
struct wf_worker;

/* What a piece of work is good for. Both are called at most once, one of the
 * two, without a lock held, and have to bring the work to its end. */
struct wf_work_ops {
	/* On a worker, which owns it now. */
	void (*run)(struct wf_work *work, struct wf_worker *worker);
	/* It has been taken out of the queue: it will not run, for @error. On
	 * any thread. */
	void (*evicted)(struct wf_work *work, struct wf_crew *crew, int error);
};

struct wf_work {
	struct tev_list queued;        /* L(shard) */
	atomic_int state;              /* A: [WK1] enum wf_work_state */
	struct wf_shard *shard;        /* I: */
	const struct wf_work_ops *ops; /* I: */
};

/* Thread: before anybody else knows the work. */
void wf_work_init(struct wf_work *work, const struct wf_work_ops *ops,
		  struct wf_shard *shard);

/* NEW -> QUEUED, just before it is put into its shard; back if that refused.
 * Thread: owner. */
void wf_work_queued(struct wf_work *work);
void wf_work_unqueued(struct wf_work *work);

/* QUEUED -> RUNNING. Thread: a worker, under the shard's lock.
 * Return: false: its owner was faster. */
bool wf_work_start(struct wf_work *work);

/* QUEUED -> EVICTED. Thread: any, under the shard's lock.
 * Return: false: its owner was faster. */
bool wf_work_evict(struct wf_work *work);

/* QUEUED -> CANCELLED, and out of the shard; or RUNNING -> STOPPING.
 * Thread: owner.  Lock: takes the shard's.
 * Return: true: it is the owner's again, nobody else knows it; false: it is
 *         with a worker or on its way home. */
bool wf_work_cancel(struct wf_work *work);

/* RUNNING | STOPPING -> DONE. Thread: the worker that runs it. */
void wf_work_finish(struct wf_work *work);

/* Whether it is STOPPING. Thread: the worker that runs it. */
bool wf_work_told(const struct wf_work *work);

/* Whether a worker had it when this process was forked off: then nobody knows
 * in which state its memory is. Thread: owner, in the child. */
bool wf_work_was_running(const struct wf_work *work);
