/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Pool: the handle of a crew, and the way in.
 *
 *      weft_pool (talloc) ----> elder crew <---- workers, accounts of loops
 *      attached handles ----------^   |
 *                                family: crews of lanes that have a nice value
 *
 * The handle is all that is talloc; it can be freed at any moment by its
 * owner, which ends the pool and gives up one share of the crew. Handles that
 * were attached only give up theirs.
 *
 *  1. Stop: the shards are closed under their locks, so nothing comes in any
 *     more; what is queued is taken out and goes home with ECANCELED; the
 *     workers are woken and leave when they find nothing; what runs is told.
 *     Nobody waits for anybody.
 *  2. A job that is being sent meanwhile either is in its shard before that
 *     closes, and is taken out, or is refused.
 *
 * Threads: create and free: owner of the handle; all others: any.
 * Ordering: through shard.h, park.h, worker.h.
 * Not here: handles of lanes (pool_lane.c), the way in (submit.c).
 */
#include "threadpool/pool.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <talloc.h>

#include "weft.h"

#include "threadpool/block.h"
#include "threadpool/cpus.h"
#include "threadpool/crews.h"
#include "threadpool/gate.h"
#include "threadpool/keyed.h"
#include "threadpool/poke.h"
#include "threadpool/sim_world.h"
#include "threadpool/thread.h"
#include "threadpool/watch.h"
#include "threadpool/worker.h"

#define POOL_IDLE_DEFAULT_MS 1000
#define POOL_QUEUE_DEFAULT   (1U << 20)
#define POOL_MAX_LEAST       4
#define POOL_SPARE_DEFAULT   32

struct weft_pool {
	struct wf_crew *crew; /* I: a share of the elder */
	bool attached;        /* I: not the one whose end is the pool's */
};

/* ---- stop and free ---- */

static void crew_mark_stopped(struct wf_crew *crew, void *arg)
{
	(void)arg;
	/* Relaxed: jobs look at it now and then; nothing travels with it. */
	atomic_store_explicit(&crew->stopped, true, memory_order_relaxed);
}

static void crew_stop(struct wf_crew *crew, void *arg)
{
	(void)arg;
	wf_gate_close(crew);
	wf_park_stop(&crew->park);
}

static void pool_stop(struct wf_crew *elder)
{
	struct tev_list *link = NULL;
	struct wf_crew *crew = elder;

	wf_crews_each(elder, crew_mark_stopped, NULL);
	wf_crews_each(elder, crew_stop, NULL);
	/* The rest calls others, without the lock of the list: nobody joins the
	 * family of a stopped pool, and nobody leaves one. */
	wf_keyed_evict_all(elder, NULL, ECANCELED);
	for (link = elder->family.next;; link = link->next) {
		wf_worker_evict_all(crew, ECANCELED);
		wf_poke_tell_all(crew);
		wf_watch_stop(crew);
		if (link == &elder->family) {
			break;
		}
		crew = tev_list_entry(link, struct wf_crew, family);
	}
}

void weft_pool_stop(struct weft_pool *pool)
{
	pool_stop(pool->crew);
}

static int pool_destructor(struct weft_pool *pool)
{
	struct wf_crew *crew = pool->crew;

	if (!pool->attached) {
		pool_stop(crew);
	}
	wf_crew_unref(crew);
	return 0;
}

/* ---- create ---- */

static unsigned pool_default_max(unsigned min)
{
	unsigned max = wf_sim_here() != NULL ? 0 : wf_cpus_usable() + 2;

	if (max < POOL_MAX_LEAST) {
		max = POOL_MAX_LEAST;
	}
	return max < min ? min : max;
}

/* It can be caught, and be blocked: not one of a fault. */
static bool pool_may_interrupt(int sig)
{
	sigset_t may;

	wf_thread_blocked(&may);
	return sig > 0 && sig <= SIGRTMAX && sig != SIGKILL && sig != SIGSTOP &&
	       sigismember(&may, sig) == 1;
}

/* What the caller's version of the structure has; the rest is default. */
static int pool_options(const struct weft_pool_options *given, size_t size,
			struct weft_pool_options *options)
{
	memset(options, 0, sizeof(*options));
	if (given != NULL) {
		memcpy(options, given,
		       size < sizeof(*options) ? size : sizeof(*options));
	}
	if (options->name == NULL) {
		options->name = "weft";
	}
	if (options->max == 0) {
		options->max = pool_default_max(options->min);
	}
	if (options->spare == 0) {
		options->spare = POOL_SPARE_DEFAULT;
	} else if (options->spare == UINT_MAX) {
		options->spare = 0;
	}
	if (options->interrupt_signal == 0) {
		options->interrupt_signal = SIGURG;
	}
	if (options->idle_ms == 0) {
		options->idle_ms = POOL_IDLE_DEFAULT_MS;
	}
	if (options->queue_limit == 0) {
		options->queue_limit = POOL_QUEUE_DEFAULT;
	}
	if (options->min > options->max || options->nice < -20 ||
	    options->nice > 19 ||
	    !pool_may_interrupt(options->interrupt_signal)) {
		return EINVAL;
	}
	if (options->stack_size != 0) {
		pthread_attr_t attr;
		int ret = pthread_attr_init(&attr);

		if (ret != 0) {
			return ret;
		}
		ret = pthread_attr_setstacksize(&attr, options->stack_size);
		(void)pthread_attr_destroy(&attr);
		return ret;
	}
	return 0;
}

/* One queue on small machines; more where its lock would be fought for. */
static unsigned pool_shard_count(void)
{
	unsigned cpus = wf_sim_here() != NULL ? 1 : wf_cpus_usable();
	unsigned count = 1;

	while (cpus > 4 && count < cpus && count < WF_CREW_SHARDS_MAX) {
		count *= 2;
	}
	return count;
}

static void crew_set_blocked(struct wf_crew *crew,
			     const struct weft_pool_options *options)
{
	sigset_t most;
	int sig = 0;

	/* Those of faults are not blocked in any case; and that of interrupts
	 * is, outside of the jobs that want it. */
	wf_thread_blocked(&most);
	for (sig = 1; options->blocked != NULL && sig <= SIGRTMAX; sig++) {
		if (sigismember(options->blocked, sig) == 0) {
			(void)sigdelset(&most, sig);
		}
	}
	(void)sigaddset(&most, options->interrupt_signal);
	crew->blocked = most;
}

/* Where nothing sleeps in the system there is nobody to look after. */
static void crew_simulate(struct wf_crew *crew)
{
	crew->simulated = true;
	(void)sigemptyset(&crew->blocked);
	atomic_init(&crew->no_watch_until_ns, UINT64_MAX);
}

struct wf_crew *wf_pool_create_crew(const struct weft_pool_options *options,
				    struct wf_crew *elder)
{
	struct wf_crew *crew = NULL;
	bool ok = false;
	int ret = posix_memalign((void **)&crew, TEV_CACHE_LINE, sizeof(*crew));

	if (ret != 0) {
		return NULL;
	}
	*crew = (struct wf_crew){
		.idle_ms = options->idle_ms,
		.queue_limit = options->queue_limit,
		.nice = options->nice,
		.stack_size = options->stack_size,
		.interrupt_signal = options->interrupt_signal,
		.worker_init = options->worker_init,
		.worker_fini = options->worker_fini,
		.worker_private = options->worker_private,
		.shard_count = pool_shard_count(),
		.elder = elder,
	};
	snprintf(crew->name, sizeof(crew->name), "%s", options->name);
	crew_set_blocked(crew, options);
	if (wf_sim_here() != NULL) {
		crew_simulate(crew);
	}
	tev_list_init(&crew->link);
	tev_list_init(&crew->family);
	tev_list_init(&crew->drains);
	atomic_init(&crew->refs, 1);
	wf_park_init(&crew->park, options->min, options->max, options->spare);
	ok = wf_gate_init(crew, options->queue_limit);
	if (!ok) {
		wf_park_fini(&crew->park);
		free(crew);
		return NULL;
	}
	return crew;
}

int weft_pool_create_sized(TALLOC_CTX *mem_ctx,
			   const struct weft_pool_options *given,
			   size_t options_size, struct weft_pool **ret_pool)
{
	struct weft_pool_options options;
	struct weft_pool *pool = NULL;
	int ret = pool_options(given, options_size, &options);

	if (ret != 0) {
		return ret;
	}
	if (!options.allow_null_tracking && wf_block_null_tracking()) {
		return EINVAL;
	}
	pool = talloc_zero(mem_ctx, struct weft_pool);
	if (pool == NULL) {
		return ENOMEM;
	}
	pool->crew = wf_pool_create_crew(&options, NULL);
	if (pool->crew == NULL) {
		talloc_free(pool);
		return ENOMEM;
	}
	wf_crews_add(pool->crew);
	talloc_set_destructor(pool, pool_destructor);
	*ret_pool = pool;
	return 0;
}

int weft_pool_attach(TALLOC_CTX *mem_ctx, struct weft_pool *pool,
		     struct weft_pool **ret_pool)
{
	struct weft_pool *attached = talloc_zero(mem_ctx, struct weft_pool);

	if (attached == NULL) {
		return ENOMEM;
	}
	attached->crew = wf_crew_ref(pool->crew);
	attached->attached = true;
	talloc_set_destructor(attached, pool_destructor);
	*ret_pool = attached;
	return 0;
}

/* ---- what others ask ---- */

struct wf_crew *wf_pool_crew(struct weft_pool *pool)
{
	return pool->crew;
}

int weft_pool_resize(struct weft_pool *pool, unsigned min, unsigned max)
{
	struct wf_crew *crew = pool->crew;
	bool ok = false;

	if (max == 0) {
		max = pool_default_max(min);
	}
	if (min > max) {
		return EINVAL;
	}
	wf_gate_lock(crew);
	ok = wf_gate_fits_locked(crew, max);
	if (ok) {
		wf_park_resize(&crew->park, min, max);
	}
	wf_gate_unlock(crew);
	if (!ok) {
		return EINVAL;
	}
	/* [PK1]: as many as there is work for wake each other. */
	if (wf_crew_has_jobs(crew)) {
		wf_worker_call(crew);
	}
	return 0;
}
