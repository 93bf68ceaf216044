/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Gate: which lanes there are, and which may run a job now.
 *
 * A job may run when its lane has fewer running than its max, and either the
 * lane uses its own reserve or a worker is left that no other lane has
 * reserved:
 *
 *      running(lane) < max(lane)  and
 *      ( running(lane) < reserved(lane)  or  running + owed < limit )
 *
 * where owed is what is reserved and not in use, and limit is what the park
 * lets run. Both sides change together under the gate's lock; while the crew is
 * not shaped, because no lane has a max or a reserve, nobody counts.
 *
 *  1. A worker enters a lane before it takes a job out of it, and leaves it
 *     when the job is through, or when it has found none.
 *  2. [LN1] A lane that is not open is nobody's to be woken for. So whoever
 *     makes room (a leave, a job that ends, a worker that blocks, a resize)
 *     looks at all queues afterwards, with a full fence between: a submitter
 *     stores its job's count, fence, loads these numbers; the leaver stores
 *     these numbers, fence, loads the counts. One of them sees the other. The
 *     fences are those of [PK1], on both sides.
 *  3. What ran before the crew was shaped was not counted, and is not when it
 *     leaves. Such jobs can exceed a reserve until they end, as if they had
 *     been begun before the lane was there, which they were.
 *  4. Lanes are never freed before their crew [LN2]: a lane whose handle has
 *     gone takes nothing more, and is used for another handle when it is empty.
 *     Accounts keep their flows into it.
 *
 * docs/models/lane.pml has 1 and 2.
 *
 * Threads: see the header.  Ordering: [LN1], [LN2].
 * Not here: the order among lanes (worker.c), handles (pool_lane.c).
 */
#include "threadpool/gate.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Relaxed, this one and the next two: written under the lock; who reads without
 * it has passed a fence [LN1]. */
static unsigned gate_get(const atomic_uint *number)
{
	return atomic_load_explicit(number, memory_order_relaxed);
}

static void gate_add_locked(atomic_uint *number, int amount)
{
	atomic_store_explicit(number, gate_get(number) + (unsigned)amount,
			      memory_order_relaxed);
}

static void gate_set_locked(atomic_uint *number, unsigned value)
{
	atomic_store_explicit(number, value, memory_order_relaxed);
}

/* ---- which lanes there are ---- */

unsigned wf_lane_waiting(const struct wf_lane *lane)
{
	/* Relaxed: a number for limits and people. */
	return wf_lane_queued(lane) + gate_get(&lane->behind);
}

bool wf_crew_has_jobs(struct wf_crew *crew)
{
	unsigned count = wf_lane_count(crew);
	unsigned i = 0;

	for (i = 0; i < count; i++) {
		struct wf_lane *lane = wf_lane_at(crew, i);

		if (wf_lane_queued(lane) != 0 && wf_lane_is_open(lane)) {
			return true;
		}
	}
	return false;
}

bool wf_crew_wants_room(struct wf_crew *crew)
{
	unsigned count = wf_lane_count(crew);
	unsigned i = 0;

	for (i = 0; i < count; i++) {
		struct wf_lane *lane = wf_lane_at(crew, i);

		if (wf_lane_queued(lane) != 0 && wf_lane_wants_room(lane)) {
			return true;
		}
	}
	return false;
}

static void lane_init_common(struct wf_lane *lane)
{
	wf_flow_init(&lane->common, lane, &lane->shards[0]);
	lane->common.shared = true;
}

static struct wf_lane *lane_create(struct wf_crew *crew)
{
	struct wf_lane *lane = NULL;
	size_t size = sizeof(*lane) +
		      crew->shard_count * sizeof(struct wf_shard);
	unsigned i = 0;
	int ret = posix_memalign((void **)&lane, TEV_CACHE_LINE, size);

	if (ret != 0) {
		return NULL;
	}
	memset(lane, 0, size);
	lane->crew = crew;
	for (i = 0; i < crew->shard_count; i++) {
		wf_shard_init(&lane->shards[i]);
	}
	lane_init_common(lane);
	return lane;
}

static void gate_publish_locked(struct wf_gate *gate, struct wf_lane *lane)
{
	lane->index = gate_get(&gate->lane_count);
	/* Relaxed: the count publishes it. */
	atomic_store_explicit(&gate->lanes[lane->index], lane,
			      memory_order_relaxed);
	/* [LN2] release: all of the lane; pairs with wf_lane_count(). */
	atomic_store_explicit(&gate->lane_count, lane->index + 1,
			      memory_order_release);
}

bool wf_gate_init(struct wf_crew *crew, unsigned queue_limit)
{
	struct wf_gate *gate = &crew->gate;
	struct wf_lane *own = lane_create(crew);

	if (own == NULL) {
		return false;
	}
	(void)pthread_mutex_init(&gate->lock, NULL);
	snprintf(own->name, sizeof(own->name), "%s", crew->name);
	gate_set_locked(&own->max, UINT_MAX);
	gate_set_locked(&own->weight, 1);
	own->queue_limit = queue_limit;
	own->used = true;
	gate_publish_locked(gate, own);
	return true;
}

void wf_gate_fini(struct wf_crew *crew)
{
	unsigned count = wf_lane_count(crew);
	unsigned i = 0;
	unsigned j = 0;

	for (i = 0; i < count; i++) {
		struct wf_lane *lane = wf_lane_at(crew, i);

		for (j = 0; j < crew->shard_count; j++) {
			wf_shard_fini(&lane->shards[j]);
		}
		free(lane);
	}
	(void)pthread_mutex_destroy(&crew->gate.lock);
}

void wf_gate_lock(struct wf_crew *crew)
{
	(void)pthread_mutex_lock(&crew->gate.lock);
}

void wf_gate_unlock(struct wf_crew *crew)
{
	(void)pthread_mutex_unlock(&crew->gate.lock);
}

bool wf_gate_fits_locked(struct wf_crew *crew, unsigned max)
{
	unsigned count = wf_lane_count(crew);
	uint64_t reserved = 0;
	unsigned i = 0;

	for (i = 0; i < count; i++) {
		struct wf_lane *lane = wf_lane_at(crew, i);

		reserved += lane->used ? gate_get(&lane->reserved) : 0;
	}
	return reserved < max || reserved == 0;
}

/* Whether it can be used for another handle. */
static bool lane_is_free_locked(const struct wf_lane *lane)
{
	return !lane->used && wf_lane_waiting(lane) == 0 &&
	       gate_get(&lane->running) == 0;
}

static struct wf_lane *gate_find_free_locked(struct wf_crew *crew)
{
	unsigned count = wf_lane_count(crew);
	unsigned i = 0;

	for (i = 1; i < count; i++) {
		struct wf_lane *lane = wf_lane_at(crew, i);
		bool is_free = lane_is_free_locked(lane);

		if (is_free) {
			return lane;
		}
	}
	return NULL;
}

static void lane_set_locked(struct wf_lane *lane,
			    const struct weft_lane_options *options)
{
	struct wf_gate *gate = &lane->crew->gate;
	unsigned i = 0;

	if (options->name != NULL) {
		snprintf(lane->name, sizeof(lane->name), "%s", options->name);
	} else {
		snprintf(lane->name, sizeof(lane->name), "lane %u",
			 lane->index);
	}
	gate_set_locked(&lane->reserved, options->reserved);
	gate_set_locked(&lane->max, options->max);
	gate_set_locked(&lane->weight, options->weight);
	lane->nice = options->nice;
	lane->queue_limit = options->queue_limit;
	lane->overflow = options->overflow;
	lane->used = true;
	gate_add_locked(&gate->owed, (int)options->reserved);
	if (options->reserved != 0 || options->max != UINT_MAX) {
		/* Relaxed: see wf_gate_is_shaped(). */
		atomic_store_explicit(&gate->shaped, true,
				      memory_order_relaxed);
	}
	for (i = 0; i < lane->crew->shard_count; i++) {
		wf_shard_reopen(&lane->shards[i]);
	}
}

static int lane_get_locked(struct wf_crew *crew,
			   const struct weft_lane_options *options,
			   struct wf_lane **ret_lane)
{
	struct wf_gate *gate = &crew->gate;
	struct wf_lane *lane = gate_find_free_locked(crew);

	/* Who ends the pool marks it, and then closes the lanes under this
	 * lock.
	 */
	if (wf_crew_stopped(crew) || wf_crew_draining(crew)) {
		return ESHUTDOWN;
	}
	if (lane == NULL && wf_lane_count(crew) == WF_LANES_MAX) {
		return ENOSPC;
	}
	if (lane == NULL) {
		lane = lane_create(crew);
		if (lane == NULL) {
			return ENOMEM;
		}
		gate_publish_locked(gate, lane);
	}
	lane->used = true;
	gate_set_locked(&lane->reserved, options->reserved);
	if (!wf_gate_fits_locked(crew, wf_park_max(&crew->park))) {
		lane->used = false;
		gate_set_locked(&lane->reserved, 0);
		return EINVAL;
	}
	lane_set_locked(lane, options);
	*ret_lane = lane;
	return 0;
}

int wf_lane_get(struct wf_crew *crew, const struct weft_lane_options *options,
		struct wf_lane **ret_lane)
{
	int ret = 0;

	wf_gate_lock(crew);
	ret = lane_get_locked(crew, options, ret_lane);
	wf_gate_unlock(crew);
	return ret;
}

bool wf_gate_take_own(struct wf_crew *crew)
{
	struct wf_lane *lane = wf_lane_at(crew, 0);
	bool ok = false;

	wf_gate_lock(crew);
	ok = lane_is_free_locked(lane);
	if (ok) {
		lane->used = true;
	}
	wf_gate_unlock(crew);
	return ok;
}

struct wf_lane *wf_gate_own_lane(struct wf_crew *crew,
				 const struct weft_lane_options *options)
{
	struct wf_lane *lane = wf_lane_at(crew, 0);
	bool takes = false;

	wf_gate_lock(crew);
	takes = !wf_crew_stopped(crew) && !wf_crew_draining(crew);
	lane->used = takes;
	if (takes) {
		lane_set_locked(lane, options);
	}
	wf_gate_unlock(crew);
	return takes ? lane : NULL;
}

static void gate_each_shard(struct wf_crew *crew,
			    void (*act)(struct wf_shard *shard))
{
	unsigned count = 0;
	unsigned i = 0;
	unsigned j = 0;

	wf_gate_lock(crew);
	count = wf_lane_count(crew);
	for (i = 0; i < count; i++) {
		for (j = 0; j < crew->shard_count; j++) {
			act(&wf_lane_at(crew, i)->shards[j]);
		}
	}
	wf_gate_unlock(crew);
}

void wf_gate_drain(struct wf_crew *crew)
{
	gate_each_shard(crew, wf_shard_drain);
}

void wf_gate_close(struct wf_crew *crew)
{
	gate_each_shard(crew, wf_shard_close);
}

void wf_lane_close(struct wf_lane *lane)
{
	unsigned i = 0;

	for (i = 0; i < lane->crew->shard_count; i++) {
		wf_shard_close(&lane->shards[i]);
	}
}

void wf_lane_put(struct wf_lane *lane)
{
	struct wf_crew *crew = lane->crew;
	unsigned reserved = 0;
	unsigned running = 0;

	wf_gate_lock(crew);
	reserved = gate_get(&lane->reserved);
	running = gate_get(&lane->running);
	if (running < reserved) {
		gate_add_locked(&crew->gate.owed, -(int)(reserved - running));
	}
	gate_set_locked(&lane->reserved, 0);
	lane->used = false;
	wf_gate_unlock(crew);
}

/* ---- who may run ---- */

static bool lane_may_run(const struct wf_lane *lane)
{
	struct wf_gate *gate = &lane->crew->gate;
	unsigned running = gate_get(&lane->running);

	if (running >= gate_get(&lane->max)) {
		return false;
	}
	return running < gate_get(&lane->reserved) ||
	       gate_get(&gate->running) + gate_get(&gate->owed) <
		       wf_park_limit(&lane->crew->park);
}

bool wf_lane_is_open(const struct wf_lane *lane)
{
	return tev_likely(!wf_gate_is_shaped(lane->crew)) || lane_may_run(lane);
}

bool wf_lane_wants_room(const struct wf_lane *lane)
{
	return tev_likely(!wf_gate_is_shaped(lane->crew)) ||
	       gate_get(&lane->running) < gate_get(&lane->max);
}

static unsigned gate_less(unsigned number, unsigned amount)
{
	return number > amount ? number - amount : 0;
}

unsigned wf_lane_room(struct wf_lane *lane)
{
	struct wf_gate *gate = &lane->crew->gate;
	struct wf_park *park = &lane->crew->park;
	unsigned limit = wf_park_limit(park);
	unsigned running = gate_get(&lane->running);
	unsigned room = 0;
	unsigned own = 0;

	if (!wf_gate_is_shaped(lane->crew)) {
		return gate_less(limit, wf_park_count_busy(park));
	}
	room = gate_less(limit,
			 gate_get(&gate->running) + gate_get(&gate->owed)) +
	       gate_less(gate_get(&lane->reserved), running);
	own = gate_less(gate_get(&lane->max), running);
	return room < own ? room : own;
}

bool wf_lane_enter(struct wf_lane *lane, bool *ret_counted)
{
	struct wf_gate *gate = &lane->crew->gate;
	bool may = false;

	*ret_counted = false;
	if (tev_likely(!wf_gate_is_shaped(lane->crew))) {
		return true;
	}
	(void)pthread_mutex_lock(&gate->lock);
	may = lane_may_run(lane);
	if (may) {
		if (gate_get(&lane->running) < gate_get(&lane->reserved)) {
			gate_add_locked(&gate->owed, -1);
		}
		gate_add_locked(&lane->running, 1);
		gate_add_locked(&gate->running, 1);
		*ret_counted = true;
	}
	(void)pthread_mutex_unlock(&gate->lock);
	return may;
}

void wf_lane_leave(struct wf_lane *lane)
{
	struct wf_gate *gate = &lane->crew->gate;

	(void)pthread_mutex_lock(&gate->lock);
	/* [LN1] release: room made. The caller looks at the queues, with a full
	 * fence between; pairs with wf_worker_call_for(). */
	gate_add_locked(&lane->running, -1);
	gate_add_locked(&gate->running, -1);
	if (gate_get(&lane->running) < gate_get(&lane->reserved)) {
		gate_add_locked(&gate->owed, 1);
	}
	(void)pthread_mutex_unlock(&gate->lock);
}

void wf_gate_forget_locked(struct wf_crew *crew)
{
	struct wf_gate *gate = &crew->gate;
	unsigned count = wf_lane_count(crew);
	unsigned owed = 0;
	unsigned i = 0;

	for (i = 0; i < count; i++) {
		struct wf_lane *lane = wf_lane_at(crew, i);

		gate_add_locked(&lane->running, -(int)gate_get(&lane->running));
		gate_add_locked(&lane->behind, -(int)gate_get(&lane->behind));
		lane_init_common(lane);
		memset(&lane->left, 0, sizeof(lane->left));
		memset(&lane->before, 0, sizeof(lane->before));
		/* Relaxed: the child has one thread. */
		atomic_store_explicit(&lane->refused, 0, memory_order_relaxed);
		atomic_store_explicit(&lane->late, 0, memory_order_relaxed);
		atomic_store_explicit(&lane->ran_here, 0, memory_order_relaxed);
		owed += lane->used ? gate_get(&lane->reserved) : 0;
	}
	gate_add_locked(&gate->running, -(int)gate_get(&gate->running));
	gate_add_locked(&gate->owed, (int)(owed - gate_get(&gate->owed)));
}
