/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Poll: poll(2), for descriptors that epoll refuses, and poll_mt.
 *
 * The array for poll(2) is made anew from the slots before a wait whenever a
 * slot came, went or changed: poll itself walks all of them anyway. Each entry
 * remembers the name of its slot, so that one that went away while the kernel
 * looked (poll_mt lets other threads do that, B612) is not mistaken.
 *
 * The scan for a ready entry begins behind the one served last, so that busy
 * descriptors take turns (B320).
 *
 * Threads: the owner's; with poll_mt others change slots under the
 * application's lock, which the application gives up while the loop waits.
 * The array itself is only touched by the loop.
 */
#include "engine/backend.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "engine/context.h"
#include "engine/fdmux.h"
#include "engine/mailbox.h"
#include "engine/trace.h"

#ifndef POLLRDHUP
#define POLLRDHUP 0x2000
#endif

struct poll_backend {
	struct pollfd *fds; /* O: */
	uint64_t *names;    /* O: of the slot of each */
	uint32_t count;
	uint32_t capacity;
	uint32_t turn; /* O: where the next scan begins */
	bool changed;  /* O: the array is not as the slots are */
};

static int poll_backend_open(struct tevent_context *ev)
{
	struct poll_backend *self = talloc_zero(ev, struct poll_backend);

	if (self == NULL) {
		return ENOMEM;
	}
	self->changed = true;
	ev->backend_data = self;
	return 0;
}

static void poll_backend_close(struct tevent_context *ev)
{
	struct poll_backend *self = ev->backend_data;

	if (self == NULL) {
		return;
	}
	free(self->fds);
	free(self->names);
	ev->backend_data = NULL;
	TALLOC_FREE(self);
}

static int poll_backend_apply(struct tevent_context *ev, struct tev_slot *slot,
			      bool fresh)
{
	struct poll_backend *self = ev->backend_data;

	(void)fresh;
	if (slot->wanted != slot->armed) {
		slot->armed = slot->wanted;
		self->changed = true;
	}
	return 0;
}

static short poll_events(const struct tev_slot *slot)
{
	short events = 0;

	if ((slot->armed & TEVENT_FD_READ) != 0) {
		events |= POLLIN | POLLRDHUP;
	}
	if ((slot->armed & TEVENT_FD_WRITE) != 0) {
		events |= POLLOUT;
	}
	if ((slot->armed & TEVENT_FD_ERROR) != 0) {
		events |= POLLRDHUP;
	}
	return events;
}

static bool array_reserve(struct poll_backend *self, uint32_t needed)
{
	struct pollfd *fds = NULL;
	uint64_t *names = NULL;

	if (needed <= self->capacity) {
		return true;
	}
	fds = realloc(self->fds, needed * sizeof(*fds));
	if (fds != NULL) {
		self->fds = fds;
	}
	names = realloc(self->names, needed * sizeof(*names));
	if (names != NULL) {
		self->names = names;
	}
	if (fds == NULL || names == NULL) {
		return false;
	}
	self->capacity = needed;
	return true;
}

/* Return: false when out of memory: the array is as it was. */
static bool array_rebuild(struct tevent_context *ev, struct poll_backend *self)
{
	uint32_t i = 0;

	if (!array_reserve(self, tev_fdmux_count(&ev->mux))) {
		return false;
	}
	self->count = 0;
	for (i = 0; i < tev_fdmux_count(&ev->mux); i++) {
		const struct tev_slot *slot = tev_fdmux_at(&ev->mux, i);

		if (slot->fd < 0 || slot->armed == 0) {
			continue;
		}
		self->fds[self->count].fd = slot->fd;
		self->fds[self->count].events = poll_events(slot);
		self->fds[self->count].revents = 0;
		self->names[self->count] = tev_slot_name(slot);
		self->count++;
	}
	self->changed = false;
	return true;
}

static uint32_t poll_ready(short events)
{
	uint32_t ready = 0;

	if ((events & POLLIN) != 0) {
		ready |= TEV_READY_IN;
	}
	if ((events & POLLOUT) != 0) {
		ready |= TEV_READY_OUT;
	}
	if ((events & POLLRDHUP) != 0) {
		ready |= TEV_READY_HALF;
	}
	if ((events & (POLLERR | POLLHUP)) != 0) {
		ready |= TEV_READY_ERROR;
	}
	if ((events & POLLNVAL) != 0) {
		ready |= TEV_READY_INVALID;
	}
	return ready;
}

static enum tev_wait poll_backend_wait(struct tevent_context *ev,
				       int timeout_ms,
				       struct tev_slot **ret_slot,
				       uint32_t *ret_ready)
{
	struct poll_backend *self = ev->backend_data;
	uint32_t i = 0;
	int count = 0;
	int error = 0;

	if (self->changed && !array_rebuild(ev, self)) {
		/* Try again soon; what was known is still watched. */
		timeout_ms = timeout_ms == 0 ? 0 : 1;
	}
	tev_trace_loop(ev, TEVENT_TRACE_BEFORE_WAIT);
	count = poll(self->fds, self->count, timeout_ms);
	error = errno;
	tev_trace_loop(ev, TEVENT_TRACE_AFTER_WAIT);
	if (count == 0) {
		return TEV_WAIT_TIMEOUT;
	}
	if (count < 0) {
		return error == EINTR ? TEV_WAIT_INTERRUPTED : TEV_WAIT_NOTHING;
	}

	for (i = 0; i < self->count; i++) {
		uint32_t at = (self->turn + i) % self->count;
		struct tev_slot *slot = NULL;

		if (self->fds[at].revents == 0) {
			continue;
		}
		slot = tev_fdmux_find(&ev->mux, self->names[at]);
		if (slot == NULL) {
			continue;
		}
		self->turn = at + 1;
		*ret_slot = slot;
		*ret_ready = poll_ready(self->fds[at].revents);
		return TEV_WAIT_READY;
	}
	return TEV_WAIT_NOTHING;
}

/* Nothing is shared with the parent (B704). */
static void poll_backend_after_fork(struct tevent_context *ev)
{
	(void)ev;
}

static int poll_mt_open(struct tevent_context *ev)
{
	int error = poll_backend_open(ev);

	return error != 0 ? error : tev_mailbox_open(ev);
}

static void poll_mt_changed(struct tevent_context *ev)
{
	if (ev->mailbox != NULL) {
		tev_mailbox_ring(ev->mailbox);
	}
}

const struct tev_backend tev_backend_poll = {
	.name = "poll",
	.open = poll_backend_open,
	.close = poll_backend_close,
	.apply = poll_backend_apply,
	.wait = poll_backend_wait,
	.after_fork = poll_backend_after_fork,
	.changed = NULL,
	.by_event = true,
	.edge = false,
};

const struct tev_backend tev_backend_poll_mt = {
	.name = "poll_mt",
	.open = poll_mt_open,
	.close = poll_backend_close,
	.apply = poll_backend_apply,
	.wait = poll_backend_wait,
	.after_fork = poll_backend_after_fork,
	.changed = poll_mt_changed,
	.by_event = true,
	.edge = false,
};
