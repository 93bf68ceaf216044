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
 *     messages too: the word is ARMED or LULLED, the bell is up, or the
 *     immediate is scheduled.
 *  3. The bell is emptied before the word is armed, never after (word.h); or
 *     before all is taken, by a handler that then has a pass follow. With
 *     our own libtevent it is not emptied at all: each ring is reported once,
 *     and "up" means rung and not yet heard.
 *  4. The fd event exists while somebody waits, so tevent_loop_wait() stays as
 *     long and no longer. It is made at the first wait and goes at the end of
 *     a batch when nobody waits any more, not with each message.
 *
 * Lifetime. A port is outside of talloc. Its owner's part hangs below the
 * context as the "anchor", whose destructor closes the port. Memory and bell
 * live on while anybody may still use them:
 *  5. ARMED and LULLED carry one reference: whoever replaces them rings, then
 *     drops it.
 *  6. An expected message that is still to be posted keeps the port alive, but
 *     is not counted in refs. The owner alone counts what is "owed"; when it
 *     closes it adds that number, less WF_PORT_BIAS, which refs had from the
 *     start, and each message that is refused takes one off. So neither
 *     sending nor posting touches a shared counter.
 *  7. Who posts without being expected has found the port in a read section
 *     (an exposed port, grace.h), where its memory stays; a bell is rung under
 *     the reference of ARMED alone.
 *  8. Who brings refs to 0 closes the bell and frees the port; the memory of
 *     an exposed one waits for a grace period.
 * docs/models/word.pml has this as its variant ACCOUNT.
 *
 * A foreign port belongs to a loop that is not tevent's: it has a bell, which
 * that loop watches, and no events; in place of the immediate the bell stays
 * up while something is left.
 *
 * Fork. The child handler puts a new eventfd in the place of each bell, so the
 * child never touches its parent's, and rings it, and empties the word: what is
 * posted from then on is the child's. The owner, when it comes to it, finds the
 * mark, tells the users and forgets what he had taken.
 *
 * Threads: post, unref: any; all others: the thread that owns the context.
 * Ordering: [W1] [W2] in word.h; [PO1] references; [PO2] what the owner did
 * before messages are refused.
 * Not here: how a port is made, found and closed (port_life.c), when it is rung
 * once for several (port_lull.c), and who sends (errand.c, task.c, mailbox.c).
 */
#include "threadpool/port.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#include <talloc.h>

#include "threadpool/bell.h"
#include "threadpool/fork.h"
#include "threadpool/port_inside.h"
#include "threadpool/tevent_compat.h"

/* Messages a batch; and batches without a turn of the descriptors. */
#define PORT_BATCH_MAX  64
#define PORT_ROUNDS_MAX 4

/* ---- references ---- */

static void port_reclaim(struct wf_retired *retired)
{
	free(tev_container_of(retired, struct wf_port, retired));
}

void wf_port_add_refs(struct wf_port *port, int64_t amount)
{
	/* [PO1] release: our last use of the port; acquire: all others', for
	 * whoever frees it. Pairs with itself. */
	int64_t before = atomic_fetch_add_explicit(&port->refs, amount,
						   memory_order_acq_rel);

	if (before + amount != 0) {
		return;
	}
	wf_bell_close(port->bell);
	if (port->exposed) {
		port->retired.reclaim = port_reclaim;
		wf_grace_retire(&port->retired);
	} else {
		free(port);
	}
}

/* One share more, for the owner. */
static void port_hold(struct wf_port *port)
{
	/* Relaxed: we have shares enough; WF_PORT_BIAS is ours. */
	(void)atomic_fetch_add_explicit(&port->refs, 1, memory_order_relaxed);
}

void wf_port_unref(struct wf_port *port)
{
	wf_port_add_refs(port, -1);
}

static bool port_pushed(struct wf_port *port, enum tev_word_push pushed)
{
	if (pushed == TEV_WORD_REFUSED) {
		/* [PO2] acquire: what the owner did to the message before it
		 * closed; pairs with the exchange of port_close(). */
		(void)atomic_load_explicit(&port->word.head,
					   memory_order_acquire);
		return false;
	}
	if (pushed == TEV_WORD_RING) {
		wf_bell_ring(port->bell);
		wf_port_unref(port);
	}
	return true;
}

bool wf_port_post(struct wf_port *port, struct wf_msg *msg)
{
	return port_pushed(port, tev_word_push(&port->word, &msg->node));
}

bool wf_port_post_quiet(struct wf_port *port, struct wf_msg *msg)
{
	if (tev_word_is_lulled(&port->word)) {
		/* Relaxed, both: numbers that decide how soon the owner hears
		 * of it; at the latest he does by his timer. */
		unsigned count = 1 + atomic_fetch_add_explicit(
					     &port->hushed, 1,
					     memory_order_relaxed);

		if (count >=
		    atomic_load_explicit(&port->quota, memory_order_relaxed)) {
			return wf_port_post(port, msg);
		}
	}
	return port_pushed(port, tev_word_push_quiet(&port->word, &msg->node));
}

/* ---- taking and delivering ---- */

void wf_port_queue(struct wf_port *port, struct tev_word_taken taken)
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

bool wf_port_take(struct wf_port *port)
{
	struct tev_word_taken taken = tev_word_take(&port->word);

	/* Who took ARMED away has rung, or is about to. */
	if (port->armed && !taken.was_armed) {
		port->rung = true;
		if (port->lull.on) {
			wf_lull_rung(&port->lull);
		}
	}
	port->armed = false;
	port->lull.on = false;
	wf_port_queue(port, taken);
	return taken.was_armed;
}

bool wf_port_arm(struct wf_port *port, bool lulled)
{
	if (!port->token) {
		port_hold(port);
		port->token = true;
	}
	port->armed = lulled ? tev_word_lull(&port->word)
			     : tev_word_arm(&port->word);
	port->lull.on = port->armed && lulled;
	if (port->armed) {
		port->token = false;
	}
	return port->armed;
}

struct wf_msg *wf_port_next(struct wf_port *port)
{
	struct tev_word_node *node = port->first;

	if (node == NULL) {
		return NULL;
	}
	port->first = node->next;
	if (port->first == NULL) {
		port->last = &port->first;
	}
	return tev_container_of(node, struct wf_msg, node);
}

static void port_run(struct tevent_context *ev, struct tevent_immediate *im,
		     void *private_data);

/* Whether the bell is reported once a ring and is never read. */
static bool port_is_edge(const struct wf_port *port)
{
	return port->fde != NULL && wf_bell_is_edge(port->fde);
}

static void port_raise(struct wf_port *port)
{
	if (!port->rung) {
		wf_bell_ring(port->bell);
		port->rung = true;
	}
}

/* Always anew: tevent_re_initialise() may have dropped it behind our back. */
void wf_port_schedule(struct wf_port *port)
{
	if (port->foreign) {
		/* That it is up is only what our caller made us believe. */
		port->rung = false;
		port_raise(port);
		return;
	}
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
		wf_port_schedule(port);
	} else {
		port_unschedule(port);
		port_raise(port);
	}
}

/* Nothing is left of the batch: looks again, then sleeps. */
static void port_settle(struct wf_port *port)
{
	/* Nobody will hear the bell: what has come meanwhile is taken now. */
	if (port->armed && port->waiters == 0) {
		(void)wf_port_take(port);
	}
	if (!port->armed) {
		(void)wf_port_take(port);
		if (port->first != NULL) {
			port_continue(port);
			return;
		}
		if (port->rung && !port_is_edge(port)) {
			wf_bell_silence(port->bell);
			port->rung = false;
		}
		if (!wf_port_rest(port)) {
			(void)wf_port_take(port);
			port_continue(port);
			return;
		}
	}
	port_unschedule(port);
	if (port->waiters == 0) {
		TALLOC_FREE(port->fde);
		wf_lull_end(&port->lull);
	}
}

/* The messages themselves are their users' to dispose of, who may begin to wait
 * anew. Not part of the usual way, which stays short without it. */
static __attribute__((noinline)) void port_forget(struct wf_port *port)
{
	struct tev_list users;

	/* Each batch that is being delivered gives back its share later. */
	atomic_init(&port->refs, WF_PORT_BIAS + (int64_t)port->running);
	port->first = NULL;
	port->last = &port->first;
	port->owed = 0;
	port->waiters = 0;
	port->armed = false;
	port->token = false;
	port->rung = true;
	port->lull.on = false;
	TALLOC_FREE(port->fde);
	wf_lull_end(&port->lull);
	if (!port->closed) {
		wf_port_schedule(port);
	}
	tev_list_init(&users);
	tev_list_splice(&users, &port->users);
	while (!tev_list_empty(&users)) {
		struct tev_list *link = tev_list_first(&users);
		struct wf_port_user *user = tev_list_entry(
			link, struct wf_port_user, link);

		tev_list_remove(link);
		user->forked(user);
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
bool wf_port_is_detached(const struct wf_port *port)
{
	return port->closed ||
	       (port->fde != NULL && tevent_fd_get_flags(port->fde) == 0);
}

void wf_port_adopt(struct wf_port *port)
{
	pthread_t self = pthread_self();

	/* Relaxed: an answer to who asks for himself; nothing travels. */
	if (atomic_load_explicit(&port->thread, memory_order_relaxed) != self) {
		atomic_store_explicit(&port->thread, self,
				      memory_order_relaxed);
	}
}

void wf_port_disown(struct wf_port *port)
{
	port->handed = true;
	/* Relaxed: as above. */
	atomic_store_explicit(&port->thread, 0, memory_order_relaxed);
}

bool wf_port_is_mine(const struct wf_port *port)
{
	/* Relaxed: a thread finds its own number, or another's. */
	return atomic_load_explicit(&port->thread, memory_order_relaxed) ==
	       pthread_self();
}

/* Delivers at most @max messages.
 * Return: how many; the port is detached, or has nothing left, or more. */
static unsigned port_deliver(struct wf_port *port, unsigned max)
{
	unsigned count = 0;

	/* The port is kept until we are through: a handler may free its loop.
	 */
	port_hold(port);
	port->running++;
	for (count = 0; count < max; count++) {
		struct wf_msg *msg = NULL;

		/* The handler before may have forked: the rest is the parent's.
		 */
		wf_port_check_fork(port);
		msg = wf_port_next(port);
		if (msg == NULL) {
			break;
		}
		msg->deliver(msg, port->ev, false);
		if (tev_unlikely(wf_port_is_detached(port))) {
			port->running--;
			wf_port_unref(port);
			return count + 1;
		}
	}
	/* So may have the last one. */
	wf_port_check_fork(port);
	port->running--;
	if (port->first != NULL) {
		port_continue(port);
	} else {
		port_settle(port);
	}
	wf_port_unref(port);
	return count;
}

static void port_run(struct tevent_context *ev, struct tevent_immediate *im,
		     void *private_data)
{
	struct wf_port *port = private_data;

	(void)ev;
	(void)im;
	wf_port_adopt(port);
	port->scheduled = false;
	port->rounds++;
	if (!port->armed && !port->rung) {
		wf_port_schedule(port);
	}
	(void)port_deliver(port, PORT_BATCH_MAX);
}

static void port_heard(struct tevent_context *ev, struct tevent_fd *fde,
		       uint16_t flags, void *private_data)
{
	struct wf_port *port = private_data;

	(void)ev;
	(void)fde;
	(void)flags;
	wf_port_check_fork(port);
	port->rounds = 0;
	/* Heard is what was rung for; and that it is up must not be believed
	 * from here on, for the report may be a late one, of a bell that was
	 * silenced meanwhile. */
	if (!port_is_edge(port)) {
		wf_bell_silence(port->bell);
	}
	(void)wf_port_take(port);
	port->rung = false;
	wf_port_schedule(port);
}

int wf_port_fd(const struct wf_port *port)
{
	return port->bell;
}

unsigned wf_port_dispatch(struct wf_port *port, unsigned max)
{
	wf_port_adopt(port);
	wf_port_check_fork(port);
	/* Or so it must be taken: we are asked because it was heard. */
	port->rung = true;
	(void)wf_port_take(port);
	return port_deliver(port, max == 0 ? UINT_MAX : max);
}

/* ---- who waits ---- */

void wf_port_expect(struct wf_port *port)
{
	port->owed++;
}

void wf_port_unexpect(struct wf_port *port)
{
	port->owed--;
}

/* After tevent_re_initialise() both our events are made anew. */
int wf_port_listen(struct wf_port *port)
{
	if (port->closed) {
		return ECANCELED;
	}
	if (port->fde != NULL && !wf_port_is_detached(port)) {
		return 0;
	}
	TALLOC_FREE(port->fde);
	wf_lull_end(&port->lull);
	if (port->lull.on) {
		/* Who would have told us is gone. */
		(void)wf_port_take(port);
	}
	if (port->bell < 0) {
		port->bell = wf_bell_open(true);
		if (port->bell < 0) {
			return errno;
		}
	}
	if (port->foreign) {
		return 0;
	}
	port->fde = tevent_add_fd(port->ev, port->anchor, port->bell,
				  TEVENT_FD_READ, port_heard, port);
	if (port->fde == NULL) {
		return ENOMEM;
	}
	if (!port->armed) {
		wf_port_schedule(port);
	}
	return 0;
}

void wf_port_listen_again(struct wf_port *port)
{
	if (tev_likely(wf_fork_generation() == 0) || !wf_port_is_mine(port)) {
		return;
	}
	wf_port_check_fork(port);
	if (port->waiters > 0 && wf_port_is_detached(port)) {
		/* No memory: the next one tries again. */
		(void)wf_port_listen(port);
	}
}

int wf_port_wait_begin(struct wf_port *port)
{
	int ret = wf_port_listen(port);

	if (ret == 0) {
		port->waiters++;
	}
	return ret;
}

void wf_port_wait_end(struct wf_port *port)
{
	port->waiters--;
	/* A batch that is being delivered ends with a look at this; but a loop
	 * that is turned from inside of it has gone to sleep before. */
	if (port->waiters == 0 && (port->running == 0 || port->armed) &&
	    !port->closed) {
		wf_port_schedule(port);
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
			/* It is asked for again, as a rule. */
			tev_list_remove(link);
			tev_list_prepend(&port->users, link);
			return user;
		}
	}
	return NULL;
}
