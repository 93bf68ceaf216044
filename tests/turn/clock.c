/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Clock: all clocks are the virtual one, and there are four processors.
 *
 * Threads: any. A thread that takes no part gets libc's.
 */
#include <sched.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include "tests/turn/inside.h"

#define PROCESSORS 4

int clock_gettime(clockid_t clock, struct timespec *ret_now)
{
	uint64_t now_ns = 0;

	if (!turn_is_on()) {
		return TURN_NEXT(clock_gettime)(clock, ret_now);
	}
	now_ns = turn_look_at_clock();
	ret_now->tv_sec = (time_t)(now_ns / TURN_SECOND);
	ret_now->tv_nsec = (long)(now_ns % TURN_SECOND);
	return 0;
}

int gettimeofday(struct timeval *restrict ret_now, void *restrict zone)
{
	struct timespec now = { 0, 0 };

	(void)zone;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	ret_now->tv_sec = now.tv_sec;
	ret_now->tv_usec = now.tv_nsec / 1000;
	return 0;
}

int sched_getcpu(void)
{
	return turn_is_on() ? (int)turn_choose(PROCESSORS)
			    : TURN_NEXT(sched_getcpu)();
}

int sched_getaffinity(pid_t pid, size_t size, cpu_set_t *ret_set)
{
	int i = 0;

	if (!turn_is_on()) {
		return TURN_NEXT(sched_getaffinity)(pid, size, ret_set);
	}
	memset(ret_set, 0, size);
	for (i = 0; i < PROCESSORS; i++) {
		CPU_SET_S(i, size, ret_set);
	}
	return 0;
}

/* Nothing is bound to those that are not there. */
int pthread_attr_setaffinity_np(pthread_attr_t *attr, size_t size,
				const cpu_set_t *set)
{
	return turn_is_on() ? 0
			    : TURN_NEXT(pthread_attr_setaffinity_np)(attr, size,
								     set);
}
