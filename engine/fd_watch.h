/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Fd watch: what descriptors are watched for, and who is called.
 * See fd_watch.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "include/tevent.h"

#include "engine/backend.h"
#include "engine/context.h"
#include "engine/fdmux.h"
#include "engine/list.h"
#include "engine/trace.h"

struct tevent_fd {
	struct tev_list turn;      /* O: in slot->fdes */
	struct tev_slot *slot;     /* O: NULL while detached */
	struct tevent_context *ev; /* O: as the program named it; NULL once
				    * that is gone */
	int fd;                    /* I: */
	uint16_t flags;            /* O: TEVENT_FD_*; 0 while detached */
	bool internal;             /* O: ours, does not keep loop_wait going */
	bool destroyed;            /* O: freed while busy */
	uint32_t busy;             /* O: its handlers under way when it was
				    * detached, and still */
	tevent_fd_handler_t handler;
	void *private_data;
	tevent_fd_close_fn_t close_fn;
	uint64_t tag;
	const char *handler_name;
	const char *location;
};

/* A handler under way, on the stack of who calls it. */
struct tev_fd_call {
	struct tev_fd_call *outer;
	const struct tevent_fd *fde;
	bool left; /* the event was detached meanwhile, and counts this call */
	bool orphan; /* the context has gone, or started anew */
};

static inline bool tev_fd_active(const struct tevent_fd *fde)
{
	return fde->flags != 0 && !fde->internal;
}

void tev_fd_change(struct tevent_fd *fde, uint16_t flags);
void tev_fd_trace(struct tevent_context *ev, struct tevent_fd *fde,
		  enum tevent_event_trace_point point);
uint16_t tev_fd_union(struct tev_slot *slot);
void tev_fd_note_sole(struct tev_slot *slot);
void tev_fd_want(struct tevent_context *ev, struct tev_slot *slot,
		 uint16_t wanted);
void tev_fd_apply(struct tevent_context *ev, struct tev_slot *slot,
		  const struct tevent_fd *added);
void tev_fd_disable(struct tevent_context *ev, struct tev_slot *slot,
		    const struct tevent_fd *keep);
void tev_fd_leave(struct tevent_context *ev, struct tevent_fd *fde);
bool tev_fd_call(struct tevent_context *ev, struct tevent_fd *fde,
		 uint16_t flags);

bool tev_fd_call_left(struct tevent_context *ev, const struct tev_fd_call *call,
		      struct tevent_fd *fde);

void tev_fd_flush(struct tevent_context *ev);
void tev_fd_dispatch(struct tevent_context *ev, struct tev_slot *slot,
		     uint32_t ready);
void tev_fd_rearm_all(struct tevent_context *ev);
void tev_fd_context_fini(struct tevent_context *ev);
void tev_fd_wrapper_fini(struct tevent_context *ev,
			 const struct tevent_context *wrap);

static inline void tev_fd_call_begin(struct tevent_context *ev,
				     struct tev_fd_call *call,
				     const struct tevent_fd *fde)
{
	call->outer = ev->fd_calls;
	call->fde = fde;
	call->left = false;
	call->orphan = false;
	ev->fd_calls = call;
}

/* An event that was not detached has not been freed, nor has its context.
 * Return: whether the event is gone. */
static inline bool tev_fd_call_end(struct tevent_context *ev,
				   const struct tev_fd_call *call,
				   struct tevent_fd *fde)
{
	if (tev_unlikely(call->left)) {
		return tev_fd_call_left(ev, call, fde);
	}
	ev->fd_calls = call->outer;
	return false;
}

/* tev_fd_dispatch(), the usual case in line: input for the only event of a
 * slot, which is the main context's. The event itself is not looked at. */
static inline void tev_fd_serve(struct tevent_context *ev,
				struct tev_slot *slot, uint32_t ready)
{
	struct tevent_fd *fde = tev_list_entry(slot->fdes.next,
					       struct tevent_fd, turn);
	struct tev_fd_call call;

	if (tev_unlikely(ready != TEV_READY_IN || !slot->sole ||
			 (slot->wanted & TEVENT_FD_READ) == 0) ||
	    tev_traced(ev, TEV_TRACE_FD | TEV_TRACE_DEBUG)) {
		tev_fd_dispatch(ev, slot, ready);
		return;
	}
	tev_fd_call_begin(ev, &call, fde);
	slot->handler(ev, fde, TEVENT_FD_READ, slot->private_data);
	(void)tev_fd_call_end(ev, &call, fde);
}
