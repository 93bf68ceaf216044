/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Clock: from times to waiting times. See clock.c. */
#pragma once

#include <stdint.h>
#include <sys/time.h>

struct timeval tev_clock_now(void);
void tev_clock_simulate(const uint64_t *now_us);
int tev_clock_wait_ms(const struct timeval *delay);
int tev_clock_limit_ms(uint32_t secs);
