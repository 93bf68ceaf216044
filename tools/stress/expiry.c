/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Expiry: workers that leave, beside jobs that come at that very moment.
 *
 * The pool's idle workers leave after a millisecond, and its jobs come in small
 * bursts with as much between them, often to a few microseconds; now and then
 * it is resized. What must hold:
 *  1. Each job runs: one that is left to a worker that has just gone hangs.
 *  2. Each worker that began (worker_init) ends (worker_fini) when the pool is
 *     gone.
 *  3. When all is quiet the books are balanced.
 */
#include "tools/stress/stress.h"

#define LOOPS_MAX 3
#define BURSTS    60
#define JOBS_MAX  8
#define IDLE_US   1000
#define NEAR_US   120 /* later than that: timers have some slack */

struct sender {
	struct stress_dice dice;
	struct weft_pool *pool;
	struct weft_pool *own; /* its handle */
	bool resizes;
};

static atomic_uint inits;
static atomic_uint finis;

static int worker_init(void **ret_state, void *private_data)
{
	(void)ret_state;
	(void)private_data;
	stress_add(&inits, 1);
	return 0;
}

static void worker_fini(void *state, void *private_data)
{
	(void)state;
	(void)private_data;
	stress_add(&finis, 1);
}

static int work(struct weft_job *job, void *block)
{
	(void)job;
	(void)block;
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

static void burst(struct sender *sender, struct tevent_context *ev)
{
	unsigned jobs = stress_once_in(&sender->dice, 2)
				? 1
				: 1 + stress_below(&sender->dice, JOBS_MAX);
	unsigned results = 0;
	unsigned i = 0;

	for (i = 0; i < jobs; i++) {
		struct tevent_req *req = weft_job_send(ev, ev, sender->own,
						       work, NULL, NULL);

		if (req == NULL) {
			stress_give_up("no memory");
		}
		tevent_req_set_callback(req, done, &results);
	}
	(void)tevent_loop_wait(ev);
	if (results != jobs) {
		stress_fail("%u results of %u", results, jobs);
	}
}

/* Until a worker that has nothing to do since now leaves, or another time. */
static void wait_to_leave(struct stress_dice *dice)
{
	uint64_t end = stress_now_ns() +
		       (IDLE_US + stress_below(dice, NEAR_US)) * UINT64_C(1000);

	if (stress_once_in(dice, 4)) {
		stress_nap(stress_below(dice, 2 * IDLE_US));
		return;
	}
	stress_nap(IDLE_US - NEAR_US);
	while (stress_now_ns() < end) {
	}
}

static void *sender_run(void *arg)
{
	struct sender *sender = arg;
	struct tevent_context *ev = stress_context();
	unsigned i = 0;

	sender->own = stress_handle(ev, sender->pool);
	for (i = 0; i < BURSTS; i++) {
		burst(sender, ev);
		if (sender->resizes && stress_once_in(&sender->dice, 8)) {
			unsigned min = stress_below(&sender->dice, 2);

			(void)weft_pool_resize(
				sender->own, min,
				1 + stress_below(&sender->dice, 4));
		}
		wait_to_leave(&sender->dice);
	}
	talloc_free(ev);
	return NULL;
}

static bool expiry_round(struct stress_dice *dice, unsigned threads)
{
	struct stress_crew crew = { .count = 0 };
	struct weft_pool_options options = {
		.min = stress_below(dice, 2),
		.max = stress_once_in(dice, 2)
			       ? 1
			       : 1 + stress_below(dice, threads),
		.idle_ms = IDLE_US / 1000,
		.worker_init = worker_init,
		.worker_fini = worker_fini,
	};
	struct sender senders[LOOPS_MAX];
	struct weft_pool *pool = stress_pool(&options);
	unsigned count = stress_once_in(dice, 2)
				 ? 1
				 : 1 + stress_below(dice, LOOPS_MAX);
	bool resizes = stress_once_in(dice, 4);
	unsigned i = 0;

	atomic_store_explicit(&inits, 0, memory_order_relaxed);
	atomic_store_explicit(&finis, 0, memory_order_relaxed);
	for (i = 0; i < count; i++) {
		senders[i] = (struct sender){
			.dice = stress_split(dice),
			.pool = pool,
			.resizes = resizes,
		};
	}
	stress_crew_start(&crew, sender_run, senders, sizeof(senders[0]),
			  count);
	stress_crew_join(&crew);
	stress_settle(pool);
	talloc_free(pool);
	/* One that never ends is what this hangs on. */
	while (stress_sum(&inits) != stress_sum(&finis)) {
		stress_nap(100);
	}
	return !stress_failed();
}

const struct stress_protocol stress_expiry = {
	.name = "expiry",
	.what = "workers that leave just when jobs come",
	.round = expiry_round,
};
