/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Call wait: a thread without a loop waits for the answer of one.
 *
 *      waiting thread     core (malloc)            callee
 *      send               ask  ----------------->  the function
 *      sleep <----------- done, signalled  <-----  the answer
 *
 *  1. Both sides have a share in the core. The waiting thread may leave first,
 *     when its time is over; the answer always comes. The last one out frees.
 *  2. A call that was not begun when the time is over is taken back, with its
 *     block; the answer of one that was answered just then is taken.
 *  3. A job that calls is blocking meanwhile: another one may have its worker's
 *     place.
 *
 * Threads: core_home: any; all others: the waiting thread.
 * Ordering: the lock; [CA2] the shares.
 * Not here: the other side (ask.c), requests (call.c).
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "weft.h"

#include "engine/base.h"
#include "threadpool/ask.h"
#include "threadpool/block.h"
#include "threadpool/mailbox.h"

#define WAIT_NS_PER_S 1000000000ULL

struct wait_core {
	struct wf_ask ask; /* see ask.h */
	atomic_int refs;   /* A: [CA2] */
	pthread_mutex_t lock;
	pthread_cond_t changed; /* L(lock) of CLOCK_MONOTONIC */
	bool done;              /* L(lock) */
};

static void core_unref(struct wait_core *core)
{
	/* [CA2] release: our last use of the core; acquire: that of the other
	 * side, for whoever frees it. Pairs with itself. */
	int before = atomic_fetch_sub_explicit(&core->refs, 1,
					       memory_order_acq_rel);

	if (before == 1) {
		wf_block_drop(wf_ask_end(&core->ask));
		(void)pthread_cond_destroy(&core->changed);
		(void)pthread_mutex_destroy(&core->lock);
		free(core);
	}
}

static void core_home(struct wf_ask *ask)
{
	struct wait_core *core = tev_container_of(ask, struct wait_core, ask);

	(void)pthread_mutex_lock(&core->lock);
	core->done = true;
	(void)pthread_cond_signal(&core->changed);
	(void)pthread_mutex_unlock(&core->lock);
	core_unref(core);
}

static struct wait_core *core_create(weft_call_fn_t fn, uint64_t deadline_ns)
{
	struct wait_core *core = malloc(sizeof(*core));
	pthread_condattr_t attr;
	int ret = 0;

	if (core == NULL) {
		return NULL;
	}
	ret = wf_ask_init(&core->ask, fn, deadline_ns, core_home);
	if (ret != 0) {
		free(core);
		return NULL;
	}
	atomic_init(&core->refs, 2);
	core->done = false;
	(void)pthread_mutex_init(&core->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&core->changed, &attr);
	(void)pthread_condattr_destroy(&attr);
	return core;
}

/* Return: false: the time is over. */
static bool core_wait(struct wait_core *core, uint64_t deadline_ns)
{
	struct timespec until = {
		.tv_sec = (time_t)(deadline_ns / WAIT_NS_PER_S),
		.tv_nsec = (long)(deadline_ns % WAIT_NS_PER_S),
	};
	bool done = false;
	int ret = 0;

	(void)pthread_mutex_lock(&core->lock);
	while (!core->done && ret != ETIMEDOUT) {
		if (deadline_ns == 0) {
			ret = pthread_cond_wait(&core->changed, &core->lock);
		} else {
			ret = pthread_cond_timedwait(&core->changed,
						     &core->lock, &until);
		}
	}
	done = core->done;
	(void)pthread_mutex_unlock(&core->lock);
	return done;
}

/* Return: what the caller is told; in *@ret_block the block that is back. */
static int core_result(struct wait_core *core, uint64_t deadline_ns, bool late,
		       void **ret_block)
{
	if (late && wf_ask_take_back(&core->ask, ret_block)) {
		return ECANCELED;
	}
	if (!core_wait(core, deadline_ns) &&
	    (wf_ask_take_back(&core->ask, ret_block) ||
	     wf_ask_unwant(&core->ask))) {
		return ETIMEDOUT;
	}
	*ret_block = wf_ask_end(&core->ask);
	return core->ask.error;
}

int weft_call_wait_block(weft_addr_t to, weft_call_fn_t fn, void *pp_block,
			 unsigned timeout_ms)
{
	void *block = wf_block_peek(pp_block);
	uint64_t deadline_ns = timeout_ms != UINT_MAX
				       ? weft_deadline_ms(timeout_ms)
				       : 0;
	struct wait_core *core = NULL;
	enum wf_ask_sent sent = WF_ASK_UNDER_WAY;
	int ret = 0;

	if (fn == NULL || !wf_block_may_travel(block)) {
		return EINVAL;
	}
	if (wf_mailbox_is_mine(to)) {
		return EDEADLK;
	}
	core = core_create(fn, deadline_ns);
	if (core == NULL) {
		return ENOMEM;
	}
	sent = wf_ask_send(&core->ask, to, block);
	block = NULL;
	weft_blocking_begin();
	ret = core_result(core, deadline_ns, sent == WF_ASK_LATE, &block);
	weft_blocking_end();
	wf_block_give(NULL, block, pp_block);
	core_unref(core);
	return ret;
}
