/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Ask: a call on its way to the other side and back; ask.c. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "threadpool/tevent_compat.h"

#include "weft.h"

/* Embedded in what its sender keeps of a call. */
struct wf_ask {
	struct weft_msg msg;              /* Q: the mailbox */
	atomic_int state;                 /* A: [CA1] enum ask_state */
	weft_call_fn_t fn;                /* I: */
	uint64_t deadline_ns;             /* I: 0: none */
	struct weft_call *call;           /* I: whose it is: see ask.c */
	void (*home)(struct wf_ask *ask); /* I: it has come to its end */
	void *block;                      /* Q: the way home: the answer */
	int error;                        /* Q: the same */
};

enum wf_ask_sent {
	WF_ASK_UNDER_WAY,
	/* The same, but the mailbox was going just then, and it may be long
	 * until it is known what becomes of it. */
	WF_ASK_LATE,
	/* The same, for EINVAL: the block has references and stays where it
	 * hangs. */
	WF_ASK_BLOCK_STAYS,
};

/* Prepares a call of @fn.
 *
 * @home  is called exactly once after wf_ask_send(), on any thread, also
 *        before that returns; the ask is its then
 * Thread: the caller.  Lock: none.
 * Owns:   until it is sent, wf_ask_end() is enough.
 * Return: 0; ENOMEM. */
int wf_ask_init(struct wf_ask *ask, weft_call_fn_t fn, uint64_t deadline_ns,
		void (*home)(struct wf_ask *ask));

/* Sends it. What goes wrong comes home as the answer.
 *
 * Thread: the caller.  Lock: none.
 * Owns:   takes @block, unless that stays.
 * Return: see enum wf_ask_sent. */
enum wf_ask_sent wf_ask_send(struct wf_ask *ask, weft_addr_t to, void *block);

/* Takes the call back if its function has not begun: it will not run. It comes
 * home all the same, with nothing.
 *
 * Thread: the caller, before it is home.  Lock: none.
 * Owns:   gives the block in *@ret_block when it returns true. */
bool wf_ask_take_back(struct wf_ask *ask, void **ret_block);

/* Tells the function that nobody waits any more.
 *
 * Thread: the caller, before it is home, when it was not to be taken back.
 * Lock: none.
 * Return: false: it has been answered; what came of that is for wf_ask_end().
 */
bool wf_ask_unwant(struct wf_ask *ask);

/* What is left of it for whoever has it: never sent, refused, answered, or in
 * a forked child. There, what the other side had stays untouched.
 *
 * Thread: whoever has it.  Lock: none.
 * Owns:   gives the block, or NULL; again: NULL. */
void *wf_ask_end(struct wf_ask *ask);
