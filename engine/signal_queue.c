/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Signal queue: what the deliveries of a signal leave for the loops.
 *
 * One history for each signal number, for the whole process, in two strands: a
 * count of deliveries that nobody wants to know more about, and a ring of 256
 * deliveries with their siginfo_t, used while some event has SA_SIGINFO. Both
 * only grow; a reader is a point in the history and finds what came after it.
 *
 *      tail <= every SA_SIGINFO reader <= filled <= head <= tail + 256
 *              |------ to be read ------|-------|
 *                                     claimed, being written
 *
 *               push   count   point, read, release, want
 *      push      X       X       X             X: may run at the same time
 *      count     X       X       X             -: under the signal lock
 *      others    X       X       -
 *
 * Invariants:
 *  1. A place is claimed by one successful compare-and-swap of head, and only
 *     below tail + 256; so nobody writes what is still to be read.
 *  2. An entry is filled when its turn is its position + 1; filled ends at the
 *     first that is not. Whoever fills one wakes the loops afterwards
 *     (signal_home.c), so a gap is only ever a delay.
 *  3. The ring of a number is allocated once and kept: a signal handler in
 *     another thread may still be using it.
 *
 * push, count, full and wanted are called by signal handlers, in any thread
 * and in several at once: they take no lock, allocate nothing and wait for
 * nobody.
 *
 * Fork. The child has the parent's history (B513). A thread of the parent that
 * had claimed a place and not filled it does not exist there; the child fills
 * such places itself.
 *
 * Ordering: [SQ1] count; [SQ2] an entry; [SQ3] a place to be written again;
 * [SQ4] the ring itself.
 * Not here: who is woken, and what happens when the ring is full.
 */
#include "engine/signal_queue.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2,
	       "a signal handler needs lock-free 64-bit atomics");

struct queue_entry {
	siginfo_t info;        /* Q: the writer's until turn says filled */
	_Atomic uint64_t turn; /* A: [SQ2] position + 1 once filled */
};

struct queue {
	_Atomic uint64_t counted; /* A: [SQ1] */
	_Atomic uint64_t head;    /* A: next place to claim */
	_Atomic uint64_t tail;    /* A: [SQ3] */
	atomic_uint wanted; /* A: [SQ4] SA_SIGINFO events in the process */
	struct queue_entry *entries; /* I: once wanted was not 0 [SQ4] */
	uint64_t filled;             /* L(signal): all before it may be read */
};

static struct queue queues[TEV_SIGNAL_MAX + 1];

static inline struct queue_entry *entry_at(const struct queue *queue,
					   uint64_t position)
{
	return &queue->entries[position % TEV_SIGNAL_QUEUE_MAX];
}

/* From now on deliveries of @signum keep their information.
 *
 * Thread: any.  Lock: signal.
 * Return: 0 or ENOMEM.
 */
int tev_signal_queue_want(int signum)
{
	struct queue *queue = &queues[signum];

	if (queue->entries == NULL) {
		queue->entries = calloc(TEV_SIGNAL_QUEUE_MAX,
					sizeof(*queue->entries));
		if (queue->entries == NULL) {
			return ENOMEM;
		}
	}
	/* [SQ4] release: the ring; pairs with wanted. */
	(void)atomic_fetch_add_explicit(&queue->wanted, 1,
					memory_order_release);
	return 0;
}

/* Takes back one tev_signal_queue_want(). Lock: signal. */
void tev_signal_queue_unwant(int signum)
{
	/* Relaxed: the ring stays. */
	(void)atomic_fetch_sub_explicit(&queues[signum].wanted, 1,
					memory_order_relaxed);
}

/* Thread: signal handler, any.  Lock: none. */
bool tev_signal_queue_wanted(int signum)
{
	/* [SQ4] acquire: the ring; pairs with want. */
	return atomic_load_explicit(&queues[signum].wanted,
				    memory_order_acquire) > 0;
}

/* Records a delivery without information.
 *
 * Thread: signal handler.  Lock: none.
 */
void tev_signal_queue_count(int signum)
{
	/* [SQ1] release: what the sender did; pairs with point. */
	(void)atomic_fetch_add_explicit(&queues[signum].counted, 1,
					memory_order_release);
}

/* Records a delivery with its information.
 *
 * Thread: signal handler, after wanted was true.  Lock: none.
 * Return: false when the ring is full.
 */
bool tev_signal_queue_push(int signum, const siginfo_t *info)
{
	struct queue *queue = &queues[signum];
	struct queue_entry *entry = NULL;
	/* Relaxed: a guess, the compare-and-swap validates it. */
	uint64_t position = atomic_load_explicit(&queue->head,
						 memory_order_relaxed);

	do {
		/* [SQ3] acquire: the last reader is through with the place. */
		uint64_t tail = atomic_load_explicit(&queue->tail,
						     memory_order_acquire);

		/* Signed: tail may already have passed an old guess. */
		if ((int64_t)(position - tail) >= TEV_SIGNAL_QUEUE_MAX) {
			return false;
		}
		/* Relaxed: the claim says nothing about the contents. */
	} while (!atomic_compare_exchange_weak_explicit(
		&queue->head, &position, position + 1, memory_order_relaxed,
		memory_order_relaxed));

	entry = entry_at(queue, position);
	entry->info = *info;
	/* [SQ2] release: filled; pairs with point. */
	atomic_store_explicit(&entry->turn, position + 1, memory_order_release);
	return true;
}

/* Whether deliveries must wait. Without the lock it is only a guess.
 *
 * Thread: signal handler, any.  Lock: none or signal.
 */
bool tev_signal_queue_full(int signum)
{
	struct queue *queue = &queues[signum];
	/* Relaxed: under the lock tail is right, and a head that is too old
	 * lets a delivery come that then waits again. */
	uint64_t head = atomic_load_explicit(&queue->head,
					     memory_order_relaxed);
	uint64_t tail = atomic_load_explicit(&queue->tail,
					     memory_order_relaxed);

	return (int64_t)(head - tail) >= TEV_SIGNAL_QUEUE_MAX &&
	       tev_signal_queue_wanted(signum);
}

/* The point behind everything that can be read now.
 *
 * Thread: any.  Lock: signal.
 */
struct tev_signal_point tev_signal_queue_point(int signum)
{
	struct queue *queue = &queues[signum];
	struct tev_signal_point point = { 0, 0 };

	while (queue->entries != NULL) {
		/* [SQ2] acquire: pairs with push. */
		uint64_t turn = atomic_load_explicit(
			&entry_at(queue, queue->filled)->turn,
			memory_order_acquire);

		if (turn != queue->filled + 1) {
			break;
		}
		queue->filled++;
	}
	point.queued = queue->filled;
	/* [SQ1] acquire: pairs with count. */
	point.counted = atomic_load_explicit(&queue->counted,
					     memory_order_acquire);
	return point;
}

/* Copies the information of the delivery at @position, which is not released
 * and before the last point.
 *
 * Thread: any.  Lock: signal.
 */
void tev_signal_queue_read(int signum, uint64_t position, siginfo_t *ret_info)
{
	*ret_info = entry_at(&queues[signum], position)->info;
}

/* What stands for the information of a delivery that was only counted. */
void tev_signal_queue_blank(int signum, siginfo_t *ret_info)
{
	memset(ret_info, 0, sizeof(*ret_info));
	ret_info->si_signo = signum;
}

/* Everything before @position may be overwritten.
 *
 * Thread: any.  Lock: signal.
 */
void tev_signal_queue_release(int signum, uint64_t position)
{
	/* [SQ3] release: copied; pairs with push. */
	atomic_store_explicit(&queues[signum].tail, position,
			      memory_order_release);
}

/* Fills what threads of the parent had claimed.
 *
 * Thread: the only one of a new child.  Lock: signal.
 */
void tev_signal_queue_fork_child(void)
{
	for (int signum = 1; signum <= TEV_SIGNAL_MAX; signum++) {
		struct queue *queue = &queues[signum];
		/* Relaxed: one thread. */
		uint64_t head = atomic_load_explicit(&queue->head,
						     memory_order_relaxed);

		for (uint64_t at = queue->filled; at != head; at++) {
			struct queue_entry *entry = entry_at(queue, at);

			/* Relaxed: one thread, as all here. */
			if (atomic_load_explicit(&entry->turn,
						 memory_order_relaxed) !=
			    at + 1) {
				tev_signal_queue_blank(signum, &entry->info);
				atomic_store_explicit(&entry->turn, at + 1,
						      memory_order_relaxed);
			}
		}
	}
}
