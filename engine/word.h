/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Word: the mailbox in one atomic word.
 *
 * A push-only stack of nodes whose head is at the same time the state of its
 * one receiver:
 *
 *      EMPTY (NULL)   the receiver is awake, nothing is queued
 *      ARMED          the receiver sleeps or is about to: the next post rings
 *      LULLED         the same, but it will look by itself before long: quiet
 *                     posts do not ring, others do
 *      CLOSED         the receiver is gone: posts are refused, for ever
 *      a node         newest message; the rest hangs behind it, newest first
 *      node + LULLED  the same, and nobody has rung yet
 *
 *   moves         by                from -> to
 *   push          any thread        EMPTY | node -> node     QUEUED
 *                                   ARMED -> node            RING: the pusher
 *                                   [node +] LULLED -> node  owes one wake-up
 *   push_quiet    any thread        as push, but
 *                                   [node +] LULLED -> node + LULLED   QUEUED
 *   take          the receiver      any but CLOSED -> EMPTY
 *   take_rearm    the receiver      any but CLOSED -> ARMED
 *   arm           the receiver      EMPTY -> ARMED, else refused
 *   lull          the receiver      EMPTY -> LULLED, else refused
 *   close         the receiver      any -> CLOSED
 *
 *               push   take   arm   close        X: may run at the same time
 *      push      X      X      X      X          -: the receiver's thread only,
 *      take      X      -      -      -             one at a time
 *      arm       X      -      -      -
 *      close     X      -      -      -
 *
 * Invariants:
 *  1. A node enters by one successful compare-and-swap and leaves by one
 *     exchange, so it is delivered exactly once or handed back by close.
 *  2. The order of entry is the order of delivery: first in, first out for
 *     each pusher, and one total order for the receiver.
 *  3. Once a node is in, its pusher never touches it again: the receiver may
 *     already have freed it.
 *  4. ARMED and LULLED are taken away by exactly one party. A pusher that took
 *     it owes exactly one wake-up; a receiver that finds it again owes none.
 *
 * No wake-up is lost:
 *  1. The receiver sleeps only after its own compare-and-swap EMPTY -> ARMED.
 *  2. So nothing was queued at that moment.
 *  3. The next change of the word is by the receiver (then it is awake) or by
 *     a pusher, who saw ARMED and therefore wakes it.
 *  4. The wake-up cannot be eaten before the sleep: the receiver empties a
 *     level-triggered descriptor before it arms, never after.
 *  5. That a post may be quiet stands in the very value that is exchanged. Who
 *     was told so of an earlier sleep finds another word, or one that allows it
 *     again.
 *
 * ABA is harmless: nobody takes single nodes out, and a push succeeds only on
 * the very value that it has stored in node->next.
 *
 * Threads: push from any thread (not from a signal handler when the caller's
 * wake-up is not safe there); everything else by the receiver alone.
 * Ordering: [W1] push publishes the node, take and close acquire it. [W2] arm
 * publishes what the receiver did before it sleeps; a ringing push acquires
 * it. push stays acq_rel even though that is only needed for the weakest of
 * wake-up primitives: it costs nothing here, and no system call has to be
 * trusted as a fence. docs/models/word.pml is its model.
 * Not here: the descriptor that is rung, and the lifetime of the word.
 *
 * Plain C11 without includes of ours, so that model checkers can read it.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tev_word_node {
	struct tev_word_node *next; /* Q: the pusher's, then the receiver's */
};

struct tev_word {
	_Atomic(struct tev_word_node *) head; /* A: [W1] [W2] */
};

#define TEV_WORD_EMPTY  ((struct tev_word_node *)NULL)
#define TEV_WORD_ARMED  ((struct tev_word_node *)(uintptr_t)1)
#define TEV_WORD_CLOSED ((struct tev_word_node *)(uintptr_t)2)
#define TEV_WORD_LULLED ((struct tev_word_node *)(uintptr_t)3)

/* Nodes are aligned to four at least: the states are what is below. */
#define TEV_WORD_STATE  ((uintptr_t)3)
#define TEV_WORD_ASLEEP ((uintptr_t)1) /* ARMED and LULLED have this bit */

enum tev_word_push {
	TEV_WORD_QUEUED,  /* accepted, the receiver is awake */
	TEV_WORD_RING,    /* accepted, and the caller must wake the receiver */
	TEV_WORD_REFUSED, /* closed: the node is still the caller's */
};

/* Thread: before the word is published. */
static inline void tev_word_init(struct tev_word *word)
{
	atomic_init(&word->head, TEV_WORD_EMPTY);
}

static inline uintptr_t tev_word_state(const struct tev_word_node *head)
{
	return (uintptr_t)head & TEV_WORD_STATE;
}

/* The newest node in @head, or NULL. */
static inline struct tev_word_node *tev_word_newest(struct tev_word_node *head)
{
	return (struct tev_word_node *)((uintptr_t)head & ~TEV_WORD_STATE);
}

static inline enum tev_word_push tev_word_push_as(struct tev_word *word,
						  struct tev_word_node *node,
						  bool quiet)
{
	/* Relaxed: only a guess, the compare-and-swap validates it. */
	struct tev_word_node *head = atomic_load_explicit(&word->head,
							  memory_order_relaxed);
	struct tev_word_node *fresh = NULL;
	uintptr_t state = 0;
	bool rings = false;

	do {
		if (head == TEV_WORD_CLOSED) {
			return TEV_WORD_REFUSED;
		}
		state = tev_word_state(head);
		node->next = tev_word_newest(head);
		rings = (state & TEV_WORD_ASLEEP) != 0;
		fresh = node;
		if (quiet && state == (uintptr_t)TEV_WORD_LULLED) {
			rings = false;
			fresh = (struct tev_word_node *)((uintptr_t)node |
							 state);
		}
		/* [W1] release: node filled; pairs with take and close.
		 * [W2] acquire: what the receiver did before it armed. */
	} while (!atomic_compare_exchange_weak_explicit(
		&word->head, &head, fresh, memory_order_acq_rel,
		memory_order_relaxed));

	return rings ? TEV_WORD_RING : TEV_WORD_QUEUED;
}

/* Adds @node.
 *
 * Thread: any.  Lock: none.
 * Owns:   takes @node unless REFUSED; it must not be touched afterwards.
 * Return: see enum tev_word_push.
 */
static inline enum tev_word_push tev_word_push(struct tev_word *word,
					       struct tev_word_node *node)
{
	return tev_word_push_as(word, node, false);
}

/* The same for what the receiver need not be woken for while it is lulled. */
static inline enum tev_word_push tev_word_push_quiet(struct tev_word *word,
						     struct tev_word_node *node)
{
	return tev_word_push_as(word, node, true);
}

/* Whether the receiver was lulled a moment ago.
 * Relaxed: a guess; push_quiet decides by what it exchanges. */
static inline bool tev_word_is_lulled(const struct tev_word *word)
{
	return tev_word_state(atomic_load_explicit(&word->head,
						   memory_order_relaxed)) ==
	       (uintptr_t)TEV_WORD_LULLED;
}

/* Turns a chain of newest first round to oldest first. */
static inline struct tev_word_node *tev_word_reverse(
	struct tev_word_node *newest)
{
	struct tev_word_node *oldest = NULL;

	while (newest != NULL) {
		struct tev_word_node *next = newest->next;
		newest->next = oldest;
		oldest = newest;
		newest = next;
	}
	return oldest;
}

/* What the receiver's exchange found: the messages, oldest first, and whether
 * the word was still ARMED or LULLED (then nobody has rung, and nobody will).
 */
struct tev_word_taken {
	struct tev_word_node *oldest;
	bool was_armed;
};

static inline struct tev_word_taken tev_word_exchange(
	struct tev_word *word, struct tev_word_node *state)
{
	/* [W1] acquire: every node pushed before. Release: what was done with
	 * earlier nodes happens before a later push that follows this one. */
	struct tev_word_node *head = atomic_exchange_explicit(
		&word->head, state, memory_order_acq_rel);
	struct tev_word_taken taken = { NULL, false };

	taken.was_armed = (tev_word_state(head) & TEV_WORD_ASLEEP) != 0;
	taken.oldest = tev_word_reverse(tev_word_newest(head));
	return taken;
}

/* A cheap look for the receiver: false means that take would find nothing.
 * Relaxed: a message that is missed here is found by the arm that follows.
 */
static inline bool tev_word_pending(const struct tev_word *word)
{
	return atomic_load_explicit(&word->head, memory_order_relaxed) !=
	       TEV_WORD_EMPTY;
}

/* Takes everything; the receiver is awake afterwards.
 * Thread: the receiver.  Return: the messages, now the receiver's. */
static inline struct tev_word_taken tev_word_take(struct tev_word *word)
{
	if (!tev_word_pending(word)) {
		struct tev_word_taken nothing = { NULL, false };
		return nothing;
	}
	return tev_word_exchange(word, TEV_WORD_EMPTY);
}

/* Takes everything and leaves the word ARMED, for a receiver that cannot say
 * when it goes to sleep: each post to an empty mailbox then rings.
 * Thread: the receiver.  Return: the messages, now the receiver's. */
static inline struct tev_word_taken tev_word_take_rearm(struct tev_word *word)
{
	return tev_word_exchange(word, TEV_WORD_ARMED);
}

static inline bool tev_word_sleep(struct tev_word *word,
				  struct tev_word_node *state)
{
	struct tev_word_node *empty = TEV_WORD_EMPTY;

	/* [W2] release: pairs with the push that rings. */
	return atomic_compare_exchange_strong_explicit(
		&word->head, &empty, state, memory_order_acq_rel,
		memory_order_relaxed);
}

/* Announces sleep. Never a plain store: a message that arrived in between
 * would be lost.
 * Thread: the receiver.  Return: false when something is queued: do not
 * sleep. */
static inline bool tev_word_arm(struct tev_word *word)
{
	return tev_word_sleep(word, TEV_WORD_ARMED);
}

/* The same, when the receiver is sure to come back by itself.
 * Thread: the receiver.  Return: as tev_word_arm(). */
static inline bool tev_word_lull(struct tev_word *word)
{
	return tev_word_sleep(word, TEV_WORD_LULLED);
}

/* Refuses everything from now on.
 * Thread: the receiver, once.  Return: what was accepted and not taken. */
static inline struct tev_word_taken tev_word_close(struct tev_word *word)
{
	return tev_word_exchange(word, TEV_WORD_CLOSED);
}
