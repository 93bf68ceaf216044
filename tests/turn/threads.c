/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Threads: create, join and end, in front of libc's.
 *
 * A thread takes part until its keys' destructors have run, because libraries
 * do things there: the destructor of a key of ours puts itself off to the last
 * but one round of them. Then it ends without the token; whoever has that next
 * waits for it in truth, so that the stack and the name of a new thread do not
 * depend on how fast an old one died. That needs each thread to be one that can
 * be joined: none is made detached.
 *
 * Threads: any. A thread that takes no part gets libc's.
 */
#include <errno.h>
#include <stdlib.h>

#include "tests/turn/inside.h"

#define ROUNDS 3 /* of PTHREAD_DESTRUCTOR_ITERATIONS, 4 */

struct life {
	struct turn_thread *thread;
	pthread_t handle;
	void *(*fn)(void *arg);
	void *arg;
	void *result;
	unsigned round;
	bool ended;
	bool reaped;
};

static struct life lives[TURN_THREADS];
static unsigned lives_count;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key;

static void life_end(void *arg)
{
	struct life *life = arg;

	if (++life->round < ROUNDS) {
		(void)pthread_setspecific(key, life);
		return;
	}
	turn_point(TURN_THREAD, TURN_PC);
	life->ended = true;
	turn_thread_leave();
}

static void make_key(void)
{
	if (pthread_key_create(&key, life_end) != 0) {
		abort();
	}
}

static void *life_run(void *arg)
{
	struct life *life = arg;

	turn_thread_enter(life->thread);
	(void)pthread_setspecific(key, life);
	life->result = life->fn(life->arg);
	return life->result;
}

static void reap(void)
{
	unsigned i = 0;

	for (i = 0; i < lives_count; i++) {
		struct life *life = &lives[i];

		if (life->ended && !life->reaped) {
			life->reaped = true;
			(void)TURN_NEXT(pthread_join)(life->handle, NULL);
		}
	}
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr,
		   void *(*fn)(void *), void *arg)
{
	struct life *life = NULL;
	int ret = 0;

	if (!turn_is_on()) {
		return TURN_NEXT(pthread_create)(thread, attr, fn, arg);
	}
	turn_point(TURN_THREAD, TURN_PC);
	turn_stores_all(turn_stores());
	reap();
	(void)pthread_once(&key_once, make_key);
	life = &lives[lives_count];
	*life = (struct life){ .thread = turn_thread_new(),
			       .fn = fn,
			       .arg = arg };
	lives_count++;
	ret = TURN_NEXT(pthread_create)(&life->handle, attr, life_run, life);
	if (ret != 0) {
		turn_fail("no thread: error %d", ret);
	}
	*thread = life->handle;
	turn_point(TURN_THREAD, TURN_PC);
	return 0;
}

/* The newest of that name: older ones are dead. */
static struct life *life_find(pthread_t handle)
{
	unsigned i = 0;

	for (i = lives_count; i > 0; i--) {
		if (pthread_equal(lives[i - 1].handle, handle)) {
			return &lives[i - 1];
		}
	}
	return NULL;
}

int pthread_join(pthread_t thread, void **ret_result)
{
	struct life *life = NULL;

	if (!turn_is_on()) {
		return TURN_NEXT(pthread_join)(thread, ret_result);
	}
	turn_point(TURN_THREAD, TURN_PC);
	life = life_find(thread);
	if (life == NULL) {
		return ESRCH;
	}
	while (!life->ended) {
		(void)turn_wait(life->thread, NULL, 0, TURN_NEVER);
	}
	reap();
	if (ret_result != NULL) {
		*ret_result = life->result;
	}
	return 0;
}

int pthread_detach(pthread_t thread)
{
	return turn_is_on() ? 0 : TURN_NEXT(pthread_detach)(thread);
}

int pthread_attr_setdetachstate(pthread_attr_t *attr, int state)
{
	return turn_is_on()
		       ? 0
		       : TURN_NEXT(pthread_attr_setdetachstate)(attr, state);
}
