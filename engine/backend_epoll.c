/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Epoll: the backend for Linux, one event fetched a wait.
 *
 * Level-triggered, with the slot's generation and index as the kernel's user
 * data. One event a wait keeps tevent's promise that a handler sees the state
 * of its descriptor as it is now, not as it was before another handler ran.
 *
 * What the kernel knows can differ from what the slot says, since it watches
 * open files and not numbers:
 *
 *   the program did            the kernel                 seen here as
 *   close(fd)                  forgot it                  MOD: EBADF
 *   close(fd), number reused   forgot it                  MOD: ENOENT; added
 *                                                         anew, new generation
 *   dup, close(fd), fd event   still reports the copy     a report that no slot
 *   freed                      and cannot be told to      answers to: the epoll
 *                              stop (B315)                set is built anew
 *
 * A forked child shares the parent's epoll set until it builds its own, which
 * it does before anything else (after_fork, B703).
 *
 * Threads: the owner's only.
 */
#include "engine/backend.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "engine/context.h"
#include "engine/fd_watch.h"
#include "engine/fdmux.h"
#include "engine/trace.h"

struct epoll_backend {
	int fd;
};

static void epoll_failed(struct tevent_context *ev, const char *what)
{
	ev->backend_failed(ev, what, errno);
}

static uint32_t epoll_events(const struct tev_slot *slot)
{
	uint32_t events = 0;

	if ((slot->wanted & TEVENT_FD_READ) != 0) {
		events |= EPOLLIN | EPOLLRDHUP;
	}
	if ((slot->wanted & TEVENT_FD_WRITE) != 0) {
		events |= EPOLLOUT;
	}
	if ((slot->wanted & TEVENT_FD_ERROR) != 0) {
		events |= EPOLLRDHUP;
	}
	return slot->edge ? events | EPOLLET : events;
}

/* One epoll_ctl(). Return: 0 or an errno value. */
static int epoll_change(struct epoll_backend *self, int operation,
			const struct tev_slot *slot)
{
	struct epoll_event event;

	memset(&event, 0, sizeof(event));
	event.events = epoll_events(slot);
	event.data.u64 = tev_slot_name(slot);
	return epoll_ctl(self->fd, operation, slot->fd, &event) == 0 ? 0
								     : errno;
}

static int epoll_backend_open(struct tevent_context *ev)
{
	struct epoll_backend *self = talloc(ev, struct epoll_backend);

	if (self == NULL) {
		return ENOMEM;
	}
	self->fd = epoll_create1(EPOLL_CLOEXEC);
	if (self->fd < 0) {
		int error = errno;

		TALLOC_FREE(self);
		return error;
	}
	ev->backend_data = self;
	return 0;
}

static void epoll_backend_close(struct tevent_context *ev)
{
	struct epoll_backend *self = ev->backend_data;

	if (self == NULL) {
		return;
	}
	if (self->fd >= 0) {
		(void)close(self->fd);
	}
	ev->backend_data = NULL;
	TALLOC_FREE(self);
}

/* A new epoll set with everything in it. */
static void epoll_rebuild(struct tevent_context *ev)
{
	struct epoll_backend *self = ev->backend_data;

	(void)close(self->fd);
	self->fd = epoll_create1(EPOLL_CLOEXEC);
	if (self->fd < 0) {
		epoll_failed(ev, "epoll_create1");
		return;
	}
	tev_fd_rearm_all(ev);
}

/* Watches @slot for slot->wanted, whatever the kernel remembers of its number.
 * Return: 0 or an errno value; *ret_stale when that was another file. */
static int epoll_watch(struct epoll_backend *self, struct tev_slot *slot,
		       bool *ret_stale)
{
	int error = 0;

	*ret_stale = false;
	if (slot->fd == self->fd) {
		return EBADF; /* closed, and its number was given to us */
	}
	if (slot->armed == 0) {
		error = epoll_change(self, EPOLL_CTL_ADD, slot);
		return error == EEXIST ? epoll_change(self, EPOLL_CTL_MOD, slot)
				       : error;
	}
	error = epoll_change(self, EPOLL_CTL_MOD, slot);
	if (error == ENOENT) {
		*ret_stale = true;
		slot->generation++;
		error = epoll_change(self, EPOLL_CTL_ADD, slot);
	}
	return error;
}

static int epoll_backend_apply(struct tevent_context *ev, struct tev_slot *slot,
			       bool fresh)
{
	struct epoll_backend *self = ev->backend_data;
	bool stale = false;
	int error = 0;

	if (slot->wanted == 0) {
		if (slot->armed != 0) {
			/* Errors mean that the kernel forgot it already. */
			(void)epoll_change(self, EPOLL_CTL_DEL, slot);
			slot->armed = 0;
		}
		return 0;
	}
	if (slot->wanted == slot->armed && !fresh) {
		return 0;
	}
	error = epoll_watch(self, slot, &stale);
	if (error == EBADF) {
		return EBADF;
	}
	if (error != 0) {
		errno = error;
		epoll_failed(ev, "epoll_ctl");
		return 0;
	}
	slot->armed = slot->wanted;
	return stale ? ESTALE : 0;
}

static uint32_t epoll_ready(uint32_t events)
{
	uint32_t ready = 0;

	if ((events & EPOLLIN) != 0) {
		ready |= TEV_READY_IN;
	}
	if ((events & EPOLLOUT) != 0) {
		ready |= TEV_READY_OUT;
	}
	if ((events & EPOLLRDHUP) != 0) {
		ready |= TEV_READY_HALF;
	}
	if ((events & (EPOLLERR | EPOLLHUP)) != 0) {
		ready |= TEV_READY_ERROR;
	}
	return ready;
}

static enum tev_wait epoll_backend_wait(struct tevent_context *ev,
					int timeout_ms,
					struct tev_slot **ret_slot,
					uint32_t *ret_ready)
{
	struct epoll_backend *self = ev->backend_data;
	struct epoll_event event;
	struct tev_slot *slot = NULL;
	int count = 0;
	int error = 0;

	tev_trace_loop(ev, TEVENT_TRACE_BEFORE_WAIT);
	count = epoll_wait(self->fd, &event, 1, timeout_ms);
	error = errno;
	tev_trace_loop(ev, TEVENT_TRACE_AFTER_WAIT);
	if (count == 0) {
		return TEV_WAIT_TIMEOUT;
	}
	if (count < 0) {
		if (error == EINTR) {
			return TEV_WAIT_INTERRUPTED;
		}
		errno = error;
		epoll_failed(ev, "epoll_wait");
		return TEV_WAIT_REPLACED;
	}
	slot = tev_fdmux_find(&ev->mux, event.data.u64);
	if (slot == NULL) {
		epoll_rebuild(ev);
		return TEV_WAIT_NOTHING;
	}
	*ret_slot = slot;
	*ret_ready = epoll_ready(event.events);
	return TEV_WAIT_READY;
}

const struct tev_backend tev_backend_epoll = {
	.name = "epoll",
	.open = epoll_backend_open,
	.close = epoll_backend_close,
	.apply = epoll_backend_apply,
	.wait = epoll_backend_wait,
	.after_fork = epoll_rebuild,
	.changed = NULL,
	.by_event = false,
	.edge = true,
};
