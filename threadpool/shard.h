/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Shard: a run queue; shard.c. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/base.h"
#include "engine/list.h"

struct wf_shard {
	TEV_CACHE_ALIGNED pthread_mutex_t lock;
	struct tev_list nodes;   /* L(lock): oldest first */
	bool closed;             /* L(lock): takes nothing more */
	uint64_t accepted;       /* L(lock) */
	uint64_t withdrawn;      /* L(lock) */
	_Atomic(unsigned) count; /* A: written under lock, [PK1] */
};

/* Asked under the lock when the queue is at its limit: how many more may wait
 * because a worker is free for them. Takes no lock but that of park.h. */
typedef unsigned (*wf_shard_slack_fn)(void *arg);

/* Asked under the lock about a node that has just been taken out: true if
 * the taker may have it; false if its owner has cancelled it, then nobody
 * touches it again. */
typedef bool (*wf_shard_claim_fn)(struct tev_list *node, void *arg);

/* Thread: before anybody else knows the shard. */
void wf_shard_init(struct wf_shard *shard);
/* Thread: after everybody has forgotten it. */
void wf_shard_fini(struct wf_shard *shard);

/* Appends @node unless the shard is closed or full.
 * Thread: any.  Lock: takes the shard's.
 * Owns:   takes @node on success.
 * Return: 0, EAGAIN or ESHUTDOWN. The caller then does its half of [PK1]. */
int wf_shard_push(struct wf_shard *shard, struct tev_list *node, unsigned limit,
		  wf_shard_slack_fn slack, void *arg);

/* Takes out the oldest node that @claim accepts.
 * Thread: any.  Lock: takes the shard's.
 * Owns:   gives the node to the caller.
 * Return: NULL when there is none. */
struct tev_list *wf_shard_pop(struct wf_shard *shard, wf_shard_claim_fn claim,
			      void *arg);

/* Takes out @node, which its owner has just cancelled; it may already be out.
 * Afterwards nobody but the caller knows @node.
 * Thread: any.  Lock: takes the shard's. */
void wf_shard_withdraw(struct wf_shard *shard, struct tev_list *node);

/* Pops with @claim as a withdrawal, not as work. */
struct tev_list *wf_shard_evict(struct wf_shard *shard, wf_shard_claim_fn claim,
				void *arg);

/* Refuses everything from now on.
 * Thread: any.  Lock: takes the shard's. */
void wf_shard_close(struct wf_shard *shard);

/* How many wait. Relaxed: a number for statistics, or a look that a fence of
 * [PK1] precedes.
 * Thread: any.  Lock: none. */
unsigned wf_shard_count(const struct wf_shard *shard);

/* Around fork: takes the lock, gives it back. */
void wf_shard_lock(struct wf_shard *shard);
void wf_shard_unlock(struct wf_shard *shard);

/* In a forked child, under the lock: forgets what was queued. */
void wf_shard_forget_locked(struct wf_shard *shard);
