/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Port: where a context receives what other threads send it; port.c. */
#pragma once

#include <stdbool.h>

#include <talloc.h>

#include "engine/list.h"
#include "engine/word.h"

struct tevent_context;
struct wf_port;

/* Embedded in what is sent. Handed over by post, back by deliver. */
struct wf_msg {
	struct tev_word_node node; /* Q: word.h */
	/* On the owner's thread; @gone: the loop has ended and the message is
	 * only to be disposed of. Else it may do anything, free @ev too, which
	 * is NULL where the loop is not tevent's. */
	void (*deliver)(struct wf_msg *msg, struct tevent_context *ev,
			bool gone);
};

/* Somebody on the owner's thread who has to know when the loop ends. Both
 * functions are called with the user already taken out of the port's list. */
struct wf_port_user {
	struct tev_list link; /* O: */
	/* The loop is gone. Takes back what it can (wf_port_unexpect()) and
	 * cuts the ties of the rest, which is delivered without a context. */
	void (*closed)(struct wf_port_user *user);
	/* This is a forked child: nothing that is on its way will arrive. */
	void (*forked)(struct wf_port_user *user);
};

/* The port of @ev, made on first use; dies with @ev.
 * Thread: owner of @ev.  Lock: takes that of the table.
 * Return: 0, ENOMEM, or what eventfd(2) says; @ret_port on success. */
int wf_port_get(struct tevent_context *ev, struct wf_port **ret_port);

/* The same for who goes on to wf_port_wait_begin(): after
 * tevent_re_initialise() its loop does not hear before that. */
int wf_port_find(struct tevent_context *ev, struct wf_port **ret_port);

/* Adds or takes out a user. Thread: owner. */
void wf_port_add_user(struct wf_port *port, struct wf_port_user *user);
/* The user for which @matches holds, or NULL. Thread: owner. */
struct wf_port_user *wf_port_find_user(struct wf_port *port,
				       bool (*matches)(struct wf_port_user *,
						       const void *),
				       const void *arg);

/* A port for a loop that is not tevent's: below @mem_ctx, and dies with that.
 * Thread: owner of @mem_ctx.  Lock: takes that of the table.
 * Return: 0, ENOMEM, or what eventfd(2) says; @ret_port on success. */
int wf_port_create_foreign(TALLOC_CTX *mem_ctx, struct wf_port **ret_port);

/* The descriptor of such a port, and what to do when it is readable: delivers
 * at most @max messages, 0: those that are there.
 * Thread: owner.  Lock: none.
 * Return of dispatch: how many. */
int wf_port_fd(const struct wf_port *port);
unsigned wf_port_dispatch(struct wf_port *port, unsigned max);

/* From now on others may find @port without having a share in it: its memory
 * is kept for a grace period (grace.h), and they post within a read section.
 * Thread: owner.  Lock: none. */
void wf_port_expose(struct wf_port *port);

/* The calling thread owns @port now, which another one has made.
 * Thread: the new owner.  Lock: none. */
void wf_port_adopt(struct wf_port *port);

/* Nobody owns @port until a thread adopts it.
 * Thread: owner, who hands it on.  Lock: none. */
void wf_port_disown(struct wf_port *port);

/* Whether the calling thread was the last that turned this loop.
 * Thread: any that may use @port.  Lock: none. */
bool wf_port_is_mine(const struct wf_port *port);

/* Whether its loop has let go of it: handlers are not to be called any more,
 * though the end of the port may only come when this one has returned.
 * Thread: owner.  Lock: none. */
bool wf_port_is_detached(const struct wf_port *port);

/* One more message is about to be sent, and will be posted exactly once:
 * until then its sender may use the port without a reference.
 * Thread: owner.  Lock: none. */
void wf_port_expect(struct wf_port *port);

/* Such a message is being delivered, or was taken back before it was posted.
 * Thread: owner.  Lock: none. */
void wf_port_unexpect(struct wf_port *port);

/* Somebody waits, or does not any more: meanwhile tevent_loop_wait() stays.
 * Return of begin: 0; ENOMEM or what eventfd(2) says, and nothing has changed.
 * Thread: owner.  Lock: none. */
int wf_port_wait_begin(struct wf_port *port);
void wf_port_wait_end(struct wf_port *port);

/* In a forked child, makes the port the child's own, once.
 * Thread: owner, before it looks at anything that was sent.  Lock: none. */
void wf_port_check_fork(struct wf_port *port);

/* In a forked child, if the calling thread is the owner: makes its loop listen
 * again, for tevent_re_initialise() has dropped our events. Else: nothing.
 * Thread: any that may use @port.  Lock: none. */
void wf_port_listen_again(struct wf_port *port);

/* Sends @msg home: one that is expected, or, to an exposed port, any.
 * Thread: any; in a read section unless it is expected.  Lock: none.
 * Owns:   takes @msg; on refusal it stays the caller's.
 * Return: false when the loop is gone; the caller disposes of an expected @msg
 *         and then calls wf_port_unref(). After true it touches neither again.
 */
bool wf_port_post(struct wf_port *port, struct wf_msg *msg);

/* The same for one of many like it, which may be heard a little later than it
 * is there; port_lull.c says how much. It has to be expected. */
bool wf_port_post_quiet(struct wf_port *port, struct wf_msg *msg);

/* Gives up the share in @port that a refused expected message had.
 * Thread: any.  Lock: none. */
void wf_port_unref(struct wf_port *port);
