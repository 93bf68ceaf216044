/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Fork: how the library learns that it runs in a forked child.
 *
 * One pthread_atfork() handler in the child counts a generation and renews
 * the cached process id. Whatever must not be shared with the parent (epoll
 * descriptor, eventfd) carries the generation it was made in and is replaced
 * on its first use in another one. So fork itself costs next to nothing (one
 * lock, in immediate_store.c); a child that goes on to exec is never touched.
 *
 * vfork and raw clone do not run the handler; such children must exec.
 *
 * Threads: any. The two variables are written under pthread_once, or by
 * the only thread of a new child; relaxed atomics, since there is nobody to
 * order against.
 */
#include "engine/fork.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "include/tevent.h"

atomic_uint tev_fork_generation; /* A: see the essay */

static _Atomic pid_t fork_pid; /* A: see the essay */
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

static void fork_remember_pid(void)
{
	/* Relaxed: see the essay. */
	atomic_store_explicit(&fork_pid, getpid(), memory_order_relaxed);
}

static void fork_child(void)
{
	fork_remember_pid();
	(void)atomic_fetch_add_explicit(&tev_fork_generation, 1,
					memory_order_relaxed);
}

static void fork_register(void)
{
	fork_remember_pid();
	(void)pthread_atfork(NULL, NULL, fork_child);
}

/* Starts watching, once. Thread: any. */
void tev_fork_watch(void)
{
	(void)pthread_once(&fork_once, fork_register);
}

pid_t tevent_cached_getpid(void)
{
	tev_fork_watch();
	/* Relaxed: see the essay. */
	return atomic_load_explicit(&fork_pid, memory_order_relaxed);
}
