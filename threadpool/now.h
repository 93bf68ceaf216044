/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Now: the time, in nanoseconds of CLOCK_MONOTONIC.
 *
 * The exact time costs five times as much as that of the last tick of the
 * system, some milliseconds ago.
 *
 * Threads: any.
 */
#pragma once

#include <stdint.h>
#include <time.h>

#define WF_NOW_PER_S 1000000000U

static inline uint64_t wf_now_of(clockid_t clock)
{
	struct timespec now = { 0, 0 };

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
