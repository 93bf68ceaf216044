/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Thread: who may own, and which of them live.
 *
 * A number stands for a thread and is never used again; so what a thread owned
 * may outlive it. Time is counted in events, to tell what was before a thread
 * was started.
 *
 * Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct owner_thread {
	uint64_t serial;
	uint64_t started; /* when; 0: nobody saw it */
};

/* Thread: any.  Lock: none, or the table's.
 * Return: this moment, later than all before. */
uint64_t owner_thread_tick(void);

/* Thread: any.  Lock: takes its own, and may allocate.
 * Return: the calling thread. */
struct owner_thread owner_thread_self(void);

/* Thread: any.  Lock: takes its own; the caller may hold the table's.
 * Return: whether that thread has not ended yet. */
bool owner_thread_lives(uint64_t serial);
