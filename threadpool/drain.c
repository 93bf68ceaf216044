/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Drain: who waits until a pool is through.
 *
 *      begin: draining stored --> each shard is told --> waits --> check
 *                                                                    ^
 *      what may have been the last: hands or bed empty, fence, look -'
 *
 * A job of a pool is in one of four places: in a shard, or its inbox, which
 * whoever locks the shard takes in first; in the count of those behind others
 * of their key, until it is in a shard or its end is posted; with a worker,
 * whose bed is serving until the end is posted; or in the hands of another
 * thread (crew->hands) that evicts it, or runs it because its lane is full. The
 * pool is through when it takes nothing more and all four are empty, in all
 * crews of the family, at one moment.
 *
 *  1. Nothing comes in: each shard is told under its lock, and by the mark in
 *     its inbox; from then on it takes only what moves up from behind its key,
 *     and children of jobs, whose beds are serving meanwhile. What goes behind
 *     its key is refused under the lock of that, through each of which begin
 *     passes (wf_order_settle()), so that what came before is counted. What is
 *     run by its sender passes wf_drain_enter(): that finds the pool draining,
 *     or its hands are seen by every later check until they have given the job
 *     away.
 *  2. Nobody is told too early. A check looks first whether anybody waits: who
 *     does has told all shards before. Then it looks at all shards, then at the
 *     hands, the keys and the beds, and at all shards once more. If those were
 *     empty at both looks and accepted nothing in between, then they were empty
 *     all the time. So no bed can have begun to serve, nothing can have moved
 *     up from behind its key, and no hands can have taken anything out: each
 *     place that was seen empty stayed so. What left a place before it was seen
 *     had been put in the next one by then.
 *  3. Nobody is told too late. Whatever empties one of the places is followed
 *     by a full fence and a look at draining: a worker's when it finds nothing
 *     more, a canceller's, that of the hands. Begin stores draining, fence,
 *     checks: one of them sees the other. A check that finds something leaves
 *     it to the look that follows that; one that finds nobody waiting, to
 *     begin, which checks after it has begun to wait.
 *  4. A pool that is through stays so, as it takes nothing more.
 *  5. Results are posted before a bed stops serving or hands are empty, so who
 *     is told finds all of them posted before.
 *
 * In a forked child there are no workers and nothing is queued, and those who
 * wait are the parent's: the list begins anew (crews.c).
 *
 * Threads: any.
 * Ordering: [DR1] the fences of 1 and 3; release of bed and hands, acquire
 * here. Locks: the list of crews, under it one of a shard or park at a time.
 * Model: docs/models/drain.pml.  Not here: the request (drain_send.c).
 */
#include "threadpool/drain.h"

#include <stdint.h>

#include "threadpool/crews.h"
#include "threadpool/gate.h"
#include "threadpool/order.h"

/* What a look at the family has found. */
struct drain_look {
	uint64_t accepted; /* by all shards, ever */
	bool empty;
};

static void drain_look_shards(struct wf_crew *crew, void *arg)
{
	struct drain_look *look = arg;
	unsigned count = wf_lane_count(crew);
	unsigned i = 0;
	unsigned j = 0;

	for (i = 0; i < count; i++) {
		for (j = 0; j < crew->shard_count; j++) {
			struct wf_shard *shard = &wf_lane_at(crew, i)
							  ->shards[j];

			wf_shard_lock(shard);
			look->accepted += shard->accepted;
			look->empty = look->empty && wf_shard_count(shard) == 0;
			wf_shard_unlock(shard);
		}
	}
}

static void drain_look_keys(struct wf_crew *crew, void *arg)
{
	struct drain_look *look = arg;
	unsigned count = wf_lane_count(crew);
	unsigned i = 0;

	for (i = 0; i < count; i++) {
		/* [DR1] acquire: those that are through have posted their end;
		 * pairs with keyed.c. */
		unsigned behind = atomic_load_explicit(
			&wf_lane_at(crew, i)->behind, memory_order_acquire);

		look->empty = look->empty && behind == 0;
	}
}

static void drain_look_beds(struct wf_crew *crew, void *arg)
{
	struct drain_look *look = arg;
	struct tev_list *link = NULL;

	wf_park_lock(&crew->park);
	tev_list_for_each(link, &crew->park.all) {
		struct wf_bed *bed = tev_list_entry(link, struct wf_bed, all);
		/* [DR1] acquire: the end of its job is posted; pairs with
		 * worker.c. */
		bool serving = atomic_load_explicit(&bed->serving,
						    memory_order_acquire);

		look->empty = look->empty && !serving;
	}
	wf_park_unlock(&crew->park);
}

static bool drain_hands_empty(struct wf_crew *elder)
{
	/* [DR1] acquire: what they have queued or posted; pairs with
	 * wf_drain_give(). */
	return atomic_load_explicit(&elder->hands, memory_order_acquire) == 0;
}

static bool drain_is_through(struct wf_crew *elder)
{
	struct drain_look before = { .empty = true };
	struct drain_look after = { .empty = true };

	wf_crews_each(elder, drain_look_shards, &before);
	if (!before.empty || !drain_hands_empty(elder)) {
		return false;
	}
	wf_crews_each(elder, drain_look_keys, &after);
	wf_crews_each(elder, drain_look_beds, &after);
	wf_crews_each(elder, drain_look_shards, &after);
	return after.empty && after.accepted == before.accepted;
}

/* ---- who waits ---- */

static bool drain_is_awaited(struct wf_crew *elder)
{
	bool awaited = false;

	wf_park_lock(&elder->park);
	awaited = !tev_list_empty(&elder->drains);
	wf_park_unlock(&elder->park);
	return awaited;
}

/* The first of those who wait, who does not any more. */
static struct wf_drain *drain_take_first(struct wf_crew *elder)
{
	struct tev_list *link = NULL;

	wf_park_lock(&elder->park);
	link = tev_list_first(&elder->drains);
	if (link != NULL) {
		tev_list_remove(link);
	}
	wf_park_unlock(&elder->park);
	return link != NULL ? tev_list_entry(link, struct wf_drain, link)
			    : NULL;
}

void wf_drain_check(struct wf_crew *crew)
{
	struct wf_crew *elder = wf_crew_elder(crew);

	/* In this order: while the shards are being told somebody may see the
	 * pool drained, find all places empty, and be overtaken by a job. */
	if (!wf_crew_draining(elder) || !drain_is_awaited(elder) ||
	    !drain_is_through(elder)) {
		return;
	}
	for (;;) {
		struct wf_drain *drain = drain_take_first(elder);

		if (drain == NULL) {
			return;
		}
		drain->through(drain);
	}
}

static void drain_close(struct wf_crew *crew, void *arg)
{
	(void)arg;
	wf_gate_drain(crew);
}

void wf_drain_close(struct wf_crew *elder)
{
	/* Relaxed: the fence and the shards' locks. */
	atomic_store_explicit(&elder->draining, true, memory_order_relaxed);
	/* [DR1] full fence: draining stored; lanes, hands and beds loaded. Do
	 * not weaken. */
	tev_fence_full();
	wf_crews_each(elder, drain_close, NULL);
	wf_order_settle(elder);
}

void wf_drain_begin(struct wf_crew *elder, struct wf_drain *drain)
{
	tev_list_init(&drain->link);
	wf_drain_close(elder);
	wf_park_lock(&elder->park);
	tev_list_append(&elder->drains, &drain->link);
	wf_park_unlock(&elder->park);
	wf_drain_check(elder);
}

bool wf_drain_leave(struct wf_crew *elder, struct wf_drain *drain)
{
	bool waits = false;

	wf_park_lock(&elder->park);
	waits = !tev_list_empty(&drain->link);
	if (waits) {
		tev_list_remove(&drain->link);
	}
	wf_park_unlock(&elder->park);
	return waits;
}
