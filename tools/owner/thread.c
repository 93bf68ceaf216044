/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Thread: see thread.h.
 *
 * The list of threads that live consists of their own thread-local memory: a
 * thread leaves the list when it ends, before that memory goes. pthread_create
 * is one of the functions that programs are given, to know when a thread was
 * started: in the thread that starts it, which has let go by then of what the
 * new one is to have.
 *
 * Threads: any.  Ordering: the clock orders events that are ordered anyhow; it
 * is relaxed.
 */
#include "tools/owner/thread.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

#include "tools/owner/next.h"

struct member {
	struct owner_thread thread; /* O: */
	struct member *next;        /* L(lock): */
	struct member **link;       /* L(lock): */
};

/* How a new thread begins. */
struct beginning {
	void *(*start)(void *arg);
	void *arg;
	uint64_t started;
};

static atomic_uint_fast64_t now; /* A: relaxed */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct member *members; /* L(lock): */
static uint64_t last_serial;   /* L(lock): */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key; /* I: of `self`, for its end */
static __thread struct member self;

uint64_t owner_thread_tick(void)
{
	/* Relaxed: only the order of the numbers counts. */
	return atomic_fetch_add_explicit(&now, 1, memory_order_relaxed) + 1;
}

static void member_leave(void *arg)
{
	struct member *member = arg;

	(void)pthread_mutex_lock(&lock);
	*member->link = member->next;
	if (member->next != NULL) {
		member->next->link = member->link;
	}
	(void)pthread_mutex_unlock(&lock);
	member->thread.serial = 0;
}

static void member_enter_locked(struct member *member)
{
	member->next = members;
	member->link = &members;
	if (members != NULL) {
		members->link = &member->next;
	}
	members = member;
}

/* The others are not here, and the lock may have been theirs. */
static void forked(void)
{
	(void)pthread_mutex_init(&lock, NULL);
	members = NULL;
	if (self.thread.serial != 0) {
		member_enter_locked(&self);
	}
}

static void prepare(void)
{
	(void)pthread_key_create(&key, member_leave);
	(void)pthread_atfork(NULL, NULL, forked);
}

struct owner_thread owner_thread_self(void)
{
	bool noticed = false;

	if (self.thread.serial == 0) {
		(void)pthread_once(&once, prepare);
		/* One whose end would not be noticed counts as ended. */
		noticed = pthread_setspecific(key, &self) == 0;
		(void)pthread_mutex_lock(&lock);
		self.thread.serial = ++last_serial;
		if (noticed) {
			member_enter_locked(&self);
		}
		(void)pthread_mutex_unlock(&lock);
	}
	return self.thread;
}

bool owner_thread_lives(uint64_t serial)
{
	const struct member *member = NULL;

	(void)pthread_mutex_lock(&lock);
	member = members;
	while (member != NULL && member->thread.serial != serial) {
		member = member->next;
	}
	(void)pthread_mutex_unlock(&lock);
	return member != NULL;
}

static void *begin(void *arg)
{
	struct beginning beginning = *(struct beginning *)arg;

	free(arg);
	self.thread.started = beginning.started;
	return beginning.start(beginning.arg);
}

OWNER_EXPORT int pthread_create(pthread_t *restrict thread,
				const pthread_attr_t *restrict attr,
				void *(*start)(void *arg), void *restrict arg)
{
	struct beginning *beginning = malloc(sizeof(*beginning));
	int ret = 0;

	if (beginning == NULL) {
		return EAGAIN;
	}
	*beginning = (struct beginning){ start, arg, owner_thread_tick() };
	ret = OWNER_NEXT("libc.so.6", pthread_create)(thread, attr, begin,
						      beginning);
	if (ret != 0) {
		free(beginning);
	}
	return ret;
}
