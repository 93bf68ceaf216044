/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Pool: rows about jobs on other threads. */
#pragma once

#include "tools/bench/bench.h"

extern const struct bench_row pool_load_rows[];
extern const struct bench_row pool_rows[];
