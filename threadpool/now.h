/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Now: the time, in nanoseconds of CLOCK_MONOTONIC.
 *
 * The exact time costs five times as much as that of the last tick of the
 * system, some milliseconds ago. A thread that has a simulated world has the
 * time of that (now.c).
 *
 * Threads: any.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "engine/base.h"

#define WF_NOW_PER_S 1000000000U

extern atomic_bool wf_now_any_simulated; /* A: relaxed, see now.c */

/* Gives the calling thread the clock *@now_us; NULL: that of all again.
 * Thread: any.  Lock: none. */
void wf_now_simulate(const uint64_t *now_us);

/* Thread: any.  Lock: none.
 * Return: whether this thread's clock is simulated, and its time. */
bool wf_now_is_simulated(uint64_t *ret_ns);

static inline uint64_t wf_now_of(clockid_t clock)
{
	struct timespec now = { 0, 0 };
	uint64_t simulated_ns = 0;

	/* Relaxed: as above. */
	if (tev_unlikely(atomic_load_explicit(&wf_now_any_simulated,
					      memory_order_relaxed)) &&
	    wf_now_is_simulated(&simulated_ns)) {
		return simulated_ns;
	}
	(void)clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * WF_NOW_PER_S + (uint64_t)now.tv_nsec;
}

static inline uint64_t wf_now_ns(void)
{
	return wf_now_of(CLOCK_MONOTONIC);
}

static inline uint64_t wf_now_tick_ns(void)
{
	return wf_now_of(CLOCK_MONOTONIC_COARSE);
}
