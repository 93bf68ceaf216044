/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Timers: pushing time-outs before oneself, and many that are overdue.
 *
 * push: n timers; a random one is moved to the same distance from now, as the
 * time-out of a connection is with each packet.
 *
 * fire: n timers at random times in the past, added in that random order; what
 * is measured is firing and freeing all of them. A sorted list takes a minute
 * to build 100 000 of them in random order. There they are added with rising
 * times and then, in the order of their final times, moved behind all others:
 * cheap for a list, and the same list and the same memory in the end.
 */
#include <stdlib.h>
#include <sys/time.h>

#include "tools/bench/engine.h"

#define US_PER_S   1000000
#define LIST_MAX   10000 /* timers that a list builds in bearable time */
#define AHEAD_S    3600
#define BEHIND_S   7200
#define FAR_PAST_S 1000000
#define STEP_US    17

static struct timeval after(struct timeval start, uint64_t us)
{
	us += (uint64_t)start.tv_usec;
	start.tv_sec += (time_t)(us / US_PER_S);
	start.tv_usec = (suseconds_t)(us % US_PER_S);
	return start;
}

static struct timeval from_now(int seconds)
{
	struct timeval now = tevent_timeval_current();

	now.tv_sec += seconds;
	return now;
}

/* ---- push ---- */

static void too_early(struct tevent_context *ev, struct tevent_timer *te,
		      struct timeval now, void *private_data)
{
	const struct bench *bench = private_data;

	(void)ev;
	(void)te;
	(void)now;
	bench_check(bench, false, "a timer fires that is not due");
}

static void run_push(struct bench *bench)
{
	struct tevent_context *ev = bench_context(bench);
	struct tevent_timer **timers = NULL;
	uint64_t dice = bench->size;
	unsigned i = 0;

	timers = talloc_array(ev, struct tevent_timer *, bench->size);
	for (i = 0; i < bench->size; i++) {
		timers[i] = tevent_add_timer(ev, timers, from_now(AHEAD_S),
					     too_early, bench);
		bench_check(bench, timers[i] != NULL, "no timer");
	}
	while (bench_again(bench)) {
		bench_start(bench);
		for (i = 0; i < bench->ops; i++) {
			uint32_t which = bench_below(&dice, bench->size);

			tevent_update_timer(timers[which], from_now(AHEAD_S));
		}
		bench_stop(bench, bench->ops);
	}
	talloc_free(ev);
}

/* ---- fire ---- */

struct firing {
	const struct bench *bench;
	uint32_t fired;
};

static struct firing *firing; /* of the one row that runs */

/* The private data is the timer's place in the order of times. */
static void fires(struct tevent_context *ev, struct tevent_timer *te,
		  struct timeval now, void *private_data)
{
	(void)ev;
	(void)te;
	(void)now;
	bench_check(firing->bench, (uintptr_t)private_data == firing->fired,
		    "not in the order of times");
	firing->fired++;
}

static struct tevent_timer *add(const struct bench *bench,
				struct tevent_context *ev, struct timeval when,
				uint32_t rank)
{
	struct tevent_timer *te = NULL;

	te = tevent_add_timer(ev, ev, when, fires,
			      (void *)(uintptr_t)rank); /* NOLINT */
	bench_check(bench, te != NULL, "no timer");
	return te;
}

static void add_all(const struct bench *bench, struct tevent_context *ev,
		    const uint32_t *rank)
{
	struct timeval start = from_now(-BEHIND_S);
	uint32_t i = 0;

	for (i = 0; i < bench->size; i++) {
		add(bench, ev, after(start, (uint64_t)rank[i] * STEP_US),
		    rank[i]);
	}
}

static void add_all_to_a_list(const struct bench *bench,
			      struct tevent_context *ev, const uint32_t *rank)
{
	struct timeval start = from_now(-BEHIND_S);
	struct timeval past = from_now(-FAR_PAST_S);
	struct tevent_timer **by_rank = NULL;
	uint32_t i = 0;

	by_rank = talloc_array(NULL, struct tevent_timer *, bench->size);
	bench_check(bench, by_rank != NULL, "no memory");
	for (i = 0; i < bench->size; i++) {
		by_rank[rank[i]] = add(bench, ev, after(past, i), rank[i]);
	}
	for (i = 0; i < bench->size; i++) {
		tevent_update_timer(by_rank[i],
				    after(start, (uint64_t)i * STEP_US));
	}
	talloc_free(by_rank);
}

/* Another order for each sample: a processor learns one by heart. */
static void shuffle(uint32_t *rank, uint32_t count, uint64_t *dice)
{
	uint32_t i = 0;

	for (i = 0; i < count; i++) {
		uint32_t other = bench_below(dice, i + 1);

		rank[i] = rank[other];
		rank[other] = i;
	}
}

static void run_fire(struct bench *bench)
{
	struct tevent_context *ev = bench_context(bench);
	uint32_t *rank = malloc(bench->size * sizeof(*rank));
	uint64_t dice = bench->size;
	struct firing all = { .bench = bench };

	bench_check(bench, rank != NULL, "no memory");
	firing = &all;
	while (bench_again(bench)) {
		uint32_t i = 0;

		shuffle(rank, bench->size, &dice);
		if (BENCH_ON_STOCK && bench->size > LIST_MAX) {
			add_all_to_a_list(bench, ev, rank);
		} else {
			add_all(bench, ev, rank);
		}
		all.fired = 0;
		bench_start(bench);
		for (i = 0; i < bench->size; i++) {
			bench_turn(bench, ev);
		}
		bench_stop(bench, bench->size);
		bench_check(bench, all.fired == bench->size, "lost");
	}
	free(rank);
	talloc_free(ev);
}

#define PUSH(text, count, much)                                             \
	{                                                                   \
		.name = "timer-push-" text,                                 \
		.what = "one of " text " timers is pushed to the same far " \
			"distance",                                         \
		.run = run_push, .size = (count), .ops = (much),            \
	}

#define FIRE(text, count)                                                    \
	{                                                                    \
		.name = "timer-fire-" text,                                  \
		.what = "one of " text " overdue timers fires and is freed", \
		.run = run_fire, .size = (count), .ops = (count),            \
	}

const struct bench_row bench_timer_rows[] = {
	PUSH("100", 100, 50000),
	PUSH("10k", 10000, 50000),
	PUSH("1M", 1000000, 100000),
	FIRE("1k", 1000),
	FIRE("10k", 10000),
	FIRE("100k", 100000),
	{ .name = NULL },
};
