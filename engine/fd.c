/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Fd: descriptor events, as a program has them.
 *
 *   event state   slot   flags          reached by
 *   attached      set    as the user    tevent_add_fd
 *                        set them
 *   detached      NULL   0              context freed or re-initialised;
 *                                       disabled: its descriptor is not open
 *
 * Freed while its handler runs, an event leaves its slot at once, its close
 * function runs at once, and the memory stays until the outermost handler has
 * returned (B201).
 *
 * A context whose table is the program's own is asked through that (ev->ops);
 * the tevent_common_ functions are what the table of ours consists of.
 *
 * Threads: the owner's only; with poll_mt, others under the application's
 * lock.
 * Not here: what the flags do (fd_watch.c).
 */
#include "engine/fd.h"

#include <unistd.h>

#include "engine/author.h"
#include "engine/backend.h"
#include "engine/context.h"
#include "engine/fd_watch.h"
#include "engine/fdmux.h"
#include "engine/report.h"

int tevent_common_fd_destructor(struct tevent_fd *fde)
{
	tevent_fd_close_fn_t close_fn = fde->close_fn;
	struct tevent_context *ev = NULL;
	uint16_t flags = fde->flags;

	if (fde->destroyed) {
		tev_check_double_free(fde,
				      "tevent_fd freed twice in its handler");
		return -1;
	}
	if (fde->slot != NULL) {
		ev = tev_context_main(fde->ev);
		tev_fd_leave(ev, fde);
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

/* Makes @fde, just added to the main context, the wrapper's.
 *
 * Thread: owner.  Lock: none.
 */
void tev_fd_rewrap(struct tevent_fd *fde, struct tevent_context *wrap)
{
	if (fde->slot != NULL) {
		fde->ev = wrap;
		tev_fd_note_sole(fde->slot);
	}
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
	ev->mux.near = (uintptr_t)private_data;
	if (ev->backend->by_event) {
		tev_list_prepend(&fde->slot->fdes, &fde->turn);
	} else {
		tev_list_append(&fde->slot->fdes, &fde->turn);
	}
	tev_fd_note_sole(fde->slot);
	return fde;
}

struct tevent_fd *tevent_common_add_fd(
	struct tevent_context *ev, TALLOC_CTX *mem_ctx, int fd, uint16_t flags,
	tevent_fd_handler_t handler, void *private_data,
	const char *handler_name, const char *location)
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
	ev->fds_active += tev_fd_active(fde);
	talloc_set_destructor(fde, tevent_common_fd_destructor);
	tev_fd_trace(ev, fde, TEVENT_EVENT_TRACE_ATTACH);

	first = fde->slot->fdes.next == fde->slot->fdes.prev;
	tev_fd_want(ev, fde->slot, fde->slot->wanted | flags);
	tev_fd_apply(ev, fde->slot, first ? NULL : fde);
	return fde;
}

struct tevent_fd *_tevent_add_fd(struct tevent_context *ev, TALLOC_CTX *mem_ctx,
				 int fd, uint16_t flags,
				 tevent_fd_handler_t handler,
				 void *private_data, const char *handler_name,
				 const char *location)
{
	if (tev_unlikely(ev->ops != NULL)) {
		return ev->ops->add_fd(ev, mem_ctx, fd, flags, handler,
				       private_data, handler_name, location);
	}
	return tevent_common_add_fd(ev, mem_ctx, fd, flags, handler,
				    private_data, handler_name, location);
}

/* One of a table of the program's own must see it, to wait for it. */
static struct tevent_fd *fd_add_by_ops(struct tevent_context *ev, int fd,
				       tevent_fd_handler_t handler,
				       void *private_data)
{
	struct tevent_fd *fde = _tevent_add_fd(
		ev, ev, fd, TEVENT_FD_READ, handler, private_data,
		"wake-up descriptor", __location__);

	if (fde != NULL && fde->slot != NULL) {
		ev->fds_active -= tev_fd_active(fde);
		fde->internal = true;
	}
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

	if (ev->ops != NULL) {
		return fd_add_by_ops(ev, fd, handler, private_data);
	}
	fde = fd_add(ev, ev, fd, TEVENT_FD_READ, handler, private_data);
	if (fde == NULL) {
		return NULL;
	}
	fde->internal = true;
	fde->handler_name = "wake-up descriptor";
	fde->location = __location__;
	talloc_set_destructor(fde, tevent_common_fd_destructor);
	tev_fd_trace(ev, fde, TEVENT_EVENT_TRACE_ATTACH);
	/* It is just open: what else watches the number was for another. */
	tev_fd_disable(ev, fde->slot, fde);
	fde->slot->edge = ev->backend->edge;
	tev_fd_want(ev, fde->slot, TEVENT_FD_READ);
	tev_fd_apply(ev, fde->slot, fde);
	return fde;
}

/* Whether @fde is reported once a write and need not be read.
 *
 * Thread: owner.  Lock: none.
 */
bool tev_fd_is_edge(const struct tevent_fd *fde)
{
	return fde->slot != NULL && fde->slot->edge;
}

/* Makes an event that is alone on its descriptor, an eventfd, such a one, as
 * far as the backend can. For libweft, whose loops sleep and wake by an eventfd
 * of its own: each wake-up then costs one system call less, the read. Asked
 * each time, since a backend may be replaced by one that cannot.
 *
 * Thread: owner.  Lock: none.
 * Return: as tev_fd_is_edge().
 */
bool tev_fd_edge(struct tevent_fd *fde)
{
	struct tev_slot *slot = fde->slot;
	struct tevent_context *ev = NULL;

	if (slot == NULL || slot->edge) {
		return slot != NULL;
	}
	ev = tev_context_main(fde->ev);
	if (!ev->backend->edge || ev->ops != NULL ||
	    slot->fdes.next != slot->fdes.prev) {
		return false;
	}
	slot->edge = true;
	tev_fd_apply(ev, slot, fde);
	return tev_fd_is_edge(fde);
}

/* The table of @fde's context, NULL when it is ours. */
static inline const struct tevent_ops *fde_ops(const struct tevent_fd *fde)
{
	return tev_context_main(fde->ev)->ops;
}

void tevent_common_fd_set_close_fn(struct tevent_fd *fde,
				   tevent_fd_close_fn_t close_fn)
{
	if (fde->slot != NULL) {
		fde->close_fn = close_fn;
	}
}

void tevent_fd_set_close_fn(struct tevent_fd *fde,
			    tevent_fd_close_fn_t close_fn)
{
	if (fde == NULL || fde->slot == NULL) {
		return;
	}
	if (tev_unlikely(fde_ops(fde) != NULL)) {
		fde_ops(fde)->set_fd_close_fn(fde, close_fn);
		return;
	}
	tevent_common_fd_set_close_fn(fde, close_fn);
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

uint16_t tevent_common_fd_get_flags(struct tevent_fd *fde)
{
	return fde->flags;
}

uint16_t tevent_fd_get_flags(struct tevent_fd *fde)
{
	if (fde == NULL) {
		return 0;
	}
	if (fde->slot != NULL && tev_unlikely(fde_ops(fde) != NULL)) {
		return fde_ops(fde)->get_fd_flags(fde);
	}
	return fde->flags;
}

void tevent_common_fd_set_flags(struct tevent_fd *fde, uint16_t flags)
{
	struct tev_slot *slot = fde->slot;
	struct tevent_context *ev = NULL;

	if (slot == NULL || fde->flags == flags) {
		return;
	}
	ev = tev_context_main(fde->ev);
	tev_fd_change(fde, flags);
	/* Alone on its descriptor, as a rule. */
	if (slot->fdes.next == slot->fdes.prev) {
		tev_fd_want(ev, slot, flags);
	} else {
		tev_fd_want(ev, slot, tev_fd_union(slot));
	}
}

void tevent_fd_set_flags(struct tevent_fd *fde, uint16_t flags)
{
	if (fde == NULL || fde->slot == NULL) {
		return;
	}
	if (tev_unlikely(fde_ops(fde) != NULL)) {
		fde_ops(fde)->set_fd_flags(fde, flags);
		return;
	}
	tevent_common_fd_set_flags(fde, flags);
}

void tevent_fd_set_tag(struct tevent_fd *fde, uint64_t tag)
{
	if (fde != NULL) {
		fde->tag = tag;
	}
}

uint64_t tevent_fd_get_tag(const struct tevent_fd *fde)
{
	return fde != NULL ? fde->tag : 0;
}

int tevent_common_invoke_fd_handler(struct tevent_fd *fde, uint16_t flags,
				    bool *removed)
{
	bool gone = false;

	if (fde->slot != NULL) {
		gone = tev_fd_call(tev_context_main(fde->ev), fde, flags);
	}
	if (removed != NULL) {
		*removed = gone;
	}
	return 0;
}
