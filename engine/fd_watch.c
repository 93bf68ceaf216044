/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Fd watch: what descriptors are watched for, and who is called.
 *
 * An event belongs to the slot of its descriptor (fdmux.c) and wants flags of
 * it; the slot wants the union. Adding and freeing an event reach the backend
 * at once, a change of flags just before the next wait, so that interest that
 * is switched off and on again between two waits costs no system call.
 *
 * Reporting (B301-B306): input, hangup, error and half-close are READ; output
 * is WRITE; hangup, error and half-close are ERROR. An event that wants only
 * WRITE is not called on error or hangup: it loses the flag, unless another
 * event of the slot is there to see the error (B305, B311). After a half-close
 * WRITE goes on (stock 0.17 on epoll lets it starve, B306).
 *
 * One event of a ready slot is called a pass; it goes to the end of the turn
 * first, so several take turns (B310). As a rule there is only one, of the main
 * context itself: its slot knows what to call, and the event is not touched.
 *
 * An event that is freed in its own handler must stay until that has returned.
 * It is not marked beforehand for a thing so rare. Each call stands in a list
 * of the context's calls; who detaches an event looks there, and leaves word
 * with the event (`busy`) and with the call (`left`).
 *
 * The number of a closed descriptor may come back as another file while old
 * events of it still hang in the slot. Where the backend notices when one is
 * added (ESTALE) the old ones are disabled as if it had been seen in time
 * (B313), so the new owner of the number is never silenced and never robbed.
 *
 * Traced (B1203): ATTACH when added, BEFORE_HANDLER, DETACH when detached for
 * whatever reason but the end of its wrapper context.
 *
 * Threads: the owner's only; with poll_mt, others under the application's
 * lock.
 * Not here: what a program does with an event (fd.c).
 */
#define TEVENT_DEPRECATED 1
#define _DEPRECATED_

#include "engine/fd_watch.h"

#include <errno.h>

#include "engine/author.h"
#include "engine/backend.h"
#include "engine/context.h"
#include "engine/fdmux.h"
#include "engine/fork.h"
#include "engine/glue.h"
#include "engine/report.h"
#include "engine/trace.h"

static inline struct tevent_fd *fde_of(struct tev_list *turn)
{
	return tev_list_entry(turn, struct tevent_fd, turn);
}

/* Gives @fde other flags.
 *
 * Thread: owner.  Lock: none. */
void tev_fd_change(struct tevent_fd *fde, uint16_t flags)
{
	struct tevent_context *ev = tev_context_main(fde->ev);

	ev->fds_active -= tev_fd_active(fde);
	fde->flags = flags;
	ev->fds_active += tev_fd_active(fde);
}

/* Tells who listens.
 *
 * Thread: owner.  Lock: none. */
void tev_fd_trace(struct tevent_context *ev, struct tevent_fd *fde,
		  enum tevent_event_trace_point point)
{
	if (!tev_traced(ev, TEV_TRACE_FD | TEV_TRACE_DEBUG)) {
		return;
	}
	tev_trace_say(ev, "fd", fde, fde->handler_name, point);
	tevent_trace_fd_callback(ev, fde, point);
}

/* What the events of @slot want together.
 *
 * Thread: owner.  Lock: none. */
uint16_t tev_fd_union(struct tev_slot *slot)
{
	struct tev_list *turn = NULL;
	uint16_t wanted = 0;

	tev_list_for_each(turn, &slot->fdes) {
		wanted |= fde_of(turn)->flags;
	}
	return wanted;
}

/* Brings slot->sole up to date: its events have changed.
 *
 * Thread: owner.  Lock: none. */
void tev_fd_note_sole(struct tev_slot *slot)
{
	struct tev_list *first = slot->fdes.next;
	const struct tevent_fd *fde = fde_of(first);

	slot->sole = first != &slot->fdes && first == slot->fdes.prev &&
		     !tev_context_is_wrapper(fde->ev);
	if (slot->sole) {
		slot->handler = fde->handler;
		slot->private_data = fde->private_data;
	}
}

/* @slot wants @wanted from now on.
 *
 * Thread: owner.  Lock: none. */
void tev_fd_want(struct tevent_context *ev, struct tev_slot *slot,
		 uint16_t wanted)
{
	/* Bits that we do not know must not arm anything. */
	wanted &= TEVENT_FD_READ | TEVENT_FD_WRITE | TEVENT_FD_ERROR;
	slot->wanted = wanted;
	if (wanted == slot->armed) {
		tev_list_remove(&slot->dirty);
	} else if (tev_list_empty(&slot->dirty)) {
		tev_list_append(&ev->mux.dirty, &slot->dirty);
	}
	if (ev->backend->changed != NULL) {
		ev->backend->changed(ev);
	}
}

/* Takes @fde from its slot and context; the slot may be left empty. */
static void fde_detach(struct tevent_context *ev, struct tevent_fd *fde)
{
	struct tev_fd_call *call = NULL;

	for (call = ev->fd_calls; call != NULL; call = call->outer) {
		if (call->fde == fde) {
			call->left = true;
			fde->busy++;
		}
	}
	tev_fd_change(fde, 0);
	tev_list_remove(&fde->turn);
	tev_fd_note_sole(fde->slot);
	fde->slot = NULL;
	fde->ev = NULL;
	tev_fd_trace(ev, fde, TEVENT_EVENT_TRACE_DETACH);
}

/* Detaches the events of @slot, all but @keep.
 *
 * Thread: owner.  Lock: none. */
void tev_fd_disable(struct tevent_context *ev, struct tev_slot *slot,
		    const struct tevent_fd *keep)
{
	struct tev_list *turn = NULL;
	struct tev_list *following = NULL;

	tev_list_for_each_safe(turn, following, &slot->fdes) {
		struct tevent_fd *fde = fde_of(turn);

		if (fde != keep) {
			tev_debug(ev, TEVENT_DEBUG_ERROR,
				  "fd %d is closed: event %p [%s] disabled\n",
				  fde->fd, (void *)fde, fde->location);
			fde_detach(ev, fde);
		}
	}
}

static void slot_drop(struct tevent_context *ev, struct tev_slot *slot)
{
	slot->armed = 0;
	slot->wanted = 0;
	tev_fdmux_put(&ev->mux, slot);
}

/* Tells the backend about @slot, and takes the answer. @added is an event that
 * just joined a slot already in use, or NULL. The slot may be gone after.
 *
 * Thread: owner.  Lock: none. */
void tev_fd_apply(struct tevent_context *ev, struct tev_slot *slot,
		  const struct tevent_fd *added)
{
	int error = 0;

	tev_list_remove(&slot->dirty);
	if (tev_unlikely(ev->closed)) {
		slot->armed = slot->wanted;
		return;
	}
	if (tev_unlikely(ev->fork_generation != tev_fork_now())) {
		ev->after_fork(ev);
	}
	error = ev->backend->apply(ev, slot, added != NULL);
	if (error == EBADF) {
		tev_fd_disable(ev, slot, NULL);
		slot_drop(ev, slot);
	} else if (error == ESTALE && added != NULL) {
		tev_fd_disable(ev, slot, added);
		tev_fd_want(ev, slot, tev_fd_union(slot));
	}
}

/* Tells the backend every change of interest, just before the wait.
 *
 * Thread: owner.  Lock: none.
 */
void tev_fd_flush(struct tevent_context *ev)
{
	struct tev_list *first = NULL;

	while ((first = tev_list_first(&ev->mux.dirty)) != NULL) {
		tev_fd_apply(ev, tev_list_entry(first, struct tev_slot, dirty),
			     NULL);
	}
}

/* A new backend starts from nothing: tells it everything.
 *
 * Thread: owner.  Lock: none.
 */
void tev_fd_rearm_all(struct tevent_context *ev)
{
	uint32_t i = 0;

	for (i = 0; i < tev_fdmux_count(&ev->mux); i++) {
		struct tev_slot *slot = tev_fdmux_at(&ev->mux, i);

		if (slot->fd < 0) {
			continue;
		}
		tev_list_remove(&slot->dirty);
		slot->armed = 0;
		slot->edge = slot->edge && ev->backend->edge;
		if (slot->wanted != 0) {
			tev_fd_apply(ev, slot, NULL);
		}
	}
}

/* Takes @fde out for good; its slot and the backend learn it at once.
 *
 * Thread: owner.  Lock: none. */
void tev_fd_leave(struct tevent_context *ev, struct tevent_fd *fde)
{
	struct tev_slot *slot = fde->slot;
	uint16_t wanted = 0;

	fde_detach(ev, fde);
	wanted = tev_fd_union(slot);
	tev_fd_want(ev, slot, wanted);
	if (wanted != slot->armed) {
		tev_fd_apply(ev, slot, NULL);
	}
	if (slot->fd == fde->fd && tev_list_empty(&slot->fdes)) {
		slot_drop(ev, slot);
	}
}

/* Calls the handler between the hooks of the wrapper it was made with. */
static void fde_call_wrapped(struct tevent_context *ev, struct tevent_fd *fde,
			     uint16_t flags)
{
	struct tevent_context *wrap = fde->ev;
	struct tev_wrapper *wrapper = tev_glue_enter(wrap);
	const struct tevent_wrapper_ops *ops = wrapper->ops;

	ops->before_fd_handler(wrap, wrapper->state, ev, fde, flags,
			       fde->handler_name, fde->location);
	tev_fd_trace(ev, fde, TEVENT_EVENT_TRACE_BEFORE_HANDLER);
	fde->handler(wrap, fde, flags, fde->private_data);
	ops->after_fd_handler(wrap, wrapper->state, wrapper->main, fde, flags,
			      fde->handler_name, fde->location);
	tev_glue_leave(wrap);
}

/* The end of a call whose event was detached meanwhile; @ev may be gone.
 *
 * Thread: owner.  Lock: none.
 * Return: whether the event is gone, freed by its handler. */
bool tev_fd_call_left(struct tevent_context *ev, const struct tev_fd_call *call,
		      struct tevent_fd *fde)
{
	if (!call->orphan) {
		ev->fd_calls = call->outer;
	}
	fde->busy--;
	if (!fde->destroyed || fde->busy > 0) {
		return false;
	}
	talloc_set_destructor(fde, NULL);
	TALLOC_FREE(fde);
	return true;
}

/* Calls the handler of @fde, attached to @ev or to a wrapper of it.
 *
 * Thread: owner.  Lock: none; runs user code.
 * Return: whether the event is gone, freed by its handler. */
bool tev_fd_call(struct tevent_context *ev, struct tevent_fd *fde,
		 uint16_t flags)
{
	struct tev_fd_call call;

	tev_fd_call_begin(ev, &call, fde);
	if (tev_unlikely(fde->ev != ev)) {
		fde_call_wrapped(ev, fde, flags);
	} else {
		tev_fd_trace(ev, fde, TEVENT_EVENT_TRACE_BEFORE_HANDLER);
		fde->handler(ev, fde, flags, fde->private_data);
	}
	return tev_fd_call_end(ev, &call, fde);
}

/* An error that a mere writer cannot see: it loses WRITE (B305), unless another
 * event of the slot is there to see it and the backend serves slots (B311). */
static void slot_clear_writers(struct tevent_context *ev, struct tev_slot *slot)
{
	struct tev_list *turn = NULL;
	bool seen = (slot->wanted & (TEVENT_FD_READ | TEVENT_FD_ERROR)) != 0;

	if (seen && !ev->backend->by_event) {
		return;
	}
	tev_list_for_each(turn, &slot->fdes) {
		struct tevent_fd *fde = fde_of(turn);

		if (fde->flags == TEVENT_FD_WRITE) {
			tev_fd_change(fde, 0);
		}
	}
	tev_fd_want(ev, slot, tev_fd_union(slot));
}

static uint16_t flags_of(uint32_t ready)
{
	uint16_t flags = 0;

	if ((ready & (TEV_READY_IN | TEV_READY_HALF | TEV_READY_ERROR)) != 0) {
		flags |= TEVENT_FD_READ;
	}
	if ((ready & TEV_READY_OUT) != 0) {
		flags |= TEVENT_FD_WRITE;
	}
	if ((ready & (TEV_READY_HALF | TEV_READY_ERROR)) != 0) {
		flags |= TEVENT_FD_ERROR;
	}
	return flags;
}

/* Calls the next event in turn that wants what @slot is @ready for.
 *
 * Thread: owner.  Lock: none; runs user code, after which @slot may be gone.
 */
void tev_fd_dispatch(struct tevent_context *ev, struct tev_slot *slot,
		     uint32_t ready)
{
	struct tev_list *turn = NULL;
	uint16_t flags = flags_of(ready);
	bool failed = (ready & TEV_READY_ERROR) != 0;

	if ((ready & TEV_READY_INVALID) != 0) {
		tev_fd_disable(ev, slot, NULL);
		slot->wanted = 0;
		tev_fd_apply(ev, slot, NULL);
		slot_drop(ev, slot);
		return;
	}
	if (failed) {
		slot_clear_writers(ev, slot);
	}
	tev_list_for_each(turn, &slot->fdes) {
		struct tevent_fd *fde = fde_of(turn);
		uint16_t wanted = fde->flags & flags;

		if (wanted == 0 || (failed && fde->flags == TEVENT_FD_WRITE)) {
			continue;
		}
		tev_list_remove(&fde->turn);
		tev_list_append(&slot->fdes, &fde->turn);
		(void)tev_fd_call(ev, fde, wanted);
		return;
	}
}

/* The context goes, or starts anew: events stay allocated and never fire. As a
 * rule the latest goes first, as in stock (B208). */
void tev_fd_context_fini(struct tevent_context *ev)
{
	struct tev_fd_call *call = NULL;
	uint32_t i = 0;

	for (i = tev_fdmux_count(&ev->mux); i > 0; i--) {
		struct tev_slot *slot = tev_fdmux_at(&ev->mux, i - 1);
		struct tev_list *first = NULL;

		while (slot->fd >= 0 &&
		       (first = tev_list_first(&slot->fdes)) != NULL) {
			fde_detach(ev, fde_of(first));
		}
	}
	for (call = ev->fd_calls; call != NULL; call = call->outer) {
		call->orphan = true;
	}
	ev->fd_calls = NULL;
	tev_fdmux_fini(&ev->mux);
}

/* The first event of @slot that is the wrapper's; NULL when there is none. */
static struct tevent_fd *slot_first_of(const struct tev_slot *slot,
				       const struct tevent_context *wrap)
{
	struct tev_list *turn = NULL;

	tev_list_for_each(turn, &slot->fdes) {
		if (fde_of(turn)->ev == wrap) {
			return fde_of(turn);
		}
	}
	return NULL;
}

/* The wrapper @wrap of @ev goes: its events stay allocated and never fire.
 * Nobody is told, as in stock.
 *
 * Thread: owner.  Lock: none.
 */
void tev_fd_wrapper_fini(struct tevent_context *ev,
			 const struct tevent_context *wrap)
{
	unsigned watch = ev->trace.watch;
	uint32_t i = 0;

	ev->trace.watch = 0;
	for (i = 0; i < tev_fdmux_count(&ev->mux); i++) {
		struct tev_slot *slot = tev_fdmux_at(&ev->mux, i);
		struct tevent_fd *fde = NULL;

		/* Leaving may bring to light that all of them have to go. */
		while (slot->fd >= 0 &&
		       (fde = slot_first_of(slot, wrap)) != NULL) {
			tev_fd_leave(ev, fde);
		}
	}
	ev->trace.watch = watch;
}
