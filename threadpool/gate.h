/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Gate: which lanes there are, and which may run a job now; gate.c. */
#pragma once

#include <stdbool.h>

#include "threadpool/crew.h"

/* Thread: before anybody else knows the crew, and after everybody has
 * forgotten it. Return of init: false: no memory for its own lane. */
bool wf_gate_init(struct wf_crew *crew, unsigned queue_limit);
void wf_gate_fini(struct wf_crew *crew);

/* A lane of @crew with these options, which have been checked (sizes, ranges);
 * queue_limit and max are not 0. The watermark's fields are not looked at.
 * Thread: any.  Lock: takes the gate's.
 * Return: 0; EINVAL: more is reserved than the crew can promise; ENOSPC;
 *         ESHUTDOWN: the pool has ended; ENOMEM. */
int wf_lane_get(struct wf_crew *crew, const struct weft_lane_options *options,
		struct wf_lane **ret_lane);

/* The same with the own lane of a crew that is there for one lane: whether it
 * can be had, and is the caller's; what it is to be. It takes jobs then, unless
 * the pool has ended.
 * Thread: any; who has taken it.  Lock: takes the gate's. */
bool wf_gate_take_own(struct wf_crew *crew);
struct wf_lane *wf_gate_own_lane(struct wf_crew *crew,
				 const struct weft_lane_options *options);

/* Its handle goes: it takes nothing more, and what is queued is to be evicted
 * by the caller; after that it may be used again when it is empty, not before:
 * what is evicted would be another handle's.
 * Thread: any.  Lock: close takes the shards', put the gate's. */
void wf_lane_close(struct wf_lane *lane);
void wf_lane_put(struct wf_lane *lane);

/* All lanes take nothing from outside any more; nothing at all. Lanes that come
 * later, neither, if the crew is marked before (stopped, draining).
 * Thread: any.  Lock: takes the gate's, and under it the shards'. */
void wf_gate_drain(struct wf_crew *crew);
void wf_gate_close(struct wf_crew *crew);

/* Lane @index of @crew. [LN2] Thread: any.  Lock: none. */
static inline struct wf_lane *wf_lane_at(struct wf_crew *crew, unsigned index)
{
	/* Relaxed: who knows the index has seen the count. */
	return atomic_load_explicit(&crew->gate.lanes[index],
				    memory_order_relaxed);
}

/* How many there are; they only become more. Thread: any.  Lock: none. */
static inline unsigned wf_lane_count(struct wf_crew *crew)
{
	/* [LN2] acquire: the lanes counted; pairs with
	 * gate_publish_locked(). */
	return atomic_load_explicit(&crew->gate.lane_count,
				    memory_order_acquire);
}

/* How many wait in all shards, as wf_shard_count() says; and those behind
 * others of their key, too.
 * Thread: any.  Lock: none. */
static inline unsigned wf_lane_queued(const struct wf_lane *lane)
{
	unsigned queued = 0;
	unsigned i = 0;

	for (i = 0; i < lane->crew->shard_count; i++) {
		queued += wf_shard_count(&lane->shards[i]);
	}
	return queued;
}
unsigned wf_lane_waiting(const struct wf_lane *lane);

/* How many more of its jobs could run at once, beside what runs now.
 * Thread: any.  Lock: perhaps the park's. */
unsigned wf_lane_room(struct wf_lane *lane);

/* Whether any lane has a max or a reserve. Thread: any.  Lock: none. */
static inline bool wf_gate_is_shaped(const struct wf_crew *crew)
{
	/* Relaxed: a look too early is a job begun before. */
	return atomic_load_explicit(&crew->gate.shaped, memory_order_relaxed);
}

/* Whether one more of its jobs may run. A look, for which a fence of [PK1]
 * precedes. Thread: any.  Lock: none. */
bool wf_lane_is_open(const struct wf_lane *lane);

/* One more of its jobs is about to run; or has, or has not been found after
 * all: then the caller looks at the queues again [LN1].
 * Thread: any.  Lock: takes the gate's, in a shaped crew.
 * Return of enter: false: it may not. *@ret_counted: it will have to leave. */
bool wf_lane_enter(struct wf_lane *lane, bool *ret_counted);
void wf_lane_leave(struct wf_lane *lane);

/* Checks that all reserves leave a worker of @max.
 * Thread: any that holds the gate's lock. */
bool wf_gate_fits_locked(struct wf_crew *crew, unsigned max);

/* Around fork. forget: nothing is queued, nothing runs; tallies begin anew. */
void wf_gate_lock(struct wf_crew *crew);
void wf_gate_unlock(struct wf_crew *crew);
void wf_gate_forget_locked(struct wf_crew *crew);

/* Whether any job waits that may run. For looks that a fence of [PK1] precedes.
 * Thread: any.  Lock: none. */
bool wf_crew_has_jobs(struct wf_crew *crew);

/* The same, or one that could if one more worker might run: of a lane that is
 * not at its own max. Thread: any.  Lock: none. */
bool wf_crew_wants_room(struct wf_crew *crew);
bool wf_lane_wants_room(const struct wf_lane *lane);
