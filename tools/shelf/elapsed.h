/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Elapsed: microseconds since a moment of the monotonic clock.
 */
#pragma once

#include <stdint.h>
#include <time.h>

static inline uint64_t elapsed_us(const struct timespec *since)
{
	struct timespec now = { 0 };
	int64_t us = 0;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	us = (int64_t)(now.tv_sec - since->tv_sec) * 1000000;
	us += (now.tv_nsec - since->tv_nsec) / 1000;
	return us < 0 ? 0 : (uint64_t)us;
}
