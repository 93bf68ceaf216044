/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Requests: created, done, posted, called back and freed, one at a time. */
#include <malloc.h>

#include "tools/bench/engine.h"

#define HELD  1000 /* requests whose memory is counted */
#define FAR_S 3600
#define DEPTH 3

/* 56 bytes: what a request of a real program keeps. */
struct work_state {
	struct tevent_context *ev;
	uint64_t rest[6];
};

struct flow {
	const struct bench *bench;
	struct tevent_req *under_way;
	uint64_t done;
};

static void flow_done(struct tevent_req *req)
{
	struct flow *flow = tevent_req_callback_data_void(req);

	bench_check(flow->bench, req == flow->under_way, "not this one");
	flow->under_way = NULL;
	flow->done++;
	talloc_free(req);
}

static void flow_through(struct flow *flow, struct tevent_context *ev,
			 struct tevent_req *req)
{
	bench_check(flow->bench, req != NULL, "no memory");
	tevent_req_set_callback(req, flow_done, flow);
	flow->under_way = req;
	bench_turn(flow->bench, ev);
}

static struct tevent_req *at_once_send(TALLOC_CTX *mem_ctx,
				       struct tevent_context *ev)
{
	struct work_state *state = NULL;
	struct tevent_req *req = NULL;

	req = tevent_req_create(mem_ctx, &state, struct work_state);
	if (req == NULL) {
		return NULL;
	}
	state->ev = ev;
	tevent_req_done(req);
	return tevent_req_post(req, ev);
}

static void run_flat(struct bench *bench)
{
	struct tevent_context *ev = bench_context(bench);
	struct flow flow = { .bench = bench };

	while (bench_again(bench)) {
		uint64_t i = 0;

		flow.done = 0;
		bench_start(bench);
		for (i = 0; i < bench->ops; i++) {
			flow_through(&flow, ev, at_once_send(ev, ev));
		}
		bench_stop(bench, bench->ops);
		bench_check(bench, flow.done == bench->ops, "lost");
	}
	talloc_free(ev);
}

/* ---- with an end time ---- */

static struct tevent_req *timed_send(TALLOC_CTX *mem_ctx,
				     struct tevent_context *ev,
				     struct timeval end)
{
	struct work_state *state = NULL;
	struct tevent_req *req = NULL;

	req = tevent_req_create(mem_ctx, &state, struct work_state);
	if (req == NULL) {
		return NULL;
	}
	state->ev = ev;
	if (!tevent_req_set_endtime(req, ev, end)) {
		return tevent_req_post(req, ev);
	}
	tevent_req_done(req);
	return tevent_req_post(req, ev);
}

static void run_endtime(struct bench *bench)
{
	struct tevent_context *ev = bench_context(bench);
	struct timeval end = tevent_timeval_current_ofs(FAR_S, 0);
	struct flow flow = { .bench = bench };

	while (bench_again(bench)) {
		uint64_t i = 0;

		flow.done = 0;
		bench_start(bench);
		for (i = 0; i < bench->ops; i++) {
			flow_through(&flow, ev, timed_send(ev, ev, end));
		}
		bench_stop(bench, bench->ops);
		bench_check(bench, flow.done == bench->ops, "lost");
	}
	talloc_free(ev);
}

/* ---- nested ---- */

static void nested_done(struct tevent_req *subreq)
{
	struct tevent_req *req = tevent_req_callback_data(subreq,
							  struct tevent_req);

	talloc_free(subreq);
	tevent_req_done(req);
}

static struct tevent_req *nested_send(TALLOC_CTX *mem_ctx,
				      struct tevent_context *ev, unsigned depth)
{
	struct work_state *state = NULL;
	struct tevent_req *req = NULL;
	struct tevent_req *subreq = NULL;

	if (depth == 1) {
		return at_once_send(mem_ctx, ev);
	}
	req = tevent_req_create(mem_ctx, &state, struct work_state);
	if (req == NULL) {
		return NULL;
	}
	state->ev = ev;
	subreq = nested_send(state, ev, depth - 1);
	if (tevent_req_nomem(subreq, req)) {
		return tevent_req_post(req, ev);
	}
	tevent_req_set_callback(subreq, nested_done, req);
	return req;
}

static void run_nested(struct bench *bench)
{
	struct tevent_context *ev = bench_context(bench);
	struct flow flow = { .bench = bench };

	while (bench_again(bench)) {
		uint64_t i = 0;

		flow.done = 0;
		bench_start(bench);
		for (i = 0; i < bench->ops; i++) {
			flow_through(&flow, ev, nested_send(ev, ev, DEPTH));
		}
		bench_stop(bench, bench->ops);
		bench_check(bench, flow.done == bench->ops, "lost");
	}
	talloc_free(ev);
}

/* ---- memory ---- */

static void run_heap(struct bench *bench)
{
	struct tevent_context *ev = bench_context(bench);

	while (bench_again(bench)) {
		TALLOC_CTX *all = talloc_new(ev);
		size_t before = mallinfo2().uordblks;
		size_t after = 0;
		unsigned i = 0;

		for (i = 0; i < HELD; i++) {
			struct work_state *state = NULL;
			struct tevent_req *req = NULL;

			req = tevent_req_create(all, &state, struct work_state);
			bench_check(bench, req != NULL, "no memory");
		}
		after = mallinfo2().uordblks;
		bench_value(bench, (double)(after - before) / HELD);
		talloc_free(all);
	}
	talloc_free(ev);
}

const struct bench_row bench_req_rows[] = {
	{
		.name = "req-flat",
		.what = "a request is created, done, posted, called back and "
			"freed",
		.run = run_flat,
		.ops = 20000,
	},
	{
		.name = "req-nested",
		.what = "the same for one that waits for one that waits for "
			"one",
		.run = run_nested,
		.ops = 10000,
	},
	{
		.name = "req-endtime",
		.what = "the first with an end time far off",
		.run = run_endtime,
		.ops = 20000,
	},
	{
		.name = "req-heap",
		.what = "heap bytes of a request with 56 bytes of state",
		.run = run_heap,
		.samples = 3,
	},
	{ .name = NULL },
};
