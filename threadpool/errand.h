/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Errand: something sent away that comes home exactly once; errand.c. */
#pragma once

#include <stdbool.h>

#include "engine/list.h"
#include "threadpool/port.h"

struct wf_errand;

/* Each of these may free the errand, which has left all lists by then. */
struct wf_errand_ops {
	/* It is home. Thread: owner. May do anything, free its loop too. */
	void (*back)(struct wf_errand *errand, struct tevent_context *ev);
	/* Its loop is gone while it is out: it is cut off from its request, and
	 * dispose() follows. Thread: owner. */
	void (*cut)(struct wf_errand *errand);
	/* It was cut off and is to be disposed of. Thread: any. */
	void (*dispose)(struct wf_errand *errand);
	/* This is a forked child: it will not come home. Thread: owner. */
	void (*forked)(struct wf_errand *errand);
};

struct wf_errand {
	struct wf_msg home;              /* Q: the port */
	struct wf_port *port;            /* I: there while it is owed */
	const struct wf_errand_ops *ops; /* I: */
	struct tev_list link;            /* O: among those of the port */
	bool awaited;                    /* O: keeps tevent_loop_wait() */
};

/* The errand is about to go out: from here on it must come home by
 * wf_errand_post(). Nothing of it need be set before.
 * Thread: owner of @port.  Lock: none.
 * Return: 0; ENOMEM, or what eventfd(2) says, and nothing has changed. */
int wf_errand_begin(struct wf_errand *errand, struct wf_port *port,
		    const struct wf_errand_ops *ops);

/* Nobody waits for it any more; it still comes home. Again: does nothing.
 * Thread: owner.  Lock: none. */
void wf_errand_leave(struct wf_errand *errand);

/* Sends it home. Thread: any.  Lock: none.
 * Owns: takes @errand, which must not be touched afterwards. */
void wf_errand_post(struct wf_errand *errand);
