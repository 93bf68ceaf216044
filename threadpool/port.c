/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Port: where a context receives what other threads send it.
 *
 *      any thread                     the loop
 *      ----------                     --------
 *      push ----> word ----> take --> queue ----> deliver, at most 64 a time
 *        \                     ^                  from one immediate
 *         ring (if ARMED) --> bell (fd event) ----^
 *
 * Everything goes through public calls of tevent: one fd event on an eventfd,
 * the bell, and one immediate. What the fd event finds is delivered from the
 * immediate, so results come in the order of immediates; after a batch the
 * loop goes on to its timers and descriptors, because the rest waits for the
 * bell, which is only emptied when nothing is left.
 *
 *  1. The receiver arms the word after it has taken everything and found
 *     nothing more, never earlier: posts to a busy loop are not rung.
 *  2. While a handler runs, one of these holds, so that a nested loop gets its
 *     messages too: the word is ARMED, the bell is up, or the immediate is
 *     scheduled.
 *  3. The bell is emptied before the word is armed, never after (word.h).
 *  4. The fd event exists while somebody waits, so tevent_loop_wait() stays as
 *     long and no longer. It is made at the first wait and goes at the end of
 *     a batch when nobody waits any more, not with each message.
 *
 * Lifetime. A port is outside of talloc. Its owner's part hangs below the
 * context as the "anchor", whose destructor closes the port. Memory and bell
 * live on while anybody may still use them:
 *  5. ARMED carries one reference: whoever replaces it rings, then drops it.
 *  6. A message that is still to be posted keeps the port alive, but is not
 *     counted in refs. The owner alone counts what is "owed"; when it closes
 *     it adds that number, less PORT_BIAS, which refs had from the start, and
 *     each message that is refused takes one off. So neither sending nor
 *     posting touches a shared counter.
 *  7. Who brings refs to 0 closes the bell and frees the port.
 * docs/models/word.pml has this as its variant ACCOUNT.
 *
 * Fork. The child handler puts a new eventfd in the place of each bell, so the
 * child never touches its parent's, and rings it. The owner, when it comes to
 * it, finds the mark, tells the users and forgets what was on its way.
 *
 * Threads: post, unref: any; all others: the thread that owns the context.
 * Ordering: [W1] [W2] in word.h; [PO1] references; [PO2] what the owner did
 * before messages are refused.
 * Not here: who sends (job.c), how a port is found (directory.c).
 */
#include "threadpool/port.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <talloc.h>

#include "threadpool/directory.h"
#include "threadpool/tevent_compat.h"

/* Messages a batch; and batches without a turn of the descriptors. */
#define PORT_BATCH_MAX  64
#define PORT_ROUNDS_MAX 4

/* More than there can ever be messages on their way. */
#define PORT_BIAS (INT64_C(1) << 62)

struct port_anchor {
	struct wf_port *port;
};

struct wf_port {
	TEV_CACHE_ALIGNED struct tev_word word;  /* A: word.h */
	TEV_CACHE_ALIGNED _Atomic(int64_t) refs; /* A: [PO1] */
	int bell;                    /* I: and renewed by the child handler */
	atomic_bool forked;          /* A: set by the child handler */
	struct wf_place place;       /* see directory.h */
	struct tevent_context *ev;   /* O: NULL: closed */
	struct port_anchor *anchor;  /* O: talloc child of ev */
	struct tevent_fd *fde;       /* O: talloc child of anchor, or NULL */
	struct tevent_immediate *im; /* O: talloc child of anchor */
	struct tev_list users;       /* O: */
	struct tev_word_node *first; /* O: taken, to be delivered */
	struct tev_word_node **last; /* O: */
	int64_t owed;                /* O: sent and not back */
	unsigned waiters;            /* O: */
	unsigned running;            /* O: batches being delivered, nested */
	unsigned rounds;             /* O: batches since the bell was heard */
	bool armed;                  /* O: by us, and nothing taken since */
	bool token;                  /* O: a reference at hand for ARMED */
	bool rung;                   /* O: the bell is up */
	bool scheduled;              /* O: the immediate is */
};

/* ---- references and the bell ---- */

/* @amount is negative for a share given up. */
static void port_add_refs(struct wf_port *port, int64_t amount)
{
	/* [PO1] release: our last use of the port; acquire: all others', for
	 * whoever frees it. Pairs with itself. */
	int64_t before = atomic_fetch_add_explicit(&port->refs, amount,
						   memory_order_acq_rel);

	if (before + amount == 0) {
		if (port->bell >= 0) {
			(void)close(port->bell);
		}
		free(port);
	}
}

void wf_port_unref(struct wf_port *port)
{
	port_add_refs(port, -1);
}

static void port_ring(const struct wf_port *port)
{
	const uint64_t one = 1;
	ssize_t ret = 0;

	/* EAGAIN: so many rings that it is up anyway. */
	do {
		ret = write(port->bell, &one, sizeof(one));
	} while (ret < 0 && errno == EINTR);
}

static void port_silence(struct wf_port *port)
{
	uint64_t rings = 0;
	ssize_t ret = 0;

	do {
		ret = read(port->bell, &rings, sizeof(rings));
	} while (ret < 0 && errno == EINTR);
	port->rung = false;
}

bool wf_port_post(struct wf_port *port, struct wf_msg *msg)
{
	enum tev_word_push pushed = tev_word_push(&port->word, &msg->node);

	if (pushed == TEV_WORD_REFUSED) {
		/* [PO2] acquire: what the owner did to the message before it
		 * closed; pairs with the exchange of port_close(). */
		(void)atomic_load_explicit(&port->word.head,
					   memory_order_acquire);
		return false;
	}
	if (pushed == TEV_WORD_RING) {
		port_ring(port);
		wf_port_unref(port);
	}
	return true;
}

/* ---- taking and delivering ---- */

static void port_queue(struct wf_port *port, struct tev_word_taken taken)
{
	struct tev_word_node *node = taken.oldest;

	/* Nobody has rung for this arming: its reference is ours again. */
	if (taken.was_armed) {
		port->token = true;
	}
	if (node == NULL) {
		return;
	}
	*port->last = node;
	while (node->next != NULL) {
		node = node->next;
	}
	port->last = &node->next;
}

static void port_take(struct wf_port *port)
{
	port_queue(port, tev_word_take(&port->word));
	port->armed = false;
}

static bool port_arm(struct wf_port *port)
{
	if (!port->token) {
		/* Relaxed: we have shares enough; PORT_BIAS is ours. */
		(void)atomic_fetch_add_explicit(&port->refs, 1,
						memory_order_relaxed);
		port->token = true;
	}
	port->armed = tev_word_arm(&port->word);
	if (port->armed) {
		port->token = false;
	}
	return port->armed;
}

static struct wf_msg *port_next(struct wf_port *port)
{
	struct tev_word_node *node = port->first;

	if (node == NULL) {
		return NULL;
	}
	port->first = node->next;
	if (port->first == NULL) {
		port->last = &port->first;
	}
	port->owed--;
	return tev_container_of(node, struct wf_msg, node);
}

static void port_run(struct tevent_context *ev, struct tevent_immediate *im,
		     void *private_data);

/* Always anew: tevent_re_initialise() may have dropped it behind our back. */
static void port_schedule(struct wf_port *port)
{
	port->scheduled = true;
	tevent_schedule_immediate(port->im, port->ev, port_run, port);
}

static void port_unschedule(struct wf_port *port)
{
	if (port->scheduled) {
		port->scheduled = false;
		tevent_schedule_immediate(port->im, port->ev, NULL, NULL);
	}
}

/* More is to be done: by the bell if that is up, then timers and descriptors
 * get their turn before; else by the immediate, a few times. */
static void port_continue(struct wf_port *port)
{
	if (port->rung && port->fde != NULL) {
		port_unschedule(port);
	} else if (port->rounds < PORT_ROUNDS_MAX || port->fde == NULL) {
		port_schedule(port);
	} else {
		port_unschedule(port);
		port_ring(port);
		port->rung = true;
	}
}

/* Nothing is left of the batch: looks again, then sleeps. */
static void port_settle(struct wf_port *port)
{
	if (!port->armed) {
		port_take(port);
		if (port->first != NULL) {
			port_continue(port);
			return;
		}
		if (port->rung) {
			port_silence(port);
		}
		if (!port_arm(port)) {
			port_take(port);
			port_continue(port);
			return;
		}
	}
	port_unschedule(port);
	if (port->waiters == 0) {
		TALLOC_FREE(port->fde);
	}
}

/* The messages themselves are their users' to dispose of. */
static void port_forget(struct wf_port *port)
{
	struct tev_list users;

	tev_list_init(&users);
	tev_list_splice(&users, &port->users);
	while (!tev_list_empty(&users)) {
		struct tev_list *link = tev_list_first(&users);
		struct wf_port_user *user = tev_list_entry(
			link, struct wf_port_user, link);

		tev_list_remove(link);
		user->forked(user);
	}
	tev_word_init(&port->word);
	/* Each batch that is being delivered gives back its share later. */
	atomic_init(&port->refs, PORT_BIAS + (int64_t)port->running);
	port->first = NULL;
	port->last = &port->first;
	port->owed = 0;
	port->waiters = 0;
	port->armed = false;
	port->token = false;
	port->rung = true;
	TALLOC_FREE(port->fde);
	if (port->ev != NULL) {
		port_schedule(port);
	}
}

void wf_port_check_fork(struct wf_port *port)
{
	/* Relaxed: stored by the handler in this very thread. */
	if (tev_unlikely(atomic_load_explicit(&port->forked,
					      memory_order_relaxed))) {
		atomic_store_explicit(&port->forked, false,
				      memory_order_relaxed);
		port_forget(port);
	}
}

/* The context has let go of our events: it is being freed, which may only be
 * completed when this handler has returned, or it was re-initialised. */
static bool port_is_detached(const struct wf_port *port)
{
	return port->ev == NULL ||
	       (port->fde != NULL && tevent_fd_get_flags(port->fde) == 0);
}

static void port_run(struct tevent_context *ev, struct tevent_immediate *im,
		     void *private_data)
{
	struct wf_port *port = private_data;
	unsigned i = 0;

	(void)im;
	port->scheduled = false;
	port->rounds++;
	/* Kept until we are through: a handler may free the context. */
	port_add_refs(port, 1);
	port->running++;
	if (!port->armed && !port->rung) {
		port_schedule(port);
	}
	for (i = 0; i < PORT_BATCH_MAX; i++) {
		struct wf_msg *msg = NULL;

		/* The handler before may have forked: the rest is the parent's.
		 */
		wf_port_check_fork(port);
		msg = port_next(port);
		if (msg == NULL) {
			break;
		}
		msg->deliver(msg, ev);
		if (tev_unlikely(port_is_detached(port))) {
			port->running--;
			wf_port_unref(port);
			return;
		}
	}
	port->running--;
	if (port->first != NULL) {
		port_continue(port);
	} else {
		port_settle(port);
	}
	wf_port_unref(port);
}

static void port_heard(struct tevent_context *ev, struct tevent_fd *fde,
		       uint16_t flags, void *private_data)
{
	struct wf_port *port = private_data;

	(void)ev;
	(void)fde;
	(void)flags;
	wf_port_check_fork(port);
	port->rung = true;
	port->rounds = 0;
	port_take(port);
	port_schedule(port);
}

/* ---- who waits ---- */

void wf_port_expect(struct wf_port *port)
{
	port->owed++;
}

void wf_port_forgo(struct wf_port *port)
{
	port->owed--;
}

/* After tevent_re_initialise() both our events are made anew. */
static int port_listen(struct wf_port *port)
{
	if (port->fde != NULL && !port_is_detached(port)) {
		return 0;
	}
	TALLOC_FREE(port->fde);
	if (port->bell < 0) {
		port->bell = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);
		if (port->bell < 0) {
			return errno;
		}
	}
	port->fde = tevent_add_fd(port->ev, port->anchor, port->bell,
				  TEVENT_FD_READ, port_heard, port);
	if (port->fde == NULL) {
		return ENOMEM;
	}
	if (!port->armed) {
		port_schedule(port);
	}
	return 0;
}

int wf_port_wait_begin(struct wf_port *port)
{
	int ret = port_listen(port);

	if (ret == 0) {
		port->waiters++;
	}
	return ret;
}

void wf_port_wait_end(struct wf_port *port)
{
	port->waiters--;
	/* A batch that is being delivered ends with a look at this. */
	if (port->waiters == 0 && port->running == 0 && port->ev != NULL) {
		port_schedule(port);
	}
}

void wf_port_add_user(struct wf_port *port, struct wf_port_user *user)
{
	tev_list_prepend(&port->users, &user->link);
}

struct wf_port_user *wf_port_find_user(struct wf_port *port,
				       bool (*matches)(struct wf_port_user *,
						       const void *),
				       const void *arg)
{
	struct tev_list *link = NULL;

	tev_list_for_each(link, &port->users) {
		struct wf_port_user *user = tev_list_entry(
			link, struct wf_port_user, link);
		bool is_it = matches(user, arg);

		if (is_it) {
			return user;
		}
	}
	return NULL;
}

/* ---- life ---- */

static void port_close(struct wf_port *port)
{
	struct wf_msg *msg = NULL;
	int64_t token = 0;

	wf_directory_remove(&port->place);
	port->ev = NULL;
	wf_port_check_fork(port);
	while (!tev_list_empty(&port->users)) {
		struct tev_list *link = tev_list_first(&port->users);
		struct wf_port_user *user = tev_list_entry(
			link, struct wf_port_user, link);

		tev_list_remove(link);
		user->closed(user);
	}
	/* [PO2] release: the users have let go of what will be refused. */
	port_queue(port, tev_word_close(&port->word));
	for (msg = port_next(port); msg != NULL; msg = port_next(port)) {
		msg->deliver(msg, NULL);
	}
	token = port->token ? 1 : 0;
	port_add_refs(port, port->owed - PORT_BIAS - token);
}

/* Runs after the context has let go of all its events. */
static int port_anchor_destructor(struct port_anchor *anchor)
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
	*port = (struct wf_port){ .ev = ev, .bell = -1 };
	tev_word_init(&port->word);
	atomic_init(&port->refs, PORT_BIAS);
	tev_list_init(&port->users);
	port->last = &port->first;
	return port;
}

static int port_create(struct tevent_context *ev, struct wf_port **ret_port)
{
	struct wf_port *port = port_alloc(ev);
	int error = ENOMEM;

	if (port == NULL) {
		return ENOMEM;
	}
	port->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (port->bell < 0) {
		error = errno;
		goto fail_port;
	}
	port->anchor = talloc_zero(ev, struct port_anchor);
	if (port->anchor == NULL) {
		goto fail_port;
	}
	port->im = tevent_create_immediate(port->anchor);
	if (port->im == NULL) {
		goto fail_port;
	}
	port->anchor->port = port;
	talloc_set_destructor(port->anchor, port_anchor_destructor);
	(void)port_arm(port);
	*ret_port = port;
	return 0;

fail_port:
	TALLOC_FREE(port->anchor);
	port_add_refs(port, -PORT_BIAS);
	return error;
}

int wf_port_get(struct tevent_context *ev, struct wf_port **ret_port)
{
	struct wf_place *place = wf_directory_find(ev);
	struct wf_port *port = NULL;

	if (tev_likely(place != NULL)) {
		port = tev_container_of(place, struct wf_port, place);
		wf_port_check_fork(port);
	} else {
		int ret = port_create(ev, &port);

		if (ret != 0) {
			return ret;
		}
		wf_directory_add(&port->place, ev);
	}
	*ret_port = port;
	return 0;
}

/* ---- fork ---- */

void wf_port_fork_prepare(void)
{
	wf_directory_lock();
}

void wf_port_fork_parent(void)
{
	wf_directory_unlock();
}

/* A new eventfd under the old number, and up, so that the child's loop comes
 * to us. The old one is closed first: then there is room for the new. */
static void port_replace_bell(struct wf_place *place)
{
	struct wf_port *port = tev_container_of(place, struct wf_port, place);
	int number = port->bell;

	if (number >= 0) {
		(void)close(number);
	}
	port->bell = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);
	if (port->bell >= 0 && number >= 0 && port->bell != number) {
		int moved = dup3(port->bell, number, O_CLOEXEC);

		if (moved == number) {
			(void)close(port->bell);
			port->bell = number;
		}
	}
	/* Relaxed: the child has one thread. */
	atomic_store_explicit(&port->forked, true, memory_order_relaxed);
}

void wf_port_fork_child(void)
{
	wf_directory_each_locked(port_replace_bell);
	wf_directory_unlock();
}
