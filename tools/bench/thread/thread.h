/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Thread: rows about what goes from one thread to another. */
#pragma once

#include "tools/bench/bench.h"

extern const struct bench_row thread_call_rows[];
extern const struct bench_row thread_post_rows[];
