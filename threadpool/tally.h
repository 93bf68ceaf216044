/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Tally: how long jobs wait and run, counted by who runs them; tally.c. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "threadpool/tevent_compat.h"

#include "weft.h"

struct wf_times {
	_Atomic(uint64_t) count[WEFT_HISTOGRAM_SIZE]; /* A: relaxed */
	_Atomic(uint64_t) sum_ns;                     /* A: relaxed */
	_Atomic(uint64_t) max_ns;                     /* A: relaxed */
};

/* A time, and where it is counted. */
struct wf_span {
	uint64_t ns;
	unsigned slot;
};

/* Of one lane. Written by one thread at a time, read by any. */
struct wf_tally {
	struct wf_times wait;
	struct wf_times run;
	_Atomic(uint64_t) completed; /* A: relaxed */
	struct wf_span last_wait; /* O: its writer's: of the last exact one */
	struct wf_span last_run;  /* O: the same */
};

/* A job has waited and run so long; not @exact: give or take a tick. Such a one
 * counts as the last exact one, unless it took so long that it does not matter.
 * Thread: who writes it.  Lock: none. */
void wf_tally_add(struct wf_tally *tally, uint64_t wait_ns, uint64_t run_ns,
		  bool exact);

/* Adds @from to @to. Thread: who writes @to.  Lock: none. */
void wf_tally_merge(struct wf_tally *to, const struct wf_tally *from);

/* Adds what is in @tally to the public picture of it. Thread: any. */
void wf_tally_read(const struct wf_tally *tally, struct weft_lane_stats *stats);
