/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Requests: created, done, posted, called back and freed, one at a time; and
 * one of n that are pending.
 */
#include <stdlib.h>

#define BENCH_REQS
#include "tools/bench/loop.h"
#include "tools/bench/peer.h"

#define BELOW 2 /* nested: a request that waits for so many */

static struct peer_loop loop;
static uint64_t done;

static void req_done(void)
{
	done++;
}

static void wait_for(uint64_t number)
{
	while (done < number) {
		peer_loop_turn(&loop);
	}
	peer_check(done == number, "one is done twice");
}

static void begin(const struct bench *bench)
{
	bench_now = bench;
	peer_loop_open(&loop);
}

static void send_all(struct bench *bench, unsigned depth)
{
	uint64_t i = 0;

	begin(bench);
	while (bench_again(bench)) {
		done = 0;
		bench_start(bench);
		for (i = 1; i <= bench->ops; i++) {
			peer_req_send(&loop, depth);
			wait_for(i);
		}
		bench_stop(bench, bench->ops);
	}
	peer_loop_close(&loop);
}

static void run_flat(struct bench *bench)
{
	send_all(bench, 0);
}

static void run_nested(struct bench *bench)
{
	send_all(bench, BELOW);
}

#if PEER_REQS_TIMED
static void run_endtime(struct bench *bench)
{
	uint64_t i = 0;

	begin(bench);
	while (bench_again(bench)) {
		done = 0;
		bench_start(bench);
		for (i = 1; i <= bench->ops; i++) {
			peer_req_send_timed(&loop);
			wait_for(i);
		}
		bench_stop(bench, bench->ops);
	}
	peer_loop_close(&loop);
}
#endif

/* A random one of n is finished, and another one takes its place. */
static void run_pending(struct bench *bench)
{
	void **pending = calloc(bench->size, sizeof(*pending));
	uint64_t dice = bench->size;
	uint64_t i = 0;

	begin(bench);
	peer_check(pending != NULL, "no memory");
	for (i = 0; i < bench->size; i++) {
		pending[i] = peer_req_open(&loop);
	}
	while (bench_again(bench)) {
		done = 0;
		bench_start(bench);
		for (i = 1; i <= bench->ops; i++) {
			uint32_t which = bench_below(&dice, bench->size);

			peer_req_finish(&loop, pending[which]);
			wait_for(i);
			pending[which] = peer_req_open(&loop);
		}
		bench_stop(bench, bench->ops);
	}
	done = 0;
	for (i = 0; i < bench->size; i++) {
		peer_req_finish(&loop, pending[i]);
	}
	wait_for(bench->size);
	peer_loop_close(&loop);
	free(pending);
}

static void run_memory(struct bench *bench)
{
	void **pending = calloc(bench->size, sizeof(*pending));
	uint64_t i = 0;

	begin(bench);
	peer_check(pending != NULL, "no memory");
	while (bench_again(bench)) {
		size_t before = heap_bytes();

		for (i = 0; i < bench->size; i++) {
			pending[i] = peer_req_open(&loop);
		}
		heap_sample(bench, before);
		done = 0;
		for (i = 0; i < bench->size; i++) {
			peer_req_finish(&loop, pending[i]);
		}
		wait_for(bench->size);
	}
	peer_loop_close(&loop);
	free(pending);
}

#define POINT(text, count)                                                \
	{                                                                 \
		.name = "req-pending/" text, .group = "requests pending", \
		.what = "one of n pending requests is finished, and one " \
			"created",                                        \
		.run = run_pending, .size = (count), .ops = 1000,         \
	}

const struct bench_row bench_req_rows[] = {
	{
		.name = "req-flat",
		.group = "requests",
		.what = "a request is created, done, posted, called back and "
			"freed",
		.run = run_flat,
		.ops = 5000,
	},
	{
		.name = "req-nested",
		.group = "requests",
		.what = "the same for one that waits for one that waits for "
			"one",
		.run = run_nested,
		.ops = 5000,
	},
#if PEER_REQS_TIMED
	{
		.name = "req-endtime",
		.group = "requests",
		.what = "the first with an end time far off",
		.run = run_endtime,
		.ops = 5000,
	},
#endif
	{
		.name = "memory-req",
		.group = "memory",
		.what = "heap of a pending request with 56 bytes of state",
		.unit = "bytes",
		.run = run_memory,
		.size = 1000,
		.samples = 1,
	},
	POINT("10", 10),
	POINT("100", 100),
	POINT("1000", 1000),
	POINT("10000", 10000),
	POINT("100000", 100000),
	POINT("1000000", 1000000),
	{ .name = NULL },
};
