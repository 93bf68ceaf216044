/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Immediate: a handler to be called in one of the next passes.
 * See immediate.c. */
#pragma once

#include <stdbool.h>

#include "include/tevent.h"

#include "engine/list.h"
#include "engine/word.h"

struct tev_mailbox;

/* All that a run touches lies in the first 64 bytes. */
struct tevent_immediate {
	struct tev_list queue;     /* O: in ev->immediates */
	struct tevent_context *ev; /* O: NULL while not scheduled */
	tevent_immediate_handler_t handler;
	void *private_data;
	uint32_t busy;  /* O: its handlers under way */
	bool destroyed; /* O: freed while busy */
	bool embedded;  /* I: part of a larger object, no talloc chunk */
	bool mailed;    /* Q: came, or is coming, through the mailbox */
	bool posted;    /* Q: still in the mailbox */
	struct tev_word_node node; /* Q: while posted */
	const char *handler_name;
	const char *location; /* where created, then where scheduled */
};

void tev_immediate_init(struct tevent_immediate *im, const char *location);
void tev_immediate_schedule(struct tevent_immediate *im,
			    struct tevent_context *ev,
			    tevent_immediate_handler_t handler,
			    void *private_data, const char *handler_name,
			    const char *location);
void tev_immediate_cancel(struct tevent_immediate *im);
bool tev_immediate_run(struct tevent_context *ev);
bool tev_immediate_post(struct tevent_immediate *im, struct tevent_context *ev,
			struct tev_mailbox *mailbox);
void tev_immediate_collect(struct tevent_context *ev);
void tev_immediate_refuse(struct tev_word_node *oldest);
void tev_immediate_context_fini(struct tevent_context *ev);
