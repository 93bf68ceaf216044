/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Grace: memory that others may still be looking at.
 *
 * Who looks something up in a table that others change does so in a read
 * section. What was taken out of the table is retired, and reclaimed when all
 * sections that were open at that moment have ended: after a grace period.
 *
 *      reader   begin ... find, use ... end
 *      changer            take out, retire
 *      reaper                      take all retired; wait; reclaim each
 *
 * Waiting may take many milliseconds, so it happens where it does least harm:
 * in workers that leave, in loop threads whose loop is gone, and, once
 * GRACE_LIMIT things have gathered, in a worker between two jobs. Only if there
 * are no such threads, or they do not come to it, the thread waits that retires
 * one thing more: the one wait of this library that nobody asked for.
 *
 *  1. Who is reaped was retired before the wait began.
 *  2. One thread reaps at a time, so nobody waits for nothing, and fork has a
 *     lock to take.
 *  3. In a read section nobody waits: that would be for ever. A program may
 *     use the same kind of liburcu itself.
 *
 * Sections cost next to nothing (liburcu-bp: no atomic instruction) and need
 * no registration by the caller. There is no thread of ours behind this: no
 * call_rcu.
 *
 * Threads: see the header.
 * Ordering: liburcu's; the retire list is a word (engine/word.h) [W1].
 * The numbers of helpers and of what is retired are relaxed: they only decide
 * who waits.
 */
#include "threadpool/grace.h"

#include <pthread.h>
#include <stdatomic.h>

#include "engine/base.h"
#include "threadpool/fork.h"

/* So much may be retired before somebody has to wait; and so much while there
 * are threads of ours that could. */
#define GRACE_LIMIT        64
#define GRACE_LIMIT_HELPED 1024

char wf_grace_tag;

static struct {
	pthread_mutex_t lock;    /* held by the one that reaps */
	struct tev_word retired; /* A: word.h */
	atomic_uint count;       /* A: relaxed: how long that list is */
	atomic_uint helpers;     /* A: relaxed: threads of ours */
} grace = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void grace_fork_prepare(void)
{
	(void)pthread_mutex_lock(&grace.lock);
	urcu_bp_before_fork();
}

static void grace_fork_parent(void)
{
	urcu_bp_after_fork_parent();
	(void)pthread_mutex_unlock(&grace.lock);
}

/* What the parent was reclaiming is nobody's here, and does not count. */
static unsigned grace_length(void)
{
	/* Relaxed: the child has one thread. */
	const struct tev_word_node *node = atomic_load_explicit(
		&grace.retired.head, memory_order_relaxed);
	unsigned length = 0;

	while (node != NULL) {
		length++;
		node = node->next;
	}
	return length;
}

static void grace_fork_child(void)
{
	urcu_bp_after_fork_child();
	/* Relaxed: as above. */
	atomic_store_explicit(&grace.count, grace_length(),
			      memory_order_relaxed);
	/* Relaxed: the child has one thread. */
	atomic_store_explicit(&grace.helpers, 0, memory_order_relaxed);
	(void)pthread_mutex_unlock(&grace.lock);
}

static const struct wf_fork_part grace_part = {
	.prepare = grace_fork_prepare,
	.parent = grace_fork_parent,
	.child = grace_fork_child,
};

void wf_grace_init(void)
{
	wf_fork_add(WF_FORK_GRACE, &grace_part);
}

void wf_grace_retire(struct wf_retired *retired)
{
	tev_tsan_release(&wf_grace_tag);
	/* Relaxed: a number that decides who waits. Before the push: it is
	 * taken off after that. */
	(void)atomic_fetch_add_explicit(&grace.count, 1, memory_order_relaxed);
	(void)tev_word_push(&grace.retired, &retired->node);
}

static void grace_reclaim_all(struct tev_word_node *node)
{
	while (node != NULL) {
		struct wf_retired *retired = tev_container_of(
			node, struct wf_retired, node);

		node = node->next;
		/* Relaxed: as above. */
		(void)atomic_fetch_sub_explicit(&grace.count, 1,
						memory_order_relaxed);
		retired->reclaim(retired);
	}
}

void wf_grace_reap(void)
{
	struct tev_word_taken taken = { NULL, false };

	if (!tev_word_pending(&grace.retired) || urcu_bp_read_ongoing() ||
	    pthread_mutex_trylock(&grace.lock) != 0) {
		return;
	}
	taken = tev_word_take(&grace.retired);
	if (taken.oldest != NULL) {
		urcu_bp_synchronize_rcu();
		tev_tsan_acquire(&wf_grace_tag);
	}
	(void)pthread_mutex_unlock(&grace.lock);
	grace_reclaim_all(taken.oldest);
}

static void grace_reap_from(unsigned limit)
{
	/* Relaxed: a number that decides who waits. */
	if (atomic_load_explicit(&grace.count, memory_order_relaxed) >= limit) {
		wf_grace_reap();
	}
}

void wf_grace_relieve(void)
{
	grace_reap_from(GRACE_LIMIT);
}

void wf_grace_limit(void)
{
	/* Relaxed: as above. */
	bool helped = atomic_load_explicit(&grace.helpers,
					   memory_order_relaxed) != 0;

	grace_reap_from(helped ? GRACE_LIMIT_HELPED : GRACE_LIMIT);
}

void wf_grace_helper_begin(void)
{
	/* Relaxed: as above. */
	(void)atomic_fetch_add_explicit(&grace.helpers, 1,
					memory_order_relaxed);
}

void wf_grace_helper_end(void)
{
	/* Relaxed: as above. */
	(void)atomic_fetch_sub_explicit(&grace.helpers, 1,
					memory_order_relaxed);
}
