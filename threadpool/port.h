/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Port: where a context receives what other threads send it; port.c. */
#pragma once

#include <stdbool.h>

#include "engine/list.h"
#include "engine/word.h"

struct tevent_context;
struct wf_port;

/* Embedded in what is sent. Handed over by post, back by deliver. */
struct wf_msg {
	struct tev_word_node node; /* Q: word.h */
	/* On the owner's thread; @ev is NULL when the loop is gone and the
	 * message is only to be disposed of. May do anything, free @ev too. */
	void (*deliver)(struct wf_msg *msg, struct tevent_context *ev);
};

/* Somebody on the owner's thread who has to know when the loop ends. Both
 * functions are called with the user already taken out of the port's list. */
struct wf_port_user {
	struct tev_list link; /* O: */
	/* The loop is gone. Takes back what it can (wf_port_forgo()) and cuts
	 * the ties of the rest, which is delivered without a context. */
	void (*closed)(struct wf_port_user *user);
	/* This is a forked child: nothing that is on its way will arrive. */
	void (*forked)(struct wf_port_user *user);
};

/* The port of @ev, made on first use; dies with @ev.
 * Thread: owner of @ev.  Lock: takes that of the table.
 * Return: 0, ENOMEM, or what eventfd(2) says; @ret_port on success. */
int wf_port_get(struct tevent_context *ev, struct wf_port **ret_port);

/* Adds or takes out a user. Thread: owner. */
void wf_port_add_user(struct wf_port *port, struct wf_port_user *user);
/* The user for which @matches holds, or NULL. Thread: owner. */
struct wf_port_user *wf_port_find_user(struct wf_port *port,
				       bool (*matches)(struct wf_port_user *,
						       const void *),
				       const void *arg);

/* One more message is about to be sent, and will be posted exactly once:
 * until then its sender may use the port without a reference.
 * Thread: owner.  Lock: none. */
void wf_port_expect(struct wf_port *port);

/* The owner has taken such a message back before it was posted.
 * Thread: owner.  Lock: none. */
void wf_port_forgo(struct wf_port *port);

/* Somebody waits, or does not any more: meanwhile tevent_loop_wait() stays.
 * Return of begin: 0; ENOMEM or what eventfd(2) says, and nothing has changed.
 * Thread: owner.  Lock: none. */
int wf_port_wait_begin(struct wf_port *port);
void wf_port_wait_end(struct wf_port *port);

/* In a forked child, makes the port the child's own, once.
 * Thread: owner, before it looks at anything that was sent.  Lock: none. */
void wf_port_check_fork(struct wf_port *port);

/* Sends @msg home.
 * Thread: any.  Lock: none.
 * Owns:   takes @msg; on refusal it stays the caller's.
 * Return: false when the loop is gone; the caller disposes of @msg and then
 *         calls wf_port_unref(). After true it touches neither again. */
bool wf_port_post(struct wf_port *port, struct wf_msg *msg);

/* Gives up the share in @port that a refused message had.
 * Thread: any.  Lock: none. */
void wf_port_unref(struct wf_port *port);

/* Around fork, for the one set of handlers (pool.c). */
void wf_port_fork_prepare(void);
void wf_port_fork_parent(void);
void wf_port_fork_child(void);
