/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Watch: the thread that looks for workers that sleep.
 *
 * A job that sleeps in the system keeps a processor free and a worker's place
 * taken. Most jobs do not say so (weft_blocking_begin()), and no call tells us.
 * So while jobs wait and all places are taken one thread looks, every 5 ms, at
 * the processor time that each of the workers has used for its job. Who has
 * used hardly any since the last look, and is not waiting for a processor as
 * the system has it, sleeps: another one may have its place (park_size.c).
 * When it moves again the place is taken back.
 *
 *             call                  jobs wait, or told jobs are to be
 *      NONE ---------> AWAKE <-.    interrupted: looks, naps
 *        ^               |     |
 *        |       nothing |     | call
 *        |               v     |
 *        '----------- ASLEEP --'    on the futex, for as long as workers stay
 *         long enough               idle
 *
 *   move                      by
 *   NONE -> AWAKE             a caller, who starts the thread
 *   AWAKE -> NONE             that caller, when there is no thread to be had
 *   AWAKE -> ASLEEP           the watch: store
 *   ASLEEP -> AWAKE           a caller, or the watch: compare and swap
 *   ASLEEP -> NONE            the watch, which ends: compare and swap
 *
 *  1. [WA1] Nobody is forgotten: a caller stores what there is to be done (a
 *     job, a mark), then loads the state; the watch stores ASLEEP, then loads
 *     what there is to be done. A full fence on both sides.
 *  2. It is called by who finds, while a job waits, that all are taken: in the
 *     middle of a job (wf_park_all_taken()). Who finds one that is between two
 *     jobs relies on it. So while the watch is not awake each worker that has
 *     taken a job, or rests, or could not be born, looks again.
 *  3. It does not turn when nothing waits, and is not there when nothing has
 *     waited for long.
 *  4. Files are read outside of the park's lock. What has been found is written
 *     down under it, for a worker that still runs the same job and is held.
 *  5. A job that is told to stop and may be interrupted gets its signal again
 *     every 10 ms, by the way (poke.c).
 *
 * Threads: see the header.  Ordering: [WA1], [PK1].
 * Not here: what follows from a worker's sleep (park_size.c).
 */
#include "threadpool/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "engine/order.h"
#include "threadpool/crew.h"
#include "threadpool/gate.h"
#include "threadpool/hold.h"
#include "threadpool/thread.h"
#include "threadpool/work.h"

#define WATCH_NS_PER_S     1000000000ULL
#define WATCH_NS_PER_MS    1000000ULL
#define WATCH_LOOK_NS      (5 * WATCH_NS_PER_MS)
#define WATCH_POKE_NS      (10 * WATCH_NS_PER_MS)
/* After less than this nothing can be said about a worker. */
#define WATCH_LEAST_NS     (3 * WATCH_NS_PER_MS)
/* After no thread could be had. */
#define WATCH_PAUSE_NS     (100 * WATCH_NS_PER_MS)
/* A worker is awake that uses at least one part in so many of the time. */
#define WATCH_AWAKE_PARTS  5
#define WATCH_SUSPECTS_MAX 32

/* A worker that has used little time for @job. */
struct watch_suspect {
	pid_t tid;
	const void *job;
	bool asleep; /* as the system has it */
};

struct watch {
	struct wf_crew *crew;
	uint64_t now_ns;     /* of this look */
	uint64_t before_ns;  /* of the one before */
	uint64_t used_ns;    /* by the process, at the one before */
	bool idle_processor; /* one was not used since then */
	uint64_t poked_ns;   /* when jobs were interrupted */
	bool poke;           /* there were some */
	unsigned found;      /* sleepers, in this look */
	unsigned suspect_count;
	struct watch_suspect suspects[WATCH_SUSPECTS_MAX];
};

/* ---- clocks ---- */

static uint64_t watch_clock_ns(clockid_t clock)
{
	struct timespec now = { 0, 0 };

	(void)clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * WATCH_NS_PER_S + (uint64_t)now.tv_nsec;
}

static struct timespec watch_timespec(uint64_t ns)
{
	return (struct timespec){
		.tv_sec = (time_t)(ns / WATCH_NS_PER_S),
		.tv_nsec = (long)(ns % WATCH_NS_PER_S),
	};
}

static void watch_read_clocks(struct watch *watch)
{
	uint64_t used_ns = watch_clock_ns(CLOCK_PROCESS_CPUTIME_ID);

	watch->before_ns = watch->now_ns;
	watch->now_ns = watch_clock_ns(CLOCK_MONOTONIC);
	watch->idle_processor = used_ns - watch->used_ns <
				watch->now_ns - watch->before_ns;
	watch->used_ns = used_ns;
}

/* ---- who sleeps ---- */

static unsigned char watch_blocked(const struct wf_bed *bed)
{
	/* Relaxed: written under the lock. */
	return atomic_load_explicit(&bed->blocked, memory_order_relaxed);
}

static void watch_suspect(struct watch *watch, const struct wf_bed *bed)
{
	if (watch->suspect_count < WATCH_SUSPECTS_MAX) {
		watch->suspects[watch->suspect_count++] =
			(struct watch_suspect){
				.tid = bed->tid,
				.job = bed->seen,
			};
	}
}

/* Under the lock, and the job is held. */
static void watch_look_at(struct weft_job *job, struct wf_bed *bed, void *arg)
{
	struct watch *watch = arg;
	unsigned char blocked = watch_blocked(bed);
	uint64_t cpu_ns = 0;
	uint64_t used_ns = 0;
	uint64_t passed_ns = watch->now_ns - bed->seen_at_ns;
	bool awake = false;

	if (bed->looked_ns == watch->now_ns || bed->tid == 0) {
		/* Its inmost job was looked at. */
		return;
	}
	bed->looked_ns = watch->now_ns;
	if (bed->seen == job && passed_ns < WATCH_LEAST_NS) {
		return;
	}
	cpu_ns = watch_clock_ns(bed->clock);
	used_ns = cpu_ns - bed->seen_cpu_ns;
	awake = bed->seen != job || used_ns >= passed_ns / WATCH_AWAKE_PARTS;
	bed->seen = job;
	bed->seen_cpu_ns = cpu_ns;
	bed->seen_at_ns = watch->now_ns;

	if (blocked == WF_BED_SEEN && awake) {
		wf_park_see_locked(&watch->crew->park, bed, false);
	} else if ((blocked == WF_BED_RUNS && !awake) ||
		   (blocked == WF_BED_SEEN && used_ns != 0)) {
		watch_suspect(watch, bed);
	}
}

static wf_watch_more_fn watch_more(struct wf_crew *crew)
{
	/* Relaxed: NULL or always the same. */
	return atomic_load_explicit(&crew->more, memory_order_relaxed);
}

/* Whether the thread neither runs nor waits for a processor. */
static bool watch_sleeps(const struct watch *watch, pid_t tid)
{
	char path[64];
	char text[512];
	const char *state = NULL;
	ssize_t length = 0;
	int fd = -1;

	(void)snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd != -1) {
		length = read(fd, text, sizeof(text) - 1);
		(void)close(fd);
	}
	if (length <= 0) {
		return watch->idle_processor;
	}
	text[length] = '\0';
	/* "12 (name) S ...": the name may have anything in it. */
	state = strrchr(text, ')');
	return state != NULL &&
	       (strncmp(state, ") S", 3) == 0 || strncmp(state, ") D", 3) == 0);
}

/* Under the lock, and the job is held. */
static void watch_write_down(struct weft_job *job, struct wf_bed *bed,
			     void *arg)
{
	struct watch *watch = arg;
	struct wf_park *park = &watch->crew->park;
	unsigned char blocked = watch_blocked(bed);
	unsigned i = 0;

	for (i = 0; i < watch->suspect_count; i++) {
		const struct watch_suspect *suspect = &watch->suspects[i];

		if (suspect->job != job || suspect->tid != bed->tid) {
			continue;
		}
		if (suspect->asleep && blocked == WF_BED_RUNS) {
			wf_park_see_locked(park, bed, true);
			watch->found++;
		} else if (!suspect->asleep && blocked == WF_BED_SEEN) {
			wf_park_see_locked(park, bed, false);
		}
	}
}

static void watch_each(struct watch *watch,
		       void (*look)(struct weft_job *job, struct wf_bed *bed,
				    void *arg))
{
	struct wf_park *park = &watch->crew->park;

	wf_park_lock(park);
	wf_hold_each_locked(park, look, watch);
	wf_park_unlock(park);
}

static void watch_look(struct watch *watch)
{
	struct wf_crew *crew = watch->crew;
	unsigned i = 0;

	watch_read_clocks(watch);
	watch->found = 0;
	watch->suspect_count = 0;
	watch_each(watch, watch_look_at);
	for (i = 0; i < watch->suspect_count; i++) {
		watch->suspects[i].asleep = watch_sleeps(
			watch, watch->suspects[i].tid);
	}
	if (watch->suspect_count != 0) {
		watch_each(watch, watch_write_down);
	}
	/* [PK1] full fence: blocked stored, queues loaded. Do not weaken. */
	tev_fence_full();
	/* Each time: a birth may have failed since somebody was found. */
	if (wf_crew_has_jobs(crew)) {
		wf_watch_more_fn more = watch_more(crew);

		more(crew);
	}
}

/* ---- who is to be interrupted ---- */

/* Under the lock, and the job is held. */
static void watch_interrupt_one(struct weft_job *job, struct wf_bed *bed,
				void *arg)
{
	struct watch *watch = arg;

	if (job->interruptible && wf_work_told(job)) {
		wf_hold_interrupt(job, bed, watch->crew->interrupt_signal);
		watch->poke = true;
	}
}

static void watch_interrupt(struct watch *watch)
{
	watch->poke = false;
	watch_each(watch, watch_interrupt_one);
}

/* ---- the thread ---- */

static bool watch_jobs_wait(struct wf_crew *crew)
{
	return watch_more(crew) != NULL && wf_crew_wants_room(crew);
}

/* Does what there is to do now.
 * Return: after how long again; 0: there is nothing to do. */
static uint64_t watch_turn(struct watch *watch)
{
	struct wf_crew *crew = watch->crew;
	uint64_t now_ns = watch_clock_ns(CLOCK_MONOTONIC);

	if (now_ns - watch->poked_ns >= WATCH_POKE_NS) {
		watch_interrupt(watch);
		watch->poked_ns = now_ns;
	}
	if (watch_jobs_wait(crew)) {
		watch_look(watch);
		return WATCH_LOOK_NS;
	}
	return watch->poke ? WATCH_POKE_NS : 0;
}

static long watch_futex(struct wf_crew *crew, int op, uint32_t value,
			const struct timespec *timeout)
{
	return syscall(SYS_futex, &crew->watch, op, value, timeout, NULL, 0);
}

static bool watch_move(struct wf_crew *crew, enum wf_watch_state from,
		       enum wf_watch_state to)
{
	uint32_t expected = (uint32_t)from;

	/* Relaxed: what is to be done is looked at behind a fence [WA1]. */
	return atomic_compare_exchange_strong_explicit(
		&crew->watch, &expected, (uint32_t)to, memory_order_relaxed,
		memory_order_relaxed);
}

/* Under the lock, and the job is held. */
static void watch_forget_one(struct weft_job *job, struct wf_bed *bed,
			     void *arg)
{
	struct watch *watch = arg;

	(void)job;
	if (watch_blocked(bed) == WF_BED_SEEN) {
		wf_park_see_locked(&watch->crew->park, bed, false);
	}
}

/* There is nothing to do. Return: false: it ends. */
static bool watch_rest(struct watch *watch)
{
	struct wf_crew *crew = watch->crew;
	struct timespec timeout = watch_timespec(crew->idle_ms *
						 WATCH_NS_PER_MS);
	bool for_ever = crew->idle_ms == UINT_MAX;
	long ret = 0;

	/* Relaxed: the fence orders it. */
	atomic_store_explicit(&crew->watch, WF_WATCH_ASLEEP,
			      memory_order_relaxed);
	/* [WA1] full fence: ASLEEP stored, what is to be done loaded. Do not
	 * weaken. */
	tev_fence_full();
	watch_interrupt(watch);
	if (watch->poke || watch_jobs_wait(crew)) {
		(void)watch_move(crew, WF_WATCH_ASLEEP, WF_WATCH_AWAKE);
		return true;
	}
	/* Nobody sees them wake up from now on. */
	watch_each(watch, watch_forget_one);
	if (!wf_crew_stopped(crew)) {
		/* Woken, or not to be: both are seen by the state. */
		ret = watch_futex(crew, FUTEX_WAIT_PRIVATE, WF_WATCH_ASLEEP,
				  for_ever ? NULL : &timeout);
		if (ret == 0) {
			(void)watch_move(crew, WF_WATCH_ASLEEP, WF_WATCH_AWAKE);
			return true;
		}
	}
	return !watch_move(crew, WF_WATCH_ASLEEP, WF_WATCH_NONE);
}

static void *watch_main(void *arg)
{
	struct watch watch = { .crew = arg };
	char name[WF_THREAD_NAME_MAX];
	bool goes_on = true;

	(void)snprintf(name, sizeof(name), "%.9s-watch", watch.crew->name);
	wf_thread_set_name(name, -1);
	while (goes_on) {
		uint64_t nap_ns = watch_turn(&watch);

		if (nap_ns != 0) {
			struct timespec nap = watch_timespec(nap_ns);

			(void)nanosleep(&nap, NULL);
		} else {
			goes_on = watch_rest(&watch);
		}
	}
	wf_crew_unref(watch.crew);
	return NULL;
}

static void watch_start(struct wf_crew *crew)
{
	uint64_t now_ns = watch_clock_ns(CLOCK_MONOTONIC);
	int ret = EAGAIN;

	/* Relaxed, both: a time. */
	if (now_ns >= atomic_load_explicit(&crew->no_watch_until_ns,
					   memory_order_relaxed)) {
		ret = wf_thread_start(0, NULL, watch_main, wf_crew_ref(crew));
		if (ret != 0) {
			wf_crew_unref(crew);
			atomic_store_explicit(&crew->no_watch_until_ns,
					      now_ns + WATCH_PAUSE_NS,
					      memory_order_relaxed);
		}
	}
	if (ret != 0) {
		(void)watch_move(crew, WF_WATCH_AWAKE, WF_WATCH_NONE);
	}
}

/* Sees to it that it looks at everything once more.
 * Return: false: there is none. */
static bool watch_wake(struct wf_crew *crew)
{
	uint32_t state = WF_WATCH_NONE;

	/* [WA1] full fence: what is to be done stored, the state loaded. Do not
	 * weaken. */
	tev_fence_full();
	do {
		state = atomic_load_explicit(&crew->watch,
					     memory_order_relaxed);
		if (state != WF_WATCH_ASLEEP) {
			return state == WF_WATCH_AWAKE;
		}
	} while (!watch_move(crew, WF_WATCH_ASLEEP, WF_WATCH_AWAKE));
	(void)watch_futex(crew, FUTEX_WAKE_PRIVATE, 1, NULL);
	return true;
}

void wf_watch_call(struct wf_crew *crew, wf_watch_more_fn more)
{
	if (more != NULL) {
		if (crew->park.spare == 0) {
			return;
		}
		if (watch_more(crew) == NULL) {
			/* Relaxed: the fence orders it. */
			atomic_store_explicit(&crew->more, more,
					      memory_order_relaxed);
		}
	}
	if (!watch_wake(crew) &&
	    watch_move(crew, WF_WATCH_NONE, WF_WATCH_AWAKE)) {
		watch_start(crew);
	}
}

void wf_watch_stop(struct wf_crew *crew)
{
	(void)watch_wake(crew);
}

void wf_watch_forget(struct wf_crew *crew)
{
	/* Relaxed: the child has one thread. The share stays the parent's, as
	 * those of the workers. */
	atomic_store_explicit(&crew->watch, WF_WATCH_NONE,
			      memory_order_relaxed);
}
