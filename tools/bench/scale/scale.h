/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Scale: rows that have no peer: n mailboxes and loops, and the machine. */
#pragma once

#include "tools/bench/bench.h"

extern const struct bench_row scale_machine_rows[];
