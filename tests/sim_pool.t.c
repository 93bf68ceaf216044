/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Simulated loops, mailboxes, calls and pools in one thread. */
#include <errno.h>
#include <stdlib.h>

#include "engine/base.h"
#include "tests/simtest.h"

static unsigned sim_runs(void)
{
	const char *runs = getenv("SIM_RUNS");

	return runs != NULL ? (unsigned)strtoul(runs, NULL, 10) : 2000;
}

static struct weft_sim *sim_new(const struct weft_sim_options *options)
{
	struct weft_sim *sim = NULL;
	int ret = weft_sim_create(NULL, options, &sim);

	if (ret != 0) {
		bail_out("weft_sim_create: %d", ret);
	}
	return sim;
}

/* ---- the town ---- */

struct town_run {
	uint64_t hash;
	struct trail trail;
	unsigned cancelled;
	unsigned ran;
	bool well;
};

static struct town_run town_play(const struct weft_sim_options *options)
{
	struct weft_sim *sim = sim_new(options);
	struct town_run run;
	struct town town;

	town_build(&town);
	run.well = weft_sim_run(sim) == 0 && town_is_well(&town);
	run.hash = weft_sim_hash(sim);
	run.trail = town.trail;
	run.cancelled = town.cancelled;
	run.ran = town.ran;
	town_raze(&town);
	talloc_free(sim);
	return run;
}

/* With SIM_RUNS=1000000 this is the long one. */
static void test_nothing_is_lost(struct fixture *fx)
{
	struct weft_sim_options options = { .job_us = 1000 };
	unsigned runs = sim_runs();
	unsigned cancelled = 0;
	unsigned in_hand = 0;
	unsigned well = 0;

	(void)fx;
	fixture_watchdog("SIM_RUNS", 20 + runs / 5000);
	for (options.seed = 0; options.seed < runs; options.seed++) {
		struct town_run run;

		options.chaos = options.seed % 4 == 3;
		run = town_play(&options);
		cancelled += run.cancelled;
		in_hand += run.cancelled > 0 && run.ran == TOWN_JOBS;
		well += run.well;
		if (!run.well) {
			diag("seed %llu: %s", (unsigned long long)options.seed,
			     run.trail.text);
		}
	}
	is_uint(well, runs, "in %u orders all is done or cancelled, once",
		runs);
	ok(cancelled > runs / 10 && cancelled < runs,
	   "one job is cancelled at times: %u", cancelled);
	ok(in_hand > runs / 20, "also in a worker's hands: %u", in_hand);
}

static void test_same_seed_same_run(struct fixture *fx)
{
	struct weft_sim_options options = { .job_us = 100 };
	unsigned same = 0;
	unsigned differs = 0;
	uint64_t before = 0;

	(void)fx;
	for (options.seed = 1; options.seed <= 100; options.seed++) {
		struct town_run a;
		struct town_run b;

		options.chaos = options.seed % 2 == 0;
		a = town_play(&options);
		b = town_play(&options);
		same += a.hash == b.hash &&
			strcmp(a.trail.text, b.trail.text) == 0;
		differs += a.hash != before;
		before = a.hash;
	}
	is_uint(same, 100, "the same seed is the same run, by hash and by eye");
	is_uint(differs, 100, "another seed is another");
}

static void test_no_thread(struct fixture *fx)
{
	const struct weft_sim_options options = { .seed = 5 };
	struct weft_sim *sim = sim_new(&options);
	unsigned threads = fixture_thread_count();
	struct town town;

	(void)fx;
	town_build(&town);
	while (weft_sim_step(sim) == 0) {
		if (fixture_thread_count() != threads) {
			break;
		}
	}
	ok(town_is_well(&town), "the town lives");
	is_uint(fixture_thread_count(), threads, "in one thread");
	town_raze(&town);
	talloc_free(sim);
}

/* ---- each kind of job ---- */

struct shop {
	struct tevent_context *ev;
	struct weft_pool *pool;
	unsigned begun;
	unsigned ended;
	unsigned failed;
	unsigned parts;
	unsigned running; /* of one key */
	unsigned overlap;
	uint64_t last_key; /* what ran last, of one key */
	unsigned disorder;
};

struct ware {
	struct shop *shop;
	uint64_t number;
};

static struct ware *ware_new(struct shop *shop, uint64_t number)
{
	struct ware *ware = talloc_zero(NULL, struct ware);

	if (ware == NULL) {
		bail_out("no memory for a ware");
	}
	ware->shop = shop;
	ware->number = number;
	return ware;
}

static void shop_ended(struct tevent_req *req)
{
	struct shop *shop = tevent_req_callback_data_void(req);
	struct ware *ware = NULL;

	shop->ended++;
	shop->failed += weft_job_recv(req, req, &ware) != 0;
	talloc_free(req);
}

static struct tevent_req *shop_send(struct shop *shop, weft_job_fn_t fn,
				    uint64_t number,
				    const struct weft_job_options *options)
{
	struct ware *ware = ware_new(shop, number);
	struct tevent_req *req = weft_job_send(shop->ev, shop->ev, shop->pool,
					       fn, &ware, options);

	if (req == NULL) {
		bail_out("no memory for a job");
	}
	shop->begun++;
	tevent_req_set_callback(req, shop_ended, shop);
	return req;
}

static int shop_simple(struct weft_job *job, void *block)
{
	(void)block;
	return weft_job_should_stop(job) ? ECANCELED : 0;
}

/* Waits for children, which wait for theirs. */
static int shop_parent(struct weft_job *job, void *block)
{
	struct ware *ware = talloc_get_type_abort(block, struct ware);
	struct weft_child *children[3] = { NULL };
	int ret = 0;
	unsigned i = 0;

	if (ware->number == 0) {
		return 0;
	}
	for (i = 0; i < TEV_ARRAY_SIZE(children) && ret == 0; i++) {
		struct ware *below = ware_new(ware->shop, ware->number - 1);

		ret = weft_job_spawn(job, shop_parent, &below, NULL,
				     &children[i]);
		talloc_free(below);
	}
	for (i = 0; i < TEV_ARRAY_SIZE(children) && ret == 0; i++) {
		struct ware *below = NULL;

		ret = weft_child_wait(children[i], NULL, &below);
		talloc_free(below);
	}
	return ret;
}

/* Sends more parts than there is room for. */
static int shop_talker(struct weft_job *job, void *block)
{
	struct ware *ware = talloc_get_type_abort(block, struct ware);
	unsigned i = 0;
	int ret = 0;

	for (i = 0; i < 5 && ret == 0; i++) {
		struct ware *part = ware_new(ware->shop, i);

		ret = weft_job_emit(job, &part);
		talloc_free(part);
	}
	return ret;
}

static void shop_part(struct tevent_req *req, void *part, void *private_data)
{
	struct shop *shop = private_data;

	(void)req;
	(void)part;
	shop->parts++;
}

/* Each ware of one key after the other. */
static int shop_keyed(struct weft_job *job, void *block)
{
	struct ware *ware = talloc_get_type_abort(block, struct ware);
	struct shop *shop = ware->shop;

	(void)job;
	shop->disorder += ware->number <= shop->last_key;
	shop->last_key = ware->number;
	return 0;
}

static void shop_open(struct shop *shop, unsigned workers)
{
	const struct weft_pool_options options = { .max = workers };

	memset(shop, 0, sizeof(*shop));
	shop->ev = simtest_context();
	if (weft_pool_create(NULL, &options, &shop->pool) != 0) {
		bail_out("no pool");
	}
}

static void shop_close(struct shop *shop)
{
	TALLOC_FREE(shop->pool);
	TALLOC_FREE(shop->ev);
}

static void drained(struct tevent_req *req)
{
	bool *done = tevent_req_callback_data_void(req);

	*done = weft_pool_drain_recv(req, req, NULL, NULL) == 0;
	talloc_free(req);
}

/* Whether all kinds together come to their ends. */
static bool shop_day(uint64_t seed)
{
	const struct weft_sim_options options = { .seed = seed,
						  .job_us = 100,
						  .chaos = seed % 2 == 0 };
	struct weft_job_options keyed = { .key = 7 };
	const struct weft_job_options talks = { .parts = 2 };
	struct weft_sim *sim = sim_new(&options);
	struct weft_serial *serial = NULL;
	struct tevent_req *req = NULL;
	struct shop shop;
	bool done = false;
	unsigned i = 0;
	int ret = 0;

	shop_open(&shop, 1 + (unsigned)(seed % 3));
	(void)weft_serial_create(shop.ev, shop.pool, &serial);
	keyed.serial = serial;
	for (i = 1; i <= 3; i++) {
		(void)shop_send(&shop, shop_simple, i, NULL);
		(void)shop_send(&shop, shop_keyed, i, &keyed);
		(void)shop_send(&shop, shop_parent, 2, NULL);
		req = shop_send(&shop, shop_talker, i, &talks);
		weft_job_on_part(req, shop_part, &shop);
	}
	(void)weft_pool_resize(shop.pool, 0, 1 + weft_sim_choose(sim, 4));
	for (i = weft_sim_choose(sim, 20); i > 0; i--) {
		(void)weft_sim_step(sim);
	}
	(void)weft_pool_resize(shop.pool, 0, 1 + weft_sim_choose(sim, 4));
	req = weft_pool_drain_send(shop.ev, shop.ev, shop.pool);
	tevent_req_set_callback(req, drained, &done);
	ret = weft_sim_run(sim);
	if (ret != 0 || !done || shop.ended != shop.begun || shop.failed != 0 ||
	    shop.parts != 15 || shop.disorder != 0) {
		diag("seed %llu: ret %d, %u of %u ended, %u failed, %u parts",
		     (unsigned long long)seed, ret, shop.ended, shop.begun,
		     shop.failed, shop.parts);
		done = false;
	}
	shop_close(&shop);
	talloc_free(sim);
	return done;
}

static void test_each_kind(struct fixture *fx)
{
	unsigned well = 0;
	uint64_t seed = 0;

	(void)fx;
	for (seed = 0; seed < 300; seed++) {
		well += shop_day(seed);
	}
	is_uint(well, 300, "children, parts, keys, a resize and a drain");
}

/* ---- ends ---- */

/* At any moment; the pool first, the loop first, or the simulation. */
static void test_freed_at_any_moment(struct fixture *fx)
{
	struct weft_sim_options options = { .seed = 1 };
	unsigned steps = 0;

	(void)fx;
	for (steps = 0; steps < 90; steps++) {
		struct weft_sim *sim = NULL;
		struct shop shop;
		unsigned i = 0;

		options.seed = steps;
		sim = sim_new(&options);
		shop_open(&shop, 2);
		for (i = 0; i < 4; i++) {
			(void)shop_send(&shop, shop_parent, 1, NULL);
		}
		for (i = 0; i < steps / 3; i++) {
			(void)weft_sim_step(sim);
		}
		if (steps % 3 == 0) {
			TALLOC_FREE(shop.pool);
		} else if (steps % 3 == 1) {
			TALLOC_FREE(shop.ev);
		} else {
			TALLOC_FREE(sim);
		}
		if (sim != NULL) {
			(void)weft_sim_run(sim);
		}
		if (shop.ev != NULL) {
			(void)tevent_loop_wait(shop.ev);
			is_uint(shop.ended, shop.begun,
				"%u steps, then an end: each job has its own",
				steps);
		}
		shop_close(&shop);
		talloc_free(sim);
	}
	ok(true, "nothing is left of them");
}

static int shop_worker_init(void **ret_state, void *private_data)
{
	(void)ret_state;
	(void)private_data;
	return EPERM;
}

static void test_worker_that_cannot_begin(struct fixture *fx)
{
	const struct weft_pool_options options = {
		.worker_init = shop_worker_init
	};
	struct weft_sim *sim = sim_new(NULL);
	struct shop shop = { .ev = simtest_context() };

	(void)fx;
	(void)weft_pool_create(NULL, &options, &shop.pool);
	(void)shop_send(&shop, shop_simple, 1, NULL);
	is_int(weft_sim_run(sim), 0, "a worker that cannot begin");
	is_uint(shop.failed, 1, "is told to those who wait for it");
	shop_close(&shop);
	talloc_free(sim);
}

/* ---- what is not simulated ---- */

static void nothing_asked(struct weft_mailbox *mailbox, struct weft_call *call,
			  void *block)
{
	(void)mailbox;
	(void)block;
	weft_call_reply(call, 0);
}

static void test_refusals(struct fixture *fx)
{
	struct weft_sim *sim = sim_new(NULL);
	struct tevent_context *ev = simtest_context();
	struct weft_loop *loop = NULL;
	weft_addr_t addr = { 0 };

	is_int(weft_loop_start(fx->mem, NULL, &loop), ENOTSUP,
	       "a simulated world has one thread");
	(void)town_mailbox(ev, &addr);
	is_int(weft_call_wait(addr, nothing_asked, NULL, 1), EDEADLK,
	       "which cannot wait for itself");
	talloc_free(ev);
	talloc_free(sim);
}

/* The loop that waits is the one that would have to take the parts. */
static void test_parts_for_a_loop_that_waits(struct fixture *fx)
{
	const struct weft_job_options talks = { .parts = 2 };
	struct weft_sim *sim = sim_new(NULL);
	struct tevent_req *req = NULL;
	struct shop shop;

	(void)fx;
	shop_open(&shop, 1);
	req = shop_send(&shop, shop_talker, 1, &talks);
	weft_job_on_part(req, shop_part, &shop);
	is_int(tevent_loop_wait(shop.ev), 0, "the program turns its loop");
	is_uint(shop.ended, 1, "a job cannot wait for that");
	is_uint(shop.failed, 1, "and is told");
	shop_close(&shop);
	talloc_free(sim);
}

int main(void)
{
	if (TEST_ON_STOCK) {
		skip_all("another libtevent has no simulation");
	}
	SIMTEST(test_nothing_is_lost);
	SIMTEST(test_same_seed_same_run);
	SIMTEST(test_no_thread);
	SIMTEST(test_each_kind);
	SIMTEST(test_freed_at_any_moment);
	SIMTEST(test_worker_that_cannot_begin);
	SIMTEST(test_refusals);
	SIMTEST(test_parts_for_a_loop_that_waits);
	return done();
}
