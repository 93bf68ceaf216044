/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Immediates: one that schedules itself again, and many at once. */
#include "tools/bench/engine.h"

static void link_runs(struct tevent_context *ev, struct tevent_immediate *im,
		      void *private_data)
{
	unsigned *left = private_data;

	if (--*left > 0) {
		tevent_schedule_immediate(im, ev, link_runs, left);
	}
}

static void run_chain(struct bench *bench)
{
	struct tevent_context *ev = bench_context(bench);
	struct tevent_immediate *im = tevent_create_immediate(ev);

	while (bench_again(bench)) {
		unsigned left = bench->ops;
		unsigned turns = 0;

		bench_start(bench);
		tevent_schedule_immediate(im, ev, link_runs, &left);
		for (turns = 0; turns < bench->ops; turns++) {
			bench_turn(bench, ev);
		}
		bench_stop(bench, bench->ops);
		bench_check(bench, left == 0, "lost");
	}
	talloc_free(ev);
}

struct batch {
	const struct bench *bench;
	struct tevent_immediate **im;
	unsigned done;
};

static void one_runs(struct tevent_context *ev, struct tevent_immediate *im,
		     void *private_data)
{
	struct batch *batch = private_data;

	(void)ev;
	bench_check(batch->bench, im == batch->im[batch->done], "not in turn");
	batch->done++;
}

static void run_batch(struct bench *bench)
{
	struct tevent_context *ev = bench_context(bench);
	struct batch batch = { .bench = bench };
	unsigned rounds = bench->ops / bench->size;
	unsigned i = 0;

	batch.im = talloc_array(ev, struct tevent_immediate *, bench->size);
	for (i = 0; i < bench->size; i++) {
		batch.im[i] = tevent_create_immediate(batch.im);
	}
	while (bench_again(bench)) {
		unsigned round = 0;

		bench_start(bench);
		for (round = 0; round < rounds; round++) {
			batch.done = 0;
			for (i = 0; i < bench->size; i++) {
				tevent_schedule_immediate(batch.im[i], ev,
							  one_runs, &batch);
			}
			for (i = 0; i < bench->size; i++) {
				bench_turn(bench, ev);
			}
			bench_check(bench, batch.done == bench->size, "lost");
		}
		bench_stop(bench, (uint64_t)rounds * bench->size);
	}
	talloc_free(ev);
}

const struct bench_row bench_immediate_rows[] = {
	{
		.name = "immediate-chain",
		.what = "an immediate schedules itself",
		.run = run_chain,
		.ops = 20000,
	},
	{
		.name = "immediate-batch",
		.what = "10 000 are scheduled, then run",
		.run = run_batch,
		.size = 10000,
		.ops = 50000,
	},
	{ .name = NULL },
};
