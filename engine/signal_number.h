/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Signal numbers: which events there are, by number and by context.
 * See signal_number.c. */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "include/tevent.h"

#include "engine/context.h"
#include "engine/list.h"
#include "engine/signal_home.h"
#include "engine/signal_queue.h"

struct tevent_signal {
	struct tev_list in_context;   /* L: of ev->signals */
	struct tev_list in_number;    /* L: of its number's events */
	struct tevent_context *ev;    /* L: as the program named it; NULL
				       * once detached */
	struct tev_signal_home *home; /* L: of ev, also when detached */
	struct tev_signal_point seen; /* L: how far it was told */
	unsigned busy;                /* L: passes that are at it */
	bool spent;                   /* L: SA_RESETHAND, and was called */
	bool freed;                   /* L: while busy */
	int signum;                   /* I: */
	int sa_flags;                 /* I: */
	tevent_signal_handler_t handler;
	void *private_data;
	uint64_t tag; /* O: */
	const char *handler_name;
	const char *location;
};

struct tev_signal_number {
	struct tev_list events;        /* L: newest first, busy ones too */
	unsigned attached;             /* L: those that are not detached */
	struct tev_signal_point taken; /* L: where a new event starts */
	struct sigaction before;       /* L: to be restored */
};

static inline struct tevent_signal *tev_signal_of(struct tev_list *node)
{
	return tev_list_entry(node, struct tevent_signal, in_number);
}

/* How many deliveries @seen is behind @point. */
static inline uint64_t tev_signal_behind(const struct tev_signal_point *seen,
					 const struct tev_signal_point *point)
{
	uint64_t behind = 0;

	if (seen->counted < point->counted) {
		behind += point->counted - seen->counted;
	}
	if (seen->queued < point->queued) {
		behind += point->queued - seen->queued;
	}
	return behind;
}

/* Moves @seen on to @point, never back. */
static inline void tev_signal_reach(struct tev_signal_point *seen,
				    const struct tev_signal_point *point)
{
	if (seen->counted < point->counted) {
		seen->counted = point->counted;
	}
	if (seen->queued < point->queued) {
		seen->queued = point->queued;
	}
}

static inline bool tev_signal_wants_info(const struct tevent_signal *se)
{
	return (se->sa_flags & SA_SIGINFO) != 0;
}

/* Whether the context has signal events. Thread: owner. */
static inline bool tev_signal_wanted(const struct tevent_context *ev)
{
	return !tev_list_empty(&ev->signals);
}

void tev_signal_context_init(struct tevent_context *ev);
void tev_signal_context_fini(struct tevent_context *ev,
			     const struct tevent_context *wrap);
void tev_signal_after_fork(struct tevent_context *ev);

struct tev_signal_number *tev_signal_number(int signum);
void tev_signal_setup(void);
void tev_signal_lock(void);
void tev_signal_unlock(void);
void tev_signal_idle_locked(void);
void tev_signal_adopt_locked(struct tevent_context *ev);
void tev_signal_release_locked(int signum);
int tev_signal_attach_locked(struct tevent_signal *se);
void tev_signal_detach_locked(struct tevent_signal *se);
void tev_signal_trace(struct tevent_context *ev, struct tevent_signal *se,
		      enum tevent_event_trace_point point);
