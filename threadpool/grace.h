/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Grace: memory that others may still be looking at; grace.c. */
#pragma once

/* Inline, a read section costs two nanoseconds in place of eighteen. Not under
 * sanitizers: liburcu's own records are not aligned as it declares them. */
#if !defined(__SANITIZE_ADDRESS__)
#define _LGPL_SOURCE
#endif
#include <urcu/urcu-bp.h>

#include "engine/order.h"
#include "engine/word.h"

/* Embedded in what is to be freed when nobody can be looking at it any more. */
struct wf_retired {
	struct tev_word_node node; /* Q: the retire list */
	/* On any thread, outside of all read sections. */
	void (*reclaim)(struct wf_retired *retired);
};

/* ThreadSanitizer does not see into liburcu: it is told here that what a
 * reader did comes before a reclaim that follows. */
extern char wf_grace_tag;

/* Between these two nothing is freed that was still to be found when the
 * section began. Sections may nest, and are short: no user code in them.
 * Thread: any, but not in a signal handler.  Lock: the first one of a thread
 *         takes liburcu's. */
static inline void wf_read_begin(void)
{
	urcu_bp_read_lock();
}

static inline void wf_read_end(void)
{
	tev_tsan_release(&wf_grace_tag);
	urcu_bp_read_unlock();
}

/* Once before anything is retired, so that forks know of it; again: nothing.
 * Thread: any.  Lock: takes fork.h's. */
void wf_grace_init(void);

/* Has @retired reclaimed after a grace period: it can no longer be found, but
 * readers may still have it. Never waits.
 * Thread: any, in a read section too.  Lock: none.
 * Owns:   takes @retired. */
void wf_grace_retire(struct wf_retired *retired);

/* Waits for a grace period and reclaims, if anything is retired and nobody
 * else is at it. For threads of ours that have nothing else to do.
 * Thread: any that may wait; in a read section it does nothing.
 * Lock:   takes grace's. */
void wf_grace_reap(void);

/* The same if much is retired: for threads of ours that could do something
 * else, between two things. */
void wf_grace_relieve(void);

/* The same if so much is retired that it cannot be left to others: for any
 * thread that has just retired something, also in a destructor. */
void wf_grace_limit(void);

/* A thread of ours that will reap comes, and goes.
 * Thread: that one.  Lock: none. */
void wf_grace_helper_begin(void);
void wf_grace_helper_end(void);
