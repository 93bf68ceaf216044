/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Kill: requests, lanes, serials, pools and loops are freed at any moment.
 *
 * Each loop has a pool of its own, which it frees, or a handle of the one that
 * all share. Its jobs do all that a job can do (kill_jobs.c). What must hold:
 *  1. Each block and each part is freed exactly once, whoever ends first, and
 *     so is all that a request still has.
 *  2. Nobody hangs, nobody waits for user code.
 *  3. A request that its owner keeps ends at most once.
 *  4. A forked child can free all of it, in any order.
 */
#include <limits.h>
#include <string.h>

#include "tools/stress/kill.h"

#define LOOPS_MAX 3
#define HELD_MAX  24
#define STEPS_MAX 300

struct kill_loop {
	struct stress_dice dice;
	struct stress_sums *sums;
	struct weft_pool *shared; /* the maker's handle */
	bool owner;               /* frees that */
	unsigned steps;
	bool ends_early;
	bool ends; /* no callback frees the loop any more */
	struct tevent_context *ev;
	struct weft_mailbox *home;
	TALLOC_CTX *mem;
	struct weft_pool *pool; /* NULL: none */
	struct weft_lane *lanes[2];
	struct weft_serial *serial;
	struct tevent_req *reqs[HELD_MAX];
};

/* ---- pools ---- */

static void serial_open(struct kill_loop *loop)
{
	if (weft_serial_create(loop->mem, loop->pool, &loop->serial) != 0) {
		stress_give_up("no serial");
	}
}

static void pool_open(struct kill_loop *loop)
{
	struct stress_dice *dice = &loop->dice;
	struct weft_pool_options options = {
		.max = 1 + stress_below(dice, 3),
		.idle_ms = 1,
		.spare = stress_once_in(dice, 2) ? UINT_MAX : 2,
	};
	int ret = 0;

	if (loop->shared != NULL) {
		ret = weft_pool_attach(loop->mem, loop->shared, &loop->pool);
	} else {
		ret = weft_pool_create(loop->mem, &options, &loop->pool);
	}
	if (ret != 0) {
		stress_give_up("no pool");
	}
	serial_open(loop);
}

/* The lanes and the serial of a pool that goes may go before, or later. */
static void pool_close(struct kill_loop *loop)
{
	struct weft_serial *serial = loop->serial;
	struct weft_lane *lanes[2] = { loop->lanes[0], loop->lanes[1] };
	bool first = stress_once_in(&loop->dice, 2);

	loop->serial = NULL;
	loop->lanes[0] = NULL;
	loop->lanes[1] = NULL;
	if (first) {
		talloc_free(serial);
		talloc_free(lanes[0]);
	}
	TALLOC_FREE(loop->pool);
	if (!first) {
		talloc_free(lanes[0]);
		talloc_free(serial);
	}
	talloc_free(lanes[1]);
}

/* ---- requests ---- */

/* Return: its place; HELD_MAX: it was given up. */
static unsigned place_of(const struct kill_loop *loop,
			 const struct tevent_req *req)
{
	unsigned i = 0;

	while (i < HELD_MAX && loop->reqs[i] != req) {
		i++;
	}
	return i;
}

static void part(struct tevent_req *req, void *block, void *private_data)
{
	struct kill_loop *loop = private_data;
	unsigned place = place_of(loop, req);

	if (place == HELD_MAX) {
		stress_fail("a request that was given up has a part");
		return;
	}
	if (stress_once_in(&loop->dice, 4)) {
		(void)talloc_steal(loop->mem, block);
	}
	if (stress_once_in(&loop->dice, 10)) {
		TALLOC_FREE(loop->reqs[place]);
	}
}

static void done(struct tevent_req *req)
{
	struct kill_loop *loop = tevent_req_callback_data_void(req);
	struct block *block = NULL;
	unsigned place = place_of(loop, req);

	if (place == HELD_MAX) {
		stress_fail("a request that was given up called back");
		return;
	}
	loop->reqs[place] = NULL;
	/* One that is not received takes its block along. */
	if (!stress_once_in(&loop->dice, 4)) {
		(void)weft_job_recv(req, loop->mem, &block);
	}
	talloc_free(req);
	if (!loop->ends && stress_once_in(&loop->dice, 100)) {
		/* Its loop, from within: seen to by whoever turns it. */
		TALLOC_FREE(loop->ev);
	} else if (stress_once_in(&loop->dice, 100)) {
		pool_close(loop);
		pool_open(loop);
	}
}

static void drained(struct tevent_req *req)
{
	struct weft_job_info *left = NULL;
	size_t left_count = 0;

	(void)weft_pool_drain_recv(req, req, &left, &left_count);
	talloc_free(req);
}

static void send_one(struct kill_loop *loop, struct tevent_req **ret_req)
{
	struct stress_dice *dice = &loop->dice;
	struct block *block = kill_block_new(loop->sums, dice, 0);
	struct weft_job_options options = {
		.lane = stress_once_in(dice, 2)
				? loop->lanes[stress_below(dice, 2)]
				: NULL,
		.priority = (enum weft_priority)((int)stress_below(dice, 3) -
						 1),
		.parts = 1 + stress_below(dice, 4),
		.parts_refuse = stress_once_in(dice, 4),
		.interruptible = stress_once_in(dice, 4),
	};

	if (stress_once_in(dice, 4)) {
		options.serial = loop->serial;
		options.key = stress_below(dice, 2);
	}
	if (stress_once_in(dice, 4)) {
		options.deadline_ns = weft_deadline_ms(stress_below(dice, 2));
	}
	*ret_req = weft_job_send(loop->mem, loop->ev, loop->pool, kill_work,
				 &block, &options);
	if (*ret_req == NULL) {
		stress_give_up("no memory");
	}
	tevent_req_set_callback(*ret_req, done, loop);
	if (stress_once_in(dice, 2)) {
		weft_job_on_part(*ret_req, part, loop);
	}
	if (stress_once_in(dice, 8)) {
		weft_job_hold_parts(*ret_req, true);
	}
}

/* ---- what ends, and begins ---- */

static void lane_open(struct kill_loop *loop, struct weft_lane **lane)
{
	struct weft_lane_options options = {
		.max = stress_below(&loop->dice, 3),
		.queue_limit = stress_below(&loop->dice, 4),
		.overflow = (enum weft_overflow)stress_below(&loop->dice, 3),
		.nice = stress_once_in(&loop->dice, 8) ? 5 : 0,
	};

	/* A pool that has ended has none. */
	(void)weft_lane_create(loop->mem, loop->pool, &options, lane);
}

static void loop_open(struct kill_loop *loop)
{
	loop->mem = talloc_new(NULL);
	loop->ev = stress_context();
	if (loop->mem == NULL ||
	    weft_mailbox_create(loop->ev, loop->ev, NULL, &loop->home) != 0) {
		stress_give_up("no context");
	}
	pool_open(loop);
}

/* In any order. */
static void loop_close(struct kill_loop *loop)
{
	unsigned i = 0;

	switch (stress_below(&loop->dice, 4)) {
	case 0:
		TALLOC_FREE(loop->ev);
		pool_close(loop);
		break;
	case 1:
		pool_close(loop);
		TALLOC_FREE(loop->ev);
		break;
	case 2:
		for (i = 0; i < HELD_MAX; i++) {
			TALLOC_FREE(loop->reqs[i]);
		}
		TALLOC_FREE(loop->ev);
		pool_close(loop);
		break;
	default:
		break;
	}
	TALLOC_FREE(loop->mem);
	TALLOC_FREE(loop->ev);
	memset(loop->reqs, 0, sizeof(loop->reqs));
	loop->pool = NULL;
	loop->serial = NULL;
	loop->lanes[0] = NULL;
	loop->lanes[1] = NULL;
}

/* A child ends by _exit(): threads of the parent had some blocks. */
static int child(void *arg)
{
	struct kill_loop *loop = arg;

	if (stress_once_in(&loop->dice, 2)) {
		if (tevent_re_initialise(loop->ev) != 0) {
			return 3;
		}
		while (stress_below(&loop->dice, 4) != 0) {
			struct tevent_req *req = NULL;

			send_one(loop, &req);
			talloc_free(req);
		}
	}
	loop_close(loop);
	return stress_failed() ? 4 : 0;
}

static void fork_once(struct kill_loop *loop)
{
	if (STRESS_FORKS_AT_REST) {
		return;
	}
	/* Each child does something else. */
	(void)stress_roll(&loop->dice);
	stress_child(child, loop);
}

static void end_something(struct kill_loop *loop)
{
	struct tevent_req *req = NULL;
	uint64_t key = stress_below(&loop->dice, 2);
	unsigned lane = stress_below(&loop->dice, 2);

	switch (stress_below(&loop->dice, 10)) {
	case 0:
		pool_close(loop);
		pool_open(loop);
		break;
	case 1:
		loop_close(loop);
		loop_open(loop);
		break;
	case 2:
	case 3:
		TALLOC_FREE(loop->lanes[lane]);
		lane_open(loop, &loop->lanes[lane]);
		break;
	case 4:
		weft_serial_cancel(loop->serial, stress_once_in(&loop->dice, 2)
							 ? NULL
							 : &key);
		break;
	case 5:
		TALLOC_FREE(loop->serial);
		serial_open(loop);
		break;
	case 6:
		if (loop->owner) {
			TALLOC_FREE(loop->shared);
		} else if (loop->shared == NULL) {
			weft_pool_stop(loop->pool);
		}
		break;
	case 7:
		if (loop->shared == NULL && stress_once_in(&loop->dice, 4)) {
			req = weft_pool_drain_send(loop->mem, loop->ev,
						   loop->pool);
			tevent_req_set_callback(req, drained, loop);
		}
		break;
	case 8:
		if (stress_once_in(&loop->dice, 8)) {
			fork_once(loop);
		}
		break;
	default:
		(void)weft_pool_resize(loop->pool, 0,
				       1 + stress_below(&loop->dice, 4));
		break;
	}
}

/* For a moment: where all parts are held nothing else would come. */
static void turn(struct kill_loop *loop)
{
	stress_turn(&loop->ev, stress_below(&loop->dice, 200));
	if (loop->ev == NULL) {
		loop_close(loop);
		loop_open(loop);
	}
}

static void step(struct kill_loop *loop)
{
	struct tevent_req *
		*req = &loop->reqs[stress_below(&loop->dice, HELD_MAX)];

	if (stress_once_in(&loop->dice, 25)) {
		end_something(loop);
		return;
	}
	if (*req == NULL) {
		if (stress_once_in(&loop->dice, 5)) {
			kill_submit(loop->sums, &loop->dice, loop->pool,
				    loop->lanes[stress_below(&loop->dice, 2)],
				    loop->home);
		} else {
			send_one(loop, req);
		}
		return;
	}
	switch (stress_below(&loop->dice, 6)) {
	case 0:
		(void)tevent_req_cancel(*req);
		break;
	case 1:
		TALLOC_FREE(*req);
		break;
	case 2:
		weft_job_hold_parts(*req, stress_once_in(&loop->dice, 2));
		break;
	default:
		turn(loop);
		break;
	}
}

/* Until nothing is left to do. */
static void finish(struct kill_loop *loop)
{
	unsigned i = 0;

	TALLOC_FREE(loop->home);
	for (i = 0; i < HELD_MAX; i++) {
		if (loop->reqs[i] != NULL) {
			weft_job_hold_parts(loop->reqs[i], false);
		}
	}
	loop->ends = true;
	(void)tevent_loop_wait(loop->ev);
	for (i = 0; i < HELD_MAX; i++) {
		if (loop->reqs[i] != NULL) {
			stress_fail("the loop left a request behind");
		}
	}
}

static void *loop_run(void *arg)
{
	struct kill_loop *loop = arg;

	loop_open(loop);
	while (loop->steps-- > 0) {
		step(loop);
		stress_dawdle(&loop->dice);
	}
	if (!loop->ends_early) {
		finish(loop);
	}
	if (loop->owner) {
		TALLOC_FREE(loop->shared);
	}
	loop_close(loop);
	return NULL;
}

static bool kill_round(struct stress_dice *dice, unsigned threads)
{
	struct stress_crew crew = { .count = 0 };
	static struct kill_loop loops[LOOPS_MAX];
	struct stress_sums sums = { .made = 0 };
	struct weft_pool *shared = NULL;
	unsigned loop_count = 1 + stress_below(dice, LOOPS_MAX);
	struct weft_pool_options options = {
		.max = 1 + stress_below(dice, threads),
		.idle_ms = 1,
	};
	unsigned i = 0;

	/* Whoever attaches must find it, so it goes when all have begun. */
	if (stress_once_in(dice, 2)) {
		shared = stress_pool(&options);
	}
	for (i = 0; i < loop_count; i++) {
		loops[i] = (struct kill_loop){
			.dice = stress_split(dice),
			.sums = &sums,
			.shared = shared,
			.owner = shared != NULL && loop_count == 1,
			.steps = stress_below(dice, STEPS_MAX),
			.ends_early = stress_once_in(dice, 2),
		};
	}
	stress_crew_start(&crew, loop_run, loops, sizeof(loops[0]), loop_count);
	stress_dawdle(dice);
	if (shared != NULL && loop_count > 1 && stress_once_in(dice, 2)) {
		weft_pool_stop(shared);
	}
	stress_crew_join(&crew);
	if (loop_count > 1) {
		talloc_free(shared);
	}
	stress_sums_wait(&sums);
	return !stress_failed();
}

const struct stress_protocol stress_kill = {
	.name = "kill",
	.what = "requests, lanes, serials, pools and loops end at any moment",
	.round = kill_round,
};
