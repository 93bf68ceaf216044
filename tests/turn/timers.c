/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Timers: timerfd_create(2) by virtual time.
 *
 * The descriptor is an eventfd; when its time has come it is written, which is
 * what a timer that has fired once reads like.
 *
 * Threads: any. A thread that takes no part gets libc's.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "tests/turn/inside.h"

#define TIMERS_MAX 64

static struct {
	int fd;
	uint64_t due_ns;
} timers[TIMERS_MAX];
static unsigned timers_count;

uint64_t turn_timers_next_ns(void)
{
	uint64_t next_ns = TURN_NEVER;
	unsigned i = 0;

	for (i = 0; i < timers_count; i++) {
		if (timers[i].due_ns < next_ns) {
			next_ns = timers[i].due_ns;
		}
	}
	return next_ns;
}

void turn_timers_run(uint64_t now_ns)
{
	unsigned i = 0;

	for (i = 0; i < timers_count; i++) {
		if (timers[i].due_ns <= now_ns) {
			timers[i].due_ns = TURN_NEVER;
			(void)TURN_NEXT(eventfd_write)(timers[i].fd, 1);
			turn_stir_fds();
		}
	}
}

int timerfd_create(int clock, int flags)
{
	int fd = -1;

	if (!turn_is_on()) {
		return TURN_NEXT(timerfd_create)(clock, flags);
	}
	if (timers_count == TIMERS_MAX) {
		turn_fail("more than %d timers", TIMERS_MAX);
	}
	fd = eventfd(0, ((flags & TFD_NONBLOCK) != 0 ? EFD_NONBLOCK : 0) |
				((flags & TFD_CLOEXEC) != 0 ? EFD_CLOEXEC : 0));
	if (fd >= 0) {
		timers[timers_count].fd = fd;
		timers[timers_count].due_ns = TURN_NEVER;
		timers_count++;
	}
	return fd;
}

int timerfd_settime(int fd, int flags, const struct itimerspec *after,
		    struct itimerspec *ret_before)
{
	uint64_t ns = 0;
	eventfd_t count = 0;
	unsigned i = 0;

	if (!turn_is_on()) {
		return TURN_NEXT(timerfd_settime)(fd, flags, after, ret_before);
	}
	turn_point(TURN_FD, TURN_PC);
	ns = (uint64_t)after->it_value.tv_sec * TURN_SECOND +
	     (uint64_t)after->it_value.tv_nsec;
	/* The newest of that number: older ones are closed. */
	for (i = timers_count; i > 0 && timers[i - 1].fd != fd; i--) {
	}
	if (i == 0) {
		errno = EINVAL;
		return -1;
	}
	(void)TURN_NEXT(eventfd_read)(fd, &count);
	timers[i - 1].due_ns = ns == 0 ? TURN_NEVER : turn_now_ns() + ns;
	return 0;
}

void turn_timers_close(int fd)
{
	unsigned i = 0;

	for (i = 0; i < timers_count; i++) {
		if (timers[i].fd == fd) {
			timers[i] = timers[--timers_count];
			return;
		}
	}
}
