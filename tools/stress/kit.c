/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Kit: what each protocol would otherwise bring along by itself.
 *
 * Chance, failures, threads, children, waiting until all is quiet, and what a
 * process has of descriptors, threads and memory. What cannot be had ends the
 * program (stress_give_up()), so that rounds need not look.
 *
 * Threads: any, but for what says otherwise in stress.h.
 */
#include <dirent.h>
#include <malloc.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tools/stress/stress.h"

#if STRESS_FORKS_AT_REST
/* Of <sanitizer/allocator_interface.h>, which gcc does not bring along. */
size_t __sanitizer_get_current_allocated_bytes(void);
#endif

#define CHILD_SECONDS_MAX 30
#define NS_PER_S          UINT64_C(1000000000)

static atomic_bool failed; /* A: relaxed; the text is under failure_lock */
static pthread_mutex_t failure_lock = PTHREAD_MUTEX_INITIALIZER;
static char failure[512]; /* L(failure_lock) */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	atomic_bool wanted; /* A: relaxed: looked at now and then */
	unsigned running;   /* L: so many do not rest */
} rest = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.changed = PTHREAD_COND_INITIALIZER,
};

/* ---- dice ---- */

/* SplitMix64: any seed will do. */
uint64_t stress_roll(struct stress_dice *dice)
{
	uint64_t z = (dice->state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

unsigned stress_below(struct stress_dice *dice, unsigned limit)
{
	return limit == 0 ? 0 : (unsigned)(stress_roll(dice) % limit);
}

bool stress_once_in(struct stress_dice *dice, unsigned times)
{
	return stress_below(dice, times) == 0;
}

struct stress_dice stress_split(struct stress_dice *dice)
{
	struct stress_dice other = { stress_roll(dice) };

	return other;
}

/* ---- time ---- */

uint64_t stress_now_ns(void)
{
	struct timespec now = { 0, 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

void stress_nap(unsigned us)
{
	const struct timespec nap = { 0, (long)us * 1000 };

	(void)nanosleep(&nap, NULL);
}

void stress_dawdle(struct stress_dice *dice)
{
	switch (stress_below(dice, 16)) {
	case 0:
		stress_nap(stress_below(dice, 100));
		break;
	case 1:
	case 2:
		(void)sched_yield();
		break;
	default:
		break;
	}
}

/* ---- failures ---- */

void stress_fail(const char *fmt, ...)
{
	va_list ap;

	(void)pthread_mutex_lock(&failure_lock);
	if (failure[0] == '\0') {
		va_start(ap, fmt);
		(void)vsnprintf(failure, sizeof(failure), fmt, ap);
		va_end(ap);
	}
	(void)pthread_mutex_unlock(&failure_lock);
	/* Relaxed: looked at now and then. */
	atomic_store_explicit(&failed, true, memory_order_relaxed);
}

bool stress_failed(void)
{
	return atomic_load_explicit(&failed, memory_order_relaxed);
}

const char *stress_failure(void)
{
	return failure;
}

void stress_give_up(const char *what)
{
	fprintf(stderr, "weft-stress: %s\n", what);
	exit(2);
}

/* ---- what can be had, or not ---- */

void stress_start(pthread_t *thread, void *(*fn)(void *), void *arg)
{
	if (pthread_create(thread, NULL, fn, arg) != 0) {
		stress_give_up("no thread");
	}
}

struct tevent_context *stress_context(void)
{
	struct tevent_context *ev = tevent_context_init(NULL);

	if (ev == NULL) {
		stress_give_up("no context");
	}
	return ev;
}

struct weft_pool *stress_pool(const struct weft_pool_options *options)
{
	struct weft_pool *pool = NULL;

	if (weft_pool_create(NULL, options, &pool) != 0) {
		stress_give_up("no pool");
	}
	return pool;
}

struct weft_pool *stress_handle(TALLOC_CTX *mem, struct weft_pool *pool)
{
	struct weft_pool *handle = NULL;

	if (weft_pool_attach(mem, pool, &handle) != 0) {
		stress_give_up("no handle");
	}
	return handle;
}

void stress_crew_start(struct stress_crew *crew, void *(*fn)(void *item),
		       void *items, size_t size, unsigned count)
{
	unsigned i = 0;

	if (crew->count + count > STRESS_CREW_MAX) {
		stress_give_up("too many threads");
	}
	for (i = 0; i < count; i++) {
		stress_start(&crew->threads[crew->count], fn,
			     (char *)items + i * size);
		crew->count++;
	}
}

void stress_crew_join(struct stress_crew *crew)
{
	while (crew->count > 0) {
		crew->count--;
		(void)pthread_join(crew->threads[crew->count], NULL);
	}
}

static void *nothing(void *arg)
{
	return arg;
}

void stress_begin(void)
{
	struct stress_crew crew = { .count = 0 };

	stress_crew_start(&crew, nothing, &crew, 0, 1);
	stress_crew_join(&crew);
}

/* ---- until all is quiet ---- */

void stress_made(struct stress_sums *sums)
{
	(void)atomic_fetch_add_explicit(&sums->made, 1, memory_order_release);
}

void stress_freed(struct stress_sums *sums)
{
	(void)atomic_fetch_add_explicit(&sums->freed, 1, memory_order_release);
}

void stress_sums_wait(const struct stress_sums *sums)
{
	for (;;) {
		unsigned made = atomic_load_explicit(&sums->made,
						     memory_order_acquire);
		unsigned freed = atomic_load_explicit(&sums->freed,
						      memory_order_acquire);

		if (freed > made) {
			stress_fail("%u blocks made, %u freed", made, freed);
			return;
		}
		if (freed == made) {
			return;
		}
		(void)sched_yield();
	}
}

void stress_settle(struct weft_pool *pool)
{
	struct weft_pool_stats stats;

	do {
		(void)sched_yield();
		weft_pool_stats(pool, &stats);
	} while (stats.queued + stats.running > 0 ||
		 stats.workers != stats.idle);
	/* Read one after the other, but now they stay. */
	weft_pool_stats(pool, &stats);
	if (stats.submitted != stats.completed + stats.withdrawn) {
		stress_fail("submitted %u, completed %u, withdrawn %u",
			    (unsigned)stats.submitted,
			    (unsigned)stats.completed,
			    (unsigned)stats.withdrawn);
	}
}

static void turned(struct tevent_context *ev, struct tevent_timer *te,
		   struct timeval now, void *private_data)
{
	bool *over = private_data;

	(void)ev;
	(void)te;
	(void)now;
	*over = true;
}

void stress_turn(struct tevent_context **ev, unsigned us)
{
	bool over = false;
	struct tevent_timer *te = tevent_add_timer(
		*ev, *ev, tevent_timeval_current_ofs(0, us), turned, &over);

	if (te == NULL) {
		stress_give_up("no memory");
	}
	while (!over && *ev != NULL) {
		(void)tevent_loop_once(*ev);
	}
}

bool stress_bother(struct stress_dice *dice, unsigned times,
		   struct tevent_req **req, bool *cancelled)
{
	switch (stress_below(dice, times)) {
	case 0:
		*cancelled = tevent_req_cancel(*req) || *cancelled;
		return true;
	case 1:
		TALLOC_FREE(*req);
		return true;
	default:
		return false;
	}
}

/* ---- what the process has ---- */

static unsigned entries(const char *path)
{
	DIR *dir = opendir(path);
	unsigned found = 0;

	if (dir == NULL) {
		stress_give_up(path);
	}
	while (readdir(dir) != NULL) {
		found++;
	}
	(void)closedir(dir);
	return found;
}

unsigned stress_fds(void)
{
	return entries("/proc/self/fd");
}

unsigned stress_threads(void)
{
	return entries("/proc/self/task");
}

size_t stress_memory(void)
{
#if STRESS_FORKS_AT_REST
	return __sanitizer_get_current_allocated_bytes();
#else
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
#endif
}

/* ---- children ---- */

void stress_child(int (*fn)(void *arg), void *arg)
{
	int status = 0;
	pid_t pid = fork();

	if (pid < 0) {
		stress_give_up("no process");
	}
	if (pid == 0) {
		(void)alarm(CHILD_SECONDS_MAX);
		_exit(fn(arg));
	}
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
	    WEXITSTATUS(status) != 0) {
		stress_fail("a child ended with status 0x%x", (unsigned)status);
	}
}

/* ---- rest ---- */

void stress_rest_reset(unsigned threads)
{
	rest.running = threads;
}

void stress_rest_point(void)
{
	if (!atomic_load_explicit(&rest.wanted, memory_order_relaxed)) {
		return;
	}
	(void)pthread_mutex_lock(&rest.lock);
	rest.running--;
	(void)pthread_cond_broadcast(&rest.changed);
	while (atomic_load_explicit(&rest.wanted, memory_order_relaxed)) {
		(void)pthread_cond_wait(&rest.changed, &rest.lock);
	}
	rest.running++;
	(void)pthread_mutex_unlock(&rest.lock);
}

void stress_rest_leave(void)
{
	(void)pthread_mutex_lock(&rest.lock);
	rest.running--;
	(void)pthread_cond_broadcast(&rest.changed);
	(void)pthread_mutex_unlock(&rest.lock);
}

void stress_rest_begin(void)
{
	(void)pthread_mutex_lock(&rest.lock);
	atomic_store_explicit(&rest.wanted, true, memory_order_relaxed);
	while (rest.running > 0) {
		(void)pthread_cond_wait(&rest.changed, &rest.lock);
	}
	(void)pthread_mutex_unlock(&rest.lock);
}

void stress_rest_end(void)
{
	(void)pthread_mutex_lock(&rest.lock);
	atomic_store_explicit(&rest.wanted, false, memory_order_relaxed);
	(void)pthread_cond_broadcast(&rest.changed);
	(void)pthread_mutex_unlock(&rest.lock);
}
