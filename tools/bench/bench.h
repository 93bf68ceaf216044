/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Bench: rows, each of which is one workload through the public tevent.h.
 *
 *      static void chain(struct bench *bench)
 *      {
 *              ... set up ...
 *              while (bench_again(bench)) {
 *                      bench_start(bench);
 *                      ... bench->ops operations ...
 *                      bench_stop(bench, bench->ops);
 *              }
 *              ... clean up ...
 *      }
 *
 * Each round of the loop is one sample. A workload checks that everything was
 * delivered once and in order: a figure for work not done is worth nothing.
 *
 * The same sources are built against two libraries; BENCH_ON_STOCK is 1 where
 * the other one is not ours.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <talloc.h>

#include <tevent.h>

#ifndef BENCH_ON_STOCK
#define BENCH_ON_STOCK 0
#endif

struct bench;

struct bench_row {
	const char *name;
	const char *what; /* one operation */
	void (*run)(struct bench *bench);
	unsigned size;    /* of what the workload works on, or threads */
	unsigned ops;     /* in one sample */
	unsigned samples; /* at most; 0: as time allows */
};

struct bench {
	const struct bench_row *row;
	unsigned size;
	unsigned ops;

	/* main.c */
	FILE *out;
	uint64_t deadline_ns;
	uint64_t start_ns;
	unsigned taken;
};

/* Ends with a row whose name is NULL. */
extern const struct bench_row bench_call_rows[];
extern const struct bench_row bench_fd_rows[];
extern const struct bench_row bench_immediate_rows[];
extern const struct bench_row bench_post_rows[];
extern const struct bench_row bench_req_rows[];
extern const struct bench_row bench_timer_rows[];

/* True while another sample is wanted; at least once. */
bool bench_again(const struct bench *bench);
void bench_start(struct bench *bench);
void bench_stop(struct bench *bench, uint64_t ops);
/* A sample that is no time. */
void bench_value(struct bench *bench, double value);

/* Ends the program: the row is not to be believed. */
void bench_wrong(const struct bench *bench, const char *text)
	__attribute__((noreturn, cold));
/* Ends the program: the machine does not let the row run. */
void bench_cannot(const struct bench *bench, const char *why)
	__attribute__((noreturn, cold));

static inline void bench_check(const struct bench *bench, bool held,
			       const char *text)
{
	if (__builtin_expect(!held, 0)) {
		bench_wrong(bench, text);
	}
}

struct tevent_context *bench_context(const struct bench *bench);

/* One pass, which must work. */
static inline void bench_turn(const struct bench *bench,
			      struct tevent_context *ev)
{
	bench_check(bench, tevent_loop_once(ev) == 0, "the loop has failed");
}

/* Keeps the calling thread on the last CPU, or on all others. The main thread
 * comes first, for the last one. */
void bench_pin(bool last);

/* SplitMix64, from any seed. */
static inline uint64_t bench_roll(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static inline uint32_t bench_below(uint64_t *state, uint32_t limit)
{
	return (uint32_t)(((bench_roll(state) >> 32) * limit) >> 32);
}
