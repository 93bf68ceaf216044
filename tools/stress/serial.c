/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Serial: jobs with keys, from several loops, while some are cancelled.
 *
 * What must hold:
 *  1. Of one key never more than one runs.
 *  2. Of one key those that one loop has sent begin in the order of sending,
 *     in whatever lane they are; some of them may be missing.
 *  3. Each request ends, with a result that fits what was done.
 *  4. When all is quiet the books are balanced.
 */
#include <errno.h>
#include <limits.h>
#include <sched.h>

#include "tools/stress/stress.h"

#define LOOPS_MAX 4
#define KEYS      7
#define SERIALS   2
#define LANES     3
#define HELD_MAX  64
#define SENDS_MAX 500

/* Whoever runs a job of a key owns this: that is what is tested. The flag is
 * for the case that it does not hold. */
struct turn {
	atomic_bool taken;        /* A: acquire, release */
	unsigned last[LOOPS_MAX]; /* of each loop */
};

struct scene {
	struct weft_pool *pool;
	struct weft_lane *lanes[LANES]; /* the first is NULL */
	struct weft_serial *serials[SERIALS];
	struct turn turns[SERIALS][KEYS];
	bool cancels; /* by weft_serial_cancel() */
	bool refuses; /* some lane */
	bool stops;
};

struct visit {
	struct turn *turn;
	unsigned loop;
	unsigned number;
	unsigned kind;
	unsigned spin;
	unsigned runs;
};

struct sent {
	struct loop *loop;
	struct tevent_req *req; /* NULL: the place is free */
	bool cancelled;
};

struct loop {
	unsigned index;
	struct scene *scene;
	struct stress_dice dice;
	struct tevent_context *ev;
	struct weft_pool *pool; /* a handle of its own */
	unsigned sends;
	unsigned numbers;
	bool ends_early;
	struct sent sent[HELD_MAX];
};

static int work(struct weft_job *job, void *block)
{
	struct visit *visit = talloc_get_type_abort(block, struct visit);
	struct turn *turn = visit->turn;
	unsigned i = 0;

	if (atomic_exchange_explicit(&turn->taken, true,
				     memory_order_acq_rel)) {
		stress_fail("two of one key run");
		return 0;
	}
	if (turn->last[visit->loop] >= visit->number) {
		stress_fail("number %u comes after %u", visit->number,
			    turn->last[visit->loop]);
	}
	turn->last[visit->loop] = visit->number;
	visit->runs++;
	switch (visit->kind) {
	case 0:
		for (i = 0; i < visit->spin && !weft_job_should_stop(job);
		     i++) {
		}
		break;
	case 1:
		(void)sched_yield();
		break;
	case 2:
		weft_blocking_begin();
		(void)sched_yield();
		weft_blocking_end();
		break;
	default:
		break;
	}
	atomic_store_explicit(&turn->taken, false, memory_order_release);
	return 0;
}

static bool result_fits(const struct scene *scene, const struct sent *sent,
			int ret)
{
	if (sent->cancelled) {
		return ret == ECANCELED || (ret == EAGAIN && scene->refuses) ||
		       (ret == ESHUTDOWN && scene->stops);
	}
	return ret == 0 || (ret == EAGAIN && scene->refuses) ||
	       (ret == ECANCELED && (scene->cancels || scene->stops)) ||
	       (ret == ESHUTDOWN && scene->stops);
}

static void done(struct tevent_req *req)
{
	struct sent *sent = tevent_req_callback_data_void(req);
	struct visit *visit = NULL;
	int ret = 0;

	if (sent->req != req) {
		stress_fail("a request that was given up called back");
		return;
	}
	ret = weft_job_recv(req, NULL, &visit);
	if (!result_fits(sent->loop->scene, sent, ret)) {
		stress_fail("the result is %d, %s", ret,
			    sent->cancelled ? "cancelled" : "not cancelled");
	}
	if (ret == 0 && (visit == NULL || visit->runs != 1)) {
		stress_fail("done, but not run exactly once");
	}
	talloc_free(visit);
	TALLOC_FREE(sent->req);
}

static void send_one(struct loop *loop, struct sent *sent)
{
	struct scene *scene = loop->scene;
	unsigned serial = stress_below(&loop->dice, SERIALS);
	/* The first one is hot. */
	unsigned key = stress_once_in(&loop->dice, 2)
			       ? 0
			       : stress_below(&loop->dice, KEYS);
	struct weft_job_options options = {
		.serial = scene->serials[serial],
		.key = key,
		.lane = scene->lanes[stress_below(&loop->dice, LANES)],
	};
	struct visit *visit = talloc(NULL, struct visit);

	if (visit == NULL) {
		stress_give_up("no memory");
	}
	*visit = (struct visit){
		.turn = &scene->turns[serial][key],
		.loop = loop->index,
		.number = ++loop->numbers,
		.kind = stress_below(&loop->dice, 6),
		.spin = stress_below(&loop->dice, 1000),
	};
	*sent = (struct sent){ .loop = loop };
	sent->req = weft_job_send(loop->ev, loop->ev, loop->pool, work, &visit,
				  &options);
	if (sent->req == NULL) {
		stress_give_up("no memory");
	}
	tevent_req_set_callback(sent->req, done, sent);
}

static void step(struct loop *loop)
{
	struct scene *scene = loop->scene;
	struct sent *sent = &loop->sent[stress_below(&loop->dice, HELD_MAX)];

	if (scene->cancels && stress_once_in(&loop->dice, 30)) {
		uint64_t key = stress_below(&loop->dice, KEYS);

		weft_serial_cancel(
			scene->serials[stress_below(&loop->dice, SERIALS)],
			stress_once_in(&loop->dice, 3) ? NULL : &key);
	}
	if (sent->req == NULL) {
		send_one(loop, sent);
		return;
	}
	if (!stress_bother(&loop->dice, 6, &sent->req, &sent->cancelled)) {
		(void)tevent_loop_once(loop->ev);
	}
}

static void *loop_run(void *arg)
{
	struct loop *loop = arg;
	unsigned i = 0;

	loop->ev = stress_context();
	loop->pool = stress_handle(loop->ev, loop->scene->pool);
	while (loop->sends-- > 0) {
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

static void scene_open(struct scene *scene, struct stress_dice *dice,
		       unsigned threads)
{
	struct weft_pool_options options = {
		.max = 1 + stress_below(dice, threads),
		/* One that stays does not look when it leaves. */
		.idle_ms = stress_once_in(dice, 2) ? UINT_MAX : 1,
		.spare = stress_once_in(dice, 2) ? UINT_MAX : 2,
	};
	unsigned i = 0;

	*scene = (struct scene){
		.cancels = stress_once_in(dice, 2),
		.stops = stress_once_in(dice, 4),
		.refuses = stress_once_in(dice, 2),
	};
	scene->pool = stress_pool(&options);
	for (i = 1; i < LANES; i++) {
		struct weft_lane_options lane = {
			.max = stress_below(dice, 3),
			.queue_limit = scene->refuses ? 4 : 0,
			.overflow = (enum weft_overflow)stress_below(dice, 2),
			.nice = stress_once_in(dice, 8) ? 3 : 0,
		};

		if (weft_lane_create(scene->pool, scene->pool, &lane,
				     &scene->lanes[i]) != 0) {
			stress_give_up("no lane");
		}
	}
	for (i = 0; i < SERIALS; i++) {
		if (weft_serial_create(scene->pool, scene->pool,
				       &scene->serials[i]) != 0) {
			stress_give_up("no serial");
		}
	}
}

static void scene_close(struct scene *scene)
{
	stress_settle(scene->pool);
	talloc_free(scene->pool);
}

static bool serial_round(struct stress_dice *dice, unsigned threads)
{
	struct stress_crew crew = { .count = 0 };
	static struct loop loops[LOOPS_MAX];
	static struct scene scene;
	unsigned loop_count = 1 + stress_below(dice, LOOPS_MAX);
	unsigned i = 0;

	scene_open(&scene, dice, threads);
	for (i = 0; i < loop_count; i++) {
		loops[i] = (struct loop){
			.index = i,
			.scene = &scene,
			.dice = stress_split(dice),
			.sends = stress_below(dice, SENDS_MAX),
			.ends_early = stress_once_in(dice, 4),
		};
	}
	stress_crew_start(&crew, loop_run, loops, sizeof(loops[0]), loop_count);
	stress_dawdle(dice);
	if (scene.stops) {
		weft_pool_stop(scene.pool);
	}
	stress_crew_join(&crew);
	scene_close(&scene);
	return !stress_failed();
}

const struct stress_protocol stress_serial = {
	.name = "serial",
	.what = "order by key, while jobs and keys are cancelled",
	.round = serial_round,
};
