/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Immediate: a handler to be called in one of the next passes.
 * See immediate.c. */
#pragma once

#include <stdbool.h>

#include "include/tevent.h"

#include "engine/context.h"
#include "engine/list.h"
#include "engine/word.h"

struct tev_mailbox;

/* A run under way, on the runner's stack: what is embedded or given away may be
 * gone at its end. */
struct tev_immediate_run {
	struct tev_immediate_run *outer; /* of the same one, in an outer loop */
	struct tevent_context *ev;
	bool ended;   /* DETACH was told, or nobody wants to know */
	bool given;   /* its handler gave it to another thread */
	bool proxied; /* came through a proxy: its handler may post it */
};

/* All that a run touches lies in the first 64 bytes. */
struct tevent_immediate {
	struct tev_list queue;     /* O: in the context's immediates */
	struct tevent_context *ev; /* O: as the program named it; NULL while
				    * not scheduled */
	tevent_immediate_handler_t handler;
	void *private_data;
	uint32_t via;       /* Q: the face that it was posted for, or 0 */
	bool running : 1;   /* O: its handler runs; `run` is the innermost */
	bool destroyed : 1; /* O: freed meanwhile */
	bool embedded : 1;  /* I: part of a larger object, no talloc chunk */
	bool mailed : 1;    /* Q: came, or is coming, through the mailbox */
	bool posted : 1;    /* Q: still in the mailbox */
	bool ending : 1;    /* O: it runs, and DETACH is to be traced */
	bool owned : 1;     /* Q: that face owns it, see TEV_FACE_OWNS */
	bool alone : 1; /* I: made without a parent, see immediate_store.c */
	union {
		struct tev_word_node node;     /* Q: while posted */
		struct tev_immediate_run *run; /* O: while running, ending */
	};
	uint64_t tag;
	const char *handler_name;
	const char *location; /* where created, then where scheduled */
};

#define TEV_IMMEDIATE_TRACES (TEV_TRACE_IMMEDIATE | TEV_TRACE_DEBUG)

/* Thread: its maker. */
static inline void tev_immediate_init(struct tevent_immediate *im,
				      const char *location)
{
	tev_list_init(&im->queue);
	im->ev = NULL;
	im->running = false;
	im->destroyed = false;
	im->embedded = false;
	im->mailed = false;
	im->posted = false;
	im->via = 0;
	im->ending = false;
	im->owned = false;
	im->alone = false;
	im->tag = 0;
	im->handler_name = NULL;
	im->location = location;
}

/* Takes @im out of the list of @ev. */
static inline void tev_immediate_unlink(struct tevent_context *ev,
					struct tevent_immediate *im)
{
	tev_list_remove(&im->queue);
	im->ev = NULL;
	if (im->mailed) {
		im->mailed = false;
		ev->mail_left--;
	}
}

void tev_immediate_schedule(struct tevent_immediate *im,
			    struct tevent_context *ev,
			    tevent_immediate_handler_t handler,
			    void *private_data, const char *handler_name,
			    const char *location);
void tev_immediate_cancel(struct tevent_immediate *im);
void tev_immediate_trace(struct tevent_context *ev, struct tevent_immediate *im,
			 enum tevent_event_trace_point point);
void tev_immediate_ended(struct tevent_immediate *im);
void tev_immediate_end_post(struct tevent_immediate *im);
bool tev_immediate_post(struct tevent_immediate *im, struct tevent_context *ev,
			uint32_t via, struct tev_mailbox *mailbox);
void tev_immediate_collect(struct tevent_context *ev);
void tev_immediate_refuse(struct tev_word_node *oldest);
void tev_immediate_drop_face(struct tevent_context *ev, uint32_t id);
void tev_immediate_wrapper_fini(struct tevent_context *ev,
				const struct tevent_context *wrap);
void tev_immediate_context_fini(struct tevent_context *ev);
