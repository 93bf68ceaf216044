/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Timers: n of them, from 100 to a million.
 *
 * add: at random times within an hour. free: those, before they are due.
 *
 * push-same: a random one is moved to the same distance from now, as the
 * time-out of a connection is with each packet. push-random: to a random time,
 * after each has been pushed twice, so that what a library puts off is due.
 *
 * fire: n timers at random times in the past, added in that random order; what
 * is measured is firing all of them and what becomes of them. A library that
 * knows no past is given times within FIRE_MS, which are let pass.
 *
 * A sorted list takes a minute to build 100 000 at random times. There they are
 * added with rising times and then, where their order of adding is to differ
 * from that of times, moved behind all others one by one: cheap for a list, and
 * in the end the same list. What would still take a minute is left out.
 */
#include <stdlib.h>
#include <time.h>

#define BENCH_TIMERS
#include "tools/bench/loop.h"
#include "tools/bench/peer.h"

#define US_PER_S  INT64_C(1000000)
#define HOUR_US   (3600 * US_PER_S)
#define LIST_MAX  10000  /* timers that a list builds in bearable time */
#define PUSH_MAX  100000 /* timers among which it moves one in such time */
#define STEP_US   17
#define FIRE_MS   20
#define US_PER_MS 1000
#define SPARE_NS  2000000
#define PAST      (-2 * HOUR_US)
#define FAR_PAST  (-300 * HOUR_US)

struct one {
	struct peer_timer timer;
	uint32_t rank; /* its place in the order of times */
};

static struct peer_loop loop;
static struct one *all;
static uint32_t fired;
static bool firing;

static void timer_fires(struct peer_timer *timer)
{
	const struct one *one = (struct one *)(void *)timer;

	peer_check(firing, "a timer fires that is not due");
	if (PEER_TIMERS_TURN) {
		peer_check(one->rank == fired, "not in the order of times");
	}
	fired++;
}

/* Another order each time: a processor learns one by heart. */
static void shuffle(uint32_t count, uint64_t *dice)
{
	uint32_t i = 0;

	for (i = 0; i < count; i++) {
		uint32_t other = bench_below(dice, i + 1);

		all[i].rank = all[other].rank;
		all[other].rank = i;
	}
}

static void begin(struct bench *bench)
{
	bench_now = bench;
	all = calloc(bench->size, sizeof(*all));
	peer_check(all != NULL, "no memory");
	peer_loop_open(&loop);
}

static void free_all(const struct bench *bench)
{
	uint32_t i = 0;

	for (i = 0; i < bench->size; i++) {
		peer_timer_free(&loop, &all[i].timer);
	}
	peer_timers_settle(&loop);
}

static void end(void)
{
	peer_loop_close(&loop);
	free(all);
}

/* ---- add, free ---- */

/* When the timer number @i fires: within an hour from the next one on. */
static int64_t some_time(const struct bench *bench, uint32_t i)
{
	return HOUR_US + (int64_t)all[i].rank * (HOUR_US / bench->size);
}

static void add_some(const struct bench *bench)
{
	uint32_t i = 0;

	for (i = 0; i < bench->size; i++) {
		peer_timer_add(&loop, &all[i].timer, some_time(bench, i));
	}
}

static void refuse_list(const struct bench *bench, unsigned max)
{
	if (PEER_TIMERS_LIST && bench->size > max) {
		bench_cannot(bench, "would take minutes");
	}
}

static void run_add(struct bench *bench)
{
	uint64_t dice = bench->size;

	refuse_list(bench, LIST_MAX);
	begin(bench);
	while (bench_again(bench)) {
		shuffle(bench->size, &dice);
		bench_start(bench);
		add_some(bench);
		bench_stop(bench, bench->size);
		free_all(bench);
	}
	end();
}

static void run_free(struct bench *bench)
{
	uint64_t dice = bench->size;

	refuse_list(bench, LIST_MAX);
	begin(bench);
	while (bench_again(bench)) {
		shuffle(bench->size, &dice);
		add_some(bench);
		bench_start(bench);
		free_all(bench);
		bench_stop(bench, bench->size);
	}
	end();
}

/* ---- push ---- */

static void run_push_same(struct bench *bench)
{
	uint64_t dice = bench->size;
	uint32_t i = 0;

	begin(bench);
	for (i = 0; i < bench->size; i++) {
		peer_timer_add(&loop, &all[i].timer, HOUR_US);
	}
	while (bench_again(bench)) {
		bench_start(bench);
		for (i = 0; i < bench->ops; i++) {
			uint32_t which = bench_below(&dice, bench->size);

			peer_timer_push(&loop, &all[which].timer, HOUR_US);
		}
		bench_stop(bench, bench->ops);
	}
	free_all(bench);
	end();
}

static void push_some(const struct bench *bench, uint32_t count, uint64_t *dice)
{
	uint32_t i = 0;

	for (i = 0; i < count; i++) {
		uint32_t which = bench_below(dice, bench->size);
		int64_t more_s = bench_below(dice, HOUR_US / US_PER_S);

		peer_timer_push(&loop, &all[which].timer,
				HOUR_US + more_s * US_PER_S + which);
	}
}

static void run_push_random(struct bench *bench)
{
	uint64_t dice = bench->size;
	uint32_t i = 0;

	refuse_list(bench, PUSH_MAX);
	begin(bench);
	for (i = 0; i < bench->size; i++) {
		all[i].rank = i;
	}
	if (!PEER_TIMERS_LIST) {
		shuffle(bench->size, &dice);
	}
	add_some(bench);
	if (!PEER_TIMERS_LIST) {
		push_some(bench, 2 * bench->size, &dice);
	}
	while (bench_again(bench)) {
		bench_start(bench);
		push_some(bench, bench->ops, &dice);
		bench_stop(bench, bench->ops);
	}
	free_all(bench);
	end();
}

/* ---- fire ---- */

static void add_overdue(const struct bench *bench)
{
	uint32_t i = 0;

	for (i = 0; i < bench->size; i++) {
		peer_timer_add_from_open(&loop, &all[i].timer,
					 PAST + (int64_t)all[i].rank * STEP_US);
	}
}

static void add_overdue_to_a_list(const struct bench *bench)
{
	struct one **by_rank = calloc(bench->size, sizeof(struct one *));
	uint32_t i = 0;

	peer_check(by_rank != NULL, "no memory");
	for (i = 0; i < bench->size; i++) {
		by_rank[all[i].rank] = &all[i];
		peer_timer_add(&loop, &all[i].timer, FAR_PAST);
	}
	for (i = 0; i < bench->size; i++) {
		peer_timer_push(&loop, &by_rank[i]->timer,
				PAST + (int64_t)i * STEP_US);
	}
	free(by_rank);
}

static void let_fall_due(const struct bench *bench)
{
	struct timespec wait = {
		.tv_nsec = FIRE_MS * US_PER_MS * INT64_C(1000) + SPARE_NS
	};
	uint32_t i = 0;

	for (i = 0; i < bench->size; i++) {
		peer_timer_add(&loop, &all[i].timer,
			       (int64_t)all[i].rank * FIRE_MS * US_PER_MS /
				       bench->size);
	}
	(void)nanosleep(&wait, NULL);
}

static void run_fire(struct bench *bench)
{
	uint64_t dice = bench->size;

	if (PEER_TIMERS_FLOOR) {
		bench_cannot(bench, "its timers do not fire");
	}
	begin(bench);
	firing = true;
	while (bench_again(bench)) {
		shuffle(bench->size, &dice);
		if (!PEER_TIMERS_PAST) {
			let_fall_due(bench);
		} else if (PEER_TIMERS_LIST && bench->size > LIST_MAX) {
			add_overdue_to_a_list(bench);
		} else {
			add_overdue(bench);
		}
		fired = 0;
		bench_start(bench);
		while (fired < bench->size) {
			peer_loop_turn(&loop);
		}
		bench_stop(bench, bench->size);
		peer_check(fired == bench->size, "one fires twice");
		peer_timers_settle(&loop);
	}
	end();
}

#define POINT(text, function, count, much, words)                   \
	{                                                           \
		.name = (text), .group = "timers", .what = (words), \
		.run = (function), .size = (count), .ops = (much),  \
	}

#define CURVE(text, function, much, words)                            \
	POINT(text "/100", function, 100, much, words),               \
		POINT(text "/1000", function, 1000, much, words),     \
		POINT(text "/10000", function, 10000, much, words),   \
		POINT(text "/100000", function, 100000, much, words), \
		POINT(text "/1000000", function, 1000000, much, words)

const struct bench_row bench_timer_rows[] = {
	CURVE("timer-add", run_add, 0, "one of n timers is added"),
	CURVE("timer-free", run_free, 0, "one of n timers is freed unfired"),
	CURVE("timer-fire", run_fire, 0, "one of n overdue timers fires"),
	CURVE("timer-push-same", run_push_same, 2000,
	      "one of n timers is pushed to the same far distance"),
	CURVE("timer-push-random", run_push_random, 1000,
	      "one of n timers is pushed to a random time"),
	{ .name = NULL },
};
