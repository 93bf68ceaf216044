/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Drain: who waits until a pool is through; drain.c. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "engine/order.h"
#include "threadpool/crew.h"

/* Embedded in who waits. */
struct wf_drain {
	struct tev_list link; /* L(park of the elder) */
	/* The pool is through. Called once, unless it was left before; may free
	 * this. Thread: any. No lock is held. */
	void (*through)(struct wf_drain *drain);
};

/* The pool of @elder takes nothing more. Again: does nothing.
 * Thread: any with a share.  Lock: takes that of the list of crews, and under
 *         it the gates' and shards'. */
void wf_drain_close(struct wf_crew *elder);

/* The same; @drain is told when all that it has
 * taken is through, at once if it is.
 * Thread: any with a share.  Lock: takes that of the list of crews, the shards'
 *         and the parks'. */
void wf_drain_begin(struct wf_crew *elder, struct wf_drain *drain);

/* @drain does not wait any more.
 * Thread: any with a share.  Lock: takes the park's.
 * Return: false: it was told, or is about to be. */
bool wf_drain_leave(struct wf_crew *elder, struct wf_drain *drain);

/* If the pool of @crew is drained and nothing is queued or in hand any more in
 * the whole family, those who wait are told [DR1].
 * Thread: any, with no lock of the pool.  Lock: as wf_drain_begin(). */
void wf_drain_check(struct wf_crew *crew);

/* A worker has found nothing to do, or a job was taken out of the queue, and a
 * full fence has followed [DR1]: looks whether that was the last.
 * Thread: any.  Lock: as wf_drain_begin() if the pool is being drained. */
static inline void wf_drain_look(struct wf_crew *crew)
{
	if (tev_unlikely(wf_crew_draining(crew))) {
		wf_drain_check(crew);
	}
}

/* Another thread than a worker takes a job, queued or not, into its hands: to
 * end it, to run it, or to queue it elsewhere than in a shard alone. Meanwhile
 * the pool is not through. Followed by wf_drain_give().
 * Thread: any with a share.  Lock: none. */
static inline void wf_drain_take(struct wf_crew *crew)
{
	/* Relaxed: what it guards is found in the locks of the queues; what is
	 * not yet there, after the fence of wf_drain_enter(). */
	(void)atomic_fetch_add_explicit(&wf_crew_elder(crew)->hands, 1,
					memory_order_relaxed);
}

static inline void wf_drain_give(struct wf_crew *crew)
{
	/* [DR1] release: the job is queued, or its end is posted; pairs with
	 * drain_hands_empty(). */
	(void)atomic_fetch_sub_explicit(&wf_crew_elder(crew)->hands, 1,
					memory_order_release);
	/* [DR1] full fence: hands stored, draining loaded. Do not weaken. */
	tev_fence_full();
	wf_drain_look(crew);
}

/* The same for a job that is not yet the pool's.
 * Return: false: it is drained, and takes nothing; nothing is in hand. */
static inline bool wf_drain_enter(struct wf_crew *crew)
{
	wf_drain_take(crew);
	/* [DR1] full fence: hands stored, draining loaded. Do not weaken. */
	tev_fence_full();
	if (tev_unlikely(wf_crew_draining(crew))) {
		wf_drain_give(crew);
		return false;
	}
	return true;
}
