/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Loop: the groups of the suite "loop", what one loop in one thread does. */
#pragma once

#include <malloc.h>
#include <stddef.h>

#include "tools/bench/bench.h"

extern const struct bench_row bench_echo_rows[];
extern const struct bench_row bench_fd_rows[];
extern const struct bench_row bench_immediate_rows[];
extern const struct bench_row bench_memory_rows[];
extern const struct bench_row bench_req_rows[];
extern const struct bench_row bench_timer_rows[];

/* The heap's bytes in use. */
static inline size_t heap_bytes(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

/* A sample: what each of the row's objects has taken since @before. */
static inline void heap_sample(struct bench *bench, size_t before)
{
	size_t taken = heap_bytes() - before;

	if (taken == 0) {
		bench_cannot(bench, "the allocator does not count");
	}
	bench_value(bench, (double)taken / bench->size);
}
