/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Sim: a backend for which time passes when nothing else happens.
 *
 *      a pass of ours (loop.c) has found nothing due
 *        --> a descriptor is ready?        that one; of several, one is chosen
 *        --> the host has a move for us?   made, and looked again
 *        --> a timer is pending?           the clock stands at its time
 *        --> else                          the pass fails with EDEADLK
 *
 * Hours of timers pass in no time, and a program that waits for what cannot
 * come is told instead of hanging.
 *
 *  1. The clock is the thread's: whatever asks tevent for the time there gets
 *     that of the world, also where no context is at hand (clock.c). It moves
 *     here and in the host, never while a handler runs.
 *  2. A thread has one world. The first context that is made with "sim" brings
 *     one about, unless a host has; the last one takes it along.
 *  3. Descriptors are real, and are looked at with a poll(2) that does not
 *     wait. What stands behind them must be in the same thread to be
 *     simulated: pipes and socket pairs whose other end is served by this
 *     thread, the eventfd of a mailbox, the host's streams. What comes from
 *     elsewhere is noticed at the next look, and is not reproduced.
 *  4. Of several that are ready the host chooses; without one the first in the
 *     order of slots, which depends on nothing but what the program has done.
 *
 * Threads: the one that the world belongs to.
 * Not here: who begins a pass (sim.c).
 */
#include "engine/backend_sim.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "engine/clock.h"
#include "engine/context.h"
#include "engine/fd_watch.h"
#include "engine/fdmux.h"
#include "engine/mailbox.h"
#include "engine/trace.h"

#ifndef POLLRDHUP
#define POLLRDHUP 0x2000
#endif

/* Where the clock of every world begins: at 2000-01-01, 00:00:00 UTC. */
#define SIM_START_US 946684800000000ULL

#define SIM_US_PER_S 1000000

struct sim_backend {
	struct tev_sim_context context;
	struct pollfd *fds; /* O: made anew for each look */
	uint32_t *slots;    /* O: index of each */
	uint32_t capacity;
};

static _Thread_local struct tev_sim *sim_here;

/* ---- worlds ---- */

/* One reference less; with the last one the world goes.
 *
 * Thread: its own.  Lock: none.
 */
void tev_sim_unref(struct tev_sim *sim)
{
	sim->refs--;
	if (sim->refs > 0) {
		return;
	}
	sim_here = NULL;
	tev_clock_simulate(NULL);
	free(sim);
}

/* Makes a world for the calling thread, with one reference.
 *
 * Thread: any, whose world it is from then on.  Lock: none.
 * Return: NULL with errno: ENOMEM, or EBUSY: it has one.
 */
struct tev_sim *tev_sim_enter(void)
{
	struct tev_sim *sim = NULL;

	if (sim_here != NULL) {
		errno = EBUSY;
		return NULL;
	}
	sim = calloc(1, sizeof(*sim));
	if (sim == NULL) {
		errno = ENOMEM;
		return NULL;
	}
	sim->now_us = SIM_START_US;
	sim->refs = 1;
	tev_list_init(&sim->contexts);
	sim_here = sim;
	tev_clock_simulate(&sim->now_us);
	return sim;
}

/* The host goes; contexts may be left, and keep the world.
 *
 * Thread: its own.  Lock: none.
 */
void tev_sim_leave(struct tev_sim *sim)
{
	sim->host = NULL;
	sim->host_data = NULL;
	sim->chaos = false;
	tev_sim_unref(sim);
}

static int sim_open(struct tevent_context *ev)
{
	struct sim_backend *self = talloc_zero(ev, struct sim_backend);
	struct tev_sim *sim = sim_here;

	if (self == NULL) {
		return ENOMEM;
	}
	if (sim != NULL) {
		sim->refs++;
	} else {
		sim = tev_sim_enter();
	}
	if (sim == NULL) {
		TALLOC_FREE(self);
		return ENOMEM;
	}
	self->context.sim = sim;
	self->context.ev = ev;
	self->context.number = ++sim->context_count;
	tev_list_append(&sim->contexts, &self->context.link);
	ev->backend_data = self;
	return 0;
}

static void sim_close(struct tevent_context *ev)
{
	struct sim_backend *self = ev->backend_data;

	if (self == NULL) {
		return;
	}
	tev_list_remove(&self->context.link);
	tev_sim_unref(self->context.sim);
	free(self->fds);
	free(self->slots);
	ev->backend_data = NULL;
	TALLOC_FREE(self);
}

/* What @ev is in its world.
 *
 * Thread: owner of @ev, which is open.  Lock: none.
 */
struct tev_sim_context *tev_sim_context_of(const struct tevent_context *ev)
{
	struct sim_backend *self = ev->backend_data;

	return &self->context;
}

/* ---- descriptors ---- */

static int sim_apply(struct tevent_context *ev, struct tev_slot *slot,
		     bool fresh)
{
	(void)ev;
	(void)fresh;
	slot->armed = slot->wanted;
	return 0;
}

static short sim_events(uint16_t armed)
{
	short events = 0;

	if ((armed & TEVENT_FD_READ) != 0) {
		events |= POLLIN | POLLRDHUP;
	}
	if ((armed & TEVENT_FD_WRITE) != 0) {
		events |= POLLOUT;
	}
	if ((armed & TEVENT_FD_ERROR) != 0) {
		events |= POLLRDHUP;
	}
	return events;
}

static uint32_t sim_ready(short events)
{
	uint32_t ready = 0;

	ready |= (events & POLLIN) != 0 ? TEV_READY_IN : 0;
	ready |= (events & POLLOUT) != 0 ? TEV_READY_OUT : 0;
	ready |= (events & POLLRDHUP) != 0 ? TEV_READY_HALF : 0;
	ready |= (events & (POLLERR | POLLHUP)) != 0 ? TEV_READY_ERROR : 0;
	ready |= (events & POLLNVAL) != 0 ? TEV_READY_INVALID : 0;
	return ready;
}

static bool array_reserve(struct sim_backend *self, uint32_t needed)
{
	struct pollfd *fds = NULL;
	uint32_t *slots = NULL;

	if (needed <= self->capacity) {
		return true;
	}
	fds = realloc(self->fds, needed * sizeof(*fds));
	if (fds != NULL) {
		self->fds = fds;
	}
	slots = realloc(self->slots, needed * sizeof(*slots));
	if (slots != NULL) {
		self->slots = slots;
	}
	if (fds == NULL || slots == NULL) {
		return false;
	}
	self->capacity = needed;
	return true;
}

/* Looks at all descriptors.
 * Return: how many are ready; they are the first in the arrays. */
static uint32_t sim_look(struct tevent_context *ev, struct sim_backend *self)
{
	uint32_t left = ev->mux.used;
	uint32_t count = 0;
	uint32_t ready = 0;
	uint32_t i = 0;

	if (left == 0 || !array_reserve(self, left)) {
		return 0;
	}
	for (i = 0; left > 0; i++) {
		const struct tev_slot *slot = tev_fdmux_at(&ev->mux, i);

		if (slot->fd < 0) {
			continue;
		}
		left--;
		if (slot->armed == 0) {
			continue;
		}
		self->fds[count].fd = slot->fd;
		self->fds[count].events = sim_events(slot->armed);
		self->fds[count].revents = 0;
		self->slots[count] = i;
		count++;
	}
	if (count == 0 || poll(self->fds, count, 0) <= 0) {
		return 0;
	}
	for (i = 0; i < count; i++) {
		if (self->fds[i].revents != 0) {
			self->fds[ready] = self->fds[i];
			self->slots[ready] = self->slots[i];
			ready++;
		}
	}
	return ready;
}

/* Whether a descriptor is ready, and which; of several one is chosen.
 *
 * Thread: owner.  Lock: none.
 */
bool tev_sim_poll(struct tevent_context *ev, struct tev_slot **ret_slot,
		  uint32_t *ret_ready)
{
	struct sim_backend *self = ev->backend_data;
	struct tev_sim *sim = self->context.sim;
	uint32_t ready = 0;
	uint32_t chosen = 0;

	tev_trace_loop(ev, TEVENT_TRACE_BEFORE_WAIT);
	ready = sim_look(ev, self);
	tev_trace_loop(ev, TEVENT_TRACE_AFTER_WAIT);
	if (ready == 0) {
		return false;
	}
	if (ready > 1 && sim->host != NULL) {
		chosen = sim->host->choose(sim, ready);
	}
	*ret_slot = tev_fdmux_at(&ev->mux, self->slots[chosen]);
	*ret_ready = sim_ready(self->fds[chosen].revents);
	return true;
}

/* ---- time ---- */

/* Return: when the first timer is due, TEV_SIM_NEVER: there is none.
 *
 * Thread: owner.  Lock: none.
 */
uint64_t tev_sim_due(const struct tev_sim_context *context)
{
	struct tevent_context *ev = context->ev;
	const struct tev_heap_node *first = NULL;

	if (tev_heap_empty(&ev->timers)) {
		return TEV_SIM_NEVER;
	}
	first = tev_heap_first(&ev->timers);
	if (first->key.sec < 0) {
		return 0;
	}
	if ((uint64_t)first->key.sec >= TEV_SIM_NEVER / SIM_US_PER_S - 1) {
		return TEV_SIM_NEVER;
	}
	return (uint64_t)first->key.sec * SIM_US_PER_S +
	       (uint64_t)first->key.usec;
}

/* Whether a pass would find something to do at once.
 *
 * Thread: owner.  Lock: none.
 * Return: false while a pass is under way.
 */
bool tev_sim_ready(struct tev_sim_context *context)
{
	struct tevent_context *ev = context->ev;

	if (ev->level != 0 || ev->closed) {
		return false;
	}
	if (!tev_list_empty(&ev->immediates) ||
	    (ev->mailbox != NULL && tev_word_pending(&ev->mailbox->word)) ||
	    tev_sim_due(context) <= context->sim->now_us) {
		return true;
	}
	tev_fd_flush(ev);
	return sim_look(ev, ev->backend_data) > 0;
}

/* What is due without a look at descriptors; @ret_wait is what the wait is to
 * say then. */
static bool sim_is_due(struct tevent_context *ev, enum tev_wait *ret_wait)
{
	const struct tev_sim_context *context = NULL;

	*ret_wait = TEV_WAIT_NOTHING;
	if (ev->closed || !tev_list_empty(&ev->immediates)) {
		return true;
	}
	context = tev_sim_context_of(ev);
	if (tev_sim_due(context) <= context->sim->now_us) {
		*ret_wait = TEV_WAIT_TIMEOUT;
		return true;
	}
	return false;
}

/* The rest of the world moves, or time passes. Return: false: never. */
static bool sim_idle(struct tevent_context *ev)
{
	const struct tev_sim_context *context = tev_sim_context_of(ev);
	struct tev_sim *sim = context->sim;
	uint64_t due = tev_sim_due(context);

	if (sim->host != NULL) {
		return sim->host->idle(sim, ev);
	}
	if (due == TEV_SIM_NEVER) {
		return false;
	}
	sim->now_us = due;
	return true;
}

static enum tev_wait sim_wait(struct tevent_context *ev, int timeout_ms,
			      struct tev_slot **ret_slot, uint32_t *ret_ready)
{
	enum tev_wait wait = TEV_WAIT_NOTHING;

	for (;;) {
		/* What was changed by others' moves. */
		tev_fd_flush(ev);
		if (tev_sim_poll(ev, ret_slot, ret_ready)) {
			return TEV_WAIT_READY;
		}
		if (timeout_ms == 0) {
			return TEV_WAIT_TIMEOUT;
		}
		if (tev_sim_context_of(ev)->brief) {
			return TEV_WAIT_NOTHING;
		}
		if (!sim_idle(ev)) {
			return TEV_WAIT_NEVER;
		}
		if (sim_is_due(ev, &wait)) {
			return wait;
		}
	}
}

/* The clock and the contexts are the child's own now; descriptors are shared
 * with the parent, as they always are. What the host has had it lets go of by
 * itself. */
static void sim_after_fork(struct tevent_context *ev)
{
	(void)ev;
}

const struct tev_backend tev_backend_sim = {
	.name = "sim",
	.open = sim_open,
	.close = sim_close,
	.apply = sim_apply,
	.wait = sim_wait,
	.after_fork = sim_after_fork,
	.changed = NULL,
	.by_event = false,
	.edge = false,
};
