/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Latest: one value of which only the newest counts.
 *
 *      poster                             owner
 *      ------                             -----
 *      swap the value in                  (the node arrives)
 *      posted: false -> true? then        posted: true -> false
 *        push the node on the port        take the value out, run it
 *
 *  1. The node is in the port, or about to be, exactly while posted is true.
 *  2. No value is forgotten: a poster that finds posted true has its exchange
 *     of posted before the owner's, so the owner, who takes the value after
 *     that, finds it or a newer one.
 *  3. The node has a share in this while it is in the port; so it outlives its
 *     mailbox.
 *
 * Where values are merged, which takes time and is done outside of all read
 * sections, posters queue them (word.h): ARMED: nobody is merging. Who
 * replaces it merges, for all who come meanwhile, until nothing is left.
 *  4. One thread merges at a time, in the order of the queue, so nobody's older
 *     value overtakes his newer one. It has a share.
 *
 * Threads: see the header.
 * Ordering: [LA1] the value: what is put in is whole for who takes it out;
 * [LA2] posted, for sentence 2: each exchange releases what came before it and
 * acquires what came before the one that it follows; [LA3] shares; [W1] [W2]
 * the queue, and what the one who merged before has done.
 * Not here: what a value is (mailbox.c).
 */
#include "threadpool/latest.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "engine/base.h"

struct wf_latest {
	struct wf_msg msg;               /* Q: the port, while posted */
	struct wf_port *port;            /* I: only in a read section */
	uint64_t to;                     /* I: */
	const struct wf_latest_ops *ops; /* I: */
	_Atomic(void *) value;           /* A: [LA1] */
	atomic_bool posted;              /* A: [LA2] */
	atomic_uint refs;                /* A: [LA3] */
	struct tev_word queue;           /* A: word.h: to be merged */
};

void *wf_latest_swap(struct wf_latest *latest, void *value)
{
	/* [LA1] release: ours; acquire: the older one. Pairs with itself. */
	return atomic_exchange_explicit(&latest->value, value,
					memory_order_acq_rel);
}

void *wf_latest_take(struct wf_latest *latest)
{
	return wf_latest_swap(latest, NULL);
}

bool wf_latest_queue(struct wf_latest *latest, struct tev_word_node *node)
{
	if (tev_word_push(&latest->queue, node) != TEV_WORD_RING) {
		return false;
	}
	/* Relaxed: the mailbox's own share keeps it here. */
	(void)atomic_fetch_add_explicit(&latest->refs, 1, memory_order_relaxed);
	return true;
}

struct tev_word_node *wf_latest_queued(struct wf_latest *latest)
{
	return tev_word_take(&latest->queue).oldest;
}

void wf_latest_unref(struct wf_latest *latest)
{
	/* [LA3] release: our last use; acquire: all others', for whoever frees
	 * it. Pairs with itself. */
	unsigned before = atomic_fetch_sub_explicit(&latest->refs, 1,
						    memory_order_acq_rel);
	void *value = NULL;

	if (before != 1) {
		return;
	}
	value = wf_latest_take(latest);
	if (value != NULL) {
		latest->ops->drop(value);
	}
	free(latest);
}

bool wf_latest_merged(struct wf_latest *latest)
{
	if (!tev_word_arm(&latest->queue)) {
		return false;
	}
	wf_latest_unref(latest);
	return true;
}

static bool latest_set_posted(struct wf_latest *latest, bool posted)
{
	/* [LA2] release: the value that was put in; acquire: the values of
	 * those who found it set. Pairs with itself. */
	return atomic_exchange_explicit(&latest->posted, posted,
					memory_order_acq_rel);
}

static void latest_deliver(struct wf_msg *msg, struct tevent_context *ev,
			   bool gone)
{
	struct wf_latest *latest = tev_container_of(msg, struct wf_latest, msg);
	const struct wf_latest_ops *ops = latest->ops;
	uint64_t to = latest->to;
	void *value = NULL;

	(void)ev;
	(void)latest_set_posted(latest, false);
	value = wf_latest_take(latest);
	wf_latest_unref(latest);
	if (value != NULL) {
		ops->arrived(to, value, gone);
	}
}

void *wf_latest_announce(struct wf_latest *latest)
{
	bool accepted = latest_set_posted(latest, true);
	void *value = NULL;

	if (accepted) {
		wf_port_listen_again(latest->port);
		return NULL;
	}
	/* Relaxed: the mailbox's own share keeps it here. */
	(void)atomic_fetch_add_explicit(&latest->refs, 1, memory_order_relaxed);
	accepted = wf_port_post(latest->port, &latest->msg);
	if (accepted) {
		wf_port_listen_again(latest->port);
		return NULL;
	}
	/* As if it had been delivered: those who found it set rely on us. */
	(void)latest_set_posted(latest, false);
	value = wf_latest_take(latest);
	wf_latest_unref(latest);
	return value;
}

static void latest_queue_init(struct wf_latest *latest)
{
	tev_word_init(&latest->queue);
	(void)tev_word_arm(&latest->queue);
}

void wf_latest_forget(struct wf_latest *latest)
{
	atomic_init(&latest->value, NULL);
	atomic_init(&latest->posted, false);
	atomic_init(&latest->refs, 1);
	latest_queue_init(latest);
}

struct wf_latest *wf_latest_create(struct wf_port *port, uint64_t to,
				   const struct wf_latest_ops *ops)
{
	struct wf_latest *latest = malloc(sizeof(*latest));

	if (latest == NULL) {
		return NULL;
	}
	*latest = (struct wf_latest){
		.msg.deliver = latest_deliver,
		.port = port,
		.to = to,
		.ops = ops,
	};
	atomic_init(&latest->refs, 1);
	latest_queue_init(latest);
	return latest;
}
