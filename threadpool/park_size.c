/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Park size: how many workers there may be, and what becomes of one too many.
 *
 *      active = workers - idle - blocked  <=  max
 *      workers  <=  limit = max + the smaller of blocked and spare
 *
 * Blocked is a worker that sleeps in the system in the middle of a job: it has
 * said so, or the watch has seen it (watch.c). In its place another one may be
 * active; for that one more thread may be there.
 *
 *  1. When a blocked one is back, one too many may be active. Nobody is woken
 *     or born then. The first that is through with its job and still finds more
 *     than max active rests, without a look at the queues: max others are
 *     active, and each of them looks when it is through, or when it blocks.
 *     Who rests is idle, and at hand for the next one that blocks.
 *  2. Whether it may is decided under the lock, so that of two only one goes.
 *  3. A worker is not seen to be blocked after its job is through: the watch
 *     holds the job meanwhile [PK5]. So with the end of the job it is awake,
 *     whatever was said or seen.
 *  4. A smaller max lets those go that are above the limit: first the idle, who
 *     are popped and not counted any more, and know by the word that they sleep
 *     on (DISMISSED) that they have no token; then as many (excess) of those
 *     that are through and too many, who leave in place of a rest. A change of
 *     minimum or maximum changes the word of all others, so that each thinks
 *     anew for how long it sleeps.
 *  5. After everything that makes fewer active or more possible who did it
 *     looks at the queues, with the fence of [PK1] between.
 *
 * docs/models/park.pml has 1, 2 and 5.
 *
 * Threads: see the header.  Ordering: [PK1], [PK2].
 * Not here: who is woken (park.c).
 */
#include "threadpool/park.h"

#include "engine/order.h"

enum wf_park_quit wf_park_quit(struct wf_park *park, struct wf_bed *bed)
{
	enum wf_park_quit quit = WF_PARK_GOES_ON;

	wf_park_lock(park);
	if (!wf_park_is_surplus(park)) {
		quit = WF_PARK_GOES_ON;
	} else if (park->excess > 0 || park->stopped) {
		quit = WF_PARK_LEAVES;
		park->excess -= park->excess > 0 ? 1 : 0;
		park_add_locked(&park->workers, -1);
	} else {
		quit = WF_PARK_RESTS;
		park_rest_locked(park, bed);
	}
	wf_park_unlock(park);
	/* [PK1] full fence: counts stored, queues loaded by the caller. Do not
	 * weaken. */
	tev_fence_full();
	return quit;
}

static void park_set_blocked_locked(struct wf_park *park, struct wf_bed *bed,
				    enum wf_bed_blocked blocked)
{
	/* Relaxed: written under the lock. */
	unsigned char before = atomic_load_explicit(&bed->blocked,
						    memory_order_relaxed);
	int was = before != WF_BED_RUNS;
	int is = blocked != WF_BED_RUNS;

	atomic_store_explicit(&bed->blocked, (unsigned char)blocked,
			      memory_order_relaxed);
	park_add_locked(&park->blocked, is - was);
}

void wf_park_block(struct wf_park *park, struct wf_bed *bed)
{
	wf_park_lock(park);
	park_set_blocked_locked(park, bed, WF_BED_SAID);
	wf_park_unlock(park);
	/* [PK1] full fence: blocked stored, queues loaded by the caller. Do not
	 * weaken. */
	tev_fence_full();
}

void wf_park_unblock(struct wf_park *park, struct wf_bed *bed)
{
	wf_park_lock(park);
	park_set_blocked_locked(park, bed, WF_BED_RUNS);
	wf_park_unlock(park);
}

void wf_park_see_locked(struct wf_park *park, struct wf_bed *bed, bool asleep)
{
	park_set_blocked_locked(park, bed, asleep ? WF_BED_SEEN : WF_BED_RUNS);
}

/* Lets go of those that are too many, those first that have been idle longest.
 */
static void park_dismiss_locked(struct wf_park *park)
{
	unsigned workers = 0;
	unsigned limit = 0;

	while (!tev_list_empty(&park->idle) &&
	       park_get(&park->workers) > wf_park_limit(park)) {
		struct wf_bed *bed = park_take_locked(park, park->idle.prev,
						      PARK_DISMISSED);

		park_add_locked(&park->workers, -1);
		park_ring(bed);
	}
	workers = park_get(&park->workers);
	limit = wf_park_limit(park);
	park->excess = workers > limit ? workers - limit : 0;
}

void wf_park_resize(struct wf_park *park, unsigned min, unsigned max)
{
	struct tev_list *link = NULL;

	wf_park_lock(park);
	/* Relaxed, both: the fence and the words order them. */
	atomic_store_explicit(&park->min, min, memory_order_relaxed);
	atomic_store_explicit(&park->max, max, memory_order_relaxed);
	park_dismiss_locked(park);
	tev_list_for_each(link, &park->idle) {
		struct wf_bed *bed = tev_list_entry(link, struct wf_bed, idle);

		/* [PK2] release: minimum and maximum; pairs with
		 * wf_park_sleep(). */
		(void)atomic_fetch_add_explicit(&bed->asleep, 1,
						memory_order_release);
		park_ring(bed);
	}
	wf_park_unlock(park);
	/* [PK1] full fence: maximum stored, queues loaded by the caller. Do not
	 * weaken. */
	tev_fence_full();
}
