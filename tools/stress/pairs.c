/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Pairs: jobs that wait for each other.
 *
 * As many jobs as the pool has workers, each of which ends only when all have
 * started; quick ones before and between, so that workers are caught at every
 * moment: asleep, falling asleep, leaving, being born, between two jobs. A
 * worker that sleeps, or is not there, beside a queued job is a hang. So this
 * shows that the pool conserves work, not merely that it gets on. Then chases:
 * a single worker gets its next job at some moment after it ran the last one,
 * while nobody else sends anything that could save it.
 */
#include <limits.h>
#include <sched.h>

#include "tools/stress/stress.h"

#define TURNS  40
#define CHASES 200

struct meeting {
	atomic_uint started; /* A: relaxed; only the number counts */
	unsigned all;
};

static int meet(struct weft_job *job, void *block)
{
	struct meeting *meeting = *(struct meeting **)block;

	(void)job;
	(void)atomic_fetch_add_explicit(&meeting->started, 1,
					memory_order_relaxed);
	while (atomic_load_explicit(&meeting->started, memory_order_relaxed) <
	       meeting->all) {
		(void)sched_yield();
	}
	return 0;
}

static int quick(struct weft_job *job, void *block)
{
	(void)job;
	(void)block;
	return 0;
}

static void done(struct tevent_req *req)
{
	int ret = weft_job_recv(req, NULL, NULL);

	if (ret != 0) {
		stress_fail("a result was %d", ret);
	}
	talloc_free(req);
}

static void send_one(struct tevent_context *ev, struct weft_pool *pool,
		     struct meeting *meeting)
{
	struct meeting **block = NULL;
	struct tevent_req *req = NULL;

	if (meeting != NULL) {
		block = talloc(NULL, struct meeting *);
		*block = meeting;
		req = weft_job_send(ev, ev, pool, meet, &block, NULL);
	} else {
		req = weft_job_send(ev, ev, pool, quick, NULL, NULL);
	}
	if (req == NULL) {
		stress_give_up("no memory");
	}
	tevent_req_set_callback(req, done, NULL);
}

/* Anything from a few nanoseconds on: the moments of interest are short. */
static void moment(struct stress_dice *dice)
{
	volatile unsigned left = stress_below(dice,
					      1 << stress_below(dice, 12));

	while (left > 0) {
		left--;
	}
}

static struct weft_pool *make_pool(unsigned min, unsigned most,
				   unsigned idle_ms)
{
	struct weft_pool_options options = {
		.min = min,
		.max = most,
		.idle_ms = idle_ms,
	};

	return stress_pool(&options);
}

static void pairs(struct stress_dice *dice, struct tevent_context *ev,
		  unsigned threads)
{
	unsigned most = threads < 2 ? 2 : 2 + stress_below(dice, threads - 1);
	/* Short: they leave. For ever: no time-out saves a sleeper. */
	struct weft_pool *pool = make_pool(stress_below(dice, 2), most,
					   stress_once_in(dice, 2) ? 1
								   : UINT_MAX);
	unsigned turn = 0;

	for (turn = 0; turn < TURNS; turn++) {
		struct meeting meeting = { .all = most };
		unsigned i = 0;

		for (i = 0; i < most; i++) {
			if (stress_once_in(dice, 3)) {
				send_one(ev, pool, NULL);
				moment(dice);
			}
			send_one(ev, pool, &meeting);
			moment(dice);
		}
		(void)tevent_loop_wait(ev);
		if (stress_once_in(dice, 8)) {
			stress_dawdle(dice);
		}
	}
	talloc_free(pool);
}

static void chase(struct stress_dice *dice, struct tevent_context *ev)
{
	struct weft_pool *pool = make_pool(0, 1, UINT_MAX);
	struct meeting meetings[CHASES];
	unsigned i = 0;

	for (i = 0; i < CHASES; i++) {
		meetings[i].all = 1;
		atomic_init(&meetings[i].started, 0);
		send_one(ev, pool, &meetings[i]);
		while (atomic_load_explicit(&meetings[i].started,
					    memory_order_relaxed) == 0) {
			(void)sched_yield();
		}
		moment(dice);
	}
	(void)tevent_loop_wait(ev);
	talloc_free(pool);
}

static bool pairs_round(struct stress_dice *dice, unsigned threads)
{
	struct tevent_context *ev = stress_context();

	pairs(dice, ev, threads);
	chase(dice, ev);
	talloc_free(ev);
	return !stress_failed();
}

const struct stress_protocol stress_pairs = {
	.name = "pairs",
	.what = "jobs that wait for each other, and jobs one by one",
	.round = pairs_round,
};
