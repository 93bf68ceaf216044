/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Loop: what a program of the suite "loop" is made of, by what its peer has. */
#include "tools/bench/loop.h"

#include "tools/bench/peer.h"

const struct bench_row *const bench_groups[] = {
#if !PEER_FDS_ONLY
	bench_immediate_rows, bench_timer_rows,
#if PEER_REQS
	bench_req_rows,
#endif
	bench_memory_rows,
#endif
	bench_fd_rows,        bench_echo_rows,  NULL,
};

const char *const bench_symbol = PEER_SYMBOL;
const bool bench_pins = true;
