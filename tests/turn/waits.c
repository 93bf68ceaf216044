/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Waits: futexes, descriptors and sleeps, in front of libc's.
 *
 * A futex is compared, waited for and woken as the kernel would. A wait for
 * descriptors asks the kernel, without waiting; if nothing is ready the token
 * goes, and comes back when the descriptors, or the epoll set as one of them,
 * are. Each call by which a descriptor may become ready says so.
 *
 * Threads: any. A thread that takes no part gets libc's.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tests/turn/inside.h"

static uint64_t until(int timeout_ms)
{
	return timeout_ms < 0 ? TURN_NEVER
			      : turn_now_ns() + (uint64_t)timeout_ms * 1000000;
}

static uint64_t span_ns(const struct timespec *span)
{
	return (uint64_t)span->tv_sec * TURN_SECOND + (uint64_t)span->tv_nsec;
}

/* ---- futexes ---- */

static long futex_wait(const volatile uint32_t *word, uint32_t value,
		       const struct timespec *timeout)
{
	bool woken = false;

	if (*word != value) {
		errno = EAGAIN;
		return -1;
	}
	woken = turn_wait((const void *)(uintptr_t)word, NULL, 0,
			  timeout == NULL ? TURN_NEVER
					  : turn_now_ns() + span_ns(timeout));
	if (!woken) {
		errno = ETIMEDOUT;
		return -1;
	}
	return 0;
}

long syscall(long number, ...)
{
	long a[6];
	va_list args;
	unsigned i = 0;

	va_start(args, number);
	for (i = 0; i < 6; i++) {
		a[i] = va_arg(args, long);
	}
	va_end(args);
	if (turn_is_on() && number == SYS_futex) {
		turn_point(TURN_FUTEX, TURN_PC);
		turn_stores_all(turn_stores());
		switch ((int)a[1] & FUTEX_CMD_MASK) {
		case FUTEX_WAIT:
			return futex_wait((const volatile uint32_t *)a[0],
					  (uint32_t)a[2],
					  (const struct timespec *)a[3]);
		case FUTEX_WAKE:
			return turn_wake((const void *)a[0], (unsigned)a[2]);
		default:
			turn_fail("a futex call that is not known: %ld", a[1]);
		}
	}
	if (turn_is_on() && number == SYS_membarrier) {
		turn_point(TURN_FENCE, TURN_PC);
		turn_fence_everywhere();
	}
	return TURN_NEXT(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* ---- waits for descriptors ---- */

int epoll_wait(int epfd, struct epoll_event *events, int max, int timeout_ms)
{
	uint64_t until_ns = 0;

	if (!turn_is_on()) {
		return TURN_NEXT(epoll_wait)(epfd, events, max, timeout_ms);
	}
	turn_point(TURN_FD, TURN_PC);
	until_ns = until(timeout_ms);
	for (;;) {
		struct pollfd set = { .fd = epfd, .events = POLLIN };
		int count = TURN_NEXT(epoll_wait)(epfd, events, max, 0);

		if (count != 0 || timeout_ms == 0 ||
		    !turn_wait(NULL, &set, 1, until_ns)) {
			return count;
		}
	}
}

int poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
	uint64_t until_ns = 0;

	if (!turn_is_on()) {
		return TURN_NEXT(poll)(fds, count, timeout_ms);
	}
	turn_point(TURN_FD, TURN_PC);
	until_ns = until(timeout_ms);
	for (;;) {
		int ready = TURN_NEXT(poll)(fds, count, 0);

		if (ready != 0 || timeout_ms == 0 ||
		    !turn_wait(NULL, fds, count, until_ns)) {
			return ready;
		}
	}
}

/* One that blocks would keep the token. */
static void wait_for(int fd, short events)
{
	struct pollfd set = { .fd = fd, .events = events };
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || (flags & O_NONBLOCK) != 0) {
		return;
	}
	while (TURN_NEXT(poll)(&set, 1, 0) == 0) {
		(void)turn_wait(NULL, &set, 1, TURN_NEVER);
	}
}

/* ---- what changes descriptors ---- */

ssize_t read(int fd, void *data, size_t size)
{
	ssize_t ret = 0;

	if (!turn_is_on()) {
		return TURN_NEXT(read)(fd, data, size);
	}
	turn_point(TURN_FD, TURN_PC);
	wait_for(fd, POLLIN);
	ret = TURN_NEXT(read)(fd, data, size);
	turn_stir_fds();
	return ret;
}

ssize_t write(int fd, const void *data, size_t size)
{
	ssize_t ret = 0;

	if (!turn_is_on()) {
		return TURN_NEXT(write)(fd, data, size);
	}
	turn_point(TURN_FD, TURN_PC);
	turn_stores_all(turn_stores());
	wait_for(fd, POLLOUT);
	ret = TURN_NEXT(write)(fd, data, size);
	turn_stir_fds();
	return ret;
}

int eventfd_read(int fd, eventfd_t *ret_value)
{
	return read(fd, ret_value, sizeof(*ret_value)) == sizeof(*ret_value)
		       ? 0
		       : -1;
}

int eventfd_write(int fd, eventfd_t value)
{
	return write(fd, &value, sizeof(value)) == sizeof(value) ? 0 : -1;
}

int close(int fd)
{
	int ret = 0;

	if (!turn_is_on()) {
		return TURN_NEXT(close)(fd);
	}
	turn_point(TURN_FD, TURN_PC);
	turn_timers_close(fd);
	ret = TURN_NEXT(close)(fd);
	turn_stir_fds();
	return ret;
}

int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
	int ret = 0;

	if (!turn_is_on()) {
		return TURN_NEXT(epoll_ctl)(epfd, op, fd, event);
	}
	turn_point(TURN_FD, TURN_PC);
	ret = TURN_NEXT(epoll_ctl)(epfd, op, fd, event);
	turn_stir_fds();
	return ret;
}

/* ---- sleeps ---- */

static void rest(uint64_t ns)
{
	(void)turn_wait(NULL, NULL, 0, turn_now_ns() + ns);
}

int nanosleep(const struct timespec *span, struct timespec *ret_left)
{
	if (!turn_is_on()) {
		return TURN_NEXT(nanosleep)(span, ret_left);
	}
	turn_point(TURN_REST, TURN_PC);
	rest(span_ns(span));
	return 0;
}

int usleep(useconds_t us)
{
	if (!turn_is_on()) {
		return TURN_NEXT(usleep)(us);
	}
	turn_point(TURN_REST, TURN_PC);
	rest((uint64_t)us * 1000);
	return 0;
}

/* All others come first. */
int sched_yield(void)
{
	if (!turn_is_on()) {
		return TURN_NEXT(sched_yield)();
	}
	turn_point(TURN_REST, TURN_PC);
	rest(1000);
	return 0;
}
