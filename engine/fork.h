/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Fork: how the library learns that it runs in a forked child. See fork.c. */
#pragma once

#include <stdatomic.h>

/* Counts the forks between the first process of the library and this one. */
extern atomic_uint tev_fork_generation;

void tev_fork_watch(void);

/* The generation of this process.
 * Relaxed: it is written in the child of a fork, while that has one thread.
 * Thread: any, signal handlers too. */
static inline unsigned tev_fork_now(void)
{
	return atomic_load_explicit(&tev_fork_generation, memory_order_relaxed);
}
