/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Shard: a run queue; shard.c. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/base.h"
#include "engine/list.h"

/* From the least to the most urgent. */
#define WF_PRIORITIES 3

/* What one owner has queued at one priority. */
struct wf_turn {
	struct tev_list link;   /* L(shard): linked while it has nodes */
	struct tev_list queued; /* L(shard): oldest first */
};

/* What one owner has queued in one lane: its way into a shard. */
struct wf_flow {
	struct wf_lane *lane;                /* I: */
	struct wf_shard *shard;              /* I: */
	struct wf_turn turns[WF_PRIORITIES]; /* L(shard) */
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
	TEV_CACHE_ALIGNED pthread_mutex_t lock;
	struct tev_list turns[WF_PRIORITIES]; /* L(lock): whose turn it is */
	bool drained;            /* L(lock): takes promotions only */
	bool closed;             /* L(lock): takes nothing more */
	unsigned taken;          /* L(lock): to be fair */
	uint64_t accepted;       /* L(lock): so many ever */
	uint64_t withdrawn;      /* L(lock) */
	uint64_t order;          /* L(lock): of arrivals */
	_Atomic(unsigned) count; /* A: written under lock, [PK1] */
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
 * closed or full.
 * Thread: any.  Lock: takes the shard's.
 * Owns:   takes @queued on success.
 * Return: 0, EAGAIN or ESHUTDOWN. The caller then does its half of [PK1]. */
int wf_shard_push(struct wf_queued *queued, unsigned limit,
		  wf_shard_slack_fn slack, void *arg);

/* Takes out the next that @claim accepts: of the highest priority, and there of
 * the owner whose turn it is; now and then of the lowest.
 * Thread: any.  Lock: takes the shard's.
 * Owns:   gives the node to the caller.
 * Return: NULL when there is none. */
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

/* How many wait. Relaxed: a number for statistics, or a look that a fence of
 * [PK1] precedes.
 * Thread: any.  Lock: none. */
unsigned wf_shard_count(const struct wf_shard *shard);

/* Calls @look for each that is queued, the most urgent first, until that says
 * false.
 * Thread: any that holds the lock. */
void wf_shard_each_locked(struct wf_shard *shard,
			  bool (*look)(struct wf_queued *queued, void *arg),
			  void *arg);

/* Around fork, and around looks: takes the lock, gives it back. */
void wf_shard_lock(struct wf_shard *shard);
void wf_shard_unlock(struct wf_shard *shard);

/* In a forked child, under the lock: forgets what was queued. The flows are
 * their owners' to begin anew (wf_flow_init()). */
void wf_shard_forget_locked(struct wf_shard *shard);
