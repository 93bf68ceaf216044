/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Fork: children split off while jobs are on their way.
 *
 * The main thread has a loop and sends; others send at the same time, so that
 * locks are held when the fork comes. The child frees what it inherited, in
 * any order, or makes it its own: its loop ends by itself, and its pools work.
 * The parent must lose nothing.
 *
 * A sanitizer's own locks do not survive a fork: a child hangs in malloc() if
 * another thread was in there. So under one nobody else sends, and the workers
 * sleep when the fork comes; under ThreadSanitizer the child starts no threads.
 */
#include <limits.h>
#include <sched.h>

#include "tools/stress/stress.h"

#define SENDERS_MAX 3
#define JOBS        20
#define FORKS       3

struct parent {
	struct stress_dice *dice;
	struct tevent_context *ev;
	struct weft_pool *pool;
};

struct sender {
	struct weft_pool *pool;
	unsigned jobs;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ended = PTHREAD_COND_INITIALIZER;
static unsigned senders_left; /* L(lock) */

static int work(struct weft_job *job, void *block)
{
	(void)job;
	(void)talloc_strdup(block, "allocated on the worker");
	return 0;
}

static void done(struct tevent_req *req)
{
	unsigned *results = tevent_req_callback_data_void(req);
	int ret = weft_job_recv(req, NULL, NULL);

	talloc_free(req);
	if (ret != 0) {
		stress_fail("a result was %d", ret);
	}
	(*results)++;
}

static void send_jobs(struct tevent_context *ev, struct weft_pool *pool,
		      unsigned count, unsigned *results)
{
	unsigned i = 0;

	for (i = 0; i < count; i++) {
		TALLOC_CTX *block = talloc_new(NULL);
		struct tevent_req *req = weft_job_send(ev, ev, pool, work,
						       &block, NULL);

		if (req == NULL) {
			stress_give_up("no memory");
		}
		tevent_req_set_callback(req, done, results);
	}
}

static void *sender_run(void *arg)
{
	struct sender *sender = arg;
	struct tevent_context *ev = stress_context();
	unsigned results = 0;
	unsigned sent = 0;

	while (sent < sender->jobs) {
		send_jobs(ev, sender->pool, JOBS, &results);
		sent += JOBS;
		(void)tevent_loop_wait(ev);
	}
	if (results != sent) {
		stress_fail("a sender has %u results of %u", results, sent);
	}
	talloc_free(ev);
	(void)pthread_mutex_lock(&lock);
	senders_left--;
	(void)pthread_cond_signal(&ended);
	(void)pthread_mutex_unlock(&lock);
	return NULL;
}

static void senders_wait(void)
{
	(void)pthread_mutex_lock(&lock);
	while (senders_left > 0) {
		(void)pthread_cond_wait(&ended, &lock);
	}
	(void)pthread_mutex_unlock(&lock);
}

/* Detached: to a child they are no threads that it forgot to join. */
static void sender_start(struct sender *sender)
{
	pthread_t thread;

	stress_start(&thread, sender_run, sender);
	(void)pthread_detach(thread);
}

/* Return: the child's exit code. */
static int child(void *arg)
{
	struct parent *parent = arg;
	struct tevent_context *ev = parent->ev;
	struct weft_pool *pool = parent->pool;
	unsigned inherited = 0;
	unsigned results = 0;
	unsigned what = stress_below(parent->dice, STRESS_TSAN ? 3 : 5);
	int ret = 0;

	if (what == 0) {
		talloc_free(ev);
		talloc_free(pool);
		return 0;
	}
	if (what == 1) {
		talloc_free(pool);
		talloc_free(ev);
		return 0;
	}
	ret = tevent_re_initialise(ev);
	if (ret != 0) {
		return 3;
	}
	if (what >= 3) {
		if (what == 4) {
			talloc_free(pool);
			ret = weft_pool_create(NULL, NULL, &pool);
		}
		if (ret != 0) {
			return 4;
		}
		send_jobs(ev, pool, JOBS, &results);
	}
	ret = tevent_loop_wait(ev);
	inherited = results - (what >= 3 ? JOBS : 0);
	talloc_free(ev);
	return ret == 0 && inherited == 0 && !stress_failed() ? 0 : 5;
}

/* The results may still lie in the mailbox, but every worker sleeps. */
static void wait_for_rest(struct weft_pool *pool)
{
	struct weft_pool_stats stats;

	do {
		(void)sched_yield();
		weft_pool_stats(pool, &stats);
	} while (stats.queued + stats.running > 0 ||
		 stats.workers != stats.idle);
}

static bool fork_round(struct stress_dice *dice, unsigned threads)
{
	struct weft_pool_options options = {
		.max = 1 + stress_below(dice, threads),
		.idle_ms = STRESS_FORKS_AT_REST ? 0 : 1 + stress_below(dice, 3),
		/* The watch comes and goes while the workers rest. */
		.spare = STRESS_FORKS_AT_REST ? UINT_MAX : 0,
	};
	struct sender senders[SENDERS_MAX];
	struct tevent_context *ev = stress_context();
	struct weft_pool *pool = stress_pool(&options);
	struct parent parent = { dice, ev, pool };
	unsigned sender_count = STRESS_FORKS_AT_REST
					? 0
					: stress_below(dice, SENDERS_MAX + 1);
	unsigned results = 0;
	unsigned i = 0;

	senders_left = sender_count;
	for (i = 0; i < sender_count; i++) {
		senders[i] = (struct sender){
			.pool = pool,
			.jobs = 5 * JOBS,
		};
		sender_start(&senders[i]);
	}
	for (i = 0; i < FORKS; i++) {
		send_jobs(ev, pool, JOBS, &results);
		if (stress_once_in(dice, 2)) {
			(void)tevent_loop_once(ev);
		}
		stress_dawdle(dice);
		if (STRESS_FORKS_AT_REST) {
			wait_for_rest(pool);
		}
		/* Each child does something else. */
		(void)stress_roll(dice);
		stress_child(child, &parent);
	}
	senders_wait();
	(void)tevent_loop_wait(ev);
	if (results != FORKS * JOBS) {
		stress_fail("the parent has %u results of %u", results,
			    FORKS * JOBS);
	}
	talloc_free(ev);
	talloc_free(pool);
	return !stress_failed();
}

const struct stress_protocol stress_fork = {
	.name = "fork",
	.what = "children split off while jobs are on their way",
	.round = fork_round,
};
