/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Worker: a thread that runs work.
 *
 *      born, with the token ---> search ---> found: token back, call the next
 *                                  ^  |             if there is more; run it
 *                                  |  v
 *                            woken |  enter the park, look again, sleep
 *                                  |  |
 *                                  '--+--> nothing for idle_ms: leave, look
 *                                          again, gone
 *
 *  1. No thread exists before a job needs it.
 *  2. A birth counts as a searching worker from its decision on (park.c),
 *     until it enters the user's worker_init, which may take long: from then
 *     on as one between two jobs [PK3], so that nobody more is born for the
 *     same jobs but the idle are woken. If it fails, by pthread_create() or by
 *     worker_init, what it has of token and count goes back and the queues are
 *     looked at: somebody gets the token, or, if no worker is left, all queued
 *     jobs go home with the reason.
 *  3. A worker holds a share of the crew and touches nothing else of the pool;
 *     so the pool's handle may go at any time. After its last unref it runs
 *     only this function's end: the library is linked never to be unloaded.
 *  4. No lock is held while user code runs.
 *
 * In a child forked off by a job, the job's thread is alone. If it comes back
 * here it ends, and with it the child: a pool's threads do not survive a fork.
 *
 * [CR1] shares of the crew.
 *
 * Threads: see the header.  Ordering: [CR1]; the rest through park.h.
 * Not here: which thread sleeps and wakes (park.c), what work is (work.c),
 * what a thread blocks and is called (thread.c).
 */
#include "threadpool/worker.h"

#include <errno.h>
#include <stdlib.h>

#include "threadpool/grace.h"
#include "threadpool/thread.h"
#include "threadpool/work.h"

/* ---- shares ---- */

struct wf_crew *wf_crew_ref(struct wf_crew *crew)
{
	/* Relaxed: who makes a share has one, or a handle that keeps one. */
	(void)atomic_fetch_add_explicit(&crew->refs, 1, memory_order_relaxed);
	return crew;
}

void wf_crew_unref(struct wf_crew *crew)
{
	unsigned i = 0;
	/* [CR1] release: our last use; acquire: all others', for whoever frees
	 * it. Pairs with itself. */
	unsigned before = atomic_fetch_sub_explicit(&crew->refs, 1,
						    memory_order_acq_rel);

	if (before != 1) {
		return;
	}
	for (i = 0; i < crew->shard_count; i++) {
		wf_shard_fini(&crew->shards[i]);
	}
	wf_park_fini(&crew->park);
	free(crew);
}

/* ---- taking work out of the queues ---- */

static bool worker_claim(struct tev_list *node, void *arg)
{
	struct wf_worker *worker = arg;
	struct wf_work *work = tev_list_entry(node, struct wf_work, queued);
	bool mine = wf_work_start(work);

	if (mine) {
		wf_park_busy(&worker->bed);
	}
	return mine;
}

/* Each worker begins at another shard, and each time behind the one that it
 * was served by: a queue that never runs dry keeps nobody from the others. */
static struct wf_work *worker_search(struct wf_worker *worker)
{
	struct wf_crew *crew = worker->crew;
	unsigned i = 0;

	for (i = 0; i < crew->shard_count; i++) {
		unsigned at = (worker->next_shard + i) &
			      (crew->shard_count - 1);
		struct tev_list *node = wf_shard_pop(&crew->shards[at],
						     worker_claim, worker);

		if (node != NULL) {
			worker->next_shard = at + 1;
			return tev_list_entry(node, struct wf_work, queued);
		}
	}
	return NULL;
}

static bool worker_claim_evicted(struct tev_list *node, void *arg)
{
	(void)arg;
	return wf_work_evict(tev_list_entry(node, struct wf_work, queued));
}

void wf_worker_evict_all(struct wf_crew *crew, int error)
{
	unsigned i = 0;

	for (i = 0; i < crew->shard_count; i++) {
		for (;;) {
			struct tev_list *node = wf_shard_evict(
				&crew->shards[i], worker_claim_evicted, NULL);
			struct wf_work *work = NULL;

			if (node == NULL) {
				break;
			}
			work = tev_list_entry(node, struct wf_work, queued);
			work->ops->evicted(work, crew, error);
		}
	}
}

/* ---- birth ---- */

static int worker_birth(struct wf_crew *crew);

/* Goes on as long as births fail and others may be asked. */
static void worker_after_failure(struct wf_crew *crew, int error, bool token)
{
	for (;;) {
		enum wf_park_woken left = wf_park_birth_failed(&crew->park,
							       token);
		enum wf_park_woken woken = WF_PARK_NOBODY;

		if (!wf_crew_has_jobs(crew)) {
			return;
		}
		if (left == WF_PARK_NOBODY) {
			wf_worker_evict_all(crew, error);
			return;
		}
		woken = wf_park_wake(&crew->park);
		if (woken != WF_PARK_BIRTH) {
			return;
		}
		error = worker_birth(crew);
		if (error == 0) {
			return;
		}
		token = true;
	}
}

void wf_worker_call(struct wf_crew *crew)
{
	enum wf_park_woken woken = wf_park_wake(&crew->park);
	int error = 0;

	if (tev_likely(woken != WF_PARK_BIRTH)) {
		return;
	}
	error = worker_birth(crew);
	if (error != 0) {
		worker_after_failure(crew, error, true);
	}
}

/* ---- the thread ---- */

/* Others search from now on, if there is something to be found. */
static void worker_give_token(struct wf_crew *crew, bool token)
{
	bool look = wf_park_found(&crew->park, token);

	if (look && wf_crew_has_jobs(crew)) {
		wf_worker_call(crew);
	}
}

static void worker_run(struct wf_worker *worker, struct wf_work *work,
		       bool token)
{
	worker_give_token(worker->crew, token);
	work->ops->run(work, worker);
}

/* Nothing found. Return: false: the worker leaves; it is not counted any
 * more. */
static bool worker_idle(struct wf_worker *worker, bool *token)
{
	struct wf_crew *crew = worker->crew;
	struct wf_park *park = &crew->park;
	bool stays = wf_park_enter(park, &worker->bed, *token);
	bool woken = false;
	bool left = false;

	*token = false;
	if (!stays) {
		return false;
	}
	if (wf_crew_has_jobs(crew)) {
		*token = wf_park_cancel(park, &worker->bed);
		return true;
	}
	woken = wf_park_sleep(park, &worker->bed, crew->idle_ms);
	if (woken) {
		*token = true;
		return true;
	}
	left = wf_park_leave(park, &worker->bed, token);
	if (!left) {
		return true;
	}
	if (wf_crew_has_jobs(crew)) {
		*token = wf_park_return(park);
		return *token;
	}
	return false;
}

/* Until there is nothing to do. Return: false: this is a forked child. */
static bool worker_turn(struct wf_worker *worker, bool token)
{
	struct wf_crew *crew = worker->crew;

	for (;;) {
		struct wf_work *work = worker_search(worker);
		bool stays = false;

		if (work != NULL) {
			worker_run(worker, work, token);
			token = false;
			wf_grace_relieve();
			if (tev_unlikely(worker->generation !=
					 crew->generation)) {
				return false;
			}
			continue;
		}
		stays = worker_idle(worker, &token);
		if (!stays) {
			return true;
		}
	}
}

static void worker_free(struct wf_worker *worker)
{
	struct wf_crew *crew = worker->crew;

	wf_park_part(&crew->park, &worker->bed);
	free(worker);
	wf_crew_unref(crew);
}

/* Return: false: this is a forked child. */
static bool worker_live(struct wf_worker *worker)
{
	struct wf_crew *crew = worker->crew;
	bool token = true;
	bool here = true;

	wf_thread_set_name(crew->name, (int)worker->number + 1);
	wf_thread_set_nice(crew->nice);
	if (crew->worker_init != NULL) {
		int error = 0;

		/* It may take long: meanwhile the idle are to be woken. */
		worker_give_token(crew, true);
		error = crew->worker_init(&worker->state, crew->worker_private);
		if (error != 0) {
			worker_after_failure(crew, error, false);
			worker_free(worker);
			return true;
		}
		token = false;
	}
	here = worker_turn(worker, token);
	if (!here) {
		return false;
	}
	if (crew->worker_fini != NULL) {
		crew->worker_fini(worker->state, crew->worker_private);
	}
	worker_free(worker);
	return true;
}

static void *worker_main(void *arg)
{
	bool here = true;

	wf_grace_helper_begin();
	here = worker_live(arg);
	if (here) {
		wf_grace_helper_end();
		wf_grace_reap();
	}
	return NULL;
}

/* Return: 0 or why there is no thread. */
static int worker_birth(struct wf_crew *crew)
{
	struct wf_worker *worker = NULL;
	int ret = posix_memalign((void **)&worker, TEV_CACHE_LINE,
				 sizeof(*worker));

	if (ret != 0) {
		return ret;
	}
	*worker = (struct wf_worker){ .generation = crew->generation };
	worker->crew = wf_crew_ref(crew);
	/* Relaxed: a number to share out. */
	worker->number = atomic_fetch_add_explicit(&crew->next_worker, 1,
						   memory_order_relaxed);
	worker->next_shard = worker->number;
	wf_park_join(&crew->park, &worker->bed);

	ret = wf_thread_start(crew->stack_size, NULL, worker_main, worker);
	if (ret != 0) {
		worker_free(worker);
	}
	return ret;
}
