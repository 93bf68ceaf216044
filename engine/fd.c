/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Fd: descriptor events.
 *
 * An event belongs to the slot of its descriptor (fdmux.c) and wants flags of
 * it; the slot wants the union. Adding and freeing an event reach the backend
 * at once, a change of flags just before the next wait, so that interest that
 * is switched off and on again between two waits costs no system call.
 *
 *   event state   slot   flags          reached by
 *   attached      set    as the user    tevent_add_fd
 *                        set them
 *   detached      NULL   0              context freed or re-initialised;
 *                                       disabled: its descriptor is not open
 *
 * Reporting (B301-B306): input, hangup, error and half-close are READ; output
 * is WRITE; hangup, error and half-close are ERROR. An event that wants only
 * WRITE is not called on error or hangup: it loses the flag, unless another
 * event of the slot is there to see the error (B305, B311). After a half-close
 * WRITE goes on (stock 0.17 on epoll lets it starve, B306).
 *
 * One event of a ready slot is called a pass; it goes to the end of the turn
 * first, so several take turns (B310).
 *
 * The number of a closed descriptor may come back as another file while old
 * events of it still hang in the slot. Where the backend notices when one is
 * added (ESTALE) the old ones are disabled as if it had been seen in time
 * (B313), so the new owner of the number is never silenced and never robbed.
 *
 * Freed while its handler runs, an event leaves its slot at once, its close
 * function runs at once, and the memory stays until the outermost handler has
 * returned (B201).
 *
 * Threads: the owner's only; with poll_mt, others under the application's
 * lock.
 */
#include "engine/fd.h"

#include <errno.h>
#include <unistd.h>

#include "engine/backend.h"
#include "engine/context.h"
#include "engine/fdmux.h"
#include "engine/fork.h"
#include "engine/report.h"

struct tevent_fd {
	struct tev_list turn;      /* O: in slot->fdes */
	struct tev_slot *slot;     /* O: NULL while detached */
	struct tevent_context *ev; /* O: NULL once the context is gone */
	int fd;                    /* I: */
	uint16_t flags;            /* O: TEVENT_FD_*; 0 while detached */
	bool internal;             /* I: ours, does not keep loop_wait going */
	bool destroyed;            /* O: freed while busy */
	uint32_t busy;             /* O: its handlers under way */
	tevent_fd_handler_t handler;
	tevent_fd_close_fn_t close_fn;
	void *private_data;
	const char *handler_name;
	const char *location;
};

static inline struct tevent_fd *fde_of(struct tev_list *turn)
{
	return tev_list_entry(turn, struct tevent_fd, turn);
}

static inline bool fde_active(const struct tevent_fd *fde)
{
	return fde->flags != 0 && !fde->internal;
}

static void fde_set_flags(struct tevent_fd *fde, uint16_t flags)
{
	fde->ev->fds_active -= fde_active(fde);
	fde->flags = flags;
	fde->ev->fds_active += fde_active(fde);
}

static uint16_t slot_union(struct tev_slot *slot)
{
	struct tev_list *turn = NULL;
	uint16_t wanted = 0;

	tev_list_for_each(turn, &slot->fdes) {
		wanted |= fde_of(turn)->flags;
	}
	return wanted;
}

static void slot_wants(struct tevent_context *ev, struct tev_slot *slot,
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
static void fde_detach(struct tevent_fd *fde)
{
	fde_set_flags(fde, 0);
	tev_list_remove(&fde->turn);
	fde->slot = NULL;
	fde->ev = NULL;
}

/* Detaches the events of @slot, all but @keep. */
static void slot_disable(struct tevent_context *ev, struct tev_slot *slot,
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
			fde_detach(fde);
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
 * just joined a slot already in use, or NULL. The slot may be gone after. */
static void slot_apply(struct tevent_context *ev, struct tev_slot *slot,
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
		slot_disable(ev, slot, NULL);
		slot_drop(ev, slot);
	} else if (error == ESTALE && added != NULL) {
		slot_disable(ev, slot, added);
		slot_wants(ev, slot, slot_union(slot));
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
		slot_apply(ev, tev_list_entry(first, struct tev_slot, dirty),
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
		if (slot->wanted != 0) {
			slot_apply(ev, slot, NULL);
		}
	}
}

/* Takes @fde out for good; its slot and the backend learn it at once. */
static void fde_leave(struct tevent_fd *fde)
{
	struct tevent_context *ev = fde->ev;
	struct tev_slot *slot = fde->slot;
	uint16_t wanted = 0;

	fde_detach(fde);
	wanted = slot_union(slot);
	slot_wants(ev, slot, wanted);
	if (wanted != slot->armed) {
		slot_apply(ev, slot, NULL);
	}
	if (slot->fd == fde->fd && tev_list_empty(&slot->fdes)) {
		slot_drop(ev, slot);
	}
}

static int fde_destructor(struct tevent_fd *fde)
{
	tevent_fd_close_fn_t close_fn = fde->close_fn;
	struct tevent_context *ev = fde->ev;
	uint16_t flags = fde->flags;

	if (fde->destroyed) {
		tev_check_double_free(fde,
				      "tevent_fd freed twice in its handler");
		return -1;
	}
	if (fde->slot != NULL) {
		fde_leave(fde);
	}
	fde->close_fn = NULL;
	if (close_fn != NULL) {
		fde->flags = flags; /* to be seen once more (B331) */
		close_fn(ev, fde, fde->fd, fde->private_data);
		fde->flags = 0;
	}
	if (fde->busy > 0) {
		fde->destroyed = true;
		return -1;
	}
	return 0;
}

static void fde_call(struct tevent_fd *fde, uint16_t flags)
{
	fde->busy++;
	fde->handler(fde->ev, fde, flags, fde->private_data);
	fde->busy--;
	if (fde->destroyed && fde->busy == 0) {
		talloc_set_destructor(fde, NULL);
		TALLOC_FREE(fde);
	}
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
			fde_set_flags(fde, 0);
		}
	}
	slot_wants(ev, slot, slot_union(slot));
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
		slot_disable(ev, slot, NULL);
		slot->wanted = 0;
		slot_apply(ev, slot, NULL);
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
		fde_call(fde, wanted);
		return;
	}
}

/* The context goes, or starts anew: events stay allocated and never fire. */
void tev_fd_context_fini(struct tevent_context *ev)
{
	uint32_t i = 0;

	for (i = 0; i < tev_fdmux_count(&ev->mux); i++) {
		struct tev_slot *slot = tev_fdmux_at(&ev->mux, i);
		struct tev_list *first = NULL;

		while (slot->fd >= 0 &&
		       (first = tev_list_first(&slot->fdes)) != NULL) {
			fde_detach(fde_of(first));
		}
	}
	tev_fdmux_fini(&ev->mux);
}

static struct tevent_fd *fd_add(struct tevent_context *ev, TALLOC_CTX *mem_ctx,
				int fd, uint16_t flags,
				tevent_fd_handler_t handler, void *private_data)
{
	struct tevent_fd *fde = NULL;

	fde = talloc_zero(mem_ctx != NULL ? mem_ctx : ev, struct tevent_fd);
	if (fde == NULL) {
		return NULL;
	}
	fde->slot = tev_fdmux_get(&ev->mux, fd);
	if (fde->slot == NULL) {
		TALLOC_FREE(fde);
		return NULL;
	}
	fde->ev = ev;
	fde->fd = fd;
	fde->flags = flags;
	fde->handler = handler;
	fde->private_data = private_data;
	if (ev->backend->by_event) {
		tev_list_prepend(&fde->slot->fdes, &fde->turn);
	} else {
		tev_list_append(&fde->slot->fdes, &fde->turn);
	}
	return fde;
}

struct tevent_fd *_tevent_add_fd(struct tevent_context *ev, TALLOC_CTX *mem_ctx,
				 int fd, uint16_t flags,
				 tevent_fd_handler_t handler,
				 void *private_data, const char *handler_name,
				 const char *location)
{
	struct tevent_fd *fde = NULL;
	bool first = false;

	if (fd < 0 || ev->closed) {
		return NULL;
	}
	fde = fd_add(ev, mem_ctx, fd, flags, handler, private_data);
	if (fde == NULL) {
		return NULL;
	}
	fde->handler_name = handler_name;
	fde->location = location;
	ev->fds_active += fde_active(fde);
	talloc_set_destructor(fde, fde_destructor);

	first = fde->slot->fdes.next == fde->slot->fdes.prev;
	slot_wants(ev, fde->slot, fde->slot->wanted | flags);
	slot_apply(ev, fde->slot, first ? NULL : fde);
	return fde;
}

/* Watches @fd, an eventfd of ours, for reading; not counted by loop_wait.
 *
 * Thread: owner.  Lock: none.
 * Return: the event, child of @ev; NULL when out of memory.
 */
struct tevent_fd *tev_fd_add_internal(struct tevent_context *ev, int fd,
				      tevent_fd_handler_t handler,
				      void *private_data)
{
	struct tevent_fd *fde = NULL;

	fde = fd_add(ev, ev, fd, TEVENT_FD_READ, handler, private_data);
	if (fde == NULL) {
		return NULL;
	}
	fde->internal = true;
	fde->location = __location__;
	talloc_set_destructor(fde, fde_destructor);
	/* It is just open: what else watches the number was for another. */
	slot_disable(ev, fde->slot, fde);
	fde->slot->edge = true;
	slot_wants(ev, fde->slot, TEVENT_FD_READ);
	slot_apply(ev, fde->slot, fde);
	return fde;
}

void tevent_fd_set_close_fn(struct tevent_fd *fde,
			    tevent_fd_close_fn_t close_fn)
{
	if (fde != NULL && fde->slot != NULL) {
		fde->close_fn = close_fn;
	}
}

static void close_descriptor(struct tevent_context *ev, struct tevent_fd *fde,
			     int fd, void *private_data)
{
	(void)ev;
	(void)fde;
	(void)private_data;
	(void)close(fd);
}

void tevent_fd_set_auto_close(struct tevent_fd *fde)
{
	tevent_fd_set_close_fn(fde, close_descriptor);
}

uint16_t tevent_fd_get_flags(struct tevent_fd *fde)
{
	return fde != NULL ? fde->flags : 0;
}

void tevent_fd_set_flags(struct tevent_fd *fde, uint16_t flags)
{
	struct tev_slot *slot = NULL;

	if (fde == NULL || fde->slot == NULL || fde->flags == flags) {
		return;
	}
	slot = fde->slot;
	fde_set_flags(fde, flags);
	/* Alone on its descriptor, as a rule. */
	if (slot->fdes.next == slot->fdes.prev) {
		slot_wants(fde->ev, slot, flags);
	} else {
		slot_wants(fde->ev, slot, slot_union(slot));
	}
}
