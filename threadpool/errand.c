/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Errand: something sent away that comes home exactly once.
 *
 *      begin ----> out ----> post ----> the port ----> back
 *                   |          \            \
 *                   |           `- refused --+----> dispose
 *                  cut: the loop has ended          (the loop has ended)
 *
 *  1. From begin on it is owed to the port: so it may be posted from any
 *     thread without holding a share in that.
 *  2. It is awaited until it is back or its owner leaves it; as long
 *     tevent_loop_wait() stays.
 *  3. The errands of one port hang in one book, which is one user of the port.
 *     When the loop ends each of them is cut off; each is disposed of later, by
 *     whoever finds that it cannot come home.
 *  4. In a forked child none comes home. What belongs to the parent's other
 *     threads stays theirs, so the owner is told and decides what to free.
 *
 * Threads: post, dispose: any; all others: the owner of the port.
 * Ordering: through port.h: what the owner did before the port closed is seen
 * by whoever is refused.
 * Not here: what an errand carries (call.c).
 */
#include "threadpool/errand.h"

#include <errno.h>
#include <stdlib.h>

#include "engine/base.h"

struct errand_book {
	struct wf_port_user user; /* O: in the port's list */
	struct tev_list errands;  /* O: */
};

static struct wf_errand *book_take_first(struct errand_book *book)
{
	struct tev_list *link = tev_list_first(&book->errands);

	if (link == NULL) {
		return NULL;
	}
	tev_list_remove(link);
	return tev_list_entry(link, struct wf_errand, link);
}

static void book_closed(struct wf_port_user *user)
{
	struct errand_book *book = tev_container_of(user, struct errand_book,
						    user);
	struct wf_errand *errand = book_take_first(book);

	while (errand != NULL) {
		errand->awaited = false;
		errand->ops->cut(errand);
		errand = book_take_first(book);
	}
	free(book);
}

static void book_forked(struct wf_port_user *user)
{
	struct errand_book *book = tev_container_of(user, struct errand_book,
						    user);
	struct wf_errand *errand = book_take_first(book);

	while (errand != NULL) {
		errand->ops->forked(errand);
		errand = book_take_first(book);
	}
	free(book);
}

static bool is_book(struct wf_port_user *user, const void *arg)
{
	(void)arg;
	return user->closed == book_closed;
}

static struct errand_book *book_get(struct wf_port *port)
{
	struct wf_port_user *user = wf_port_find_user(port, is_book, NULL);
	struct errand_book *book = NULL;

	if (user != NULL) {
		return tev_container_of(user, struct errand_book, user);
	}
	book = malloc(sizeof(*book));
	if (book == NULL) {
		return NULL;
	}
	book->user.closed = book_closed;
	book->user.forked = book_forked;
	tev_list_init(&book->user.link);
	tev_list_init(&book->errands);
	wf_port_add_user(port, &book->user);
	return book;
}

static void errand_deliver(struct wf_msg *msg, struct tevent_context *ev,
			   bool gone)
{
	struct wf_errand *errand = tev_container_of(msg, struct wf_errand,
						    home);

	wf_port_unexpect(errand->port);
	if (gone) {
		errand->ops->dispose(errand);
		return;
	}
	tev_list_remove(&errand->link);
	wf_errand_leave(errand);
	errand->ops->back(errand, ev);
}

int wf_errand_begin(struct wf_errand *errand, struct wf_port *port,
		    const struct wf_errand_ops *ops)
{
	struct errand_book *book = book_get(port);
	int ret = 0;

	if (book == NULL) {
		return ENOMEM;
	}
	ret = wf_port_wait_begin(port);
	if (ret != 0) {
		return ret;
	}
	*errand = (struct wf_errand){
		.home.deliver = errand_deliver,
		.port = port,
		.ops = ops,
		.awaited = true,
	};
	tev_list_init(&errand->link);
	tev_list_append(&book->errands, &errand->link);
	wf_port_expect(port);
	return 0;
}

void wf_errand_leave(struct wf_errand *errand)
{
	if (errand->awaited) {
		errand->awaited = false;
		wf_port_wait_end(errand->port);
	}
}

void wf_errand_post(struct wf_errand *errand)
{
	/* Once it is posted it may be gone. */
	struct wf_port *port = errand->port;
	bool accepted = wf_port_post(port, &errand->home);

	if (!accepted) {
		errand->ops->dispose(errand);
		wf_port_unref(port);
	}
}
