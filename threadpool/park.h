/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Park: where the workers of a pool sleep, and who of them is woken; park.c. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/base.h"
#include "engine/list.h"

/* What the park knows of one worker, embedded in it. */
struct wf_bed {
	TEV_CACHE_ALIGNED struct tev_list idle; /* L(park) */
	struct tev_list all;                    /* L(park) */
	_Atomic(uint32_t) asleep;               /* A: [PK2], futex */
	/* Written by the worker, read by others. */
	TEV_CACHE_ALIGNED atomic_bool busy; /* A: [PK3] [PK4] */
	_Atomic(uint64_t) completed;        /* A: relaxed, a statistic */
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
	unsigned min;               /* I: */
	unsigned max;               /* I: */
	/* Written under the lock (searching: also by who holds the token),
	 * read without. */
	TEV_CACHE_ALIGNED atomic_bool searching; /* A: [PK1] */
	atomic_uint idlers;                      /* A: [PK1] */
	atomic_uint workers;                     /* A: [PK1] */
};

/* Thread: before anybody else knows the park. */
void wf_park_init(struct wf_park *park, unsigned min, unsigned max);
/* Thread: after everybody has forgotten it. */
void wf_park_fini(struct wf_park *park);

/* ---- for who has published a job, or has found that there are more ---- */

enum wf_park_woken {
	WF_PARK_NOBODY, /* nobody can be woken, or somebody searches already */
	WF_PARK_WOKEN,  /* an idle worker has the token and is awake */
	/* The caller starts a thread, which is counted and has the token, or
	 * calls wf_park_birth_failed(). */
	WF_PARK_BIRTH,
};

/* Full fence between "a job is published" and a look for a worker.
 * Thread: any.  Lock: takes the park's only if somebody can be woken.
 * Return: what has been done, or is to be done. */
enum wf_park_woken wf_park_wake(struct wf_park *park);

/* The promised thread does not come. Takes back the count, and the token
 * unless it has given that back itself. Afterwards
 * the caller looks at the queues again: if jobs wait and it was told NOBODY,
 * they must be refused.
 * Thread: any.  Lock: takes the park's.
 * Return: WF_PARK_NOBODY: no worker is left; WF_PARK_WOKEN: others are there.
 */
enum wf_park_woken wf_park_birth_failed(struct wf_park *park, bool token);

/* ---- for workers ---- */

/* Before anything else, and after everything: the park knows the worker.
 * Thread: who starts the worker; the worker.  Lock: takes the park's. */
void wf_park_join(struct wf_park *park, struct wf_bed *bed);
void wf_park_part(struct wf_park *park, struct wf_bed *bed);

/* The worker has taken a job out of a queue, whose lock it holds; and is
 * through with it, before the result is posted.
 * Thread: worker.  Lock: none. */
void wf_park_busy(struct wf_bed *bed);
void wf_park_done(struct wf_bed *bed);

/* The worker has found a job, and gives back the token if it has that.
 * Thread: the worker.  Lock: none.
 * Return: whether others may have relied on it: then it looks at the queues
 *         again and calls wf_park_wake() if jobs wait. */
bool wf_park_found(struct wf_park *park, bool token);

/* The worker has found nothing: announces sleep and gives back the token that
 * it may have. The caller then looks at the queues again.
 * Thread: worker.  Lock: takes the park's.
 * Return: false: the park is stopped; the worker is not counted any more and
 *         must leave. */
bool wf_park_enter(struct wf_park *park, struct wf_bed *bed, bool token);

/* There was a job after all: takes the announcement back.
 * Thread: worker.  Lock: takes the park's.
 * Return: whether the worker has the token. */
bool wf_park_cancel(struct wf_park *park, struct wf_bed *bed);

/* Sleeps.
 * Thread: worker.  Lock: none.
 * Return: true: woken, the token is the worker's; false: nothing has come for
 *         @timeout_ms, only when the park has more workers than its minimum. */
bool wf_park_sleep(struct wf_park *park, struct wf_bed *bed,
		   unsigned timeout_ms);

/* Wants to leave for good. Afterwards, when it may, the caller looks at the
 * queues again and calls wf_park_return() if jobs wait.
 * Thread: worker.  Lock: takes the park's.
 * Return: false: it has just been woken, or is needed for the minimum; then
 *         see @ret_token. */
bool wf_park_leave(struct wf_park *park, struct wf_bed *bed, bool *ret_token);

/* A job came while the worker left: it stays, with the token, unless somebody
 * searches already.
 * Thread: worker that has left.  Lock: takes the park's.
 * Return: whether it stays. */
bool wf_park_return(struct wf_park *park);

/* Wakes everybody for good: who enters from now on is sent away.
 * Thread: any.  Lock: takes the park's. */
void wf_park_stop(struct wf_park *park);

/* ---- the rest ---- */

/* How many workers run something at this moment, and how many jobs all of them
 * have completed, those that have left included.
 * Thread: any.  Lock: takes the park's. */
unsigned wf_park_count_busy(struct wf_park *park);
uint64_t wf_park_count_completed(struct wf_park *park);

/* Around fork: takes the lock, gives it back. */
void wf_park_lock(struct wf_park *park);
void wf_park_unlock(struct wf_park *park);

/* In a forked child, under the lock: there are no workers here. */
void wf_park_forget_locked(struct wf_park *park);
