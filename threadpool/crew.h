/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Crew: what a pool is behind its handle: lanes, beds, workers.
 *
 * Nothing but data, and a look at it that everybody needs. It is
 * outside of talloc and lives as long as somebody has a share in it:
 *      each handle (pool.c), lane handle, worker, account of a loop, serial.
 *
 * A lane with a nice value of its own has a crew of its own, which hangs in the
 * family of the pool's first crew: the elder.
 */
#pragma once

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base.h"
#include "engine/list.h"
#include "threadpool/lane.h"
#include "threadpool/park.h"

#define WF_CREW_NAME_MAX   16
#define WF_CREW_SHARDS_MAX 16

struct wf_crew {
	/* I: what the options said */
	char name[WF_CREW_NAME_MAX];
	unsigned idle_ms;
	unsigned queue_limit;
	int nice;
	unsigned lane_nice; /* of a crew for one lane: what that asked for */
	size_t stack_size;
	sigset_t blocked;
	int interrupt_signal;
	int (*worker_init)(void **ret_state, void *private_data);
	void (*worker_fini)(void *state, void *private_data);
	void *worker_private;
	unsigned shard_count; /* I: a power of two */
	bool simulated;       /* I: its workers are no threads: sim_worker.c */

	struct tev_list link;      /* L(list of crews): pool.c */
	struct wf_crew *elder;     /* I: NULL: this is one */
	struct tev_list family;    /* L(list of crews): of an elder: the others;
				    * of the others: the link */
	atomic_uint refs;          /* A: [CR1] of an elder */
	atomic_uint next_shard;    /* A: relaxed, a number to share out */
	_Atomic(uint64_t) next_id; /* A: relaxed, numbers to share out */
	atomic_bool stopped;       /* A: relaxed, a wish; see pool.c */
	atomic_bool draining;      /* A: relaxed, [DR1]; only of an elder */
	atomic_uint hands;         /* A: [DR1] others than workers that have
				    * jobs in hand; only of an elder */
	_Atomic(uint64_t) orphans; /* A: relaxed, a statistic */
	unsigned generation;       /* I: changed by fork's child handler */
	atomic_uint next_worker;   /* A: relaxed, a number to share out */
	struct tev_list drains;    /* L(park): drain.c; only of an elder */
	struct wf_gate gate;       /* see lane.h */
	/* A: [WA1] what the watch does, watch.c; its futex */
	TEV_CACHE_ALIGNED _Atomic(uint32_t) watch;
	_Atomic(uint64_t) no_watch_until_ns; /* A: relaxed: after a failure */
	/* A: relaxed: wf_worker_call(), known from its first call on */
	void (*_Atomic more)(struct wf_crew *crew);
	struct wf_park park; /* see park.h */
};

/* Whether a worker that has run dry looks on for a moment; linger.c. */
struct wf_linger {
	unsigned sits_out; /* O: so often it does not */
	unsigned penalty;  /* O: so often, after the last time */
};

/* A thread of a crew. */
struct wf_worker {
	struct wf_bed bed;    /* see park.h */
	struct wf_crew *crew; /* I: */
	unsigned next_shard;  /* O: where it looks first */
	unsigned generation;  /* I: of the process it was born in */
	void *state;          /* O: worker_init's */
	uint64_t now_ns;      /* O: when it was last through with a job, or 0 */
	bool now_exact;       /* O: else to the last tick */
	unsigned nesting;     /* O: weft_blocking_begin() */
	struct wf_linger linger;  /* O: */
	bool counted;             /* O: by the gate of its job's lane */
	bool owes_look;           /* O: it has queued a job, and woken nobody */
	int credit[WF_LANES_MAX]; /* O: how lanes take turns */
	/* Of each lane that it has served. Set under the park's lock, read by
	 * others under that. */
	struct wf_tally *tallies[WF_LANES_MAX];
};

/* Whether the pool has been stopped. Relaxed: jobs look now and then; whoever
 * must be sure asks a shard.
 * Thread: any.  Lock: none. */
static inline bool wf_crew_stopped(const struct wf_crew *crew)
{
	return atomic_load_explicit(&crew->stopped, memory_order_relaxed);
}

/* The first crew of the pool. Thread: any.  Lock: none. */
static inline struct wf_crew *wf_crew_elder(struct wf_crew *crew)
{
	return crew->elder != NULL ? crew->elder : crew;
}

/* Whether the pool takes nothing more because it is drained. Relaxed, as above.
 * Thread: any.  Lock: none. */
static inline bool wf_crew_draining(struct wf_crew *crew)
{
	return atomic_load_explicit(&wf_crew_elder(crew)->draining,
				    memory_order_relaxed);
}

/* Shares, those of a family in common; the last one frees all of it (crews.c).
 * Thread: any.  Lock: none. */
struct wf_crew *wf_crew_ref(struct wf_crew *crew);
void wf_crew_unref(struct wf_crew *crew);

/* The end of one that nobody else knows any more. Thread: any. */
void wf_crew_free(struct wf_crew *crew);
