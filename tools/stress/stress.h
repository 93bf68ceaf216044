/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Stress: what the protocols of weft-stress have in common; main.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Under ThreadSanitizer a forked child may not start threads. And no
 * sanitizer's malloc() survives a fork beside another thread that is in it: a
 * child would hang there, so the others have to rest when one is forked off. */
#if defined(__SANITIZE_THREAD__)
#define STRESS_TSAN 1
#elif defined(__SANITIZE_ADDRESS__)
#define STRESS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define STRESS_TSAN 1
#elif __has_feature(address_sanitizer)
#define STRESS_ASAN 1
#endif
#endif
#ifndef STRESS_TSAN
#define STRESS_TSAN 0
#endif
#ifndef STRESS_ASAN
#define STRESS_ASAN 0
#endif
#define STRESS_FORKS_AT_REST (STRESS_TSAN || STRESS_ASAN)

/* A stream of numbers that a seed determines. */
struct stress_dice {
	uint64_t state;
};

struct stress_protocol {
	const char *name;
	const char *what;
	/* One round, a few milliseconds long; what it does depends on @dice
	 * alone, in which order on the machine. With @threads as a hint for
	 * how many take part. Return: false after stress_fail(). */
	bool (*round)(struct stress_dice *dice, unsigned threads);
};

extern const struct stress_protocol stress_mailbox;
extern const struct stress_protocol stress_proxy;
extern const struct stress_protocol stress_address;
extern const struct stress_protocol stress_jobs;
extern const struct stress_protocol stress_pairs;
extern const struct stress_protocol stress_fork;
extern const struct stress_protocol stress_loops;
extern const struct stress_protocol stress_lanes;
extern const struct stress_protocol stress_serial;
extern const struct stress_protocol stress_kill;

/* The next number; and one below @limit, 0 for a limit of 0. */
uint64_t stress_roll(struct stress_dice *dice);
unsigned stress_below(struct stress_dice *dice, unsigned limit);
/* True once in @times. */
bool stress_once_in(struct stress_dice *dice, unsigned times);
/* Another stream, for another thread. */
struct stress_dice stress_split(struct stress_dice *dice);

/* Passes some time: nothing, a yield, or up to 100 microseconds. */
void stress_dawdle(struct stress_dice *dice);

/* Says what is wrong; the first one of a round counts. Thread: any. */
void stress_fail(const char *fmt, ...)
	__attribute__((__format__(__printf__, 1, 2)));
bool stress_failed(void);

/* Stops at once: out of memory, no thread. */
void stress_give_up(const char *what) __attribute__((__noreturn__));
