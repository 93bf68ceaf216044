/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Fork: one pthread_atfork set for all of libweft.
 *
 * Each file that has a lock, or something that a child must not share with its
 * parent, takes part here when it is first used, so a program that never uses
 * it pays nothing. The handlers themselves cannot be taken back, and the
 * library is linked never to be unloaded.
 *
 *  1. Before a fork all parts prepare in the order of their ranks; afterwards
 *     they are released in the reverse order.
 *  2. The lock of the parts is held meanwhile, so none is added in between.
 *  3. The generation counts forks on the child's side: nothing is done to the
 *     memory of a parent's threads, which may be half changed; whoever finds
 *     such a thing knows it by its generation.
 *
 * Threads: any.  Ordering: the lock. The generation is written by the only
 * thread of a new child.
 */
#include "threadpool/fork.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "engine/base.h"

static struct {
	pthread_mutex_t lock;
	bool ready;                                      /* L(lock) */
	const struct wf_fork_part *parts[WF_FORK_RANKS]; /* L(lock) */
	unsigned generation;                             /* I: of a process */
} forks = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void fork_prepare(void)
{
	unsigned i = 0;

	(void)pthread_mutex_lock(&forks.lock);
	for (i = 0; i < WF_FORK_RANKS; i++) {
		if (forks.parts[i] != NULL) {
			forks.parts[i]->prepare();
		}
	}
}

static void fork_parent(void)
{
	unsigned i = 0;

	for (i = WF_FORK_RANKS; i > 0; i--) {
		if (forks.parts[i - 1] != NULL) {
			forks.parts[i - 1]->parent();
		}
	}
	(void)pthread_mutex_unlock(&forks.lock);
}

static void fork_child(void)
{
	unsigned i = 0;

	forks.generation++;
	for (i = WF_FORK_RANKS; i > 0; i--) {
		if (forks.parts[i - 1] != NULL) {
			forks.parts[i - 1]->child();
		}
	}
	(void)pthread_mutex_unlock(&forks.lock);
}

void wf_fork_add(enum wf_fork_rank rank, const struct wf_fork_part *part)
{
	(void)pthread_mutex_lock(&forks.lock);
	if (!forks.ready) {
		forks.ready = true;
		(void)pthread_atfork(fork_prepare, fork_parent, fork_child);
	}
	forks.parts[rank] = part;
	(void)pthread_mutex_unlock(&forks.lock);
}

unsigned wf_fork_generation(void)
{
	return forks.generation;
}
