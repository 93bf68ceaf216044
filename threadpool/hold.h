/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Hold: looking at a job that another thread runs; hold.c. */
#pragma once

#include <stdint.h>

#include "threadpool/park.h"
#include "threadpool/work.h"

/* Jobs lie at even addresses. */
#define WF_HOLD_HELD ((uintptr_t)1)

static inline struct weft_job *wf_hold_job(uintptr_t current)
{
	return (struct weft_job *)(current & ~WF_HOLD_HELD);
}

/* Publishes @job on @bed, before what the bed has run until now: sets outer.
 * Thread: the worker.  Lock: none. */
static inline void wf_hold_begin(struct weft_job *job, struct wf_bed *bed)
{
	/* Relaxed: our own; others add or take HELD alone, and not to 0. */
	uintptr_t before = atomic_load_explicit(&bed->current,
						memory_order_relaxed);
	uintptr_t after = 0;

	job->outer = wf_hold_job(before);
	if (tev_likely(before == 0)) {
		/* [PK5] release: the job; pairs with hold_take_locked(). */
		atomic_store_explicit(&bed->current, (uintptr_t)job,
				      memory_order_release);
		return;
	}
	do {
		after = (uintptr_t)job | (before & WF_HOLD_HELD);
		/* [PK5] release: the job; pairs with hold_take_locked(). */
	} while (!atomic_compare_exchange_weak_explicit(
		&bed->current, &before, after, memory_order_release,
		memory_order_relaxed));
}

/* Takes it back; outer is in its place again. Nobody holds @job any more.
 * Thread: the worker.  Lock: takes the park's if somebody held it. */
static inline void wf_hold_end(struct weft_job *job, struct wf_bed *bed,
			       struct wf_park *park)
{
	/* [PK5] acquire: what the last holder did; release: pairs with
	 * hold_take_locked(), which finds the outer one again. */
	uintptr_t before = atomic_exchange_explicit(
		&bed->current, (uintptr_t)job->outer, memory_order_acq_rel);

	if (tev_unlikely((before & WF_HOLD_HELD) != 0)) {
		wf_park_lock(park);
		wf_park_unlock(park);
	}
}

/* Calls @look for each job that runs on a worker, the outer ones of a worker
 * after the inner one; all of one worker are held meanwhile.
 * Thread: any that holds the park's lock. */
void wf_hold_each_locked(struct wf_park *park,
			 void (*look)(struct weft_job *job, struct wf_bed *bed,
				      void *arg),
			 void *arg);

/* Sends the signal to the thread that runs @job, unless a child runs inside of
 * it just now.
 * Thread: any that holds @job. */
void wf_hold_interrupt(struct weft_job *job, struct wf_bed *bed, int signum);
