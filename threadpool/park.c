/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Park: where the workers of a pool sleep, and who of them is woken.
 *
 * Waking is what costs: one system call here, a context switch there. So at
 * most one worker at a time is on its way to look for jobs, the one with the
 * token "searching". Whoever publishes a job while it is out does nothing. The
 * one with the token, when it finds a job, gives the token back, looks again,
 * and if there is more wakes the next one: as many wake up as there is work
 * for, one after the other, and with few small jobs one worker does them all.
 *
 *      publish job --> fence --> token free, somebody idle? --> pop the most
 *                                recently idle, it has the token --> futex
 *                                all busy, below max?         --> a newborn
 *                                                                 has it
 *
 * The token goes to one named worker, popped under the lock. Set without a
 * name it can be swallowed by a worker that just gave up falling asleep, and
 * then nobody is ever woken again.
 *
 * No wake-up is lost [PK1]:
 *  1. A submitter stores the job's count, then loads searching, idlers and
 *     workers. A worker that falls asleep, leaves, gives the token back or
 *     fails to be born stores these, then loads the counts of the queues.
 *  2. Between the two there is a full fence on both sides, so at least one of
 *     them sees the other. Do not weaken: acquire and release do not order a
 *     store before a load.
 *  3. If the submitter sees the worker, it wakes it, under the lock, or finds
 *     the token with somebody else, for whom the same holds.
 *  4. If the worker sees the job, it takes its announcement back; if it has
 *     been popped meanwhile, the token is its own. In both cases it searches.
 *
 * [PK3] A worker that is neither idle nor busy is between two jobs and will
 * look by itself: while there is one nobody is born, so jobs sent one after the
 * other need one thread. Relied on like that, it looks again when it has found
 * a job: it stores busy, then loads the queues and the worker count; who relies
 * on it has stored its job and loaded the worker count, then loads busy. A full
 * fence on both sides. When all workers are there nobody is relied on.
 *
 * [PK4] busy is stored false with release before the result is posted: an
 * owner that has seen the result also sees that the worker is free, so who
 * keeps exactly as many jobs going as the pool takes is never refused. Pairs
 * with the loads in park_count_busy_locked().
 *
 * [PK2] The futex word of a worker: stored 0 under the lock with release when
 * it is popped, loaded with acquire by the sleeper.
 *
 * Births may fail. Then the token goes back, and jobs whose submitters relied
 * on it are found by the look that follows: an idle worker gets the token, a
 * busy one looks when it is through, and if there is no worker at all the jobs
 * are refused with the reason.
 *
 * The model is docs/models/park.pml; each rule above is a mutant there.
 *
 * Threads: see each function.  Not here: the queues (shard.c), the threads
 * (worker.c).
 */
#include "threadpool/park.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "engine/order.h"

/* After a failed birth no other is tried for so long while there are other
 * workers: failing is slow, and loops would pay for it. */
#define PARK_BIRTH_PAUSE_NS 100000000ULL

void wf_park_init(struct wf_park *park, unsigned min, unsigned max)
{
	(void)pthread_mutex_init(&park->lock, NULL);
	tev_list_init(&park->idle);
	tev_list_init(&park->all);
	park->stopped = false;
	park->no_birth_until_ns = 0;
	park->births = 0;
	park->births_failed = 0;
	park->completed_left = 0;
	park->min = min;
	park->max = max;
	atomic_init(&park->searching, false);
	atomic_init(&park->idlers, 0);
	atomic_init(&park->workers, 0);
}

void wf_park_fini(struct wf_park *park)
{
	(void)pthread_mutex_destroy(&park->lock);
}

void wf_park_lock(struct wf_park *park)
{
	(void)pthread_mutex_lock(&park->lock);
}

void wf_park_unlock(struct wf_park *park)
{
	(void)pthread_mutex_unlock(&park->lock);
}

/* Relaxed here and in the next two: the lock orders writers, the fences of
 * [PK1] order them against the queues, and a stale look is harmless. */
static unsigned park_get(atomic_uint *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static void park_add_locked(atomic_uint *counter, int amount)
{
	atomic_store_explicit(counter, park_get(counter) + (unsigned)amount,
			      memory_order_relaxed);
}

static void park_set_searching(struct wf_park *park, bool searching)
{
	atomic_store_explicit(&park->searching, searching,
			      memory_order_relaxed);
}

static bool park_searching(struct wf_park *park)
{
	return atomic_load_explicit(&park->searching, memory_order_relaxed);
}

static uint64_t park_now_ns(void)
{
	struct timespec now = { 0, 0 };

	(void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static long park_futex(struct wf_bed *bed, int op, uint32_t value,
		       const struct timespec *timeout)
{
	return syscall(SYS_futex, &bed->asleep, op, value, timeout, NULL, 0);
}

/* [PK2] release: what the waker did before; pairs with wf_park_sleep(). */
static struct wf_bed *park_pop_locked(struct wf_park *park)
{
	struct tev_list *first = tev_list_first(&park->idle);
	struct wf_bed *bed = NULL;

	if (first == NULL) {
		return NULL;
	}
	bed = tev_list_entry(first, struct wf_bed, idle);
	tev_list_remove(first);
	park_add_locked(&park->idlers, -1);
	atomic_store_explicit(&bed->asleep, 0, memory_order_release);
	return bed;
}

/* @bed may be gone with its worker, which has seen the store and left: then
 * the kernel finds no sleeper, or one in the same memory's new life, to whom a
 * false alarm does nothing. */
static void park_ring(struct wf_bed *bed)
{
	(void)park_futex(bed, FUTEX_WAKE_PRIVATE, 1, NULL);
}

static unsigned park_count_busy_locked(struct wf_park *park)
{
	struct tev_list *link = NULL;
	unsigned count = 0;

	tev_list_for_each(link, &park->all) {
		struct wf_bed *bed = tev_list_entry(link, struct wf_bed, all);
		/* [PK4] acquire. */
		bool busy = atomic_load_explicit(&bed->busy,
						 memory_order_acquire);

		count += busy ? 1 : 0;
	}
	return count;
}

/* Nobody is idle. */
static bool park_may_bear_locked(struct wf_park *park)
{
	unsigned workers = park_get(&park->workers);

	if (workers >= park->max || park->stopped) {
		return false;
	}
	/* [PK3] full fence: job stored and workers loaded, busy loaded. Do not
	 * weaken. */
	tev_fence_full();
	if (park_count_busy_locked(park) < workers) {
		return false;
	}
	if (tev_likely(workers == 0 || park->no_birth_until_ns == 0)) {
		return true;
	}
	return park_now_ns() >= park->no_birth_until_ns;
}

enum wf_park_woken wf_park_wake(struct wf_park *park)
{
	enum wf_park_woken woken = WF_PARK_NOBODY;
	struct wf_bed *bed = NULL;

	/* [PK1] full fence: job count stored, park loaded. Do not weaken. */
	tev_fence_full();
	if (park_searching(park) || (park_get(&park->idlers) == 0 &&
				     park_get(&park->workers) >= park->max)) {
		return WF_PARK_NOBODY;
	}

	wf_park_lock(park);
	if (!park_searching(park)) {
		bed = park_pop_locked(park);
		if (bed != NULL) {
			woken = WF_PARK_WOKEN;
		} else if (park_may_bear_locked(park)) {
			woken = WF_PARK_BIRTH;
			park->births++;
			park_add_locked(&park->workers, 1);
		}
		if (woken != WF_PARK_NOBODY) {
			park_set_searching(park, true);
		}
	}
	wf_park_unlock(park);

	if (bed != NULL) {
		park_ring(bed);
	}
	return woken;
}

enum wf_park_woken wf_park_birth_failed(struct wf_park *park, bool token)
{
	unsigned left = 0;

	wf_park_lock(park);
	park->births--;
	park->births_failed++;
	park->no_birth_until_ns = park_now_ns() + PARK_BIRTH_PAUSE_NS;
	park_add_locked(&park->workers, -1);
	left = park_get(&park->workers);
	if (token) {
		park_set_searching(park, false);
	}
	wf_park_unlock(park);
	/* [PK1] full fence: token and count stored, queues loaded by the
	 * caller. Do not weaken. */
	tev_fence_full();
	return left == 0 ? WF_PARK_NOBODY : WF_PARK_WOKEN;
}

void wf_park_join(struct wf_park *park, struct wf_bed *bed)
{
	tev_list_init(&bed->idle);
	tev_list_init(&bed->all);
	atomic_init(&bed->asleep, 0);
	atomic_init(&bed->busy, false);
	atomic_init(&bed->completed, 0);
	wf_park_lock(park);
	tev_list_append(&park->all, &bed->all);
	wf_park_unlock(park);
}

/* Relaxed: only the worker itself writes it. */
static uint64_t park_completed(const struct wf_bed *bed)
{
	return atomic_load_explicit(&bed->completed, memory_order_relaxed);
}

void wf_park_part(struct wf_park *park, struct wf_bed *bed)
{
	wf_park_lock(park);
	tev_list_remove(&bed->all);
	park->completed_left += park_completed(bed);
	wf_park_unlock(park);
}

void wf_park_busy(struct wf_bed *bed)
{
	/* Relaxed: ordered by the queue's lock and the fence of [PK3]. */
	atomic_store_explicit(&bed->busy, true, memory_order_relaxed);
}

void wf_park_done(struct wf_bed *bed)
{
	atomic_store_explicit(&bed->completed, park_completed(bed) + 1,
			      memory_order_relaxed);
	/* [PK4] release: pairs with park_count_busy_locked(). */
	atomic_store_explicit(&bed->busy, false, memory_order_release);
}

bool wf_park_found(struct wf_park *park, bool token)
{
	if (token) {
		park_set_searching(park, false);
	}
	/* [PK1] [PK3] full fence: token and busy stored, worker count and, by
	 * the caller, queues loaded. Do not weaken. */
	tev_fence_full();
	return token || park_get(&park->workers) < park->max;
}

bool wf_park_enter(struct wf_park *park, struct wf_bed *bed, bool token)
{
	bool stopped = false;

	wf_park_lock(park);
	stopped = park->stopped;
	if (stopped) {
		park_add_locked(&park->workers, -1);
	} else {
		tev_list_prepend(&park->idle, &bed->idle);
		park_add_locked(&park->idlers, 1);
		/* Relaxed: only this worker sleeps on it. */
		atomic_store_explicit(&bed->asleep, 1, memory_order_relaxed);
	}
	if (token) {
		park_set_searching(park, false);
	}
	wf_park_unlock(park);
	/* [PK1] full fence: park stored, queues loaded by the caller. Do not
	 * weaken. */
	tev_fence_full();
	return !stopped;
}

/* Takes the worker out of the idle stack, if it is still there. */
static bool park_remove_locked(struct wf_park *park, struct wf_bed *bed)
{
	if (tev_list_empty(&bed->idle)) {
		return false;
	}
	tev_list_remove(&bed->idle);
	park_add_locked(&park->idlers, -1);
	return true;
}

bool wf_park_cancel(struct wf_park *park, struct wf_bed *bed)
{
	bool token = true;

	wf_park_lock(park);
	if (park_remove_locked(park, bed)) {
		/* Stored only if it is free: its owner gives it back without
		 * the lock, and a store here after that would take it from
		 * everybody. */
		token = !park_searching(park);
		if (token) {
			park_set_searching(park, true);
		}
	}
	wf_park_unlock(park);
	return token;
}

bool wf_park_sleep(struct wf_park *park, struct wf_bed *bed,
		   unsigned timeout_ms)
{
	struct timespec timeout = {
		.tv_sec = (time_t)(timeout_ms / 1000),
		.tv_nsec = (long)(timeout_ms % 1000) * 1000000L,
	};
	bool for_ever = timeout_ms == UINT_MAX ||
			park_get(&park->workers) <= park->min;

	for (;;) {
		long ret = 0;
		int error = 0;

		/* [PK2] acquire: pairs with park_pop_locked(). */
		if (atomic_load_explicit(&bed->asleep, memory_order_acquire) ==
		    0) {
			return true;
		}
		ret = park_futex(bed, FUTEX_WAIT_PRIVATE, 1,
				 for_ever ? NULL : &timeout);
		error = errno;
		if (ret != 0 && error == ETIMEDOUT) {
			return false;
		}
	}
}

bool wf_park_leave(struct wf_park *park, struct wf_bed *bed, bool *ret_token)
{
	bool leaves = false;

	wf_park_lock(park);
	if (!park_remove_locked(park, bed)) {
		*ret_token = true;
	} else if (park_get(&park->workers) <= park->min) {
		*ret_token = false;
	} else {
		leaves = true;
		park_add_locked(&park->workers, -1);
	}
	wf_park_unlock(park);
	/* [PK1] full fence: counts stored, queues loaded by the caller. Do not
	 * weaken. */
	tev_fence_full();
	return leaves;
}

bool wf_park_return(struct wf_park *park)
{
	bool stays = false;

	wf_park_lock(park);
	if (!park->stopped && !park_searching(park) &&
	    park_get(&park->workers) < park->max) {
		stays = true;
		park_set_searching(park, true);
		park_add_locked(&park->workers, 1);
	}
	wf_park_unlock(park);
	return stays;
}

void wf_park_stop(struct wf_park *park)
{
	wf_park_lock(park);
	park->stopped = true;
	for (;;) {
		struct wf_bed *bed = park_pop_locked(park);

		if (bed == NULL) {
			break;
		}
		park_ring(bed);
	}
	wf_park_unlock(park);
}

unsigned wf_park_count_busy(struct wf_park *park)
{
	unsigned busy = 0;

	wf_park_lock(park);
	busy = park_count_busy_locked(park);
	wf_park_unlock(park);
	return busy;
}

uint64_t wf_park_count_completed(struct wf_park *park)
{
	struct tev_list *link = NULL;
	uint64_t completed = 0;

	wf_park_lock(park);
	completed = park->completed_left;
	tev_list_for_each(link, &park->all) {
		completed += park_completed(
			tev_list_entry(link, struct wf_bed, all));
	}
	wf_park_unlock(park);
	return completed;
}

void wf_park_forget_locked(struct wf_park *park)
{
	tev_list_init(&park->idle);
	tev_list_init(&park->all);
	park->no_birth_until_ns = 0;
	park->births = 0;
	park->births_failed = 0;
	park->completed_left = 0;
	park_set_searching(park, false);
	atomic_store_explicit(&park->idlers, 0, memory_order_relaxed);
	atomic_store_explicit(&park->workers, 0, memory_order_relaxed);
}
