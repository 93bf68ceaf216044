/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Shard: a run queue.
 *
 * Each lane of a pool has one of them on small machines and several on large
 * ones, so that its lock is not everybody's. Each loop always uses the same
 * one, hence its jobs start in the order in which it sent them.
 *
 *      urgent   turn ----> turn ----> turn      whose turn it is: owners that
 *      normal   turn          \                 have something queued
 *      low      (none)         job, job, job    in the order of sending
 *
 *  1. A node is taken from the owner whose turn it is, who then goes to the
 *     end: who has sent a thousand jobs delays another's one job by one.
 *  2. The most urgent goes first. Of eight nodes that are taken one is from the
 *     lowest priority that has any, so that nothing waits for ever.
 *
 *                push  pop/evict  withdraw      X: may run at the same time,
 *      push        X       X         X          one after the other in the lock
 *      pop         X       X         X
 *      withdraw    X       X         X
 *
 *  3. A node that is popped is claimed before the lock is given back, so a
 *     node that its owner has cancelled is never touched after the owner's
 *     withdraw has returned; nor is a flow after its last node came out.
 *  4. withdraw finds the node either still in the list or already dropped by
 *     a pop whose claim failed; both leave it linked to itself.
 *  5. count is written under the lock and read without: it is half of the
 *     hand-shake [PK1] with the workers that fall asleep (park.c). It falls
 *     after the claim, which marks a worker as serving, so who looks for the
 *     end of all work sees one of the two [DR1].
 *
 * Threads: any.  Ordering: the lock, [PK1] and [DR1] through the callers'
 * fences.
 * Not here: what a node is (work.c), who runs it (worker.c).
 */
#include "threadpool/shard.h"

#include <errno.h>
#include <limits.h>

/* One in so many is from the lowest priority. */
#define SHARD_FAIR 8

void wf_shard_init(struct wf_shard *shard)
{
	unsigned i = 0;

	(void)pthread_mutex_init(&shard->lock, NULL);
	for (i = 0; i < WF_PRIORITIES; i++) {
		tev_list_init(&shard->turns[i]);
	}
	shard->drained = false;
	shard->closed = false;
	shard->taken = 0;
	shard->accepted = 0;
	shard->withdrawn = 0;
	shard->order = 0;
	atomic_init(&shard->count, 0);
}

void wf_flow_init(struct wf_flow *flow, struct wf_lane *lane,
		  struct wf_shard *shard)
{
	unsigned i = 0;

	flow->lane = lane;
	flow->shard = shard;
	for (i = 0; i < WF_PRIORITIES; i++) {
		tev_list_init(&flow->turns[i].link);
		tev_list_init(&flow->turns[i].queued);
	}
}

void wf_shard_fini(struct wf_shard *shard)
{
	(void)pthread_mutex_destroy(&shard->lock);
}

void wf_shard_lock(struct wf_shard *shard)
{
	(void)pthread_mutex_lock(&shard->lock);
}

void wf_shard_unlock(struct wf_shard *shard)
{
	(void)pthread_mutex_unlock(&shard->lock);
}

unsigned wf_shard_count(const struct wf_shard *shard)
{
	/* [DR1] acquire: what was claimed is marked before it is not counted
	 * any more; pairs with shard_count_locked(). */
	return atomic_load_explicit(&shard->count, memory_order_acquire);
}

static void shard_count_locked(struct wf_shard *shard, int change)
{
	unsigned count = atomic_load_explicit(&shard->count,
					      memory_order_relaxed);

	/* [DR1] release: the claim; pairs with wf_shard_count(). */
	atomic_store_explicit(&shard->count, count + (unsigned)change,
			      memory_order_release);
}

static int shard_admit_locked(const struct wf_shard *shard, bool inside,
			      unsigned limit, wf_shard_slack_fn slack,
			      void *arg)
{
	unsigned count = wf_shard_count(shard);
	unsigned more = 0;

	if (shard->closed || (shard->drained && !inside)) {
		return ESHUTDOWN;
	}
	if (tev_likely(count < limit)) {
		return 0;
	}
	more = slack(arg);
	return count - limit < more ? 0 : EAGAIN;
}

static void shard_add_locked(struct wf_shard *shard, struct wf_queued *queued)
{
	struct wf_turn *turn = &queued->flow->turns[queued->priority];

	if (tev_list_empty(&turn->queued)) {
		tev_list_append(&shard->turns[queued->priority], &turn->link);
	}
	tev_list_append(&turn->queued, &queued->link);
	queued->order = ++shard->order;
	shard->accepted++;
	shard_count_locked(shard, 1);
}

int wf_shard_push(struct wf_queued *queued, unsigned limit,
		  wf_shard_slack_fn slack, void *arg)
{
	struct wf_shard *shard = queued->flow->shard;
	int ret = 0;

	wf_shard_lock(shard);
	ret = shard_admit_locked(shard, queued->inside, limit, slack, arg);
	if (ret == 0) {
		shard_add_locked(shard, queued);
	}
	wf_shard_unlock(shard);
	return ret;
}

bool wf_shard_promote(struct wf_queued *queued)
{
	struct wf_shard *shard = queued->flow->shard;
	bool ok = false;

	wf_shard_lock(shard);
	ok = !shard->closed;
	if (ok) {
		shard_add_locked(shard, queued);
	}
	wf_shard_unlock(shard);
	return ok;
}

/* Takes @queued out of its turn, and that out of the round if it was the last.
 */
static void shard_remove_locked(struct wf_queued *queued)
{
	struct wf_turn *turn = &queued->flow->turns[queued->priority];

	tev_list_remove(&queued->link);
	if (tev_list_empty(&turn->queued)) {
		tev_list_remove(&turn->link);
	}
}

static struct wf_queued *shard_first(struct wf_shard *shard, unsigned priority)
{
	struct tev_list *link = tev_list_first(&shard->turns[priority]);
	struct wf_turn *turn = NULL;

	if (link == NULL) {
		return NULL;
	}
	turn = tev_list_entry(link, struct wf_turn, link);
	return tev_list_entry(tev_list_first(&turn->queued), struct wf_queued,
			      link);
}

static struct wf_queued *shard_next_locked(struct wf_shard *shard)
{
	bool upwards = shard->taken % SHARD_FAIR == SHARD_FAIR - 1;
	unsigned i = 0;

	for (i = 0; i < WF_PRIORITIES; i++) {
		struct wf_queued *queued = shard_first(
			shard, upwards ? i : WF_PRIORITIES - 1 - i);

		if (queued != NULL) {
			return queued;
		}
	}
	return NULL;
}

/* The next owner's turn. */
static void shard_rotate_locked(struct wf_shard *shard, unsigned priority)
{
	struct tev_list *first = tev_list_first(&shard->turns[priority]);

	if (first != NULL) {
		tev_list_remove(first);
		tev_list_append(&shard->turns[priority], first);
	}
}

/* @queued is out, whoever has it. Return: whether the claimer does. */
static bool shard_claim_locked(struct wf_shard *shard, struct wf_queued *queued,
			       wf_shard_claim_fn claim, void *arg)
{
	bool mine = false;

	shard_remove_locked(queued);
	mine = claim(queued, arg);
	if (!mine) {
		shard->withdrawn++;
	}
	shard_count_locked(shard, -1);
	return mine;
}

static struct wf_queued *shard_take_locked(struct wf_shard *shard,
					   wf_shard_claim_fn claim, void *arg)
{
	for (;;) {
		struct wf_queued *queued = shard_next_locked(shard);
		struct wf_turn *turn = NULL;
		unsigned priority = 0;
		bool alone = false;
		bool mine = false;

		if (queued == NULL) {
			return NULL;
		}
		priority = queued->priority;
		turn = &queued->flow->turns[priority];
		alone = turn->queued.next == turn->queued.prev;
		mine = shard_claim_locked(shard, queued, claim, arg);
		if (mine) {
			shard->taken++;
			if (!alone) {
				shard_rotate_locked(shard, priority);
			}
			return queued;
		}
	}
}

struct wf_queued *wf_shard_pop(struct wf_shard *shard, wf_shard_claim_fn claim,
			       void *arg)
{
	struct wf_queued *queued = NULL;

	if (wf_shard_count(shard) == 0) {
		return NULL;
	}
	wf_shard_lock(shard);
	queued = shard_take_locked(shard, claim, arg);
	wf_shard_unlock(shard);
	return queued;
}

struct wf_queued *wf_shard_evict(struct wf_shard *shard,
				 wf_shard_claim_fn claim, void *arg)
{
	struct wf_queued *queued = NULL;

	wf_shard_lock(shard);
	queued = shard_take_locked(shard, claim, arg);
	if (queued != NULL) {
		shard->withdrawn++;
	}
	wf_shard_unlock(shard);
	return queued;
}

/* The heads of all turns; each turn is in order. */
static struct wf_queued *shard_oldest_locked(struct wf_shard *shard,
					     unsigned priority)
{
	struct wf_queued *oldest = NULL;
	struct tev_list *link = NULL;

	tev_list_for_each(link, &shard->turns[priority]) {
		struct wf_turn *turn = tev_list_entry(link, struct wf_turn,
						      link);
		struct wf_queued *queued = tev_list_entry(
			tev_list_first(&turn->queued), struct wf_queued, link);

		if (oldest == NULL || queued->order < oldest->order) {
			oldest = queued;
		}
	}
	return oldest;
}

struct wf_queued *wf_shard_evict_oldest(struct wf_shard *shard,
					unsigned char priority, uint64_t last,
					wf_shard_claim_fn claim, void *arg)
{
	struct wf_queued *queued = NULL;
	unsigned i = 0;

	wf_shard_lock(shard);
	while (i <= priority) {
		bool mine = false;

		queued = shard_oldest_locked(shard, i);
		if (queued == NULL || queued->order > last) {
			queued = NULL;
			i++;
			continue;
		}
		mine = shard_claim_locked(shard, queued, claim, arg);
		if (mine) {
			shard->withdrawn++;
			break;
		}
		queued = NULL;
	}
	wf_shard_unlock(shard);
	return queued;
}

uint64_t wf_shard_last(struct wf_shard *shard)
{
	uint64_t last = 0;

	wf_shard_lock(shard);
	last = shard->order;
	wf_shard_unlock(shard);
	return last;
}

void wf_shard_withdraw(struct wf_queued *queued)
{
	struct wf_shard *shard = queued->flow->shard;

	wf_shard_lock(shard);
	if (!tev_list_empty(&queued->link)) {
		shard_remove_locked(queued);
		shard->withdrawn++;
		shard_count_locked(shard, -1);
	}
	wf_shard_unlock(shard);
}

bool wf_shard_take(struct wf_queued *queued, wf_shard_claim_fn claim, void *arg)
{
	struct wf_shard *shard = queued->flow->shard;
	bool mine = false;

	wf_shard_lock(shard);
	if (!tev_list_empty(&queued->link)) {
		mine = shard_claim_locked(shard, queued, claim, arg);
	}
	wf_shard_unlock(shard);
	return mine;
}

void wf_shard_drain(struct wf_shard *shard)
{
	wf_shard_lock(shard);
	shard->drained = true;
	wf_shard_unlock(shard);
}

void wf_shard_close(struct wf_shard *shard)
{
	wf_shard_lock(shard);
	shard->closed = true;
	wf_shard_unlock(shard);
}

void wf_shard_reopen(struct wf_shard *shard)
{
	wf_shard_lock(shard);
	shard->drained = false;
	shard->closed = false;
	wf_shard_unlock(shard);
}

void wf_shard_each_locked(struct wf_shard *shard,
			  bool (*look)(struct wf_queued *queued, void *arg),
			  void *arg)
{
	struct tev_list *link = NULL;
	unsigned i = 0;

	for (i = WF_PRIORITIES; i > 0; i--) {
		tev_list_for_each(link, &shard->turns[i - 1]) {
			struct wf_turn *turn = tev_list_entry(
				link, struct wf_turn, link);
			struct tev_list *at = NULL;

			tev_list_for_each(at, &turn->queued) {
				bool more = look(
					tev_list_entry(at, struct wf_queued,
						       link),
					arg);

				if (!more) {
					return;
				}
			}
		}
	}
}

void wf_shard_forget_locked(struct wf_shard *shard)
{
	unsigned i = 0;

	for (i = 0; i < WF_PRIORITIES; i++) {
		tev_list_init(&shard->turns[i]);
	}
	shard->taken = 0;
	shard->accepted = 0;
	shard->withdrawn = 0;
	shard_count_locked(shard, -(int)atomic_load_explicit(
					  &shard->count, memory_order_relaxed));
}
