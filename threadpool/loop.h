/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Loop: what a set of loops needs of each; loop.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <talloc.h>

#include "threadpool/tevent_compat.h"

#include "weft.h"

#include "engine/list.h"

/* Embedded in what waits for a loop's end. */
struct wf_loop_waiter {
	struct tev_list link; /* L(the loop's): */
	int error;            /* Q: 0, or why the loop has ended */
	/* It has. Thread: the loop's, which touches the waiter no more. */
	void (*ended)(struct wf_loop_waiter *waiter);
};

/* What @given, of the caller's version, says; the rest is default.
 * Thread: any.  Lock: none. */
void wf_loop_options(const struct weft_loop_options *given, size_t size,
		     struct weft_loop_options *ret_options);

/* weft_loop_start() with options of this version.
 *
 * @number  which of a set it is, from 0; -1: a single loop
 * Thread: owner of @mem_ctx.  Lock: those of port.h and addr.h.
 * Return: as weft_loop_start(). */
int wf_loop_start(TALLOC_CTX *mem_ctx, const struct weft_loop_options *options,
		  int number, struct weft_loop **ret_loop);

/* Ends the loop in order, for nobody who waits. Again: does nothing.
 * Thread: owner of @loop.  Lock: none. */
void wf_loop_tell(struct weft_loop *loop);

/* Hangs up @waiter until the loop has ended. The loop is not told.
 * Thread: owner of @loop.  Lock: takes the core's.
 * Owns:   takes @waiter.
 * Return: false: it has ended, @waiter->error says how, and is the caller's. */
bool wf_loop_await(struct weft_loop *loop, struct wf_loop_waiter *waiter);
