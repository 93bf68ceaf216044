/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Engine: what weft-bench-engine is made of. */
#include "tools/bench/engine.h"

const struct bench_row *const bench_groups[] = {
	bench_immediate_rows, bench_timer_rows, bench_fd_rows, bench_req_rows,
	bench_post_rows,      bench_call_rows,  NULL,
};

const char *const bench_symbol = "tevent_context_init";
const bool bench_pins = true;

struct tevent_context *bench_context(const struct bench *bench)
{
	struct tevent_context *ev = tevent_context_init(NULL);

	bench_check(bench, ev != NULL, "no context");
	return ev;
}
