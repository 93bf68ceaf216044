/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Signal queue: what the deliveries of a signal leave. See signal_queue.c. */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/* The highest signal number that the kernel knows; a mask of 64 bits holds
 * one bit for each. */
#define TEV_SIGNAL_MAX 64

/* How many deliveries of one signal wait with their information. */
#define TEV_SIGNAL_QUEUE_MAX 256

/* A point in the history of one signal number. */
struct tev_signal_point {
	uint64_t counted; /* deliveries without information before it */
	uint64_t queued;  /* deliveries with information before it */
};

static inline uint64_t tev_signal_bit(int signum)
{
	return UINT64_C(1) << (signum - 1);
}

int tev_signal_queue_want(int signum);
void tev_signal_queue_unwant(int signum);
bool tev_signal_queue_wanted(int signum);
void tev_signal_queue_count(int signum);
bool tev_signal_queue_push(int signum, const siginfo_t *info);
bool tev_signal_queue_full(int signum);
struct tev_signal_point tev_signal_queue_point(int signum);
void tev_signal_queue_read(int signum, uint64_t position, siginfo_t *ret_info);
void tev_signal_queue_blank(int signum, siginfo_t *ret_info);
void tev_signal_queue_release(int signum, uint64_t position);
void tev_signal_queue_fork_child(void);
