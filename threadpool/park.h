/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Park: where the workers of a pool sleep, and who of them is woken; park.c. */
#pragma once

#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/order.h"
#include "threadpool/bed.h"

/* Thread: before anybody else knows the park. */
void wf_park_init(struct wf_park *park, unsigned min, unsigned max,
		  unsigned spare);
/* Thread: after everybody has forgotten it. */
void wf_park_fini(struct wf_park *park);

/* ---- how many there may be ---- */

/* How many may run: max, and one more for each that is blocked, as far as spare
 * allows. Relaxed. Thread: any. */
static inline unsigned wf_park_limit(struct wf_park *park)
{
	unsigned max = park_get(&park->max);
	unsigned blocked = park_get(&park->blocked);
	unsigned more = blocked < park->spare ? blocked : park->spare;

	return more < UINT_MAX - max ? max + more : UINT_MAX;
}

/* What the options said last. Relaxed. Thread: any. */
static inline unsigned wf_park_max(const struct wf_park *park)
{
	return atomic_load_explicit(&park->max, memory_order_relaxed);
}

/* Whether nobody can be woken or born for a job that waits: at least max are
 * active; or nobody is idle or may be born. Relaxed: a look, for which a fence
 * of [PK1] precedes.
 * Thread: any.  Lock: none. */
static inline bool wf_park_is_full(struct wf_park *park)
{
	return park_active_above(park, park_get(&park->max) - 1) ||
	       (park_get(&park->idlers) == 0 &&
		park_get(&park->workers) >= wf_park_limit(park));
}

/* ---- for who has published a job, or has found that there are more ---- */

/* Whether somebody is on his way to look for jobs. Relaxed: as above.
 * Thread: any.  Lock: none. */
static inline bool wf_park_is_searching(const struct wf_park *park)
{
	return atomic_load_explicit(&park->searching, memory_order_relaxed);
}

enum wf_park_woken {
	WF_PARK_NOBODY, /* nobody can be woken, or somebody searches already */
	WF_PARK_WOKEN,  /* an idle worker has the token and is awake */
	/* The caller starts a thread, which is counted and has the token, or
	 * calls wf_park_birth_failed(). */
	WF_PARK_BIRTH,
};

/* Full fence between "a job is published" and a look for a worker.
 * Thread: any.  Lock: takes the park's only if somebody can be woken.
 * Return: what has been done, or is to be done. */
enum wf_park_woken wf_park_wake(struct wf_park *park);

/* After wf_park_wake() has found nobody: whether all that may be active are in
 * the middle of a job. Else one of them looks at the queues in a moment, at the
 * latest when it has found a job.
 * Thread: any.  Lock: takes the park's. */
bool wf_park_all_taken(struct wf_park *park);

/* The promised thread does not come. Takes back the count, and the token
 * unless it has given that back itself. Afterwards
 * the caller looks at the queues again: if jobs wait and it was told NOBODY,
 * they must be refused.
 * Thread: any.  Lock: takes the park's.
 * Return: WF_PARK_NOBODY: no worker is left; WF_PARK_WOKEN: others are there.
 */
enum wf_park_woken wf_park_birth_failed(struct wf_park *park, bool token);

/* ---- for workers ---- */

/* Before anything else, and after everything: the park knows the worker.
 * Thread: who starts the worker; the worker.  Lock: takes the park's. */
void wf_park_join(struct wf_park *park, struct wf_bed *bed);
void wf_park_part(struct wf_park *park, struct wf_bed *bed);

/* The worker's thread has begun: its number and clock.
 * Thread: the worker.  Lock: takes the park's. */
void wf_park_known(struct wf_park *park, struct wf_bed *bed);

/* The worker claims a job out of a queue, whose lock it holds; and has not got
 * it after all.
 * Thread: worker.  Lock: none. */
static inline void wf_park_busy(struct wf_bed *bed)
{
	/* Relaxed, both: ordered by the queue's lock, in which whoever drains
	 * looks, too, and the fence of [PK3]. */
	atomic_store_explicit(&bed->serving, true, memory_order_relaxed);
	atomic_store_explicit(&bed->busy, true, memory_order_relaxed);
}

static inline void wf_park_not_busy(struct wf_bed *bed)
{
	/* Relaxed, both: it has done nothing. */
	atomic_store_explicit(&bed->busy, false, memory_order_relaxed);
	atomic_store_explicit(&bed->serving, false, memory_order_relaxed);
}

/* The worker is through with a job that it has run inside of another one.
 * Thread: worker.  Lock: none. */
static inline void wf_park_count(struct wf_bed *bed)
{
	/* Relaxed, both: a statistic, which only the worker writes. */
	uint64_t completed = atomic_load_explicit(&bed->completed,
						  memory_order_relaxed);

	atomic_store_explicit(&bed->completed, completed + 1,
			      memory_order_relaxed);
}

/* The worker is through with its job, before the result is posted.
 * Thread: worker.  Lock: none. */
static inline void wf_park_done(struct wf_bed *bed)
{
	wf_park_count(bed);
	/* [PK4] release: pairs with park_count_busy_locked(). */
	atomic_store_explicit(&bed->busy, false, memory_order_release);
}

/* The worker has found a job, and gives back the token if it has that. After
 * wf_park_busy() it has claimed the job by a read-modify-write.
 * Thread: the worker.  Lock: none.
 * Return: whether others may have relied on it: then it looks at the queues
 *         again and calls wf_park_wake() if jobs wait. */
static inline bool wf_park_found(struct wf_park *park, bool token)
{
	if (tev_unlikely(token)) {
		/* Relaxed: as in bed.h. */
		atomic_store_explicit(&park->searching, false,
				      memory_order_relaxed);
		/* [PK1] full fence: token stored, queues loaded by the caller.
		 * Do not weaken. */
		tev_fence_full();
		return true;
	}
	/* [PK3] full fence, with the claim: busy stored, worker count and, by
	 * the caller, queues loaded. Do not weaken. */
	tev_fence_after_rmw();
	return park_get(&park->workers) < wf_park_limit(park);
}

/* The worker has found nothing: announces sleep and gives back the token that
 * it may have. The caller then looks at the queues again.
 * Thread: worker.  Lock: takes the park's.
 * Return: false: the park is stopped; the worker is not counted any more and
 *         must leave. */
bool wf_park_enter(struct wf_park *park, struct wf_bed *bed, bool token);

/* The worker has found nothing, and looks on for a while before it enters:
 * takes the token, unless another one has it. Afterwards it looks at the
 * queues.
 * Thread: worker.  Lock: takes the park's if nobody has the token.
 * Return: whether the worker has it now. */
bool wf_park_take_token(struct wf_park *park);

/* There was a job after all: takes the announcement back.
 * Thread: worker.  Lock: takes the park's.
 * Return: whether the worker has the token. */
bool wf_park_cancel(struct wf_park *park, struct wf_bed *bed);

/* Sleeps.
 * Thread: worker.  Lock: none.
 * Return: true: woken, the token is the worker's; false: nothing has come for
 *         @timeout_ms, only when the park has more workers than its minimum. */
bool wf_park_sleep(struct wf_park *park, struct wf_bed *bed,
		   unsigned timeout_ms);

/* Wants to leave for good. Afterwards, when it may, the caller looks at the
 * queues again and calls wf_park_return() if jobs wait.
 * Thread: worker.  Lock: takes the park's.
 * Return: false: it has just been woken, or is needed for the minimum; then
 *         see @ret_token. */
bool wf_park_leave(struct wf_park *park, struct wf_bed *bed, bool *ret_token);

/* A job came while the worker left: it stays, with the token, unless somebody
 * searches already.
 * Thread: worker that has left.  Lock: takes the park's.
 * Return: whether it stays. */
bool wf_park_return(struct wf_park *park);

/* Wakes everybody for good: who enters from now on is sent away.
 * Thread: any.  Lock: takes the park's. */
void wf_park_stop(struct wf_park *park);

/* What becomes of a worker when too many are active. */
enum wf_park_quit {
	WF_PARK_GOES_ON, /* that is not so */
	WF_PARK_RESTS,   /* it has announced sleep: wf_park_sleep() */
	WF_PARK_LEAVES,  /* it is not counted any more */
};

/* Whether more workers are active than may be; and if so, this one, which is
 * through with a job and has no token, rests or leaves without a look at the
 * queues: others are active.
 * Thread: worker.  Lock: quit takes the park's. */
static inline bool wf_park_is_surplus(struct wf_park *park)
{
	return park_active_above(park, park_get(&park->max));
}
enum wf_park_quit wf_park_quit(struct wf_park *park, struct wf_bed *bed);

/* ---- workers that sleep in the system ---- */

/* In the middle of a job the worker goes to sleep, and is back. After block the
 * caller looks at the queues and calls wf_worker_call() if jobs wait.
 * Thread: the worker.  Lock: takes the park's. */
void wf_park_block(struct wf_park *park, struct wf_bed *bed);
void wf_park_unblock(struct wf_park *park, struct wf_bed *bed);

/* The job is through: it is awake in any case.
 * Thread: the worker.  Lock: takes the park's if it was taken for blocked. */
static inline void wf_park_awake(struct wf_park *park, struct wf_bed *bed)
{
	/* Relaxed: written by the worker itself, or by a thread that held the
	 * job, which the worker has waited for [PK5]. */
	unsigned char blocked = atomic_load_explicit(&bed->blocked,
						     memory_order_relaxed);

	if (tev_unlikely(blocked != WF_BED_RUNS)) {
		wf_park_unblock(park, bed);
	}
}

/* What the watch has seen. Afterwards it does as who blocks.
 * Thread: the watch, which holds the lock and the job. */
void wf_park_see_locked(struct wf_park *park, struct wf_bed *bed, bool asleep);

/* Afterwards the caller looks at the queues, and wakes as many as are needed.
 * Idle workers above @max are woken to leave.
 * Thread: any.  Lock: takes the park's. */
void wf_park_resize(struct wf_park *park, unsigned min, unsigned max);

/* ---- the rest ---- */

/* How many workers run something at this moment, and how many jobs all of them
 * have completed, those that have left included.
 * Thread: any.  Lock: takes the park's. */
unsigned wf_park_count_busy(struct wf_park *park);
uint64_t wf_park_count_completed(struct wf_park *park);

/* Around fork: takes the lock, gives it back. */
void wf_park_lock(struct wf_park *park);
void wf_park_unlock(struct wf_park *park);

/* In a forked child, under the lock: there are no workers here. */
void wf_park_forget_locked(struct wf_park *park);
