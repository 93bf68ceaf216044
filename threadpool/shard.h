/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Shard: a run queue; shard.c. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/base.h"
#include "engine/list.h"
#include "threadpool/inbox.h"

/* From the least to the most urgent. */
#define WF_PRIORITIES      3
#define WF_PRIORITY_NORMAL 1

/* What one owner has queued at one priority. */
struct wf_turn {
	struct tev_list link;   /* L(shard): linked while it has nodes */
	struct tev_list queued; /* L(shard): oldest first */
};

/* What one owner has queued in one lane: its way into a shard. */
struct wf_flow {
	struct wf_lane *lane;   /* I: */
	struct wf_shard *shard; /* I: */
	bool shared;            /* I: has more than one owner: no credit */
	/* L(shard) */
	TEV_CACHE_ALIGNED struct wf_turn turns[WF_PRIORITIES];
	/* O: so many may be sent without the lock; only at those priorities
	 * (bits) of which the shard knows. */
	TEV_CACHE_ALIGNED unsigned credit;
	unsigned char known;
	unsigned limit; /* O: the lane's, under which it was given; submit.c */
};

/* Embedded in what is queued. */
struct wf_queued {
	struct tev_list link;   /* L(shard) */
	uint64_t order;         /* L(shard): of arrival */
	struct wf_flow *flow;   /* I: */
	unsigned char priority; /* I: below WF_PRIORITIES */
	/* I: made by a job that runs: comes in while the shard is drained */
	bool inside;
};

struct wf_shard {
	/* A: see inbox.h; its marks are the shard's. On lines of its own. */
	TEV_CACHE_ALIGNED struct wf_inbox inbox;
	TEV_CACHE_ALIGNED pthread_mutex_t lock;
	struct tev_list turns[WF_PRIORITIES]; /* L(lock): whose turn it is */
	const struct wf_turn *only;  /* L(lock): the last one that came */
	unsigned char only_priority; /* L(lock): of that */
	bool mixed;                  /* L(lock): another one has come, too */
	unsigned taken;              /* L(lock): to be fair */
	uint64_t accepted;           /* L(lock): so many ever */
	uint64_t withdrawn;          /* L(lock) */
	uint64_t order;              /* L(lock): of arrivals */
	_Atomic(unsigned) count;     /* A: written under lock, [PK1] [IB1] */
};

/* Asked under the lock when the queue is at its limit: how many more may wait
 * because a worker is free for them. Takes no lock but that of park.h. */
typedef unsigned (*wf_shard_slack_fn)(void *arg);

/* Asked under the lock about a node that is about to be taken out: true if
 * the taker may have it; false if its owner has cancelled it, then nobody
 * touches it again. */
typedef bool (*wf_shard_claim_fn)(struct wf_queued *queued, void *arg);

/* Thread: before anybody else knows the shard, or the flow. */
void wf_shard_init(struct wf_shard *shard);
void wf_flow_init(struct wf_flow *flow, struct wf_lane *lane,
		  struct wf_shard *shard);
/* Thread: after everybody has forgotten it. A flow needs no end: it may go when
 * nothing of it is queued. */
void wf_shard_fini(struct wf_shard *shard);

/* Puts @queued behind what its flow has at that priority, unless the shard is
 * closed or full. What room there is then becomes the flow's credit, in part.
 * Thread: owner of the flow, any if that is shared.  Lock: takes the shard's.
 * Owns:   takes @queued on success.
 * Return: 0, EAGAIN or ESHUTDOWN. The caller then does its half of [PK1]. */
int wf_shard_push(struct wf_queued *queued, unsigned limit,
		  wf_shard_slack_fn slack, void *arg);

/* Whether wf_shard_send() may be called for @queued.
 * Thread: owner of the flow, any if that is shared.  Lock: none. */
static inline bool wf_shard_may_send(const struct wf_queued *queued)
{
	const struct wf_flow *flow = queued->flow;

	return flow->credit > 0 && (flow->known >> queued->priority & 1) != 0;
}

/* The same as a push, on credit and without the lock: it waits in the inbox. A
 * read-modify-write by this thread comes before the caller's half of [PK1].
 * Thread: owner of the flow.  Lock: none.
 * Owns:   takes @queued on success.
 * Return: false: the shard is closed. */
static inline bool wf_shard_send(struct wf_queued *queued)
{
	struct wf_flow *flow = queued->flow;

	flow->credit--;
	return wf_inbox_send(&flow->shard->inbox, &queued->link,
			     queued->inside ? WF_INBOX_CLOSED : WF_INBOX_MARKS);
}

/* Takes out the next that @claim accepts: of the highest priority, and there of
 * the owner whose turn it is; now and then of the lowest.
 * Thread: any.  Lock: takes the shard's.
 * Owns:   gives the node to the caller.
 * Return: NULL when there is none; or when all that were in the queue had been
 *         cancelled, whatever lies in the inbox: who sleeps looks again. */
struct wf_queued *wf_shard_pop(struct wf_shard *shard, wf_shard_claim_fn claim,
			       void *arg);

/* Takes out @queued, which its owner has just cancelled; it may already be out.
 * Afterwards nobody but the caller knows it.
 * Thread: any.  Lock: takes the shard's. */
void wf_shard_withdraw(struct wf_queued *queued);

/* Pops with @claim as a withdrawal, not as work. */
struct wf_queued *wf_shard_evict(struct wf_shard *shard,
				 wf_shard_claim_fn claim, void *arg);

/* The same with the one that came first among those of the least priority, if
 * that is not above @priority; of those alone that came up to @last. */
struct wf_queued *wf_shard_evict_oldest(struct wf_shard *shard,
					unsigned char priority, uint64_t last,
					wf_shard_claim_fn claim, void *arg);

/* The number of the one that came last, for that.
 * Thread: any.  Lock: takes the shard's. */
uint64_t wf_shard_last(struct wf_shard *shard);

/* Takes out @queued if it is still there and @claim accepts it, for somebody
 * who is waiting for just this one.
 * Thread: any that may look at it.  Lock: takes the shard's.
 * Return: whether the caller has it. */
bool wf_shard_take(struct wf_queued *queued, wf_shard_claim_fn claim,
		   void *arg);

/* Puts in what was accepted already, whatever the limit, in a shard that is
 * being drained, too.
 * Thread: any.  Lock: takes the shard's.
 * Owns:   takes @queued on success.
 * Return: false: the shard is closed. */
bool wf_shard_promote(struct wf_queued *queued);

/* Refuses everything but promotions; everything; takes again.
 * Thread: any.  Lock: takes the shard's. */
void wf_shard_drain(struct wf_shard *shard);
void wf_shard_close(struct wf_shard *shard);
void wf_shard_reopen(struct wf_shard *shard);

/* How many wait; what lies in the inbox counts as one more or less. 0: none.
 * For limits, or a look that a fence of [PK1] precedes. Exact under
 * wf_shard_lock() when nobody sends, and where nobody has credit.
 * Thread: any.  Lock: none. */
static inline unsigned wf_shard_count(const struct wf_shard *shard)
{
	/* [IB1] the inbox first. */
	unsigned sent = wf_inbox_has(&shard->inbox) ? 1 : 0;

	/* [DR1] acquire: what was claimed is marked before it is not counted
	 * any more; pairs with shard_count_locked(). */
	return sent + atomic_load_explicit(&shard->count, memory_order_acquire);
}

/* Calls @look for each that is queued, the most urgent first, until that says
 * false.
 * Thread: any that holds the lock. */
void wf_shard_each_locked(struct wf_shard *shard,
			  bool (*look)(struct wf_queued *queued, void *arg),
			  void *arg);

/* Around fork, and around looks: takes the lock, and out of the inbox what is
 * there; gives the lock back. */
void wf_shard_lock(struct wf_shard *shard);
void wf_shard_unlock(struct wf_shard *shard);

/* In a forked child, under the lock: forgets what was queued. The flows are
 * their owners' to begin anew (wf_flow_init()). */
void wf_shard_forget_locked(struct wf_shard *shard);
