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
 *      publish job --> fence --> token free, fewer than max active?
 *                                somebody idle --> pop the most recently
 *                                idle, it has the token --> futex
 *                                all busy, below the limit --> a newborn
 *                                has it
 *
 * Active are those that are neither idle nor blocked, which is: asleep in the
 * system in the middle of a job. At most max are to be active; with each that
 * is blocked one more thread may be there, up to the limit, max + spare.
 *
 * The token goes to one named worker, popped under the lock. Set without a
 * name it can be swallowed by a worker that just gave up falling asleep, and
 * then nobody is ever woken again.
 *
 * No wake-up is lost [PK1]:
 *  1. A submitter puts the job into a shard, so that its inbox or its count
 *     shows it, then loads searching, idlers, blocked, max and workers. Whoever
 *     makes fewer active or more possible (a worker that falls asleep, blocks,
 *     leaves, gives the token back or fails to be born; a resize) stores these,
 *     then loads inboxes and counts.
 *  2. Between the two there is a full fence on both sides, so at least one of
 *     them sees the other. Do not weaken: acquire and release do not order a
 *     store before a load. Who has put the job into an inbox has done so by a
 *     read-modify-write, which is such a fence on x86 (order.h).
 *  3. If the submitter sees the worker, it wakes it, under the lock, or finds
 *     the token with somebody else, for whom the same holds.
 *  4. If the worker sees the job, it takes its announcement back; if it has
 *     been popped meanwhile, the token is its own. In both cases it searches.
 *  5. Who leaves because too many are active does not look: park_size.c.
 *
 * [PK3] A worker that is neither idle nor busy is between two jobs and will
 * look by itself: while there is one nobody is born, so jobs sent one after the
 * other need one thread. Relied on like that, it looks again when it has found
 * a job: it stores busy, claims the job, then loads the queues and the worker
 * count; who relies on it has stored its job and loaded the worker count, then
 * loads busy. A full fence on both sides: the worker's is the claim's, as
 * above. If the claim fails it was busy for nothing, for a moment. When all
 * workers are there nobody is relied on.
 *
 * [PK4] busy is stored false with release before the result is posted: an
 * owner that has seen the result also sees that the worker is free, so who
 * keeps exactly as many jobs going as the pool takes is never refused. Pairs
 * with the loads in park_count_busy_locked().
 *
 * [PK2] The futex word of a worker: stored 0 under the lock with release when
 * it is popped, loaded with acquire by the sleeper.
 *
 * A worker that is popped because it is one too many (park_size.c) knows that
 * by the word on which it sleeps: it is not counted any more and has no token.
 *
 * Births may fail. Then the token goes back, and jobs whose submitters relied
 * on it are found by the look that follows: an idle worker gets the token, a
 * busy one looks when it is through, and if there is no worker at all the jobs
 * are refused with the reason.
 *
 * The model is docs/models/park.pml; each rule above is a mutant there.
 *
 * Threads: see each function.  Not here: how many there may be (park_size.c),
 * the queues (shard.c), the threads (worker.c).
 */
#include "threadpool/park.h"

#include <errno.h>
#include <limits.h>
#include <time.h>

#include "engine/order.h"

/* After a failed birth no other is tried for so long while there are other
 * workers: failing is slow, and loops would pay for it. */
#define PARK_BIRTH_PAUSE_NS 100000000ULL

/* Where the idle stay for ever those above max leave after so long. */
#define PARK_SPARE_IDLE_MS 1000

void wf_park_init(struct wf_park *park, unsigned min, unsigned max,
		  unsigned spare)
{
	(void)pthread_mutex_init(&park->lock, NULL);
	tev_list_init(&park->idle);
	tev_list_init(&park->all);
	park->stopped = false;
	park->no_birth_until_ns = 0;
	park->births = 0;
	park->births_failed = 0;
	park->completed_left = 0;
	park->spares = 0;
	park->spare = spare;
	park->excess = 0;
	atomic_init(&park->min, min);
	atomic_init(&park->max, max);
	atomic_init(&park->searching, false);
	atomic_init(&park->idlers, 0);
	atomic_init(&park->workers, 0);
	atomic_init(&park->blocked, 0);
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

/* Relaxed: as in bed.h. */
static void park_set_searching(struct wf_park *park, bool searching)
{
	atomic_store_explicit(&park->searching, searching,
			      memory_order_relaxed);
}

static uint64_t park_now_ns(void)
{
	struct timespec now = { 0, 0 };

	(void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static struct wf_bed *park_pop_locked(struct wf_park *park)
{
	struct tev_list *first = tev_list_first(&park->idle);

	return first != NULL ? park_take_locked(park, first, PARK_WOKEN) : NULL;
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

	if (workers >= wf_park_limit(park) || park->stopped) {
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

static void park_count_birth_locked(struct wf_park *park)
{
	unsigned workers = park_get(&park->workers);

	park->births++;
	park->spares += workers >= park_get(&park->max) ? 1 : 0;
	park_add_locked(&park->workers, 1);
}

enum wf_park_woken wf_park_wake(struct wf_park *park)
{
	enum wf_park_woken woken = WF_PARK_NOBODY;
	struct wf_bed *bed = NULL;

	/* [PK1] full fence: job published, park loaded. Do not weaken. */
	tev_fence_full();
	if (wf_park_is_searching(park) || wf_park_is_full(park)) {
		return WF_PARK_NOBODY;
	}

	wf_park_lock(park);
	if (!wf_park_is_searching(park) && !wf_park_is_full(park)) {
		bed = park_pop_locked(park);
		if (bed != NULL) {
			woken = WF_PARK_WOKEN;
		} else if (park_may_bear_locked(park)) {
			woken = WF_PARK_BIRTH;
			park_count_birth_locked(park);
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

bool wf_park_all_taken(struct wf_park *park)
{
	unsigned up = 0;
	bool taken = false;

	wf_park_lock(park);
	up = park_get(&park->workers) - park_get(&park->idlers);
	taken = !wf_park_is_searching(park) && wf_park_is_full(park) &&
		park_count_busy_locked(park) >= up;
	wf_park_unlock(park);
	return taken;
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
	if (park->spares > 0 && left >= park_get(&park->max)) {
		park->spares--;
	}
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
	atomic_init(&bed->asleep, PARK_WOKEN);
	bed->lingers = false;
	bed->tid = 0;
	atomic_init(&bed->blocked, WF_BED_RUNS);
	bed->seen = NULL;
	bed->seen_cpu_ns = 0;
	bed->seen_at_ns = 0;
	bed->looked_ns = 0;
	atomic_init(&bed->busy, false);
	atomic_init(&bed->serving, false);
	atomic_init(&bed->current, 0);
	atomic_init(&bed->completed, 0);
	wf_park_lock(park);
	tev_list_append(&park->all, &bed->all);
	wf_park_unlock(park);
}

void wf_park_known(struct wf_park *park, struct wf_bed *bed)
{
	clockid_t clock = CLOCK_MONOTONIC;
	int ret = pthread_getcpuclockid(pthread_self(), &clock);

	if (ret != 0) {
		return;
	}
	wf_park_lock(park);
	bed->clock = clock;
	bed->tid = (pid_t)syscall(SYS_gettid);
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

bool wf_park_enter(struct wf_park *park, struct wf_bed *bed, bool token)
{
	bool stopped = false;

	wf_park_lock(park);
	stopped = park->stopped;
	if (stopped) {
		park_add_locked(&park->workers, -1);
	} else {
		park_rest_locked(park, bed);
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

/* Stored only if it is free: its owner gives it back without the lock, and a
 * store here after that would take it from everybody. */
static bool park_take_token_locked(struct wf_park *park)
{
	bool free = !wf_park_is_searching(park);

	if (free) {
		park_set_searching(park, true);
	}
	return free;
}

bool wf_park_take_token(struct wf_park *park)
{
	bool mine = false;

	if (wf_park_is_searching(park)) {
		return false;
	}
	wf_park_lock(park);
	mine = !park->stopped && park_take_token_locked(park);
	wf_park_unlock(park);
	return mine;
}

static bool park_dismissed_locked(struct wf_bed *bed)
{
	/* Relaxed: written under the lock. */
	return atomic_load_explicit(&bed->asleep, memory_order_relaxed) ==
	       PARK_DISMISSED;
}

bool wf_park_cancel(struct wf_park *park, struct wf_bed *bed)
{
	bool token = true;

	wf_park_lock(park);
	if (park_remove_locked(park, bed)) {
		token = park_take_token_locked(park);
	} else if (park_dismissed_locked(bed)) {
		/* Dismissed meanwhile: it stays after all, for now. */
		park_add_locked(&park->workers, 1);
		park->excess++;
		token = park_take_token_locked(park);
	}
	wf_park_unlock(park);
	return token;
}

/* How long a worker may sleep now; UINT_MAX: for ever. Relaxed, all: read after
 * its word, which a change of them changes. */
static unsigned park_patience(struct wf_park *park, struct wf_bed *bed,
			      unsigned timeout_ms)
{
	unsigned workers = park_get(&park->workers);

	bed->lingers = timeout_ms == UINT_MAX;
	if (workers <= park_get(&park->min)) {
		return UINT_MAX;
	}
	if (bed->lingers && workers > park_get(&park->max)) {
		return PARK_SPARE_IDLE_MS;
	}
	return timeout_ms;
}

bool wf_park_sleep(struct wf_park *park, struct wf_bed *bed,
		   unsigned timeout_ms)
{
	for (;;) {
		/* [PK2] acquire: pairs with park_take_locked() and
		 * wf_park_resize(). */
		uint32_t word = atomic_load_explicit(&bed->asleep,
						     memory_order_acquire);
		unsigned ms = park_patience(park, bed, timeout_ms);
		struct timespec timeout = {
			.tv_sec = (time_t)(ms / 1000),
			.tv_nsec = (long)(ms % 1000) * 1000000L,
		};
		long ret = 0;

		if (word < PARK_ASLEEP) {
			return word == PARK_WOKEN;
		}
		ret = park_futex(bed, FUTEX_WAIT_PRIVATE, word,
				 ms == UINT_MAX ? NULL : &timeout);
		if (ret != 0 && errno == ETIMEDOUT) {
			return false;
		}
	}
}

/* So many stay when idle. */
static unsigned park_floor(struct wf_park *park, const struct wf_bed *bed)
{
	return park_get(bed->lingers ? &park->max : &park->min);
}

bool wf_park_leave(struct wf_park *park, struct wf_bed *bed, bool *ret_token)
{
	bool leaves = false;

	wf_park_lock(park);
	if (tev_list_empty(&bed->idle)) {
		leaves = park_dismissed_locked(bed);
		*ret_token = !leaves;
	} else {
		leaves = park_get(&park->workers) > park_floor(park, bed);
		*ret_token = false;
		(void)park_remove_locked(park, bed);
		park_add_locked(&park->workers, leaves ? -1 : 0);
	}
	wf_park_unlock(park);
	/* [PK1] full fence: counts stored, queues loaded by the caller. Do not
	 * weaken. */
	tev_fence_full();
	return leaves;
}

bool wf_park_return(struct wf_park *park)
{
	struct wf_bed *bed = NULL;
	bool stays = false;

	wf_park_lock(park);
	if (!park->stopped && !wf_park_is_searching(park) &&
	    !park_active_above(park, park_get(&park->max) - 1)) {
		stays = park_get(&park->workers) < wf_park_limit(park);
		bed = stays ? NULL : park_pop_locked(park);
		park_add_locked(&park->workers, stays ? 1 : 0);
		park_set_searching(park, stays || bed != NULL);
	}
	wf_park_unlock(park);
	if (bed != NULL) {
		park_ring(bed);
	}
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
	park->spares = 0;
	park->excess = 0;
	park_set_searching(park, false);
	atomic_store_explicit(&park->idlers, 0, memory_order_relaxed);
	atomic_store_explicit(&park->workers, 0, memory_order_relaxed);
	atomic_store_explicit(&park->blocked, 0, memory_order_relaxed);
}
