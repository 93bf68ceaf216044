/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Lane: some of the jobs of a crew, their queues and limits.
 *
 * Nothing but data; gate.c has what is done with it.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "threadpool/tevent_compat.h"

#include "weft.h"

#include "threadpool/shard.h"
#include "threadpool/tally.h"

#define WF_LANES_MAX     32
#define WF_LANE_NAME_MAX 16

struct wf_crew;
struct wf_mark;

/* Made with the crew or later; lives as long as that, and is used again when
 * its handle has been freed and nothing is left in it. */
struct wf_lane {
	struct wf_crew *crew; /* I: */
	unsigned index;       /* I: in the crew */
	/* What the options said. L(gate), written while nobody uses it. */
	char name[WF_LANE_NAME_MAX];
	unsigned nice;
	unsigned queue_limit;
	enum weft_overflow overflow;
	bool used; /* L(gate): has a handle, or is the own */
	/* A: relaxed, written under the gate's lock: those who look at the lane
	 * do not know whether its handle is there. */
	atomic_uint reserved;
	atomic_uint max; /* UINT_MAX: none but the crew's */
	atomic_uint weight;
	atomic_uint running;       /* A: written under the gate's lock, [LN1] */
	atomic_uint behind;        /* A: relaxed: in keyed.c's hands */
	_Atomic(uint64_t) refused; /* A: relaxed, a statistic */
	_Atomic(uint64_t) late;    /* A: relaxed, a statistic */
	_Atomic(uint64_t) ran_here;     /* A: relaxed: without a tally */
	_Atomic(uint64_t) water;        /* A: relaxed, [MK1]: 0: none; mark.h */
	_Atomic(struct wf_mark *) mark; /* A: [MK1] ready to be sent, or NULL */
	struct wf_mark *marked;         /* O: of the handle: there is one */
	struct wf_tally left;           /* L(gate): of workers that have left */
	struct weft_lane_stats
		before;           /* L(gate): with other handles; count.h */
	struct wf_flow common;    /* I: for jobs that have no loop */
	struct wf_shard shards[]; /* see shard.h; as many as the crew says */
};

/* One of the options that are A:. Thread: any.  Lock: none. */
static inline unsigned wf_lane_option(const atomic_uint *option)
{
	return atomic_load_explicit(option, memory_order_relaxed);
}

/* Who may run now. A crew whose lanes have no limits and no reserves is not
 * shaped, and nobody asks. */
struct wf_gate {
	pthread_mutex_t lock;
	atomic_bool shaped;  /* A: written under lock, relaxed */
	atomic_uint running; /* A: written under lock, [LN1]: admitted */
	atomic_uint owed;    /* A: written under lock, [LN1]: reserves that are
			      * not in use */
	atomic_uint lane_count;                        /* A: [LN2] */
	_Atomic(struct wf_lane *) lanes[WF_LANES_MAX]; /* A: [LN2] */
};
