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
 *   QUEUED -> EVICTED      who ends the pool or the   lock of where it waits
 *                          lane, makes room in a full
 *                          one, or fails to give birth
 *   QUEUED -> CANCELLED    the owner                  compare and swap
 *   QUEUED -> RUNNING      the parent that waits      the same
 *   RUNNING -> STOPPING    the owner; who ends the    compare and swap
 *                          pool
 *   RUNNING | STOPPING     the worker                 store
 *     -> DONE
 *
 *  1. Whoever moves it out of QUEUED owns it; the losers do not touch it
 *     again. A loser that holds the lock of the shard (of the key, keyed.c) may
 *     still touch it until it gives that back, therefore the owner, having won,
 *     takes that lock once.
 *  2. EVICTED and DONE are told to its end function, and are the owner's again
 *     when that has brought it home.
 *
 * Threads: as in the table.  Ordering: [WK1] the owner's look at the state and
 * the stop mark; what the work carries is handed over by the shard's lock and
 * by the message.
 * Not here: what it does (task.c, child.c), where it waits (shard.c, keyed.c).
 */
#include "threadpool/work.h"

#include "threadpool/probe.h"

void wf_work_trace(struct weft_job *job, enum wf_trace_moment moment)
{
	struct wf_label label = job->ops->label(job);

	wf_trace_add(moment, job->id, label.name, label.location);
}

/* One move; false when the work is elsewhere by now. */
static bool work_move(struct weft_job *job, int from, int to)
{
	/* [WK1] both: the loser of two moves sees what the winner did before;
	 * pairs with itself. */
	return atomic_compare_exchange_strong_explicit(&job->state, &from, to,
						       memory_order_acq_rel,
						       memory_order_acquire);
}

static int work_state(const struct weft_job *job)
{
	/* Relaxed: a look; nothing travels with it. */
	return atomic_load_explicit(&job->state, memory_order_relaxed);
}

void wf_work_queued(struct weft_job *job)
{
	wf_probe_submit(job);
	/* Relaxed: published by the lock of where it waits. */
	atomic_store_explicit(&job->state, WF_WORK_QUEUED,
			      memory_order_relaxed);
}

void wf_work_unqueued(struct weft_job *job)
{
	/* Relaxed: nobody else has seen it. */
	atomic_store_explicit(&job->state, WF_WORK_NEW, memory_order_relaxed);
}

bool wf_work_start(struct weft_job *job)
{
	return work_move(job, WF_WORK_QUEUED, WF_WORK_RUNNING);
}

bool wf_work_evict(struct weft_job *job)
{
	return work_move(job, WF_WORK_QUEUED, WF_WORK_EVICTED);
}

bool wf_work_try_cancel(struct weft_job *job)
{
	bool won = work_move(job, WF_WORK_QUEUED, WF_WORK_CANCELLED);

	wf_probe_cancel(job);
	if (!won) {
		wf_work_tell(job);
	}
	return won;
}

void wf_work_tell(struct weft_job *job)
{
	(void)work_move(job, WF_WORK_RUNNING, WF_WORK_STOPPING);
}

bool wf_work_told(const struct weft_job *job)
{
	return work_state(job) == WF_WORK_STOPPING;
}

bool wf_work_waits(const struct weft_job *job)
{
	return work_state(job) == WF_WORK_QUEUED;
}

bool wf_work_was_running(const struct weft_job *job)
{
	int state = work_state(job);

	return state == WF_WORK_RUNNING || state == WF_WORK_STOPPING;
}
