/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Bed: what a park knows of each of its workers, and of all together.
 *
 * Data, and the few things that park.c and park_size.c both do with it.
 */
#pragma once

#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include "engine/base.h"
#include "engine/list.h"

/* What the park knows of one worker, embedded in it. */
struct wf_bed {
	TEV_CACHE_ALIGNED struct tev_list idle; /* L(park) */
	struct tev_list all;                    /* L(park) */
	_Atomic(uint32_t) asleep;               /* A: [PK2], futex */
	unsigned number;                        /* I: for the name */
	bool lingers;    /* O: idle for ever, up to max */
	pid_t tid;       /* L(park): 0: not yet known */
	clockid_t clock; /* L(park): of its CPU time */
	atomic_uchar
		blocked; /* A: written under the lock; enum wf_bed_blocked */
	uint64_t seen_cpu_ns; /* L(park): the watch's */
	uint64_t seen_at_ns;  /* L(park): the watch's */
	const void *seen;     /* L(park): the watch's: what it ran then */
	uint64_t looked_ns;   /* L(park): the watch's: its last look */
	/* Written by the worker, read by others. */
	TEV_CACHE_ALIGNED atomic_bool busy; /* A: [PK3] [PK4] */
	atomic_bool serving;         /* A: [DR1] until the end is posted */
	_Atomic(uintptr_t) current;  /* A: [PK5] the job that it runs: poke.h */
	_Atomic(uint64_t) completed; /* A: relaxed, a statistic */
};

/* A worker that sleeps in the system, in the middle of a job. */
enum wf_bed_blocked {
	WF_BED_RUNS,
	WF_BED_SAID, /* by weft_blocking_begin() */
	WF_BED_SEEN, /* by the watch */
};

struct wf_park {
	TEV_CACHE_ALIGNED pthread_mutex_t lock;
	struct tev_list idle;       /* L(lock): most recently idle first */
	struct tev_list all;        /* L(lock): beds, of those that leave too */
	bool stopped;               /* L(lock) */
	uint64_t no_birth_until_ns; /* L(lock): after a failed birth */
	uint64_t births;            /* L(lock) */
	uint64_t births_failed;     /* L(lock) */
	uint64_t completed_left;    /* L(lock): by workers that have left */
	uint64_t spares;            /* L(lock): births for a blocked one */
	unsigned spare;             /* I: so many more than max at most */
	unsigned excess;            /* L(lock): so many are to leave */
	atomic_uint min;            /* A: written under the lock, relaxed */
	atomic_uint max;            /* A: written under the lock, [PK1] */
	/* Written under the lock (searching: also by who holds the token),
	 * read without. */
	TEV_CACHE_ALIGNED atomic_bool searching; /* A: [PK1] */
	atomic_uint idlers;                      /* A: [PK1] */
	atomic_uint workers;                     /* A: [PK1] */
	atomic_uint blocked;                     /* A: [PK1] */
};

/* What a worker sleeps on. ASLEEP or any number above it: sleep. */
enum park_word {
	PARK_WOKEN = 0,
	PARK_DISMISSED = 1,
	PARK_ASLEEP = 2,
};

/* Relaxed here and in the next two: the lock orders writers, the fences of
 * [PK1] order them against the queues, and a stale look is harmless. */
static inline unsigned park_get(atomic_uint *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static inline void park_add_locked(atomic_uint *counter, int amount)
{
	atomic_store_explicit(counter, park_get(counter) + (unsigned)amount,
			      memory_order_relaxed);
}

/* Neither in the system nor in the park. As a difference, because numbers that
 * are read one by one without the lock may not fit each other. */
static inline bool park_active_above(struct wf_park *park, uint64_t count)
{
	return park_get(&park->workers) >
	       count + park_get(&park->idlers) + park_get(&park->blocked);
}

static inline long park_futex(struct wf_bed *bed, int op, uint32_t value,
			      const struct timespec *timeout)
{
	return syscall(SYS_futex, &bed->asleep, op, value, timeout, NULL, 0);
}

/* [PK2] release: what the waker did before; pairs with wf_park_sleep(). */
static inline struct wf_bed *park_take_locked(struct wf_park *park,
					      struct tev_list *link,
					      enum park_word word)
{
	struct wf_bed *bed = tev_list_entry(link, struct wf_bed, idle);

	tev_list_remove(link);
	park_add_locked(&park->idlers, -1);
	atomic_store_explicit(&bed->asleep, word, memory_order_release);
	return bed;
}

static inline void park_rest_locked(struct wf_park *park, struct wf_bed *bed)
{
	tev_list_prepend(&park->idle, &bed->idle);
	park_add_locked(&park->idlers, 1);
	/* Relaxed: only this worker sleeps on it. */
	atomic_store_explicit(&bed->asleep, PARK_ASLEEP, memory_order_relaxed);
}

/* @bed may be gone with its worker, which has seen the store and left: then
 * the kernel finds no sleeper, or one in the same memory's new life, to whom a
 * false alarm does nothing. */
static inline void park_ring(struct wf_bed *bed)
{
	(void)park_futex(bed, FUTEX_WAKE_PRIVATE, 1, NULL);
}
