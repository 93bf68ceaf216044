/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Locks: mutexes, conditions and once, in front of libc's.
 *
 * A mutex is libc's own, but it is only ever tried: who finds it taken waits
 * for its address (sched.c), and who unlocks it wakes all that do. A condition
 * is nothing but an address. Both clocks are one here, so deadlines need not
 * say which they mean.
 *
 * Threads: any. A thread that takes no part gets libc's.
 */
#include <errno.h>
#include <time.h>

#include "tests/turn/inside.h"

static int mutex_lock(pthread_mutex_t *mutex)
{
	for (;;) {
		int ret = TURN_NEXT(pthread_mutex_trylock)(mutex);

		if (ret != EBUSY) {
			return ret;
		}
		(void)turn_wait(mutex, NULL, 0, TURN_NEVER);
	}
}

static int mutex_unlock(pthread_mutex_t *mutex)
{
	int ret = TURN_NEXT(pthread_mutex_unlock)(mutex);

	(void)turn_wake(mutex, TURN_THREADS);
	return ret;
}

int pthread_mutex_lock(pthread_mutex_t *mutex)
{
	if (!turn_is_on()) {
		return TURN_NEXT(pthread_mutex_lock)(mutex);
	}
	turn_point(TURN_LOCK, TURN_PC);
	turn_stores_all(turn_stores());
	return mutex_lock(mutex);
}

int pthread_mutex_trylock(pthread_mutex_t *mutex)
{
	if (turn_is_on()) {
		turn_point(TURN_LOCK, TURN_PC);
		turn_stores_all(turn_stores());
	}
	return TURN_NEXT(pthread_mutex_trylock)(mutex);
}

int pthread_mutex_unlock(pthread_mutex_t *mutex)
{
	if (!turn_is_on()) {
		return TURN_NEXT(pthread_mutex_unlock)(mutex);
	}
	turn_point(TURN_LOCK, TURN_PC);
	turn_stores_all(turn_stores());
	return mutex_unlock(mutex);
}

static int cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex,
		     uint64_t until_ns)
{
	bool woken = false;
	int ret = mutex_unlock(mutex);

	if (ret != 0) {
		return ret;
	}
	woken = turn_wait(cond, NULL, 0, until_ns);
	ret = mutex_lock(mutex);
	return ret == 0 && !woken ? ETIMEDOUT : ret;
}

int pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
	if (!turn_is_on()) {
		return TURN_NEXT(pthread_cond_wait)(cond, mutex);
	}
	turn_point(TURN_LOCK, TURN_PC);
	return cond_wait(cond, mutex, TURN_NEVER);
}

int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex,
			   const struct timespec *until)
{
	if (!turn_is_on()) {
		return TURN_NEXT(pthread_cond_timedwait)(cond, mutex, until);
	}
	turn_point(TURN_LOCK, TURN_PC);
	return cond_wait(cond, mutex,
			 (uint64_t)until->tv_sec * TURN_SECOND +
				 (uint64_t)until->tv_nsec);
}

int pthread_cond_signal(pthread_cond_t *cond)
{
	if (!turn_is_on()) {
		return TURN_NEXT(pthread_cond_signal)(cond);
	}
	turn_point(TURN_LOCK, TURN_PC);
	(void)turn_wake(cond, 1);
	return 0;
}

int pthread_cond_broadcast(pthread_cond_t *cond)
{
	if (!turn_is_on()) {
		return TURN_NEXT(pthread_cond_broadcast)(cond);
	}
	turn_point(TURN_LOCK, TURN_PC);
	(void)turn_wake(cond, TURN_THREADS);
	return 0;
}

/* As libc counts: 0, 1 while it runs, 2. */
int pthread_once(pthread_once_t *once, void (*fn)(void))
{
	if (!turn_is_on()) {
		return TURN_NEXT(pthread_once)(once, fn);
	}
	turn_point(TURN_LOCK, TURN_PC);
	while (*once == 1) {
		(void)turn_wait(once, NULL, 0, TURN_NEVER);
	}
	if (*once == 0) {
		*once = 1;
		fn();
		*once = 2;
		(void)turn_wake(once, TURN_THREADS);
	}
	return 0;
}
