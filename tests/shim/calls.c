/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Calls: the system's, under the preloaded shim.
 *
 * Each asks for its fate and either fails as the kernel would, or passes; reads
 * and writes may pass in part. Those of eight bytes stay whole: they may be an
 * eventfd's, which knows no parts.
 *
 * The next definitions are looked up before main(); a call that comes before
 * that looks for its own.
 *
 * Threads: any. Signal handlers: any, once looked up.
 */
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "tests/shim/inside.h"

#define WHOLE_BYTES 8

static struct {
	int (*eventfd)(unsigned count, int flags);
	int (*epoll_create1)(int flags);
	int (*epoll_ctl)(int epfd, int op, int fd, struct epoll_event *event);
	int (*epoll_wait)(int epfd, struct epoll_event *events, int max,
			  int timeout);
	int (*epoll_pwait)(int epfd, struct epoll_event *events, int max,
			   int timeout, const sigset_t *mask);
	int (*poll)(struct pollfd *fds, nfds_t count, int timeout);
	int (*ppoll)(struct pollfd *fds, nfds_t count,
		     const struct timespec *timeout, const sigset_t *mask);
	int (*timerfd_create)(int clock, int flags);
	int (*socket)(int domain, int type, int protocol);
	int (*socketpair)(int domain, int type, int protocol, int fds[2]);
	int (*pipe)(int fds[2]);
	int (*pipe2)(int fds[2], int flags);
	int (*accept)(int fd, struct sockaddr *addr, socklen_t *length);
	int (*accept4)(int fd, struct sockaddr *addr, socklen_t *length,
		       int flags);
	int (*open)(const char *path, int flags, ...);
	int (*openat)(int dir, const char *path, int flags, ...);
	ssize_t (*read)(int fd, void *buf, size_t count);
	ssize_t (*pread)(int fd, void *buf, size_t count, off_t offset);
	ssize_t (*write)(int fd, const void *buf, size_t count);
	ssize_t (*pwrite)(int fd, const void *buf, size_t count, off_t offset);
	long (*syscall)(long number, ...);
} next; /* I: once looked up */

#define LOOK_UP(name) SHIM_NEXT(next.name, shim_look_up(#name))

static __attribute__((__constructor__)) void calls_init(void)
{
	LOOK_UP(eventfd);
	LOOK_UP(epoll_create1);
	LOOK_UP(epoll_ctl);
	LOOK_UP(epoll_wait);
	LOOK_UP(epoll_pwait);
	LOOK_UP(poll);
	LOOK_UP(ppoll);
	LOOK_UP(timerfd_create);
	LOOK_UP(socket);
	LOOK_UP(socketpair);
	LOOK_UP(pipe);
	LOOK_UP(pipe2);
	LOOK_UP(accept);
	LOOK_UP(accept4);
	LOOK_UP(open);
	LOOK_UP(openat);
	LOOK_UP(read);
	LOOK_UP(pread);
	LOOK_UP(write);
	LOOK_UP(pwrite);
	LOOK_UP(syscall);
}

/* A call that is whole or not at all, and says -1. */
#define WHOLE(kind, name, ...)                 \
	do {                                   \
		int fate = shim_fate(kind);    \
                                               \
		LOOK_UP(name);                 \
		if (fate != 0) {               \
			errno = fate;          \
			return -1;             \
		}                              \
		return next.name(__VA_ARGS__); \
	} while (0)

/* One that may be done in part. */
#define PART(kind, count, name, ...)                               \
	do {                                                       \
		int fate = shim_fate(kind);                        \
                                                                   \
		LOOK_UP(name);                                     \
		if (fate == SHIM_SHORT && (count) > WHOLE_BYTES) { \
			(count) = ((count) + 1) / 2;               \
		} else if (fate > 0) {                             \
			errno = fate;                              \
			return -1;                                 \
		}                                                  \
		return next.name(__VA_ARGS__);                     \
	} while (0)

int eventfd(unsigned count, int flags)
{
	WHOLE(SHIM_EVENTFD, eventfd, count, flags);
}

int epoll_create1(int flags)
{
	WHOLE(SHIM_EPOLL_CREATE, epoll_create1, flags);
}

int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
	WHOLE(SHIM_EPOLL_CTL, epoll_ctl, epfd, op, fd, event);
}

int epoll_wait(int epfd, struct epoll_event *events, int max, int timeout)
{
	WHOLE(SHIM_EPOLL_WAIT, epoll_wait, epfd, events, max, timeout);
}

int epoll_pwait(int epfd, struct epoll_event *events, int max, int timeout,
		const sigset_t *mask)
{
	WHOLE(SHIM_EPOLL_WAIT, epoll_pwait, epfd, events, max, timeout, mask);
}

int poll(struct pollfd *fds, nfds_t count, int timeout)
{
	WHOLE(SHIM_POLL, poll, fds, count, timeout);
}

int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
	  const sigset_t *mask)
{
	WHOLE(SHIM_POLL, ppoll, fds, count, timeout, mask);
}

int timerfd_create(int clock, int flags)
{
	WHOLE(SHIM_TIMERFD, timerfd_create, clock, flags);
}

int socket(int domain, int type, int protocol)
{
	WHOLE(SHIM_SOCKET, socket, domain, type, protocol);
}

int socketpair(int domain, int type, int protocol, int fds[2])
{
	WHOLE(SHIM_SOCKET, socketpair, domain, type, protocol, fds);
}

int pipe(int fds[2])
{
	WHOLE(SHIM_PIPE, pipe, fds);
}

int pipe2(int fds[2], int flags)
{
	WHOLE(SHIM_PIPE, pipe2, fds, flags);
}

int accept(int fd, struct sockaddr *addr, socklen_t *length)
{
	WHOLE(SHIM_ACCEPT, accept, fd, addr, length);
}

int accept4(int fd, struct sockaddr *addr, socklen_t *length, int flags)
{
	WHOLE(SHIM_ACCEPT, accept4, fd, addr, length, flags);
}

/* What is not there is garbage that nobody looks at. */
static mode_t mode_of(int flags, va_list args)
{
	return (flags & (O_CREAT | __O_TMPFILE)) != 0 ? va_arg(args, mode_t)
						      : 0;
}

int open(const char *path, int flags, ...)
{
	va_list args;
	mode_t mode = 0;

	va_start(args, flags);
	mode = mode_of(flags, args);
	va_end(args);
	WHOLE(SHIM_OPEN, open, path, flags, mode);
}

int openat(int dir, const char *path, int flags, ...)
{
	va_list args;
	mode_t mode = 0;

	va_start(args, flags);
	mode = mode_of(flags, args);
	va_end(args);
	WHOLE(SHIM_OPEN, openat, dir, path, flags, mode);
}

ssize_t read(int fd, void *buf, size_t count)
{
	PART(SHIM_READ, count, read, fd, buf, count);
}

ssize_t pread(int fd, void *buf, size_t count, off_t offset)
{
	PART(SHIM_READ, count, pread, fd, buf, count, offset);
}

ssize_t write(int fd, const void *buf, size_t count)
{
	PART(SHIM_WRITE, count, write, fd, buf, count);
}

ssize_t pwrite(int fd, const void *buf, size_t count, off_t offset)
{
	PART(SHIM_WRITE, count, pwrite, fd, buf, count, offset);
}

/* Six words are what the kernel takes; those not there are garbage that nobody
 * looks at. Only sleeping can fail for nothing. */
long syscall(long number, ...)
{
	long arg[6] = { 0 };
	va_list args;

	va_start(args, number);
	for (int i = 0; i < 6; i++) {
		arg[i] = va_arg(args, long);
	}
	va_end(args);
	if (number == SYS_futex &&
	    ((arg[1] & FUTEX_CMD_MASK) == FUTEX_WAIT ||
	     (arg[1] & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET)) {
		WHOLE(SHIM_FUTEX, syscall, number, arg[0], arg[1], arg[2],
		      arg[3], arg[4], arg[5]);
	}
	LOOK_UP(syscall);
	return next.syscall(number, arg[0], arg[1], arg[2], arg[3], arg[4],
			    arg[5]);
}
