/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Immediates: one that schedules itself again, and many at once. */
#include <stdlib.h>

#define BENCH_SOON
#include "tools/bench/loop.h"
#include "tools/bench/peer.h"

struct one {
	struct peer_soon soon;
	unsigned at; /* its place in a batch */
};

static struct peer_loop loop;
static unsigned left; /* still to run */
static bool chained;

static void soon_runs(struct peer_soon *soon)
{
	const struct one *one = (struct one *)(void *)soon;

	left--;
	if (chained) {
		if (left > 0) {
			peer_soon(&loop, soon);
		}
		return;
	}
	if (PEER_SOON_FIFO) {
		peer_check(one->at + left + 1 == bench_now->size,
			   "not in turn");
	}
}

static void run_chain(struct bench *bench)
{
	struct one one = { .at = 0 };

	bench_now = bench;
	chained = true;
	peer_loop_open(&loop);
	peer_soon_init(&loop, &one.soon);
	while (bench_again(bench)) {
		left = bench->ops;
		bench_start(bench);
		peer_soon(&loop, &one.soon);
		while (left > 0) {
			peer_loop_turn(&loop);
		}
		bench_stop(bench, bench->ops);
	}
	peer_soon_fini(&one.soon);
	peer_loop_close(&loop);
}

static void run_batch(struct bench *bench)
{
	struct one *batch = calloc(bench->size, sizeof(*batch));
	unsigned i = 0;

	bench_now = bench;
	peer_check(batch != NULL, "no memory");
	peer_loop_open(&loop);
	for (i = 0; i < bench->size; i++) {
		batch[i].at = i;
		peer_soon_init(&loop, &batch[i].soon);
	}
	while (bench_again(bench)) {
		left = bench->size;
		bench_start(bench);
		for (i = 0; i < bench->size; i++) {
			peer_soon(&loop, &batch[i].soon);
		}
		while (left > 0) {
			peer_loop_turn(&loop);
		}
		bench_stop(bench, bench->size);
	}
	for (i = 0; i < bench->size; i++) {
		peer_soon_fini(&batch[i].soon);
	}
	peer_loop_close(&loop);
	free(batch);
}

const struct bench_row bench_immediate_rows[] = {
	{
		.name = "immediate-chain",
		.group = "immediates",
		.what = "an immediate schedules itself",
		.run = run_chain,
		.ops = 20000,
	},
	{
		.name = "immediate-batch",
		.group = "immediates",
		.what = "10 000 are scheduled, then run",
		.run = run_batch,
		.size = 10000,
	},
	{ .name = NULL },
};
