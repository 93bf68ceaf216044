/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Engine: rows of weft-bench-engine, through the public tevent.h.
 *
 * The same sources are built against two libraries; BENCH_ON_STOCK is 1 where
 * the other one is not ours.
 */
#pragma once

#include <talloc.h>

#include <tevent.h>

#include "tools/bench/bench.h"

#ifndef BENCH_ON_STOCK
#define BENCH_ON_STOCK 0
#endif

extern const struct bench_row bench_call_rows[];
extern const struct bench_row bench_fd_rows[];
extern const struct bench_row bench_immediate_rows[];
extern const struct bench_row bench_post_rows[];
extern const struct bench_row bench_req_rows[];
extern const struct bench_row bench_timer_rows[];

struct tevent_context *bench_context(const struct bench *bench);

/* One pass, which must work. */
static inline void bench_turn(const struct bench *bench,
			      struct tevent_context *ev)
{
	bench_check(bench, tevent_loop_once(ev) == 0, "the loop has failed");
}
