/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Keyed: order among jobs of one key; keyed.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "engine/list.h"
#include "threadpool/order.h"

struct weft_job;
struct wf_crew;
struct wf_lane;

/* Embedded beside a job that has a key. The first one of a key stands in the
 * table for it, and the others wait behind that. */
struct wf_keyed {
	struct wf_order *order; /* I: there as long as it is in that */
	struct weft_job *job;   /* I: */
	/* L(stripe): in the table, or behind the first one of its hash */
	struct wf_key key;
	struct tev_list behind; /* L(stripe): of the first one */
	bool first;             /* L(stripe): it stands in the table */
};

/* Ends those of one key, or of all (@key NULL), that have not begun, with
 * ECANCELED; those that run are told.
 * Thread: any.  Lock: takes the stripes', and under them the shards' and the
 *         parks'. */
void wf_order_cancel(struct wf_order *order, const uint64_t *key);

/* Ends, in all tables of the pool, those that wait behind others, of one lane
 * or (@lane NULL) of all, after their shards were closed. What is in a shard is
 * evicted from there by the caller.
 * Thread: any.  Lock: takes that of the tables, under it the stripes', and
 *         under them the shards'. No lock of a pool is held. */
void wf_keyed_evict_all(struct wf_crew *elder, const struct wf_lane *lane,
			int error);

/* Calls @look for each that waits behind another one in the pool of @elder.
 * Thread: any.  Lock: takes that of the tables, and under it one stripe's at a
 *         time, and holds them meanwhile. */
void wf_keyed_each(struct wf_crew *elder,
		   void (*look)(struct weft_job *job, void *arg), void *arg);

/* @order is open. It needs no end: who is in no queue any more is out of this,
 * too.
 * Thread: owner of the job, before anybody else knows it. */
void wf_keyed_init(struct wf_keyed *keyed, struct wf_order *order, uint64_t key,
		   struct weft_job *job);

/* Takes its place among those of its key, after wf_work_queued(): the first one
 * goes into its shard, by @push, another one behind it (counted in its lane's
 * behind), from where it is put into its shard by whoever lets it go, or ended
 * with ECANCELED. The limit for the latter is the caller's to check before.
 * Thread: owner of the job.  Lock: takes the stripe's, and under it those that
 *         @push takes.
 * Owns:   takes the job on success.
 * Return: 0; ESHUTDOWN, or what @push says. */
int wf_keyed_enter(struct wf_keyed *keyed, int (*push)(struct weft_job *job));

/* The first one of its key is through, or out of the queue: puts the next into
 * its shard (wf_shard_promote()), under the stripe's lock. If that is closed it
 * ends it with ECANCELED, and goes on with the one after that.
 * Thread: any, with a share of its crew.  Lock: takes the stripe's, and under
 *         it the shard's.
 * Return: the crew of the one that it has put in, for wf_worker_call(), kept as
 *         long as @keyed is; NULL: none. */
struct wf_crew *wf_keyed_leave(struct wf_keyed *keyed);

/* Its owner has cancelled it (CANCELLED): takes it out from behind the others,
 * or out of its shard and puts in the next; nobody knows it afterwards.
 * Thread: owner of the job.  Lock: takes the stripe's, and under it
 *         the shard's.
 * Return: as leave. */
struct wf_crew *wf_keyed_withdraw(struct wf_keyed *keyed);
