/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Hold: looking at a job that another thread runs.
 *
 * A worker publishes the job that it runs on its bed, and takes it back when
 * the function has returned; a moment later the job may be gone. Who wants to
 * look at it holds it:
 *
 *      other thread, in the park's lock     worker
 *      current: job -> job | HELD           begin: current = job
 *      look, tell, signal                   ... the function ...
 *      current: less HELD                   end: takes current; was it HELD:
 *                                                takes and gives back the lock
 *
 *  1. [PK5] A job that is held does not come to its end: the worker that takes
 *     current back with HELD in it waits for the lock, in which it was put.
 *     Without HELD it pays a store and an exchange, and the holder's last touch
 *     is before that.
 *  2. A child that is run inside its parent is published in its place, and
 *     keeps HELD: the parent is behind it (outer), and who holds the one holds
 *     both.
 *
 * Threads: see the header.  Ordering: [PK5].
 * Not here: what is done with a job that is held (poke.c, watch.c).
 */
#include "threadpool/hold.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "threadpool/crew.h"
#include "threadpool/work.h"

/* Return: what the worker runs, which cannot end now; or NULL. */
static struct weft_job *hold_take_locked(struct wf_bed *bed)
{
	/* Relaxed: the exchange looks again. */
	uintptr_t current = atomic_load_explicit(&bed->current,
						 memory_order_relaxed);
	bool held = false;

	while (current != 0 && !held) {
		/* [PK5] acquire: the job; pairs with wf_hold_begin(). */
		held = atomic_compare_exchange_weak_explicit(
			&bed->current, &current, current | WF_HOLD_HELD,
			memory_order_acquire, memory_order_relaxed);
	}
	return held ? wf_hold_job(current) : NULL;
}

static void hold_give_locked(struct wf_bed *bed)
{
	/* [PK5] release: our last touch; pairs with wf_hold_end(). */
	(void)atomic_fetch_and_explicit(&bed->current, ~WF_HOLD_HELD,
					memory_order_release);
}

void wf_hold_each_locked(struct wf_park *park,
			 void (*look)(struct weft_job *job, struct wf_bed *bed,
				      void *arg),
			 void *arg)
{
	struct tev_list *link = NULL;

	tev_list_for_each(link, &park->all) {
		struct wf_bed *bed = tev_list_entry(link, struct wf_bed, all);
		struct weft_job *first = hold_take_locked(bed);
		struct weft_job *job = NULL;

		for (job = first; job != NULL; job = job->outer) {
			look(job, bed, arg);
		}
		if (first != NULL) {
			hold_give_locked(bed);
		}
	}
}

void wf_hold_interrupt(struct weft_job *job, struct wf_bed *bed, int signum)
{
	/* Relaxed: it is held. */
	uintptr_t current = atomic_load_explicit(&bed->current,
						 memory_order_relaxed);

	/* A child that runs inside of it may not stand this. */
	if (wf_hold_job(current) == job && bed->tid != 0) {
		(void)syscall(SYS_tgkill, getpid(), bed->tid, signum);
	}
}
