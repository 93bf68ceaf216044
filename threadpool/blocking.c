/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Blocking: a job says that it is about to sleep.
 *
 * Meanwhile another job may have the worker's place (park_size.c): one that
 * waits gets a worker at once, without the watch.
 *
 * The outermost pair counts. A function that returns in between has been awake
 * since: the worker puts that right at the end of each job.
 *
 * Threads: any; elsewhere than in a job of a worker nothing happens.
 * Ordering: [PK1], in wf_park_block().
 */
#include <errno.h>

#include "threadpool/tevent_compat.h"

#include "weft.h"

#include "threadpool/gate.h"
#include "threadpool/worker.h"

/* The worker that runs the job which calls, or NULL. */
static struct wf_worker *blocking_worker(void)
{
	struct wf_worker *worker = wf_worker_self();
	uintptr_t current = 0;

	if (worker == NULL) {
		return NULL;
	}
	/* Relaxed: our own. */
	current = atomic_load_explicit(&worker->bed.current,
				       memory_order_relaxed);
	return current != 0 ? worker : NULL;
}

void weft_blocking_begin(void)
{
	struct wf_worker *worker = blocking_worker();
	int before = errno;

	if (worker == NULL || worker->nesting++ != 0) {
		return;
	}
	wf_park_block(&worker->crew->park, &worker->bed);
	if (wf_crew_has_jobs(worker->crew)) {
		wf_worker_call(worker->crew);
	}
	errno = before;
}

void weft_blocking_end(void)
{
	struct wf_worker *worker = blocking_worker();
	int before = errno;

	if (worker == NULL || worker->nesting == 0 || --worker->nesting != 0) {
		return;
	}
	wf_park_unblock(&worker->crew->park, &worker->bed);
	errno = before;
}
