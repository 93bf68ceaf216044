/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Port life: how a port is made, found, closed and inherited.
 *
 *      wf_port_get()  ----> in the directory, under its context's address
 *      the context, or the mailbox of a foreign loop, is freed:
 *           users are told, the word closes, what was accepted is disposed of
 *      fork: the child's bell is new, its word empty; the owner finds a mark
 *
 *  1. The end of a context runs through the anchor, a talloc child of it, after
 *     the context has let go of its events.
 *  2. Users are told before the word closes, and so cut their ties to what is
 *     refused from then on.
 *  3. A port that was handed to a thread of ours, which stayed with the parent,
 *     is closed in the child: what is posted there is refused.
 *
 * Threads: get, create, expose, close: owner of the context; the fork handlers:
 * the one that forks.
 * Ordering: [PO2]; the directory's lock.
 * Not here: what a port does while it lives (port.c).
 */
#include <errno.h>
#include <stdlib.h>

#include <talloc.h>

#include "threadpool/tevent_compat.h"

#include "threadpool/bell.h"
#include "threadpool/fork.h"
#include "threadpool/port.h"
#include "threadpool/port_inside.h"

/* ---- fork ---- */

static void port_replace_bell(struct wf_place *place)
{
	struct wf_port *port = tev_container_of(place, struct wf_port, place);

	port->bell = wf_bell_replace(port->bell);
	wf_lull_replace(&port->lull);
	/* From here on what is posted is the child's. */
	tev_word_init(&port->word);
	if (port->handed && !wf_port_is_mine(port)) {
		/* Its thread stayed with the parent: nobody will come. */
		(void)tev_word_close(&port->word);
	}
	/* Relaxed: the child has one thread. */
	atomic_store_explicit(&port->forked, true, memory_order_relaxed);
}

static void port_fork_child(void)
{
	wf_directory_each_locked(port_replace_bell);
	wf_directory_unlock();
}

static const struct wf_fork_part port_part = {
	.prepare = wf_directory_lock,
	.parent = wf_directory_unlock,
	.child = port_fork_child,
};

/* ---- life ---- */

static void port_close(struct wf_port *port)
{
	struct wf_msg *msg = NULL;
	int64_t token = 0;

	wf_directory_remove(&port->place);
	port->closed = true;
	port->ev = NULL;
	wf_port_check_fork(port);
	while (!tev_list_empty(&port->users)) {
		struct tev_list *link = tev_list_first(&port->users);
		struct wf_port_user *user = tev_list_entry(
			link, struct wf_port_user, link);

		tev_list_remove(link);
		user->closed(user);
	}
	wf_lull_close(&port->lull);
	/* [PO2] release: the users have let go of what will be refused. */
	wf_port_queue(port, tev_word_close(&port->word));
	for (msg = wf_port_next(port); msg != NULL; msg = wf_port_next(port)) {
		msg->deliver(msg, NULL, true);
	}
	wf_stash_close(&port->stash);
	token = port->token ? 1 : 0;
	wf_port_add_refs(port, port->owed - WF_PORT_BIAS - token);
	wf_grace_limit();
}

/* Runs after the context has let go of all its events. */
static int port_anchor_destructor(struct wf_port_anchor *anchor)
{
	struct wf_port *port = anchor->port;

	if (port != NULL) {
		anchor->port = NULL;
		port_close(port);
	}
	return 0;
}

static struct wf_port *port_alloc(struct tevent_context *ev)
{
	struct wf_port *port = NULL;
	int ret = posix_memalign((void **)&port, TEV_CACHE_LINE, sizeof(*port));

	if (ret != 0) {
		return NULL;
	}
	*port = (struct wf_port){
		.ev = ev,
		.bell = -1,
		.foreign = ev == NULL,
		.lull = { .fd = -1, .penalty = 1 },
	};
	tev_word_init(&port->word);
	atomic_init(&port->refs, WF_PORT_BIAS);
	tev_list_init(&port->users);
	port->last = &port->first;
	wf_port_adopt(port);
	return port;
}

/* @ev: NULL: a foreign one. */
static int port_create(TALLOC_CTX *mem_ctx, struct tevent_context *ev,
		       struct wf_port **ret_port)
{
	struct wf_port *port = port_alloc(ev);
	int error = ENOMEM;

	if (port == NULL) {
		return ENOMEM;
	}
	port->bell = wf_bell_open(false);
	if (port->bell < 0) {
		error = errno;
		goto fail_port;
	}
	port->anchor = talloc_zero(mem_ctx, struct wf_port_anchor);
	if (port->anchor == NULL) {
		goto fail_port;
	}
	if (ev != NULL) {
		port->im = tevent_create_immediate(port->anchor);
		if (port->im == NULL) {
			goto fail_port;
		}
	}
	port->anchor->port = port;
	talloc_set_destructor(port->anchor, port_anchor_destructor);
	(void)wf_port_arm(port, false);
	*ret_port = port;
	return 0;

fail_port:
	TALLOC_FREE(port->anchor);
	wf_port_add_refs(port, -WF_PORT_BIAS);
	return error;
}

int wf_port_find(struct tevent_context *ev, struct wf_port **ret_port)
{
	struct wf_place *place = wf_directory_find(ev);
	struct wf_port *port = NULL;
	int ret = 0;

	if (tev_likely(place != NULL)) {
		port = tev_container_of(place, struct wf_port, place);
		wf_port_check_fork(port);
		*ret_port = port;
		return 0;
	}
	wf_fork_add(WF_FORK_PORTS, &port_part);
	ret = port_create(ev, ev, &port);
	if (ret == 0) {
		wf_directory_add(&port->place, ev);
		*ret_port = port;
	}
	return ret;
}

int wf_port_get(struct tevent_context *ev, struct wf_port **ret_port)
{
	int ret = wf_port_find(ev, ret_port);

	if (ret == 0 && (*ret_port)->waiters > 0 &&
	    wf_port_is_detached(*ret_port)) {
		/* tevent_re_initialise() has dropped our events. No memory: the
		 * next one tries again. */
		(void)wf_port_listen(*ret_port);
	}
	return ret;
}

int wf_port_create_foreign(TALLOC_CTX *mem_ctx, struct wf_port **ret_port)
{
	struct wf_port *port = NULL;
	int ret = 0;

	wf_fork_add(WF_FORK_PORTS, &port_part);
	ret = port_create(mem_ctx, NULL, &port);
	if (ret == 0) {
		/* It is nobody's context; only forks look for it. */
		wf_directory_add(&port->place, port);
		*ret_port = port;
	}
	return ret;
}

void wf_port_expose(struct wf_port *port)
{
	wf_grace_init();
	port->exposed = true;
}
