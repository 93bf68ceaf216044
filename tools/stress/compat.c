/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Compat: programs of pthreadpool_tevent.h, several loops, one pool or more.
 *
 * There the memory that a function works on stays its sender's, who has to know
 * whether the function may still run: so it is the answers that are looked at.
 * What must hold:
 *  1. Who is told 0 has had his function run, once and to its end.
 *  2. Who has taken a job back (tevent_req_cancel() said true), or was told
 *     ECANCELED, has not had it run, and will not.
 *  3. Each request that is kept ends, also when its pool is freed.
 */
#include <errno.h>
#include <sched.h>

#include <pthreadpool_tevent.h>

#include "tools/stress/stress.h"

#define LOOPS_MAX 3
#define HELD_MAX  24
#define STEPS_MAX 400

struct loop;

/* What a function works on: it stays until nobody can run it any more. */
struct task {
	struct loop *loop;
	struct tevent_req *req; /* NULL: the place is free */
	bool taken_back;
	unsigned kind;
	atomic_uint began; /* A: relaxed: the answer orders it */
	atomic_uint ended;
};

struct loop {
	struct stress_dice dice;
	struct pthreadpool_tevent *shared;
	struct pthreadpool_tevent *own; /* or NULL */
	struct tevent_context *ev;
	unsigned steps;
	struct task tasks[HELD_MAX];
};

static void work(void *private_data)
{
	struct task *task = private_data;
	unsigned kind = task->kind;

	stress_add(&task->began, 1);
	while (kind-- > 6) {
		(void)sched_yield();
	}
	stress_add(&task->ended, 1);
}

static void done(struct tevent_req *req)
{
	struct task *task = tevent_req_callback_data_void(req);
	int ret = pthreadpool_tevent_job_recv(req);
	unsigned began = stress_sum(&task->began);
	unsigned ended = stress_sum(&task->ended);

	if (task->req != req) {
		stress_fail("a request that was given up called back");
	} else if (ret == 0 && (began != 1 || ended != 1)) {
		stress_fail("through, but began %u times and ended %u", began,
			    ended);
	} else if (ret == ECANCELED && began != 0) {
		stress_fail("taken back, but it runs");
	} else if (ret != 0 && ret != ECANCELED) {
		stress_fail("the result is %d", ret);
	} else if (ret == 0 && task->taken_back) {
		stress_fail("taken back, but it has run");
	}
	TALLOC_FREE(task->req);
}

static void send_one(struct loop *loop, struct task *task)
{
	struct pthreadpool_tevent *pool = loop->own;

	if (pool == NULL || stress_once_in(&loop->dice, 2)) {
		pool = loop->shared;
	}
	task->loop = loop;
	task->taken_back = false;
	task->kind = stress_below(&loop->dice, 10);
	atomic_store_explicit(&task->began, 0, memory_order_relaxed);
	atomic_store_explicit(&task->ended, 0, memory_order_relaxed);
	task->req = pthreadpool_tevent_job_send(loop->ev, loop->ev, pool, work,
						task);
	if (task->req == NULL) {
		stress_give_up("no memory");
	}
	tevent_req_set_callback(task->req, done, task);
}

static void change_own(struct loop *loop)
{
	TALLOC_FREE(loop->own);
	if (stress_once_in(&loop->dice, 2) &&
	    pthreadpool_tevent_init(loop->ev, stress_below(&loop->dice, 3),
				    &loop->own) != 0) {
		stress_give_up("no pool");
	}
}

static void step(struct loop *loop)
{
	struct task *task = &loop->tasks[stress_below(&loop->dice, HELD_MAX)];

	if (stress_once_in(&loop->dice, 40)) {
		change_own(loop);
	}
	if (task->req == NULL) {
		send_one(loop, task);
		return;
	}
	switch (stress_below(&loop->dice, 4)) {
	case 0:
		task->taken_back = tevent_req_cancel(task->req) ||
				   task->taken_back;
		break;
	case 1:
		(void)pthreadpool_tevent_queued_jobs(loop->shared);
		break;
	default:
		(void)tevent_loop_once(loop->ev);
		break;
	}
}

static void *loop_run(void *arg)
{
	struct loop *loop = arg;
	unsigned i = 0;

	loop->ev = stress_context();
	while (loop->steps-- > 0) {
		step(loop);
		stress_dawdle(&loop->dice);
	}
	(void)tevent_loop_wait(loop->ev);
	for (i = 0; i < HELD_MAX; i++) {
		if (loop->tasks[i].req != NULL) {
			stress_fail("the loop left a request behind");
		}
	}
	talloc_free(loop->ev);
	return NULL;
}

static bool compat_round(struct stress_dice *dice, unsigned threads)
{
	struct stress_crew crew = { .count = 0 };
	static struct loop loops[LOOPS_MAX];
	struct pthreadpool_tevent *pool = NULL;
	unsigned count = 1 + stress_below(dice, LOOPS_MAX);
	unsigned i = 0;

	if (pthreadpool_tevent_init(NULL, 1 + stress_below(dice, threads),
				    &pool) != 0) {
		stress_give_up("no pool");
	}
	for (i = 0; i < count; i++) {
		loops[i] = (struct loop){
			.dice = stress_split(dice),
			.shared = pool,
			.steps = stress_below(dice, STEPS_MAX),
		};
	}
	stress_crew_start(&crew, loop_run, loops, sizeof(loops[0]), count);
	stress_crew_join(&crew);
	talloc_free(pool);
	return !stress_failed();
}

const struct stress_protocol stress_compat = {
	.name = "compat",
	.what = "pthreadpool_tevent: jobs taken back, pools that go",
	.round = compat_round,
};
