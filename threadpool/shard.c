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
 *                send   push  pop/evict  withdraw
 *      send        x      x       x         x      x: at the same time
 *      push        x      X       X         X      X: may be called at the same
 *      pop         x      X       X         X         time; one after the other
 *      withdraw    x      X       X         X         in the lock
 *
 *  3. In front of it is an inbox (inbox.h). Whoever has sent one by the lock
 *     gets credit: so many more he may drop there, without the lock, which is
 *     the workers' then. Credit is a part of the room that the limit leaves, so
 *     a single owner stays within it, and several exceed it by little.
 *  4. Whoever takes the lock has first what is in the inbox put in its place
 *     and counted, as if it had come by the lock. Only a pop leaves it there
 *     while all that has ever come is of one owner and one priority, and some
 *     of that is left: it would go to the end. The first of another owner, or
 *     of another priority, comes by the lock (known), so this is seen in time.
 *  5. A node that is popped is claimed before the lock is given back, so a
 *     node that its owner has cancelled is never touched after the owner's
 *     withdraw has returned; nor is a flow after its last node came out.
 *  6. withdraw finds the node either still in the list or already dropped by
 *     a pop whose claim failed; both leave it linked to itself.
 *  7. Inbox and count are read without the lock: that something is there is
 *     half of the hand-shake [PK1] with the workers that fall asleep (park.c).
 *     What goes from the one to the other is counted before it leaves the
 *     inbox, and who looks does so in that order [IB1]. The count falls
 *     after the claim, which marks a worker as serving, so who looks for the
 *     end of all work sees one of the two [DR1].
 *
 * Threads: any.  Ordering: the lock, [IB1]; [PK1] and [DR1] through the
 * callers' fences.
 * Not here: what a node is (work.c), who runs it (worker.c).
 */
#include "threadpool/shard.h"

#include <errno.h>
#include <limits.h>

/* One in so many is from the lowest priority. */
#define SHARD_FAIR 8

/* Credit is at most this, and at most one in so many of the room there is. */
#define SHARD_CREDIT    64
#define SHARD_CREDIT_OF 64

/* It is held for less than it takes to fall asleep: who waits for it looks a
 * few times before he does. */
static void shard_init_lock(struct wf_shard *shard)
{
	pthread_mutexattr_t attr;

	(void)pthread_mutexattr_init(&attr);
	(void)pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ADAPTIVE_NP);
	(void)pthread_mutex_init(&shard->lock, &attr);
	(void)pthread_mutexattr_destroy(&attr);
}

void wf_shard_init(struct wf_shard *shard)
{
	unsigned i = 0;

	wf_inbox_init(&shard->inbox);
	shard_init_lock(shard);
	for (i = 0; i < WF_PRIORITIES; i++) {
		tev_list_init(&shard->turns[i]);
	}
	shard->only = NULL;
	shard->only_priority = 0;
	shard->mixed = false;
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
	flow->shared = false;
	flow->known = 0;
	flow->credit = 0;
	flow->limit = 0;
	for (i = 0; i < WF_PRIORITIES; i++) {
		tev_list_init(&flow->turns[i].link);
		tev_list_init(&flow->turns[i].queued);
	}
}

void wf_shard_fini(struct wf_shard *shard)
{
	(void)pthread_mutex_destroy(&shard->lock);
}

static unsigned shard_counted(const struct wf_shard *shard)
{
	/* Relaxed: written under the lock, which the caller has. */
	return atomic_load_explicit(&shard->count, memory_order_relaxed);
}

static void shard_count_locked(struct wf_shard *shard, int change)
{
	/* [DR1] release: the claim; pairs with wf_shard_count(). */
	atomic_store_explicit(&shard->count,
			      shard_counted(shard) + (unsigned)change,
			      memory_order_release);
}

/* Behind what its owner has. The count is the caller's. */
static void shard_add_locked(struct wf_shard *shard, struct wf_queued *queued)
{
	struct wf_turn *turn = &queued->flow->turns[queued->priority];

	if (tev_unlikely(shard->only != turn)) {
		shard->mixed = shard->mixed || shard->only != NULL;
		shard->only = turn;
		shard->only_priority = queued->priority;
	}
	if (tev_list_empty(&turn->queued)) {
		tev_list_append(&shard->turns[queued->priority], &turn->link);
	}
	tev_list_append(&turn->queued, &queued->link);
	queued->order = ++shard->order;
	shard->accepted++;
}

/* What has come without the lock gets its place. */
static void shard_absorb_locked(struct wf_shard *shard)
{
	unsigned before = shard_counted(shard);
	struct tev_list *link = NULL;
	int count = 0;

	if (!wf_inbox_has(&shard->inbox)) {
		return;
	}
	/* [IB1] raised before the inbox is emptied: relaxed, it is released by
	 * that. */
	atomic_store_explicit(&shard->count, before + 1, memory_order_relaxed);
	link = wf_inbox_take_locked(&shard->inbox);
	while (link != NULL) {
		struct tev_list *next = link->next;

		shard_add_locked(shard,
				 tev_list_entry(link, struct wf_queued, link));
		count++;
		link = next;
	}
	shard_count_locked(shard, count - 1);
}

void wf_shard_lock(struct wf_shard *shard)
{
	(void)pthread_mutex_lock(&shard->lock);
	shard_absorb_locked(shard);
}

void wf_shard_unlock(struct wf_shard *shard)
{
	(void)pthread_mutex_unlock(&shard->lock);
}

static int shard_admit_locked(const struct wf_shard *shard, bool inside,
			      unsigned limit, wf_shard_slack_fn slack,
			      void *arg)
{
	uintptr_t marks = inside ? WF_INBOX_CLOSED : WF_INBOX_MARKS;
	unsigned count = shard_counted(shard);
	unsigned more = 0;

	if (wf_inbox_marked_locked(&shard->inbox, marks)) {
		return ESHUTDOWN;
	}
	if (tev_likely(count < limit)) {
		return 0;
	}
	more = slack(arg);
	return count - limit < more ? 0 : EAGAIN;
}

static void shard_give_credit_locked(const struct wf_shard *shard,
				     const struct wf_queued *queued,
				     unsigned limit)
{
	struct wf_flow *flow = queued->flow;
	unsigned count = shard_counted(shard);
	unsigned credit = count < limit ? (limit - count) / SHARD_CREDIT_OF : 0;

	if (!flow->shared) {
		flow->known |= (unsigned char)(1U << queued->priority);
		flow->credit = credit < SHARD_CREDIT ? credit : SHARD_CREDIT;
	}
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
		shard_count_locked(shard, 1);
		shard_give_credit_locked(shard, queued, limit);
	}
	wf_shard_unlock(shard);
	return ret;
}

bool wf_shard_promote(struct wf_queued *queued)
{
	struct wf_shard *shard = queued->flow->shard;
	bool ok = false;

	wf_shard_lock(shard);
	ok = !wf_inbox_marked_locked(&shard->inbox, WF_INBOX_CLOSED);
	if (ok) {
		shard_add_locked(shard, queued);
		shard_count_locked(shard, 1);
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

	if (tev_likely(!shard->mixed)) {
		return shard_first(shard, shard->only_priority);
	}
	for (i = 0; i < WF_PRIORITIES; i++) {
		struct wf_queued *queued = shard_first(
			shard, upwards ? i : WF_PRIORITIES - 1 - i);

		if (queued != NULL) {
			return queued;
		}
	}
	return NULL;
}

/* @queued is out, whoever has it. Return: whether the claimer does. */
static bool shard_claim_locked(struct wf_shard *shard, struct wf_queued *queued,
			       wf_shard_claim_fn claim, void *arg)
{
	bool mine = false;

	shard_remove_locked(queued);
	mine = claim(queued, arg);
	if (tev_unlikely(!mine)) {
		shard->withdrawn++;
	}
	shard_count_locked(shard, -1);
	return mine;
}

/* @queued has been served: the next owner's turn. */
static void shard_rotate_locked(struct wf_shard *shard,
				struct wf_queued *queued)
{
	struct wf_turn *turn = &queued->flow->turns[queued->priority];

	if (!tev_list_empty(&turn->queued)) {
		tev_list_remove(&turn->link);
		tev_list_append(&shard->turns[queued->priority], &turn->link);
	}
}

static struct wf_queued *shard_take_locked(struct wf_shard *shard,
					   wf_shard_claim_fn claim, void *arg)
{
	for (;;) {
		struct wf_queued *queued = shard_next_locked(shard);
		bool mine = false;

		if (queued == NULL) {
			return NULL;
		}
		mine = shard_claim_locked(shard, queued, claim, arg);
		if (tev_likely(mine)) {
			shard->taken++;
			if (shard->mixed) {
				shard_rotate_locked(shard, queued);
			}
			return queued;
		}
	}
}

struct wf_queued *wf_shard_pop(struct wf_shard *shard, wf_shard_claim_fn claim,
			       void *arg)
{
	struct wf_queued *queued = NULL;

	/* Relaxed: that there is something is seen in the lock. The inbox is
	 * not looked at as long as the queue behind it has some: so its line
	 * stays with those who send. */
	if (atomic_load_explicit(&shard->count, memory_order_relaxed) == 0 &&
	    wf_shard_count(shard) == 0) {
		return NULL;
	}
	(void)pthread_mutex_lock(&shard->lock);
	if (shard->mixed || shard_counted(shard) == 0) {
		shard_absorb_locked(shard);
	}
	queued = shard_take_locked(shard, claim, arg);
	(void)pthread_mutex_unlock(&shard->lock);
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
	wf_inbox_mark_locked(&shard->inbox, WF_INBOX_DRAINED, true);
	wf_shard_unlock(shard);
}

void wf_shard_close(struct wf_shard *shard)
{
	wf_shard_lock(shard);
	wf_inbox_mark_locked(&shard->inbox, WF_INBOX_CLOSED, true);
	wf_shard_unlock(shard);
}

void wf_shard_reopen(struct wf_shard *shard)
{
	wf_shard_lock(shard);
	wf_inbox_mark_locked(&shard->inbox, WF_INBOX_MARKS, false);
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

	(void)wf_inbox_take_locked(&shard->inbox);
	for (i = 0; i < WF_PRIORITIES; i++) {
		tev_list_init(&shard->turns[i]);
	}
	shard->taken = 0;
	shard->accepted = 0;
	shard->withdrawn = 0;
	shard_count_locked(shard, -(int)shard_counted(shard));
}
