/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Wrong: stories that go wrong, each for the reason that tests/turns.t expects,
 * and the same without the mistake.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/turn/turn.h"

static void both(void *(*one)(void *), void *(*other)(void *))
{
	pthread_t threads[2];

	TURN_CHECK(pthread_create(&threads[0], NULL, one, NULL) == 0);
	TURN_CHECK(pthread_create(&threads[1], NULL, other, NULL) == 0);
	TURN_CHECK(pthread_join(threads[0], NULL) == 0);
	TURN_CHECK(pthread_join(threads[1], NULL) == 0);
}

/* ---- store mine, load yours ---- */

static struct {
	atomic_bool here[2];
	bool met[2];
	bool fenced;
} pair;

static void pair_look(unsigned mine)
{
	atomic_store_explicit(&pair.here[mine], true, memory_order_relaxed);
	if (pair.fenced) {
		atomic_thread_fence(memory_order_seq_cst);
	}
	pair.met[mine] = atomic_load_explicit(&pair.here[1 - mine],
					      memory_order_relaxed);
}

static void *pair_one(void *arg)
{
	pair_look(0);
	return arg;
}

static void *pair_other(void *arg)
{
	pair_look(1);
	return arg;
}

static void story_pair(void)
{
	both(pair_one, pair_other);
	TURN_CHECK(pair.met[0] || pair.met[1]);
}

static void story_fenced(void)
{
	pair.fenced = true;
	story_pair();
}

/* ---- counted by two ---- */

static struct {
	atomic_uint count;
	bool at_once;
} sum;

static void *sum_up(void *arg)
{
	unsigned count = 0;

	if (sum.at_once) {
		(void)atomic_fetch_add(&sum.count, 1);
		return arg;
	}
	count = atomic_load(&sum.count);
	atomic_store(&sum.count, count + 1);
	return arg;
}

static void story_sum(void)
{
	both(sum_up, sum_up);
	TURN_CHECK(atomic_load(&sum.count) == 2);
}

static void story_summed(void)
{
	sum.at_once = true;
	story_sum();
}

/* ---- waits ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t inner = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static bool told;
static bool looks;

static void *wait_told(void *arg)
{
	(void)pthread_mutex_lock(&lock);
	while (!looks || !told) {
		(void)pthread_cond_wait(&cond, &lock);
		looks = true;
	}
	(void)pthread_mutex_unlock(&lock);
	return arg;
}

static void *tell(void *arg)
{
	(void)pthread_mutex_lock(&lock);
	told = true;
	(void)pthread_cond_signal(&cond);
	(void)pthread_mutex_unlock(&lock);
	return arg;
}

static void story_told_before(void)
{
	both(wait_told, tell);
}

static void story_told(void)
{
	looks = true;
	both(wait_told, tell);
}

static void *lock_in(void *arg)
{
	(void)pthread_mutex_lock(&lock);
	(void)pthread_mutex_lock(&inner);
	(void)pthread_mutex_unlock(&inner);
	(void)pthread_mutex_unlock(&lock);
	return arg;
}

static void *lock_out(void *arg)
{
	(void)pthread_mutex_lock(&inner);
	(void)pthread_mutex_lock(&lock);
	(void)pthread_mutex_unlock(&lock);
	(void)pthread_mutex_unlock(&inner);
	return arg;
}

static void story_locks(void)
{
	both(lock_in, lock_out);
}

static void story_locked(void)
{
	both(lock_in, lock_in);
}

static void story_endless(void)
{
	while (!atomic_load(&pair.here[0])) {
	}
}

/* ---- what is left, or gone ---- */

static _Atomic(int *) shared;

static void *shared_use(void *arg)
{
	int *value = atomic_load(&shared);

	if (value != NULL) {
		(void)sched_yield();
		++*value;
	}
	return arg;
}

static void *shared_free(void *arg)
{
	free(atomic_exchange(&shared, NULL));
	return arg;
}

static void story_freed(void)
{
	atomic_store(&shared, malloc(sizeof(int)));
	both(shared_use, shared_free);
}

static void *shared_free_slowly(void *arg)
{
	int *value = atomic_load(&shared);

	atomic_store(&shared, NULL);
	free(value);
	return arg;
}

static void story_twice(void)
{
	atomic_store(&shared, malloc(sizeof(int)));
	both(shared_free_slowly, shared_free_slowly);
}

static void story_kept(void)
{
	(void)eventfd(0, 0);
}

int main(int argc, char **argv)
{
	static const struct turn_story stories[] = {
		{ "pair", story_pair },
		{ "fenced", story_fenced },
		{ "sum", story_sum },
		{ "summed", story_summed },
		{ "told-before", story_told_before },
		{ "told", story_told },
		{ "locks", story_locks },
		{ "locked", story_locked },
		{ "endless", story_endless },
		{ "freed", story_freed },
		{ "twice", story_twice },
		{ "kept", story_kept },
		{ NULL, NULL },
	};

	return turn_main(stories, argc, argv);
}
