/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Pool: the handle of a crew, and the way in.
 *
 *      weft_pool (talloc) ----> wf_crew <---- workers, accounts of loops
 *
 * The handle is all that is talloc; it can be freed at any moment by its
 * owner, which ends the pool and gives up one share of the crew.
 *
 *  1. Stop: the shards are closed under their locks, so nothing comes in any
 *     more; what is queued is taken out and goes home with ECANCELED; the
 *     workers are woken and leave when they find nothing; what runs learns it
 *     by the flag. Nobody waits for anybody.
 *  2. A job that is being sent meanwhile either is in its shard before that
 *     closes, and is taken out, or is refused.
 *
 * Fork: before it all locks are taken, in this order: list of crews, for each
 * crew its shards and its park. Nowhere else are two of them held at once but
 * shard before park. In the child each crew begins anew: no workers, nothing
 * queued; the jobs themselves are disposed of by their loops (port.c). What the
 * parent's workers were holding is left as it is: memory that may be half
 * changed.
 *
 * Threads: create and free: owner of the handle; all others: any.
 * Ordering: through shard.h, park.h, worker.h.
 * Not here: requests (job.c).
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
#include "threadpool/fork.h"
#include "threadpool/work.h"
#include "threadpool/worker.h"

#define POOL_IDLE_DEFAULT_MS 1000
#define POOL_QUEUE_DEFAULT   (1U << 20)
#define POOL_MAX_LEAST       4

struct weft_pool {
	struct wf_crew *crew; /* I: a share */
};

static struct {
	pthread_mutex_t lock;
	pthread_once_t once;
	struct tev_list crews; /* L(lock): those that have a handle */
} pools = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.once = PTHREAD_ONCE_INIT,
};

/* ---- fork ---- */

static void pool_fork_prepare(void)
{
	struct tev_list *link = NULL;

	(void)pthread_mutex_lock(&pools.lock);
	tev_list_for_each(link, &pools.crews) {
		struct wf_crew *crew = tev_list_entry(link, struct wf_crew,
						      link);
		unsigned i = 0;

		for (i = 0; i < crew->shard_count; i++) {
			wf_shard_lock(&crew->shards[i]);
		}
		wf_park_lock(&crew->park);
	}
}

static void pool_fork_parent(void)
{
	struct tev_list *link = NULL;

	tev_list_for_each(link, &pools.crews) {
		struct wf_crew *crew = tev_list_entry(link, struct wf_crew,
						      link);
		unsigned i = 0;

		wf_park_unlock(&crew->park);
		for (i = crew->shard_count; i > 0; i--) {
			wf_shard_unlock(&crew->shards[i - 1]);
		}
	}
	(void)pthread_mutex_unlock(&pools.lock);
}

/* The workers' shares are not given back: if the job that forked comes back
 * from its function, it still looks at the crew. */
static void pool_forget_locked(struct wf_crew *crew)
{
	unsigned i = 0;

	for (i = 0; i < crew->shard_count; i++) {
		wf_shard_forget_locked(&crew->shards[i]);
	}
	wf_park_forget_locked(&crew->park);
	crew->generation++;
	/* Relaxed: the child has one thread. */
	atomic_store_explicit(&crew->refused, 0, memory_order_relaxed);
	atomic_store_explicit(&crew->orphans, 0, memory_order_relaxed);
}

static void pool_fork_child(void)
{
	struct tev_list *link = NULL;

	tev_list_for_each(link, &pools.crews) {
		pool_forget_locked(tev_list_entry(link, struct wf_crew, link));
	}
	pool_fork_parent();
}

static const struct wf_fork_part pool_part = {
	.prepare = pool_fork_prepare,
	.parent = pool_fork_parent,
	.child = pool_fork_child,
};

static void pool_init(void)
{
	tev_list_init(&pools.crews);
	wf_fork_add(WF_FORK_POOLS, &pool_part);
}

/* ---- stop and free ---- */

static void pool_stop(struct wf_crew *crew)
{
	unsigned i = 0;

	/* Relaxed: jobs look at it now and then; nothing travels with it. */
	atomic_store_explicit(&crew->stopped, true, memory_order_relaxed);
	for (i = 0; i < crew->shard_count; i++) {
		wf_shard_close(&crew->shards[i]);
	}
	wf_park_stop(&crew->park);
	wf_worker_evict_all(crew, ECANCELED);
}

void weft_pool_stop(struct weft_pool *pool)
{
	pool_stop(pool->crew);
}

static int pool_destructor(struct weft_pool *pool)
{
	struct wf_crew *crew = pool->crew;

	pool_stop(crew);
	(void)pthread_mutex_lock(&pools.lock);
	tev_list_remove(&crew->link);
	(void)pthread_mutex_unlock(&pools.lock);
	wf_crew_unref(crew);
	return 0;
}

/* ---- create ---- */

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
		options->max = wf_cpus_usable() + 2;
		if (options->max < POOL_MAX_LEAST) {
			options->max = POOL_MAX_LEAST;
		}
		if (options->max < options->min) {
			options->max = options->min;
		}
	}
	if (options->idle_ms == 0) {
		options->idle_ms = POOL_IDLE_DEFAULT_MS;
	}
	if (options->queue_limit == 0) {
		options->queue_limit = POOL_QUEUE_DEFAULT;
	}
	if (options->min > options->max || options->nice < -20 ||
	    options->nice > 19) {
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
	unsigned cpus = wf_cpus_usable();
	unsigned count = 1;

	while (cpus > 4 && count < cpus && count < WF_CREW_SHARDS_MAX) {
		count *= 2;
	}
	return count;
}

static struct wf_crew *pool_create_crew(const struct weft_pool_options *options)
{
	struct wf_crew *crew = NULL;
	unsigned shard_count = pool_shard_count();
	unsigned i = 0;
	int ret = posix_memalign((void **)&crew, TEV_CACHE_LINE,
				 sizeof(*crew) +
					 shard_count * sizeof(struct wf_shard));

	if (ret != 0) {
		return NULL;
	}
	*crew = (struct wf_crew){
		.idle_ms = options->idle_ms,
		.queue_limit = options->queue_limit,
		.nice = options->nice,
		.stack_size = options->stack_size,
		.worker_init = options->worker_init,
		.worker_fini = options->worker_fini,
		.worker_private = options->worker_private,
		.shard_count = shard_count,
	};
	snprintf(crew->name, sizeof(crew->name), "%s", options->name);
	tev_list_init(&crew->link);
	atomic_init(&crew->refs, 1);
	wf_park_init(&crew->park, options->min, options->max);
	for (i = 0; i < shard_count; i++) {
		wf_shard_init(&crew->shards[i]);
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
	(void)pthread_once(&pools.once, pool_init);

	pool = talloc_zero(mem_ctx, struct weft_pool);
	if (pool == NULL) {
		return ENOMEM;
	}
	pool->crew = pool_create_crew(&options);
	if (pool->crew == NULL) {
		talloc_free(pool);
		return ENOMEM;
	}
	(void)pthread_mutex_lock(&pools.lock);
	tev_list_append(&pools.crews, &pool->crew->link);
	(void)pthread_mutex_unlock(&pools.lock);
	talloc_set_destructor(pool, pool_destructor);
	*ret_pool = pool;
	return 0;
}

/* ---- the way in ---- */

struct wf_crew *wf_pool_crew(struct weft_pool *pool)
{
	return pool->crew;
}

/* Jobs for which a worker is free, or may still be started, do not count
 * against the limit. */
static unsigned pool_slack(void *arg)
{
	struct wf_crew *crew = arg;
	unsigned busy = wf_park_count_busy(&crew->park);

	return crew->park.max > busy ? crew->park.max - busy : 0;
}

/* What the limit leaves for @shard: it holds for all of them together. */
static unsigned pool_limit(const struct wf_crew *crew,
			   const struct wf_shard *shard)
{
	unsigned limit = crew->queue_limit;
	unsigned i = 0;

	if (limit == UINT_MAX) {
		return limit;
	}
	for (i = 0; i < crew->shard_count; i++) {
		unsigned count = wf_shard_count(&crew->shards[i]);

		if (&crew->shards[i] != shard) {
			limit -= count < limit ? count : limit;
		}
	}
	return limit;
}

int wf_pool_submit(struct wf_crew *crew, struct wf_work *work)
{
	int ret = 0;

	wf_work_queued(work);
	ret = wf_shard_push(work->shard, &work->queued,
			    pool_limit(crew, work->shard), pool_slack, crew);
	if (ret != 0) {
		wf_work_unqueued(work);
		/* Relaxed: a statistic. */
		(void)atomic_fetch_add_explicit(&crew->refused, 1,
						memory_order_relaxed);
		return ret;
	}
	wf_worker_call(crew);
	return 0;
}
