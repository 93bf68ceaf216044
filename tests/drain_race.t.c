/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Drain race: a pool is drained while several loops use it. Whoever is told
 * that it is through is told after the last job, and is told.
 */
#include <stdatomic.h>

#include "tests/draintest.h"

#define LOOPS  3
#define ROUNDS 60

struct round {
	struct weft_pool *pool;
	struct weft_lane *lane;
	struct weft_serial *serial;
	struct fixture_gate sent; /* jobs, of all loops */
	atomic_uint ran;          /* A: jobs that have run */
	atomic_uint answers;      /* A: that said 0 */
	atomic_uint odd;          /* A: that said anything but 0, ESHUTDOWN */
	atomic_uint early;        /* A: loops that were told too early */
	bool cancels;             /* each loop cancels what it can */
};

static int count_run(struct weft_job *job, void *block)
{
	struct round **round = block;

	(void)job;
	(void)atomic_fetch_add(&(*round)->ran, 1);
	return 0;
}

/* ---- one loop ---- */

struct sender {
	struct round *round;
	struct tevent_context *ev;
	struct weft_pool *pool;
	unsigned index;
	unsigned sent;
	unsigned under_way;
	bool refused;
	struct tevent_req *last;
};

static void sender_heard(struct tevent_req *req)
{
	struct sender *sender = tevent_req_callback_data_void(req);
	struct round *round = sender->round;
	int ret = weft_job_recv(req, NULL, NULL);

	sender->under_way--;
	if (sender->last == req) {
		sender->last = NULL;
	}
	if (ret == 0) {
		(void)atomic_fetch_add(&round->answers, 1);
	} else if (ret == ESHUTDOWN) {
		sender->refused = true;
	} else if (ret != ECANCELED || !round->cancels) {
		(void)atomic_fetch_add(&round->odd, 1);
	}
	talloc_free(req);
}

/* Plain ones, some in a lane, some behind a key that all loops share. */
static void sender_send(struct sender *sender)
{
	struct round *round = sender->round;
	struct weft_job_options options = { .name = NULL };
	struct round **block = talloc(NULL, struct round *);

	*block = round;
	if (sender->sent % 3 == 1) {
		options.lane = round->lane;
	} else if (sender->sent % 3 == 2) {
		options.serial = round->serial;
		options.key = sender->sent % 2;
	}
	sender->last = weft_job_send(sender->ev, sender->ev, sender->pool,
				     count_run, &block, &options);
	tevent_req_set_callback(sender->last, sender_heard, sender);
	sender->sent++;
	sender->under_way++;
	fixture_gate_add(&round->sent, 1);
}

static void sender_main(unsigned index, void *arg)
{
	struct round *round = arg;
	struct sender sender = {
		.round = round,
		.ev = tevent_context_init(NULL),
		.index = index,
	};
	struct drained drained = { .done = false };

	(void)weft_pool_attach(sender.ev, round->pool, &sender.pool);
	while (!sender.refused) {
		sender_send(&sender);
		if (round->cancels && sender.sent % 5 == 0) {
			(void)tevent_req_cancel(sender.last);
		}
		if (sender.under_way >= 16) {
			(void)tevent_loop_once(sender.ev);
		}
	}
	(void)drain_on(sender.ev, sender.pool, &drained);
	(void)fixture_turn_until(sender.ev, &drained.done);
	/* Its results were before that, but for those that were cancelled. */
	if (drained.ret != 0 || (!round->cancels && sender.under_way != 0)) {
		(void)atomic_fetch_add(&round->early, 1);
	}
	(void)tevent_loop_wait(sender.ev);
	talloc_free(sender.ev);
}

/* ---- rounds ---- */

/* Return: the same as before plus one if it went as it should. */
static unsigned round_run(struct fixture *fx, unsigned number, bool cancels)
{
	const struct weft_lane_options narrow = {
		.max = 1,
		.queue_limit = 4,
		.overflow = WEFT_OVERFLOW_CALLER_RUNS,
	};
	TALLOC_CTX *mem = talloc_new(fx->mem);
	const struct weft_pool_options options = { .max = 2 };
	struct round round = { .cancels = cancels };
	struct drained drained = { .done = false };
	struct weft_pool_stats stats;
	struct fixture_threads *threads = NULL;
	unsigned ran = 0;
	bool good = false;

	(void)weft_pool_create(mem, &options, &round.pool);
	(void)weft_lane_create(mem, round.pool, &narrow, &round.lane);
	(void)weft_serial_create(mem, round.pool, &round.serial);
	threads = fixture_threads_start(LOOPS, sender_main, &round);
	fixture_gate_wait(&round.sent, (int)(number % 40) * LOOPS);
	(void)drain_pool(fx, round.pool, &drained);
	(void)fixture_turn_until(fx->ev, &drained.done);
	ran = atomic_load(&round.ran);
	weft_pool_stats(round.pool, &stats);
	fixture_threads_join(threads);

	good = drained.ret == 0 && atomic_load(&round.ran) == ran &&
	       atomic_load(&round.answers) <= ran &&
	       (cancels || atomic_load(&round.answers) == ran) &&
	       atomic_load(&round.odd) == 0 && atomic_load(&round.early) == 0 &&
	       stats.queued == 0 && stats.completed == ran;
	if (!good) {
		diag("round %u: ran %u then, %u in all, %u answers, %u odd, "
		     "%u early, %d, completed %ju, queued %ju",
		     number, ran, atomic_load(&round.ran),
		     atomic_load(&round.answers), atomic_load(&round.odd),
		     atomic_load(&round.early), drained.ret,
		     (uintmax_t)stats.completed, (uintmax_t)stats.queued);
	}
	talloc_free(mem);
	return good ? 1 : 0;
}

static void nothing_runs_afterwards(struct fixture *fx)
{
	unsigned good = 0;

	for (unsigned i = 0; i < ROUNDS; i++) {
		good += round_run(fx, i, false);
	}
	is_uint(good, ROUNDS, "told after the last job, every time");
}

static void nor_when_some_are_cancelled(struct fixture *fx)
{
	unsigned good = 0;

	for (unsigned i = 0; i < ROUNDS; i++) {
		good += round_run(fx, i, true);
	}
	is_uint(good, ROUNDS, "told after the last job, every time");
}

/* ---- a job that its sender runs ---- */

struct own_work {
	struct weft_pool *pool;
	struct weft_lane *lane;
	struct fixture_gate started;
	struct fixture_gate go;
	struct fixture_gate filled;
};

static void own_work_main(unsigned index, void *arg)
{
	struct own_work *own = arg;
	const struct weft_job_options options = { .lane = own->lane };
	struct tevent_context *ev = tevent_context_init(NULL);
	struct weft_pool *pool = NULL;
	struct held *held = held_new(&own->started, &own->go, NULL);
	struct tevent_req *req = NULL;
	int ret = 0;

	(void)index;
	(void)weft_pool_attach(ev, own->pool, &pool);
	fixture_gate_wait(&own->filled, 1);
	req = weft_job_send(ev, ev, pool, held_run, &held, &options);
	(void)tevent_req_poll(req, ev);
	ret = weft_job_recv(req, ev, NULL);
	is_int(ret, 0, "the job that its sender has run");
	talloc_free(ev);
}

static void its_sender_runs_it(struct fixture *fx)
{
	const struct weft_lane_options full = {
		.max = 1,
		.queue_limit = 1,
		.overflow = WEFT_OVERFLOW_CALLER_RUNS,
	};
	struct own_work own = { .pool = lanetest_pool(fx, 2) };
	struct weft_job_options options = { .name = NULL };
	struct drained drained = { .done = false };
	struct fixture_threads *threads = NULL;
	struct crowd crowd;
	struct weft_pool_stats stats;

	(void)weft_lane_create(fx->mem, own.pool, &full, &own.lane);
	options.lane = own.lane;
	threads = fixture_threads_start(1, own_work_main, &own);
	crowd_send(fx, own.pool, &crowd, 2, &options);
	fixture_gate_add(&own.filled, 1);
	fixture_gate_wait(&own.started, 1);
	(void)drain_pool(fx, own.pool, &drained);
	crowd_let_go(&crowd);
	while (crowd_ended(&crowd, 0) < 2) {
		(void)tevent_loop_once(fx->ev);
	}
	is_closed(fx, own.pool, "the workers are through");
	ok(!drained.done, "the sender is not");
	fixture_gate_add(&own.go, 1);
	ok(fixture_turn_until(fx->ev, &drained.done), "it is: told");
	fixture_threads_join(threads);
	weft_pool_stats(own.pool, &stats);
	is_uint(stats.submitted, 3, "three were taken");
	is_uint(stats.completed, 3, "and have run");
}

int main(void)
{
	POOLTEST(nothing_runs_afterwards);
	POOLTEST(nor_when_some_are_cancelled);
	POOLTEST(its_sender_runs_it);
	return done();
}
