/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Run: one job, from its begin to where it is nobody's but its owner's.
 *
 *      begun, to be found ---> the user's function ---> its children end
 *      (poke.c)                                         it cannot be found
 *                                                       DONE, counted
 *                                                       the next of its key
 *
 * The same for a worker that has taken the job from a lane, for one that runs a
 * child inside of its parent, and for a thread that is none. Time is read once
 * a job: where one ends the next one of that worker begins.
 *
 * No lock is held while user code runs. In a child forked off by the function
 * its thread is alone, and the job is the parent's to finish.
 *
 * Threads: the one that runs it.  Ordering: through poke.h, work.h.
 * Not here: who runs what, and what follows (worker.c).
 */
#include "threadpool/run.h"

#include <errno.h>
#include <stdlib.h>

#include "threadpool/deadline.h"
#include "threadpool/family.h"
#include "threadpool/gate.h"
#include "threadpool/keyed.h"
#include "threadpool/now.h"
#include "threadpool/poke.h"
#include "threadpool/probe.h"
#include "threadpool/work.h"

/* Of @lane, made on first use; NULL: it is another crew's, or no memory. */
static struct wf_tally *run_tally(struct wf_worker *worker,
				  const struct wf_lane *lane)
{
	struct wf_tally *tally = NULL;

	if (worker->crew != lane->crew) {
		return NULL;
	}
	tally = worker->tallies[lane->index];
	if (tev_likely(tally != NULL)) {
		return tally;
	}
	tally = calloc(1, sizeof(*tally));
	wf_park_lock(&worker->crew->park);
	worker->tallies[lane->index] = tally;
	wf_park_unlock(&worker->crew->park);
	return tally;
}

static void run_count(struct wf_worker *worker, struct weft_job *job)
{
	struct wf_lane *lane = job->queued.flow->lane;
	struct wf_tally *tally = NULL;
	uint64_t run_ns = 0;

	if (worker != NULL) {
		worker->now_ns = job->timed ? wf_now_ns() : wf_now_tick_ns();
		worker->now_exact = job->timed;
		tally = run_tally(worker, lane);
	}
	if (tev_unlikely(tally == NULL)) {
		/* Relaxed: a statistic. */
		(void)atomic_fetch_add_explicit(&lane->ran_here, 1,
						memory_order_relaxed);
		return;
	}
	/* A tick may lie before an exact time. */
	run_ns = worker->now_ns > job->begun_ns ? worker->now_ns - job->begun_ns
						: 0;
	wf_tally_add(tally, job->begun_ns - job->sent_ns, run_ns, job->timed);
}

static uint64_t run_begin(const struct wf_worker *worker,
			  const struct weft_job *job)
{
	uint64_t begun_ns = 0;

	if (worker != NULL && worker->now_ns != 0 &&
	    (worker->now_exact || !job->timed)) {
		begun_ns = worker->now_ns;
	} else {
		begun_ns = job->timed ? wf_now_ns() : wf_now_tick_ns();
	}
	/* Perhaps sent while this worker came from its last one. */
	return begun_ns > job->sent_ns ? begun_ns : job->sent_ns;
}

static bool run_is_late(const struct weft_job *job)
{
	return tev_unlikely(job->deadline_ns != 0) &&
	       wf_deadline_passed(job->deadline_ns);
}

bool wf_run(struct wf_worker *worker, struct weft_job *job,
	    struct wf_ran *ret_ran)
{
	struct wf_lane *lane = job->queued.flow->lane;
	struct wf_crew *crew = worker != NULL ? worker->crew : lane->crew;
	struct wf_bed *bed = worker != NULL ? &worker->bed : NULL;
	unsigned generation = crew->generation;
	bool late = run_is_late(job);

	job->worker = worker;
	job->begun_ns = run_begin(worker, job);
	wf_poke_begin(job, bed);
	if (tev_unlikely(late)) {
		/* Relaxed: a statistic. */
		(void)atomic_fetch_add_explicit(&lane->late, 1,
						memory_order_relaxed);
	}
	wf_probe_start(job);
	ret_ran->ran = !late;
	ret_ran->error = late ? ETIMEDOUT : job->ops->call(job);
	if (tev_unlikely(ret_ran->error == ECANCELED && run_is_late(job))) {
		/* It has stopped because it was late (weft_job_should_stop()),
		 * and may be home before its owner's timer. */
		ret_ran->error = ETIMEDOUT;
	}
	if (tev_unlikely(generation != crew->generation)) {
		return false;
	}
	wf_probe_finish(job, ret_ran->error);
	wf_family_end(job);
	wf_poke_end(job, bed, &crew->park);
	wf_work_finish(job);
	run_count(worker, job);
	ret_ran->next = job->keyed != NULL ? wf_keyed_leave(job->keyed) : NULL;
	return true;
}
