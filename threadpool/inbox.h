/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Inbox: the way into a queue without its lock.
 *
 *      any thread                       who holds the queue's lock
 *      ----------                       --------------------------
 *      send ---> word: newest node      take: the oldest node, and the others
 *                       |               behind it
 *                      ...
 *                       oldest
 *
 * One word: the head of a stack of nodes, and in its low bits marks that say
 * whether the queue takes any. Who holds the lock empties it from time to time
 * and puts what he has found behind what is in the queue.
 *
 *   moves     by                       from -> to
 *   send      any thread               (nodes, marks) -> (one more, marks); or
 *                                      refused, when a mark says so
 *   take      who holds the lock       (nodes, marks) -> (none, marks)
 *   mark      who holds the lock       (nodes, marks) -> (nodes, other marks)
 *
 *  1. A node enters by one compare-and-swap, in which the marks are looked at,
 *     too: after mark has returned nothing enters that it refuses.
 *  2. It leaves by one exchange. After a take everything that had entered
 *     before is out, so a withdrawal takes first, and then finds its node in
 *     the queue or nowhere.
 *  3. Whoever sends does not touch the node afterwards: it may be gone.
 *  4. The order of entry is kept.
 *  5. [IB1] Who looks without the lock whether anything waits looks here first,
 *     then at the count of the queue. Who takes raises that count before. So
 *     what is on its way from the one to the other is seen in one of them.
 *
 * ABA is harmless: nobody takes single nodes out, and a send succeeds only on
 * the very word that it has made its node point to.
 *
 * docs/models/inbox.pml is its model, with the queue behind it.
 *
 * Threads: see above.  Ordering: [IB1] send publishes the node, take acquires
 * it.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/list.h"

/* Marks. Nodes lie at addresses that leave these bits. */
#define WF_INBOX_DRAINED ((uintptr_t)1)
#define WF_INBOX_CLOSED  ((uintptr_t)2)
#define WF_INBOX_MARKS   (WF_INBOX_DRAINED | WF_INBOX_CLOSED)

struct wf_inbox {
	_Atomic(uintptr_t) word; /* A: [IB1] */
};

static inline struct tev_list *wf_inbox_newest(uintptr_t word)
{
	return (struct tev_list *)(word & ~WF_INBOX_MARKS);
}

/* Thread: before the inbox is published. */
static inline void wf_inbox_init(struct wf_inbox *inbox)
{
	atomic_init(&inbox->word, 0);
}

/* Adds @node, unless one of these marks is set. A read-modify-write of the
 * word precedes the return of true.
 * Thread: any.  Lock: none.
 * Owns:   takes @node on success. */
static inline bool wf_inbox_send(struct wf_inbox *inbox, struct tev_list *node,
				 uintptr_t refused_by)
{
	/* Relaxed: only a guess, the compare-and-swap validates it. */
	uintptr_t word = atomic_load_explicit(&inbox->word,
					      memory_order_relaxed);
	uintptr_t with = 0;

	do {
		if ((word & refused_by) != 0) {
			return false;
		}
		node->next = wf_inbox_newest(word);
		with = (uintptr_t)node | (word & WF_INBOX_MARKS);
		/* [IB1] release: the node; pairs with wf_inbox_take_locked().
		 */
	} while (!atomic_compare_exchange_weak_explicit(
		&inbox->word, &word, with, memory_order_release,
		memory_order_relaxed));
	return true;
}

/* Thread: any.  Lock: none. */
static inline bool wf_inbox_has(const struct wf_inbox *inbox)
{
	/* [IB1] acquire: if it was emptied, the count that was raised before;
	 * pairs with wf_inbox_take_locked(). */
	return wf_inbox_newest(atomic_load_explicit(
		       &inbox->word, memory_order_acquire)) != NULL;
}

/* Takes everything; before, the caller has raised the queue's count [IB1].
 * Thread: any that holds the queue's lock.
 * Return: the oldest; next leads to the others, and at last to NULL. */
static inline struct tev_list *wf_inbox_take_locked(struct wf_inbox *inbox)
{
	/* [IB1] acquire: all nodes; pairs with wf_inbox_send(). Release: the
	 * count raised; pairs with wf_inbox_has(). */
	struct tev_list *newest = wf_inbox_newest(atomic_fetch_and_explicit(
		&inbox->word, WF_INBOX_MARKS, memory_order_acq_rel));
	struct tev_list *oldest = NULL;

	while (newest != NULL) {
		struct tev_list *next = newest->next;

		newest->next = oldest;
		oldest = newest;
		newest = next;
	}
	return oldest;
}

/* Sets or takes back @mark. Thread: any that holds the queue's lock. */
static inline void wf_inbox_mark_locked(struct wf_inbox *inbox, uintptr_t mark,
					bool set)
{
	/* Relaxed, both: the mark is looked at in the word itself, and what
	 * came before it is taken out in the lock. */
	if (set) {
		(void)atomic_fetch_or_explicit(&inbox->word, mark,
					       memory_order_relaxed);
	} else {
		(void)atomic_fetch_and_explicit(&inbox->word, ~mark,
						memory_order_relaxed);
	}
}

/* Whether one of these is set.
 * Thread: any that holds the queue's lock. */
static inline bool wf_inbox_marked_locked(const struct wf_inbox *inbox,
					  uintptr_t marks)
{
	/* Relaxed: marks change under the lock. */
	return (atomic_load_explicit(&inbox->word, memory_order_relaxed) &
		marks) != 0;
}
