/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Count: rows that do an exact number of operations and nothing else that
 * grows with it, for what counts in place of timing: tools/bench/check has
 * callgrind count instructions, tests/syscalls.t has strace count system calls.
 *
 * The cost of one operation is (count(2n) - count(n)) / n: what the program
 * does before and after, the loader's work among it, falls out. So a row
 * touches the same memory in the same order however long it runs, keeps its
 * times a fixed distance from one clock reading, and checks what it gets only
 * by counters.
 *
 * The rows of engine.c use tevent.h alone and are built against stock, too.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <talloc.h>

#include <tevent.h>

/* Rows with rounds do so many operations in each, and any number is a multiple
 * of it. */
#define COUNT_ROUND 1000

struct count_row {
	const char *name;
	const char *what; /* one operation */
	void (*run)(uint64_t n);
};

/* Each ends with a row whose name is NULL. */
extern const struct count_row count_engine_rows[];
extern const struct count_row count_pool_rows[];
extern const struct count_row count_busy_rows[];

/* A figure for work that was not done is worth nothing. */
static inline void count_check(bool held, const char *text)
{
	if (__builtin_expect(!held, 0)) {
		fprintf(stderr, "weft-bench-count: %s\n", text);
		exit(1);
	}
}

static inline struct tevent_context *count_context(void)
{
	struct tevent_context *ev = tevent_context_init(NULL);

	count_check(ev != NULL, "no context");
	return ev;
}

/* One pass, which must work. */
static inline void count_turn(struct tevent_context *ev)
{
	count_check(tevent_loop_once(ev) == 0, "the loop has failed");
}
