/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Poke: reaching a job that runs, from another thread; poke.c. */
#pragma once

#include <stdbool.h>

#include "threadpool/hold.h"
#include "threadpool/work.h"

struct wf_bed;
struct wf_crew;
struct wf_park;

/* ---- for who runs @job ---- */

/* Lets the signal through to @job, or keeps it from the outer one; and back.
 * Thread: the one that runs it.  Lock: none. */
void wf_poke_open(struct weft_job *job);
void wf_poke_close(struct weft_job *job);

/* Closes the stop descriptor. Thread: the one that runs it.  Lock: none. */
void wf_poke_close_fd(struct weft_job *job);

/* Whether there is something to be let through or kept away. */
static inline bool wf_poke_opens(const struct weft_job *job)
{
	return job->interruptible ||
	       (job->outer != NULL && job->outer->interruptible);
}

/* From here on others can find it: publishes it on @bed, which is NULL where
 * another thread than a worker runs it, and opens the way for EINTR. Sets
 * outer.
 * Thread: the one that runs it.  Lock: none. */
static inline void wf_poke_begin(struct weft_job *job, struct wf_bed *bed)
{
	if (tev_unlikely(bed == NULL)) {
		job->outer = NULL;
		return;
	}
	wf_hold_begin(job, bed);
	if (tev_unlikely(wf_poke_opens(job))) {
		wf_poke_open(job);
	}
}

/* From here on nobody touches it who does not own it: takes it back from @bed,
 * waits for a thread that has it in its hands, closes the stop descriptor,
 * swallows an interruption that came late.
 * Thread: the one that runs it.  Lock: perhaps the park's. */
static inline void wf_poke_end(struct weft_job *job, struct wf_bed *bed,
			       struct wf_park *park)
{
	if (tev_likely(bed != NULL)) {
		wf_hold_end(job, bed, park);
		if (tev_unlikely(wf_poke_opens(job))) {
			wf_poke_close(job);
		}
	}
	/* Relaxed: our own. */
	if (tev_unlikely(atomic_load_explicit(&job->stop_fd,
					      memory_order_relaxed) != -1)) {
		wf_poke_close_fd(job);
	}
}

/* weft_job_stop_fd(). Thread: the one that runs it. */
int wf_poke_stop_fd(struct weft_job *job);

/* ---- for others ---- */

/* Tells @job, which the caller owns and which is not home yet, to stop, after
 * its state says so (work.h): makes its descriptor readable, interrupts it,
 * wakes it from waiting for room for a part.
 * Thread: owner of @job.  Lock: takes the park's if there is somebody to poke,
 *         and the list's of crews if it has children. */
void wf_poke_tell(struct weft_job *job);

/* The same for all that run in @crew, whoever owns them; with their states.
 * Thread: any.  Lock: takes the park's. */
void wf_poke_tell_all(struct wf_crew *crew);

/* Tells the job @id of the family of @elder to stop, if it runs on a worker,
 * whoever owns it; with its state.
 * Thread: any with a share.  Lock: takes the list's of crews and parks'.
 * Return: whether it runs. */
bool wf_poke_tell_id(struct wf_crew *elder, uint64_t id);

/* Calls @look for each job that runs on a worker of @crew, the outer ones of a
 * worker after the inner one. It may read what is I: and W: of them, and
 * atomics.
 * Thread: any.  Lock: takes the park's, and holds it meanwhile. */
void wf_poke_each(struct wf_crew *crew,
		  void (*look)(struct weft_job *job, struct wf_bed *bed,
			       void *arg),
		  void *arg);

/* Installs the handler that does nothing for the crew's signal, once in the
 * process for each signal, unless the program has one of its own.
 * Thread: any.  Return: 0 or what sigaction(2) says. */
int wf_poke_install(struct wf_crew *crew);
