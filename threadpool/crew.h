/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Crew: what a pool is behind its handle: queues, beds, workers.
 *
 * Nothing but data, and the two looks at it that everybody needs. It is
 * outside of talloc and lives as long as somebody has a share in it:
 *      the handle (pool.c), each worker, each account of a loop (account.c).
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base.h"
#include "engine/list.h"
#include "threadpool/park.h"
#include "threadpool/shard.h"

#define WF_CREW_NAME_MAX   16
#define WF_CREW_SHARDS_MAX 16

struct wf_crew {
	/* I: what the options said */
	char name[WF_CREW_NAME_MAX];
	unsigned idle_ms;
	unsigned queue_limit;
	int nice;
	size_t stack_size;
	int (*worker_init)(void **ret_state, void *private_data);
	void (*worker_fini)(void *state, void *private_data);
	void *worker_private;
	unsigned shard_count; /* I: a power of two */

	struct tev_list link;      /* L(list of crews): pool.c */
	atomic_uint refs;          /* A: [CR1] */
	atomic_uint next_shard;    /* A: relaxed, a number to share out */
	atomic_bool stopped;       /* A: relaxed, a wish; see pool.c */
	_Atomic(uint64_t) refused; /* A: relaxed, a statistic */
	_Atomic(uint64_t) orphans; /* A: relaxed, a statistic */
	unsigned generation;       /* I: changed by fork's child handler */
	atomic_uint next_worker;   /* A: relaxed, a number to share out */
	struct wf_park park;       /* see park.h */
	struct wf_shard shards[];  /* see shard.h */
};

/* Whether any job waits. Relaxed: for looks that a fence of [PK1] precedes.
 * Thread: any.  Lock: none. */
static inline bool wf_crew_has_jobs(const struct wf_crew *crew)
{
	unsigned i = 0;

	for (i = 0; i < crew->shard_count; i++) {
		if (wf_shard_count(&crew->shards[i]) != 0) {
			return true;
		}
	}
	return false;
}

/* Whether the pool has been stopped. Relaxed: jobs look now and then; whoever
 * must be sure asks a shard.
 * Thread: any.  Lock: none. */
static inline bool wf_crew_stopped(const struct wf_crew *crew)
{
	return atomic_load_explicit(&crew->stopped, memory_order_relaxed);
}

/* Shares; the last one frees the crew (worker.c, which needs them first).
 * Thread: any.  Lock: none. */
struct wf_crew *wf_crew_ref(struct wf_crew *crew);
void wf_crew_unref(struct wf_crew *crew);
