/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Bench: rows, each of which is one workload, and the program that runs one.
 *
 * A program is one suite of workloads with one peer, a library that they are
 * measured with. It lies in build/VARIANT/bench/ and is named SUITE-PEER:
 * loop-weft, loop-uv, pool-raw. The script tools/bench/run knows nothing of
 * suites and peers but what it finds there and asks the programs:
 *
 *      PROG --list         a line a row:
 *                          ROW<TAB>GROUP<TAB>UNIT<TAB>lower|higher<TAB>WHAT
 *      PROG --ms N ROW     takes samples of the row for N ms, at least one, and
 *                          prints the best of them: one number
 *      PROG --samples N ROW
 *                          takes N samples, however long that takes
 *      PROG --smoke ROW    one sample of a hundredth of everything: works it?
 *      PROG --library      the file of the library, or "none"
 *
 * Exit 0: done. 1: something was not delivered, or out of order; why is said on
 * standard error. 2: misuse. 3: cannot be done here or with this peer, and why.
 * Each row is a process of its own, so that none finds another's heap.
 *
 * A row is known by its name, in every program the same. "NAME/N" is the point
 * at N of a curve NAME: a group's curves are drawn over N. A group is a table
 * and a picture. The unit is ns for one operation unless a row says otherwise.
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
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct bench;

struct bench_row {
	const char *name;
	const char *group;
	const char *what; /* one operation */
	const char *unit; /* NULL: ns */
	bool higher;      /* whether more of it is better */
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
	unsigned samples; /* to take, or 0: until the deadline */
	uint64_t deadline_ns;
	uint64_t start_ns;
	unsigned taken;
	double best;
};

/* What a program is made of: groups of rows, each of which ends with a row
 * whose name is NULL; the last one is NULL. A function of the library that it
 * is about is named, or NULL, and whether the main thread is kept on one CPU.
 */
extern const struct bench_row *const bench_groups[];
extern const char *const bench_symbol;
extern const bool bench_pins;

/* True while another sample is wanted; at least once. */
bool bench_again(const struct bench *bench);
/* A sample begins, and ends after so many operations. */
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
