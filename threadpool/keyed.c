/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Keyed: order among jobs of one key.
 *
 * A table knows the keys that have a job which is queued, runs or is on its way
 * out. The first job of a key stands there for it; the others hang behind it,
 * and are in no queue. When it leaves, the next one goes to the end of the
 * queue and takes its place:
 *
 *      stripe     buckets
 *      lock  -->  [ ]  job of key 7 (runs)  ->  behind: job, job
 *                 [ ]
 *                 [ ]  job of key 3 (queued)
 *
 *   move             by                           when
 *   OUT -> FIRST     its owner (enter)            none of its key is there
 *   OUT -> BEHIND    its owner (enter)            one is
 *   BEHIND -> FIRST  who lets the first one go    it is put into its shard
 *   FIRST -> OUT     who has run or evicted it,   and the next one moves up
 *                    or its owner (withdraw)
 *   BEHIND -> OUT    its owner (withdraw); who
 *                    cancels, ends the pool or
 *                    its lane
 *
 * All of them happen in the lock of the stripe.
 *
 *  1. Of one key at most one job is in a shard or with a worker.
 *  2. Who is behind is QUEUED, or was CANCELLED by its owner. The one is
 *     evicted (work.h) in the lock of the stripe, and ended when that is given
 *     back; the other stays, and moves up in its turn, until its owner
 *     withdraws it. So who is out needs the table no more.
 *  3. It comes into the table, or moves up there, and goes into its shard in
 *     one hold of the lock. The worker that takes it from the shard needs the
 *     lock before it can be through with it.
 *  4. Nobody comes in behind another one after the pool has been stopped or
 *     drained and all locks were taken once: wf_keyed_evict_all() and
 *     wf_order_settle() do.
 *  5. What never comes into a shard is counted there, as accepted and
 *     withdrawn.
 *
 * Locks: stripe -> shard -> park.
 *
 * Threads: see the header.  Ordering: the locks.
 * Not here: the table (order.c), the public handle (serial.c), who calls
 * workers (submit.c, worker.c).
 */
#include "threadpool/keyed.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>

#include "engine/base.h"
#include "engine/order.h"
#include "threadpool/crew.h"
#include "threadpool/drain.h"
#include "threadpool/mark.h"
#include "threadpool/poke.h"
#include "threadpool/work.h"

static struct wf_stripe *keyed_stripe(const struct wf_keyed *keyed)
{
	return wf_order_stripe(keyed->order, keyed->key.hash);
}

void wf_keyed_init(struct wf_keyed *keyed, struct wf_order *order, uint64_t key,
		   struct weft_job *job)
{
	keyed->order = order;
	keyed->key.hash = wf_order_hash(key);
	/* The lock was a worker's; it will be here when enter needs it. */
	__builtin_prefetch(keyed_stripe(keyed), 1);
	keyed->job = job;
	tev_list_init(&keyed->key.link);
	tev_list_init(&keyed->behind);
	keyed->first = false;
}

/* ---- moves ---- */

static struct wf_lane *keyed_lane(const struct wf_keyed *keyed)
{
	return keyed->job->queued.flow->lane;
}

/* One more or one less waits that is in no shard. */
static void lane_count_behind(struct wf_lane *lane, bool more)
{
	/* [DR1] release: what does not wait here any more is in a shard, or its
	 * end is posted; pairs with drain.c. */
	(void)atomic_fetch_add_explicit(&lane->behind, more ? 1 : UINT_MAX,
					memory_order_release);
}

/* The one that stands in the table, or hangs behind that, by this link. */
static struct wf_keyed *keyed_of(struct tev_list *link)
{
	return tev_list_entry(link, struct wf_keyed, key.link);
}

int wf_keyed_enter(struct wf_keyed *keyed, int (*push)(struct weft_job *job))
{
	struct wf_stripe *stripe = keyed_stripe(keyed);
	struct wf_crew *crew = keyed_lane(keyed)->crew;
	struct wf_key *first = NULL;
	int ret = 0;

	wf_stripe_lock(stripe);
	first = wf_stripe_find_locked(stripe, keyed->key.hash);
	if (first == NULL) {
		ret = push(keyed->job);
		if (ret == 0) {
			keyed->first = true;
			wf_stripe_add_locked(stripe, &keyed->key);
		}
	} else if (wf_crew_stopped(crew) || wf_crew_draining(crew)) {
		ret = ESHUTDOWN;
	} else {
		keyed->first = false;
		tev_list_append(&keyed_of(&first->link)->behind,
				&keyed->key.link);
		lane_count_behind(keyed_lane(keyed), true);
	}
	wf_stripe_unlock(stripe);
	return ret;
}

/* It never comes into its shard, but was accepted. */
static void keyed_skip_locked(struct wf_keyed *keyed)
{
	struct wf_shard *shard = keyed->job->queued.flow->shard;

	wf_shard_lock(shard);
	shard->accepted++;
	shard->withdrawn++;
	wf_shard_unlock(shard);
}

/* Takes it out from behind the first one, if it is the caller's to end. Return:
 * false: it is its owner's. */
static bool keyed_evict_locked(struct wf_keyed *keyed, struct tev_list *ended)
{
	bool mine = wf_work_evict(keyed->job);

	if (mine) {
		keyed_skip_locked(keyed);
		tev_list_remove(&keyed->key.link);
		tev_list_append(ended, &keyed->key.link);
	}
	return mine;
}

/* Puts the next one into its shard; while that is closed, ends it. One that its
 * owner has cancelled comes next all the same, and goes when that withdraws it.
 * Return: NULL: there is none. */
static struct wf_keyed *keyed_promote_locked(struct wf_keyed *first,
					     struct tev_list *ended)
{
	for (;;) {
		struct tev_list *link = tev_list_first(&first->behind);
		struct wf_keyed *next = NULL;

		if (link == NULL) {
			return NULL;
		}
		next = keyed_of(link);
		if (wf_shard_promote(&next->job->queued)) {
			return next;
		}
		if (!keyed_evict_locked(next, ended)) {
			keyed_skip_locked(next);
			return next;
		}
	}
}

/* What is to be done without the lock. */
struct keyed_left {
	struct tev_list ended; /* to be ended */
	struct wf_crew *next;  /* whose job moved up, or NULL */
	bool last;             /* a share of the order is to be given back */
};

/* @keyed goes; the next one takes its place. */
static void keyed_leave_locked(struct wf_stripe *stripe, struct wf_keyed *keyed,
			       struct keyed_left *left)
{
	struct wf_keyed *next = keyed_promote_locked(keyed, &left->ended);

	if (next == NULL) {
		left->last = wf_stripe_remove_locked(stripe, &keyed->key);
		return;
	}
	tev_list_remove(&next->key.link);
	lane_count_behind(keyed_lane(next), false);
	next->first = true;
	tev_list_splice(&next->behind, &keyed->behind);
	wf_stripe_replace_locked(&keyed->key, &next->key);
	left->next = keyed_lane(next)->crew;
}

/* Tells the owners of what was taken out, which counts as waiting until then.
 * No lock is held. */
static void keyed_end_all(struct tev_list *ended, int error)
{
	for (;;) {
		struct tev_list *link = tev_list_first(ended);
		struct weft_job *job = NULL;
		struct wf_lane *lane = NULL;
		struct wf_crew *crew = NULL;

		if (link == NULL) {
			return;
		}
		tev_list_remove(link);
		job = keyed_of(link)->job;
		lane = job->queued.flow->lane;
		crew = wf_crew_ref(lane->crew);
		job->ops->end(job, error, false);
		lane_count_behind(lane, false);
		wf_lane_changed(lane);
		if (wf_crew_draining(crew)) {
			/* [DR1] full fence: the count stored, all counts loaded
			 * by the check. */
			tev_fence_full();
			wf_drain_look(crew);
		}
		wf_crew_unref(crew);
	}
}

struct wf_crew *wf_keyed_leave(struct wf_keyed *keyed)
{
	struct wf_order *order = keyed->order;
	struct wf_stripe *stripe = keyed_stripe(keyed);
	struct keyed_left left = { .next = NULL };

	tev_list_init(&left.ended);
	wf_stripe_lock(stripe);
	keyed_leave_locked(stripe, keyed, &left);
	wf_stripe_unlock(stripe);
	keyed_end_all(&left.ended, ECANCELED);
	if (tev_unlikely(left.last)) {
		wf_order_unref(order);
	}
	return left.next;
}

struct wf_crew *wf_keyed_withdraw(struct wf_keyed *keyed)
{
	struct wf_order *order = keyed->order;
	struct wf_stripe *stripe = keyed_stripe(keyed);
	struct keyed_left left = { .next = NULL };

	tev_list_init(&left.ended);
	wf_stripe_lock(stripe);
	if (keyed->first) {
		wf_shard_withdraw(&keyed->job->queued);
		keyed_leave_locked(stripe, keyed, &left);
	} else {
		keyed_skip_locked(keyed);
		tev_list_remove(&keyed->key.link);
		lane_count_behind(keyed_lane(keyed), false);
	}
	wf_stripe_unlock(stripe);
	keyed_end_all(&left.ended, ECANCELED);
	if (tev_unlikely(left.last)) {
		wf_order_unref(order);
	}
	return left.next;
}

/* ---- all of them ---- */

/* Those behind @first, of @lane or all of them. */
static void keyed_evict_behind_locked(struct wf_keyed *first,
				      const struct wf_lane *lane,
				      struct tev_list *ended)
{
	struct tev_list *link = NULL;
	struct tev_list *next = NULL;

	tev_list_for_each_safe(link, next, &first->behind) {
		struct wf_keyed *keyed = keyed_of(link);

		if (lane == NULL || keyed_lane(keyed) == lane) {
			(void)keyed_evict_locked(keyed, ended);
		}
	}
}

/* Takes @first out of its shard, if nobody was faster. */
static bool keyed_evict_first_locked(struct wf_keyed *first)
{
	bool mine = wf_work_evict(first->job);

	if (mine) {
		lane_count_behind(keyed_lane(first), true);
		wf_shard_withdraw(&first->job->queued);
	}
	return mine;
}

static void keyed_cancel_locked(struct wf_stripe *stripe,
				struct wf_keyed *first, struct tev_list *ended)
{
	struct keyed_left left = { .next = NULL };
	bool mine = false;

	keyed_evict_behind_locked(first, NULL, ended);
	mine = keyed_evict_first_locked(first);
	if (mine) {
		/* Who is left behind it was cancelled by its owner, and waits
		 * for nobody to be called; the order is open. */
		tev_list_init(&left.ended);
		keyed_leave_locked(stripe, first, &left);
		tev_list_splice(ended, &left.ended);
		tev_list_append(ended, &first->key.link);
		return;
	}
	/* Who runs it needs our lock before it can end it. */
	wf_work_tell(first->job);
	if (wf_work_told(first->job)) {
		wf_poke_tell(first->job);
	}
}

static void keyed_cancel(struct wf_stripe *stripe, struct wf_key *key,
			 void *arg)
{
	keyed_cancel_locked(stripe, keyed_of(&key->link), arg);
}

void wf_order_cancel(struct wf_order *order, const uint64_t *key)
{
	struct tev_list ended;
	unsigned i = 0;

	tev_list_init(&ended);
	if (key != NULL) {
		uint64_t hash = wf_order_hash(*key);
		struct wf_stripe *stripe = wf_order_stripe(order, hash);
		struct wf_key *first = NULL;

		wf_stripe_lock(stripe);
		first = wf_stripe_find_locked(stripe, hash);
		if (first != NULL) {
			keyed_cancel(stripe, first, &ended);
		}
		wf_stripe_unlock(stripe);
		keyed_end_all(&ended, ECANCELED);
		return;
	}
	for (i = 0; i < WF_ORDER_STRIPES; i++) {
		wf_stripe_each(&order->stripes[i], keyed_cancel, &ended);
		keyed_end_all(&ended, ECANCELED);
	}
}

/* ---- all tables of a pool ---- */

struct keyed_evict {
	const struct wf_lane *lane;
	struct tev_list ended;
};

static void keyed_evict_behind(struct wf_stripe *stripe, struct wf_key *key,
			       void *arg)
{
	struct keyed_evict *evict = arg;

	(void)stripe;
	keyed_evict_behind_locked(keyed_of(&key->link), evict->lane,
				  &evict->ended);
}

void wf_keyed_evict_all(struct wf_crew *elder, const struct wf_lane *lane,
			int error)
{
	struct keyed_evict evict = { .lane = lane };

	tev_list_init(&evict.ended);
	wf_order_each(elder, keyed_evict_behind, &evict);
	keyed_end_all(&evict.ended, error);
}

struct keyed_look {
	void (*look)(struct weft_job *job, void *arg);
	void *arg;
};

static void keyed_look_behind(struct wf_stripe *stripe, struct wf_key *key,
			      void *arg)
{
	struct keyed_look *look = arg;
	struct wf_keyed *first = keyed_of(&key->link);
	struct tev_list *link = NULL;

	(void)stripe;
	tev_list_for_each(link, &first->behind) {
		look->look(keyed_of(link)->job, look->arg);
	}
}

void wf_keyed_each(struct wf_crew *elder,
		   void (*look)(struct weft_job *job, void *arg), void *arg)
{
	struct keyed_look each = { .look = look, .arg = arg };

	wf_order_each(elder, keyed_look_behind, &each);
}
