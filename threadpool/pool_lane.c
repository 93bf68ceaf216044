/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Pool's lanes: their handles.
 *
 *      weft_lane (talloc) ----> wf_lane, in the elder crew, or, with a nice
 *                               value, the own lane of a crew of the same
 *                               family
 *
 *  1. The handle keeps a share of the crew; freeing it closes the lane, cancels
 *     what is queued, and leaves the rest to run.
 *  2. Workers with a nice value of their own are a crew of their own: a worker
 *     that has it cannot be raised again by an ordinary process, and one that
 *     is kept from running by others would hold a place of theirs. Such a crew
 *     is kept for the next lane with that value when its handle is freed.
 *
 * Threads: see weft.h.  Ordering: through gate.h and crews.h.
 * Not here: what a lane does (gate.c, worker.c), watermarks (mark.c).
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <talloc.h>

#include "threadpool/tevent_compat.h"

#include "weft.h"

#include "engine/order.h"
#include "threadpool/count.h"
#include "threadpool/cpus.h"
#include "threadpool/crews.h"
#include "threadpool/gate.h"
#include "threadpool/keyed.h"
#include "threadpool/mark.h"
#include "threadpool/pool.h"
#include "threadpool/worker.h"

#define LANE_WEIGHT_MAX 1000
#define LANE_NICE_MAX   19

struct weft_lane {
	struct wf_lane *lane; /* I: with a share of its crew */
};

static int lane_destructor(struct weft_lane *handle)
{
	struct wf_lane *lane = handle->lane;
	struct wf_crew *crew = lane->crew;

	wf_mark_end(lane);
	wf_lane_close(lane);
	wf_keyed_evict_all(wf_crew_elder(crew), lane, ECANCELED);
	wf_worker_evict_lane(lane, ECANCELED);
	wf_lane_put(lane);
	/* [LN1] full fence: what is owed stored, queues loaded. */
	tev_fence_full();
	/* [LN1] Its reserve is there for others. */
	if (wf_crew_has_jobs(crew)) {
		wf_worker_call(crew);
	}
	wf_crew_unref(crew);
	return 0;
}

static bool lane_options_are_good(const struct weft_lane_options *options)
{
	if (options->weight > LANE_WEIGHT_MAX ||
	    options->nice > LANE_NICE_MAX ||
	    options->overflow > WEFT_OVERFLOW_CALLER_RUNS ||
	    (options->nice != 0 && options->reserved != 0) ||
	    (options->max != 0 && options->reserved > options->max)) {
		return false;
	}
	if (options->high == 0) {
		return options->low == 0;
	}
	return options->watermark != NULL && options->ev != NULL &&
	       options->low < options->high &&
	       options->high <= options->queue_limit;
}

/* What the caller's version of the structure has; the rest is default. */
static int lane_options(const struct weft_lane_options *given, size_t size,
			unsigned queue_limit, struct weft_lane_options *options)
{
	memset(options, 0, sizeof(*options));
	if (given != NULL) {
		memcpy(options, given,
		       size < sizeof(*options) ? size : sizeof(*options));
	}
	if (options->queue_limit == 0) {
		options->queue_limit = queue_limit;
	}
	if (!lane_options_are_good(options)) {
		return EINVAL;
	}
	if (options->weight == 0) {
		options->weight = 1;
	}
	if (options->max == 0) {
		options->max = UINT_MAX;
	}
	return 0;
}

/* ---- lanes with a nice value ---- */

struct lane_search {
	unsigned nice;
	struct wf_crew *found;
};

/* One of that value whose handle is gone, and that has nothing left. Only those
 * that make lanes change it, one at a time: see lane_nice_get(). */
static void lane_look_for_crew(struct wf_crew *crew, void *arg)
{
	struct lane_search *search = arg;

	if (search->found == NULL && crew->elder != NULL &&
	    crew->lane_nice == search->nice) {
		bool taken = wf_gate_take_own(crew);

		search->found = taken ? crew : NULL;
	}
}

static unsigned lane_nice_workers(const struct weft_lane_options *options)
{
	return options->max != UINT_MAX ? options->max : wf_cpus_usable();
}

static struct wf_crew *lane_make_crew(struct wf_crew *elder,
				      const struct weft_lane_options *options)
{
	const struct weft_pool_options like = {
		.name = options->name,
		.max = lane_nice_workers(options),
		.idle_ms = elder->idle_ms,
		.queue_limit = options->queue_limit,
		.nice = (int)options->nice,
		.stack_size = elder->stack_size,
		.worker_init = elder->worker_init,
		.worker_fini = elder->worker_fini,
		.worker_private = elder->worker_private,
		.spare = elder->park.spare,
		.blocked = &elder->blocked,
		.interrupt_signal = elder->interrupt_signal,
	};
	struct wf_crew *crew = wf_pool_create_crew(&like, elder);
	bool ok = false;

	if (crew == NULL) {
		return NULL;
	}
	crew->lane_nice = options->nice;
	ok = wf_crews_adopt(elder, crew);
	if (!ok) {
		/* Seen as ESHUTDOWN by who asks next. */
		wf_crew_free(crew);
		return NULL;
	}
	return crew;
}

static int lane_nice_get(struct wf_crew *elder,
			 const struct weft_lane_options *options,
			 struct wf_lane **ret_lane)
{
	struct lane_search search = { .nice = options->nice };
	struct weft_lane_options named = *options;

	if (named.name == NULL) {
		named.name = "nice";
	}
	wf_crews_each(elder, lane_look_for_crew, &search);
	if (search.found == NULL) {
		search.found = lane_make_crew(elder, &named);
	}
	if (search.found == NULL) {
		return wf_crew_stopped(elder) || wf_crew_draining(elder)
			       ? ESHUTDOWN
			       : ENOMEM;
	}
	wf_park_resize(&search.found->park, 0, lane_nice_workers(options));
	*ret_lane = wf_gate_own_lane(search.found, &named);
	return *ret_lane != NULL ? 0 : ESHUTDOWN;
}

/* ---- create ---- */

int weft_lane_create_sized(TALLOC_CTX *mem_ctx, struct weft_pool *pool,
			   const struct weft_lane_options *given,
			   size_t options_size, struct weft_lane **ret_lane)
{
	struct wf_crew *elder = wf_pool_crew(pool);
	struct weft_lane_options options;
	struct weft_lane *handle = NULL;
	int ret = lane_options(given, options_size, elder->queue_limit,
			       &options);

	if (ret != 0) {
		return ret;
	}
	handle = talloc_zero(mem_ctx, struct weft_lane);
	if (handle == NULL) {
		return ENOMEM;
	}
	ret = options.nice != 0 ? lane_nice_get(elder, &options, &handle->lane)
				: wf_lane_get(elder, &options, &handle->lane);
	if (ret != 0) {
		talloc_free(handle);
		return ret;
	}
	(void)wf_crew_ref(handle->lane->crew);
	wf_count_begin(handle->lane);
	talloc_set_destructor(handle, lane_destructor);
	if (options.high != 0) {
		ret = wf_mark_create(handle->lane, handle, &options);
	}
	if (ret != 0) {
		talloc_free(handle);
		return ret;
	}
	*ret_lane = handle;
	return 0;
}

struct wf_lane *wf_pool_lane_of(struct wf_crew *elder, struct weft_lane *handle)
{
	return wf_crew_elder(handle->lane->crew) == elder ? handle->lane : NULL;
}

struct wf_lane *wf_pool_lane(struct weft_pool *pool, struct weft_lane *handle)
{
	struct wf_crew *elder = wf_pool_crew(pool);

	return handle == NULL ? wf_lane_at(elder, 0)
			      : wf_pool_lane_of(elder, handle);
}
