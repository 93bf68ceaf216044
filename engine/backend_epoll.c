/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Epoll: the backends for Linux.
 *
 * Level-triggered, with the slot's generation and index as the kernel's user
 * data. They differ in how many reports one system call fetches.
 *
 * "epoll" fetches one: that keeps tevent's promise that a handler sees the
 * state of its descriptor as it is now, not as it was before another handler
 * ran.
 *
 * "epoll_batch" fetches up to EPOLL_BATCH and hands them out one a pass; each
 * pass looks at everything that comes before descriptors first, as ever. What
 * it saves is most of the epoll_wait() calls of a busy loop. What it costs: a
 * handler may be called for input that another handler has read meanwhile,
 * which does no harm where all descriptors are non-blocking. Hence by name
 * only. What is kept is
 *   - a name, not a pointer: whoever has left since is not found;
 *   - good for what its events want when it is handed out, not before;
 *   - dropped where it would be misleading: a pass on another level of nesting,
 *     a new set. The kernel reports again what is still so; that is why this
 *     backend has no edge-triggered slots.
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

#define EPOLL_BATCH 256

struct epoll_backend {
	int fd;
	int limit;      /* I: reports fetched by one system call */
	uint32_t level; /* O: of nesting, where what is kept was fetched */
	uint32_t next;  /* O: the first of ev->fds_kept that are left */
	struct epoll_event events[];
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

static int epoll_open(struct tevent_context *ev, int limit)
{
	struct epoll_backend *self = talloc_named_const(
		ev, sizeof(*self) + (size_t)limit * sizeof(self->events[0]),
		"struct epoll_backend");

	if (self == NULL) {
		return ENOMEM;
	}
	self->limit = limit;
	ev->fds_kept = 0;
	self->fd = epoll_create1(EPOLL_CLOEXEC);
	if (self->fd < 0) {
		int error = errno;

		TALLOC_FREE(self);
		return error;
	}
	ev->backend_data = self;
	return 0;
}

static int epoll_open_strict(struct tevent_context *ev)
{
	return epoll_open(ev, 1);
}

static int epoll_open_batch(struct tevent_context *ev)
{
	return epoll_open(ev, EPOLL_BATCH);
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
	ev->fds_kept = 0;
	TALLOC_FREE(self);
}

/* A new epoll set with everything in it. */
static void epoll_rebuild(struct tevent_context *ev)
{
	struct epoll_backend *self = ev->backend_data;

	ev->fds_kept = 0;
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

	if (tev_likely(events == EPOLLIN)) {
		return TEV_READY_IN;
	}
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

/* Fetches reports. Return: TEV_WAIT_READY: there is one at least. */
static enum tev_wait epoll_fetch(struct tevent_context *ev,
				 struct epoll_backend *self, int timeout_ms)
{
	int count = 0;
	int error = 0;

	tev_trace_loop(ev, TEVENT_TRACE_BEFORE_WAIT);
	count = epoll_wait(self->fd, self->events, self->limit, timeout_ms);
	error = errno;
	tev_trace_loop(ev, TEVENT_TRACE_AFTER_WAIT);
	if (count > 0) {
		self->next = 0;
		self->level = ev->level;
		ev->fds_kept = (uint32_t)count;
		return TEV_WAIT_READY;
	}
	if (count == 0) {
		return TEV_WAIT_TIMEOUT;
	}
	if (error == EINTR) {
		return TEV_WAIT_INTERRUPTED;
	}
	errno = error;
	epoll_failed(ev, "epoll_wait");
	return TEV_WAIT_REPLACED;
}

/* Whether every report that was just fetched is about a slot of ours. Those
 * that are kept are brought into the cache by it. */
static bool epoll_all_known(const struct tevent_context *ev,
			    const struct epoll_backend *self)
{
	uint32_t end = self->next + ev->fds_kept;
	uint32_t i = 0;

	for (i = self->next; i < end; i++) {
		if (tev_fdmux_find(&ev->mux, self->events[i].data.u64) ==
		    NULL) {
			return false;
		}
	}
	return true;
}

/* Takes the next report that is left.
 * Return: its slot; NULL when that is not there any more. */
static struct tev_slot *epoll_take(struct tevent_context *ev,
				   struct epoll_backend *self,
				   uint32_t *ret_ready)
{
	const struct epoll_event *event = &self->events[self->next];

	self->next++;
	ev->fds_kept--;
	*ret_ready = epoll_ready(event->events);
	return tev_fdmux_find(&ev->mux, event->data.u64);
}

/* Takes the next that was kept from an earlier pass.
 * Return: false when there is none. */
static bool epoll_take_kept(struct tevent_context *ev,
			    struct epoll_backend *self,
			    struct tev_slot **ret_slot, uint32_t *ret_ready)
{
	if (self->level != ev->level) {
		ev->fds_kept = 0;
	}
	while (ev->fds_kept > 0) {
		struct tev_slot *slot = epoll_take(ev, self, ret_ready);

		if (slot != NULL) {
			*ret_slot = slot;
			return true;
		}
	}
	return false;
}

static enum tev_wait epoll_backend_wait(struct tevent_context *ev,
					int timeout_ms,
					struct tev_slot **ret_slot,
					uint32_t *ret_ready)
{
	struct epoll_backend *self = ev->backend_data;
	struct tev_slot *slot = NULL;
	enum tev_wait result = TEV_WAIT_NOTHING;

	if (tev_unlikely(ev->fds_kept > 0) &&
	    epoll_take_kept(ev, self, ret_slot, ret_ready)) {
		return TEV_WAIT_READY;
	}
	result = epoll_fetch(ev, self, timeout_ms);
	if (result != TEV_WAIT_READY) {
		return result;
	}
	slot = epoll_take(ev, self, ret_ready);
	if (slot == NULL || (ev->fds_kept > 0 && !epoll_all_known(ev, self))) {
		epoll_rebuild(ev);
		return TEV_WAIT_NOTHING;
	}
	*ret_slot = slot;
	return TEV_WAIT_READY;
}

const struct tev_backend tev_backend_epoll = {
	.name = "epoll",
	.open = epoll_open_strict,
	.close = epoll_backend_close,
	.apply = epoll_backend_apply,
	.wait = epoll_backend_wait,
	.after_fork = epoll_rebuild,
	.changed = NULL,
	.by_event = false,
	.edge = true,
};

const struct tev_backend tev_backend_epoll_batch = {
	.name = "epoll_batch",
	.open = epoll_open_batch,
	.close = epoll_backend_close,
	.apply = epoll_backend_apply,
	.wait = epoll_backend_wait,
	.after_fork = epoll_rebuild,
	.changed = NULL,
	.by_event = false,
	.edge = false,
};
