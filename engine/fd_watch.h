/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Fd watch: what descriptors are watched for, and who is called.
 * See fd_watch.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "include/tevent.h"

#include "engine/list.h"

struct tev_slot;

struct tevent_fd {
	struct tev_list turn;      /* O: in slot->fdes */
	struct tev_slot *slot;     /* O: NULL while detached */
	struct tevent_context *ev; /* O: as the program named it; NULL once
				    * that is gone */
	int fd;                    /* I: */
	uint16_t flags;            /* O: TEVENT_FD_*; 0 while detached */
	bool internal;             /* O: ours, does not keep loop_wait going */
	bool destroyed;            /* O: freed while busy */
	uint32_t busy;             /* O: its handlers under way */
	tevent_fd_handler_t handler;
	void *private_data;
	tevent_fd_close_fn_t close_fn;
	uint64_t tag;
	const char *handler_name;
	const char *location;
};

static inline bool tev_fd_active(const struct tevent_fd *fde)
{
	return fde->flags != 0 && !fde->internal;
}

void tev_fd_change(struct tevent_fd *fde, uint16_t flags);
void tev_fd_trace(struct tevent_context *ev, struct tevent_fd *fde,
		  enum tevent_event_trace_point point);
uint16_t tev_fd_union(struct tev_slot *slot);
void tev_fd_want(struct tevent_context *ev, struct tev_slot *slot,
		 uint16_t wanted);
void tev_fd_apply(struct tevent_context *ev, struct tev_slot *slot,
		  const struct tevent_fd *added);
void tev_fd_disable(struct tevent_context *ev, struct tev_slot *slot,
		    const struct tevent_fd *keep);
void tev_fd_leave(struct tevent_context *ev, struct tevent_fd *fde);
bool tev_fd_call(struct tevent_context *ev, struct tevent_fd *fde,
		 uint16_t flags);

void tev_fd_flush(struct tevent_context *ev);
void tev_fd_dispatch(struct tevent_context *ev, struct tev_slot *slot,
		     uint32_t ready);
void tev_fd_rearm_all(struct tevent_context *ev);
void tev_fd_context_fini(struct tevent_context *ev);
void tev_fd_wrapper_fini(struct tevent_context *ev,
			 const struct tevent_context *wrap);
