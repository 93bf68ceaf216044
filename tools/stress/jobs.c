/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Jobs: several loops send, cancel and free, with one pool among them and
 * small ones of their own that come and go.
 *
 * What must hold:
 *  1. Each request that its owner keeps ends once, with a result that fits
 *     what was done with it.
 *  2. Each block is freed once, whoever gives up first: request, loop, pool.
 *  3. When all is quiet, what was submitted was completed or withdrawn.
 *  4. Nobody hangs: loops that wait for all their results get them.
 */
#include <errno.h>
#include <sched.h>

#include "tools/stress/stress.h"

#define LOOPS_MAX 4
#define SENDS_MAX 300
#define HELD_MAX  64

struct block {
	struct stress_sums *sums;
	unsigned kind;
	unsigned spin;
	unsigned runs;
};

struct loop;

struct sent {
	struct loop *loop;
	struct tevent_req *req; /* NULL: the place is free */
	bool cancelled;
	bool may_refuse;
};

struct loop {
	struct stress_dice dice;
	struct weft_pool *shared;
	struct weft_pool *own;
	struct stress_sums *sums;
	struct tevent_context *ev;
	unsigned sends;
	bool ends_early;
	bool shared_may_stop;
	struct sent sent[HELD_MAX];
};

static int block_destructor(struct block *block)
{
	stress_freed(block->sums);
	return 0;
}

static struct block *block_new(struct loop *loop)
{
	struct block *block = talloc_zero(NULL, struct block);

	if (block == NULL) {
		stress_give_up("no memory");
	}
	block->sums = loop->sums;
	block->kind = stress_below(&loop->dice, 8);
	block->spin = stress_below(&loop->dice, 2000);
	stress_made(loop->sums);
	talloc_set_destructor(block, block_destructor);
	return block;
}

static int work(struct weft_job *job, void *arg)
{
	struct block *block = talloc_get_type_abort(arg, struct block);
	unsigned i = 0;

	block->runs++;
	switch (block->kind) {
	case 0:
		for (i = 0; i < block->spin; i++) {
			if (weft_job_should_stop(job)) {
				return ECANCELED;
			}
		}
		break;
	case 1:
		(void)sched_yield();
		break;
	case 2:
		(void)talloc_strdup(block, "allocated on the worker");
		break;
	default:
		break;
	}
	return 0;
}

static void done(struct tevent_req *req)
{
	struct sent *sent = tevent_req_callback_data_void(req);
	struct block *block = NULL;
	int ret = 0;

	if (sent->req != req) {
		stress_fail("a request that was given up called back");
		return;
	}
	ret = weft_job_recv(req, NULL, &block);
	if (sent->cancelled && ret != ECANCELED && !sent->may_refuse) {
		stress_fail("cancelled, but the result is %d", ret);
	}
	if (ret == 0 && (block == NULL || block->runs != 1)) {
		stress_fail("done, but not run exactly once");
	}
	if (!sent->cancelled && ret != 0 && !sent->may_refuse) {
		stress_fail("nobody cancelled, but the result is %d", ret);
	}
	talloc_free(block);
	TALLOC_FREE(sent->req);
}

static void send_one(struct loop *loop, struct sent *sent)
{
	struct block *block = block_new(loop);
	bool own = loop->own != NULL && stress_once_in(&loop->dice, 3);

	*sent = (struct sent){
		.loop = loop,
		.may_refuse = own || loop->shared_may_stop,
	};
	sent->req = weft_job_send(loop->ev, loop->ev,
				  own ? loop->own : loop->shared, work, &block,
				  NULL);
	if (sent->req == NULL) {
		stress_give_up("no memory");
	}
	tevent_req_set_callback(sent->req, done, sent);
}

/* A pool of the loop's own, which refuses and ends at any time. */
static void change_own(struct loop *loop)
{
	struct weft_pool_options options = {
		.max = 1 + stress_below(&loop->dice, 2),
		.idle_ms = 1,
		.queue_limit = 1 + stress_below(&loop->dice, 4),
	};

	TALLOC_FREE(loop->own);
	if (stress_once_in(&loop->dice, 2)) {
		int ret = weft_pool_create(loop->ev, &options, &loop->own);

		if (ret != 0) {
			stress_give_up("no pool");
		}
	}
}

static void step(struct loop *loop)
{
	struct sent *sent = &loop->sent[stress_below(&loop->dice, HELD_MAX)];

	if (sent->req == NULL) {
		send_one(loop, sent);
		return;
	}
	if (!stress_bother(&loop->dice, 4, &sent->req, &sent->cancelled)) {
		(void)tevent_loop_once(loop->ev);
	}
}

static void *loop_run(void *arg)
{
	struct loop *loop = arg;
	unsigned i = 0;

	loop->ev = stress_context();
	for (i = 0; i < loop->sends; i++) {
		if (stress_once_in(&loop->dice, 40)) {
			change_own(loop);
		}
		step(loop);
		stress_dawdle(&loop->dice);
	}
	if (!loop->ends_early) {
		(void)tevent_loop_wait(loop->ev);
		for (i = 0; i < HELD_MAX; i++) {
			if (loop->sent[i].req != NULL) {
				stress_fail("the loop left a request behind");
			}
		}
	}
	talloc_free(loop->ev);
	return NULL;
}

static bool jobs_round(struct stress_dice *dice, unsigned threads)
{
	struct stress_crew crew = { .count = 0 };
	static struct loop loops[LOOPS_MAX];
	static const unsigned idles[] = { 1, 2, 1000 };
	struct weft_pool_options options = {
		.min = stress_below(dice, 2),
		.max = 1 + stress_below(dice, threads),
		.idle_ms = idles[stress_below(dice, 3)],
	};
	struct stress_sums sums = { .made = 0 };
	struct weft_pool *pool = stress_pool(&options);
	unsigned loop_count = 1 + stress_below(dice, LOOPS_MAX);
	bool stops = stress_once_in(dice, 4);
	unsigned i = 0;

	for (i = 0; i < loop_count; i++) {
		loops[i] = (struct loop){
			.dice = stress_split(dice),
			.shared = pool,
			.sums = &sums,
			.sends = stress_below(dice, SENDS_MAX),
			.ends_early = stress_once_in(dice, 2),
			.shared_may_stop = stops,
		};
	}
	stress_crew_start(&crew, loop_run, loops, sizeof(loops[0]), loop_count);
	if (stops) {
		stress_dawdle(dice);
		weft_pool_stop(pool);
	}
	stress_crew_join(&crew);
	stress_sums_wait(&sums);
	stress_settle(pool);
	talloc_free(pool);
	return !stress_failed();
}

const struct stress_protocol stress_jobs = {
	.name = "jobs",
	.what = "send, cancel, free, stop, several loops, pools that go",
	.round = jobs_round,
};
