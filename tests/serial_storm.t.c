/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Serial, storm: jobs are cancelled, freed and cancelled by key while those in
 * front of them end; each ends once, and each block is freed once.
 */
#include <sched.h>
#include <stdatomic.h>

#include "tests/serialtest.h"

#define STORM_KEYS 4

struct storm {
	struct serialtest test;
	atomic_bool inside[STORM_KEYS]; /* A: one of the key runs */
	atomic_uint beside;             /* A: found another one there */
	atomic_bool over;               /* A: all were sent */
	struct fixture_gate freed;
	unsigned sent;
	unsigned ended;
	unsigned let_go; /* freed before they ended */
};

struct drop {
	struct storm *storm;
	unsigned key;
};

static int drop_destructor(struct drop *drop)
{
	fixture_gate_add(&drop->storm->freed, 1);
	return 0;
}

static int drop_run(struct weft_job *job, void *block)
{
	struct drop *drop = talloc_get_type_abort(block, struct drop);
	struct storm *storm = drop->storm;
	bool beside = false;

	(void)job;
	/* Relaxed: a wrong order is to show itself, and not to be prevented. */
	beside = atomic_exchange_explicit(&storm->inside[drop->key], true,
					  memory_order_relaxed);
	if (beside) {
		(void)atomic_fetch_add_explicit(&storm->beside, 1,
						memory_order_relaxed);
	}
	atomic_store_explicit(&storm->inside[drop->key], false,
			      memory_order_relaxed);
	return 0;
}

static void drop_done(struct tevent_req *req)
{
	struct storm *storm = tevent_req_callback_data_void(req);

	(void)weft_job_recv(req, storm->test.fx->mem, NULL);
	storm->ended++;
	talloc_free(req);
}

static struct tevent_req *storm_send(struct storm *storm)
{
	struct drop *drop = talloc_zero(NULL, struct drop);
	struct weft_job_options options = {
		.serial = storm->test.serial,
		.key = storm->sent % STORM_KEYS,
	};
	struct tevent_req *req = NULL;

	*drop = (struct drop){ storm, storm->sent % STORM_KEYS };
	talloc_set_destructor(drop, drop_destructor);
	req = weft_job_send(storm->test.fx->mem, storm->test.fx->ev,
			    storm->test.pool, drop_run, &drop, &options);
	tevent_req_set_callback(req, drop_done, storm);
	storm->sent++;
	return req;
}

static void storm_others(unsigned index, void *arg)
{
	struct storm *storm = arg;

	(void)index;
	/* Relaxed: looked at now and then. */
	for (uint64_t key = 0;
	     !atomic_load_explicit(&storm->over, memory_order_relaxed);
	     key = (key + 1) % (STORM_KEYS + 1)) {
		weft_serial_cancel(storm->test.serial,
				   key < STORM_KEYS ? &key : NULL);
		sched_yield();
	}
}

static void storm_rounds(struct storm *storm, unsigned jobs)
{
	struct tevent_req *reqs[64] = { NULL };

	while (storm->sent < jobs) {
		unsigned i = 0;

		for (i = 0; i < 64; i++) {
			reqs[i] = storm_send(storm);
		}
		for (i = 0; i < 64; i++) {
			if (i % 5 == 0) {
				(void)tevent_req_cancel(reqs[63 - i]);
			} else if (i % 7 == 0) {
				talloc_free(reqs[63 - i]);
				storm->let_go++;
			}
		}
		while (storm->ended + storm->let_go + 32 < storm->sent) {
			(void)tevent_loop_once(storm->test.fx->ev);
		}
	}
}

static void storm_play(struct fixture *fx, bool others)
{
	bool slow = TEST_ASAN || TEST_TSAN || !fixture_mask_obeyed();
	struct storm storm = { .test = serialtest_new(fx, 3) };
	struct fixture_threads *threads = NULL;
	struct weft_pool_stats stats;

	if (others) {
		threads = fixture_threads_start(1, storm_others, &storm);
	}
	storm_rounds(&storm, slow ? 3200 : 32000);
	atomic_store_explicit(&storm.over, true, memory_order_relaxed);
	if (others) {
		fixture_threads_join(threads);
	}
	(void)tevent_loop_wait(fx->ev);
	fixture_wait_until(pooltest_at_rest, storm.test.pool);
	stats = pooltest_stats(storm.test.pool);
	is_uint(storm.ended + storm.let_go, storm.sent, "each has ended");
	is_uint(stats.submitted, storm.sent, "each was accepted");
	is_uint(stats.completed + stats.withdrawn, storm.sent,
		"and has run or was withdrawn");
	is_uint(stats.queued, 0, "nothing waits");
	is_uint(atomic_load_explicit(&storm.beside, memory_order_relaxed), 0,
		"none ran beside another of its key");
	TALLOC_FREE(fx->ev);
	is_int(fixture_gate_value(&storm.freed), (int)storm.sent,
	       "each block was freed once");
}

static void by_owner(struct fixture *fx)
{
	storm_play(fx, false);
}

static void by_others(struct fixture *fx)
{
	storm_play(fx, true);
}

/* The end of the handle, the pool or the loop, with many under way. */
static void amid(struct fixture *fx, unsigned what)
{
	struct storm storm = { .test = serialtest_new(fx, 3) };
	unsigned i = 0;

	for (i = 0; i < 1000; i++) {
		(void)storm_send(&storm);
	}
	switch (what) {
	case 0:
		TALLOC_FREE(storm.test.serial);
		break;
	case 1:
		TALLOC_FREE(storm.test.pool);
		break;
	default:
		TALLOC_FREE(fx->ev);
		break;
	}
	if (fx->ev != NULL) {
		(void)tevent_loop_wait(fx->ev);
		is_uint(storm.ended, storm.sent, "each has ended");
	}
	TALLOC_FREE(storm.test.serial);
	TALLOC_FREE(storm.test.pool);
	fixture_gate_wait(&storm.freed, (int)storm.sent);
	ok(fixture_gate_value(&storm.freed) == (int)storm.sent,
	   "each block was freed once");
}

static void serial_goes(struct fixture *fx)
{
	for (unsigned i = 0; i < 20; i++) {
		amid(fx, 0);
	}
}

static void pool_goes(struct fixture *fx)
{
	for (unsigned i = 0; i < 20; i++) {
		amid(fx, 1);
	}
}

static void loop_goes(struct fixture *fx)
{
	for (unsigned i = 0; i < 20; i++) {
		amid(fx, 2);
		fx->ev = tevent_context_init(fx->mem);
	}
}

int main(void)
{
	POOLTEST(by_owner);
	POOLTEST(by_others);
	POOLTEST(serial_goes);
	POOLTEST(pool_goes);
	POOLTEST(loop_goes);
	return done();
}
