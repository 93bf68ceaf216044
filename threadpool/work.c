/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Work: one piece of work and its states.
 *
 *      NEW --> QUEUED --> RUNNING --> STOPPING
 *                |  \         \          |
 *                |   \         `--> DONE <
 *                |    `--> EVICTED
 *                `--> CANCELLED
 *
 *   move                   by                         how
 *   NEW -> QUEUED          the owner                  store, before the shard
 *   QUEUED -> RUNNING      a worker                   compare and swap, in the
 *   QUEUED -> EVICTED      who ends the pool, or      lock of the shard
 *                          fails to give birth
 *   QUEUED -> CANCELLED    the owner                  compare and swap
 *   RUNNING -> STOPPING    the owner                  compare and swap
 *   RUNNING | STOPPING     the worker                 exchange
 *     -> DONE
 *
 *  1. Whoever moves it out of QUEUED owns it; the losers do not touch it
 *     again. A loser that holds the shard's lock may still touch it until it
 *     gives that back, therefore the owner, having won, takes the lock once.
 *  2. EVICTED and DONE go home as a message, and are the owner's again when
 *     that arrives.
 *
 * Threads: as in the table.  Ordering: [WK1] the owner's look at the state and
 * the stop mark; what the work carries is handed over by the shard's lock and
 * by the message.
 * Not here: what it does (job.c), where it waits (shard.c).
 */
#include "threadpool/work.h"

#include "threadpool/shard.h"

enum wf_work_state {
	WORK_NEW,
	WORK_QUEUED,
	WORK_RUNNING,
	WORK_STOPPING,
	WORK_DONE,
	WORK_EVICTED,
	WORK_CANCELLED,
};

void wf_work_init(struct wf_work *work, const struct wf_work_ops *ops,
		  struct wf_shard *shard)
{
	tev_list_init(&work->queued);
	atomic_init(&work->state, WORK_NEW);
	work->shard = shard;
	work->ops = ops;
}

/* One move; false when the work is elsewhere by now. */
static bool work_move(struct wf_work *work, int from, int to)
{
	/* [WK1] both: the loser of two moves sees what the winner did before;
	 * pairs with itself. */
	return atomic_compare_exchange_strong_explicit(&work->state, &from, to,
						       memory_order_acq_rel,
						       memory_order_acquire);
}

void wf_work_queued(struct wf_work *work)
{
	/* Relaxed: published by the shard's lock. */
	atomic_store_explicit(&work->state, WORK_QUEUED, memory_order_relaxed);
}

void wf_work_unqueued(struct wf_work *work)
{
	/* Relaxed: nobody else has seen it. */
	atomic_store_explicit(&work->state, WORK_NEW, memory_order_relaxed);
}

bool wf_work_start(struct wf_work *work)
{
	return work_move(work, WORK_QUEUED, WORK_RUNNING);
}

bool wf_work_evict(struct wf_work *work)
{
	return work_move(work, WORK_QUEUED, WORK_EVICTED);
}

bool wf_work_cancel(struct wf_work *work)
{
	bool won = work_move(work, WORK_QUEUED, WORK_CANCELLED);

	if (won) {
		wf_shard_withdraw(work->shard, &work->queued);
		return true;
	}
	(void)work_move(work, WORK_RUNNING, WORK_STOPPING);
	return false;
}

void wf_work_finish(struct wf_work *work)
{
	/* [WK1] an owner that comes too late to tell it sees that. */
	(void)atomic_exchange_explicit(&work->state, WORK_DONE,
				       memory_order_acq_rel);
}

bool wf_work_told(const struct wf_work *work)
{
	/* Relaxed: a wish, looked at now and then; nothing travels with it. */
	return atomic_load_explicit(&work->state, memory_order_relaxed) ==
	       WORK_STOPPING;
}

bool wf_work_was_running(const struct wf_work *work)
{
	/* Relaxed: the child has one thread. */
	int state = atomic_load_explicit(&work->state, memory_order_relaxed);

	return state == WORK_RUNNING || state == WORK_STOPPING;
}
