/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Shard: a run queue.
 *
 * A pool has one of them on small machines and several on large ones, so that
 * its lock is not everybody's. Each loop always uses the same one, hence its
 * jobs start in the order in which it sent them.
 *
 *                push  pop/evict  withdraw      X: may run at the same time,
 *      push        X       X         X          one after the other in the lock
 *      pop         X       X         X
 *      withdraw    X       X         X
 *
 *  1. A node that is popped is claimed before the lock is given back, so a
 *     node that its owner has cancelled is never touched after the owner's
 *     withdraw has returned.
 *  2. withdraw finds the node either still in the list or already dropped by
 *     a pop whose claim failed; both leave it linked to itself.
 *  3. count is written under the lock and read without: it is half of the
 *     hand-shake [PK1] with the workers that fall asleep (park.c).
 *
 * Threads: any.  Ordering: the lock, and [PK1] through the callers' fences.
 * Not here: what a node is (work.c), who runs it (worker.c).
 */
#include "threadpool/shard.h"

#include <errno.h>
#include <limits.h>

void wf_shard_init(struct wf_shard *shard)
{
	(void)pthread_mutex_init(&shard->lock, NULL);
	tev_list_init(&shard->nodes);
	shard->closed = false;
	shard->accepted = 0;
	shard->withdrawn = 0;
	atomic_init(&shard->count, 0);
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
	/* Relaxed: see the header. */
	return atomic_load_explicit(&shard->count, memory_order_relaxed);
}

/* Relaxed: readers without the lock rely on a fence of their own. */
static void shard_set_count_locked(struct wf_shard *shard, unsigned count)
{
	atomic_store_explicit(&shard->count, count, memory_order_relaxed);
}

static int shard_admit_locked(const struct wf_shard *shard, unsigned limit,
			      wf_shard_slack_fn slack, void *arg)
{
	unsigned count = wf_shard_count(shard);
	unsigned more = 0;

	if (shard->closed) {
		return ESHUTDOWN;
	}
	if (tev_likely(count < limit)) {
		return 0;
	}
	more = slack(arg);
	return count - limit < more ? 0 : EAGAIN;
}

int wf_shard_push(struct wf_shard *shard, struct tev_list *node, unsigned limit,
		  wf_shard_slack_fn slack, void *arg)
{
	int ret = 0;

	wf_shard_lock(shard);
	ret = shard_admit_locked(shard, limit, slack, arg);
	if (ret == 0) {
		tev_list_append(&shard->nodes, node);
		shard->accepted++;
		shard_set_count_locked(shard, wf_shard_count(shard) + 1);
	}
	wf_shard_unlock(shard);
	return ret;
}

static struct tev_list *shard_take_locked(struct wf_shard *shard,
					  wf_shard_claim_fn claim, void *arg)
{
	struct tev_list *node = NULL;

	for (;;) {
		bool mine = false;

		node = tev_list_first(&shard->nodes);
		if (node == NULL) {
			return NULL;
		}
		tev_list_remove(node);
		shard_set_count_locked(shard, wf_shard_count(shard) - 1);
		mine = claim(node, arg);
		if (mine) {
			return node;
		}
		shard->withdrawn++;
	}
}

struct tev_list *wf_shard_pop(struct wf_shard *shard, wf_shard_claim_fn claim,
			      void *arg)
{
	struct tev_list *node = NULL;

	if (wf_shard_count(shard) == 0) {
		return NULL;
	}
	wf_shard_lock(shard);
	node = shard_take_locked(shard, claim, arg);
	wf_shard_unlock(shard);
	return node;
}

struct tev_list *wf_shard_evict(struct wf_shard *shard, wf_shard_claim_fn claim,
				void *arg)
{
	struct tev_list *node = NULL;

	wf_shard_lock(shard);
	node = shard_take_locked(shard, claim, arg);
	if (node != NULL) {
		shard->withdrawn++;
	}
	wf_shard_unlock(shard);
	return node;
}

void wf_shard_withdraw(struct wf_shard *shard, struct tev_list *node)
{
	wf_shard_lock(shard);
	if (!tev_list_empty(node)) {
		tev_list_remove(node);
		shard->withdrawn++;
		shard_set_count_locked(shard, wf_shard_count(shard) - 1);
	}
	wf_shard_unlock(shard);
}

void wf_shard_close(struct wf_shard *shard)
{
	wf_shard_lock(shard);
	shard->closed = true;
	wf_shard_unlock(shard);
}

void wf_shard_forget_locked(struct wf_shard *shard)
{
	tev_list_init(&shard->nodes);
	shard->accepted = 0;
	shard->withdrawn = 0;
	shard_set_count_locked(shard, 0);
}
