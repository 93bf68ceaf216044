/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Stress: what the protocols of weft-stress have in common; main.c, kit.c. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weft.h>

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
extern const struct stress_protocol stress_address;
extern const struct stress_protocol stress_address_fork;
extern const struct stress_protocol stress_calls;
extern const struct stress_protocol stress_proxy;
extern const struct stress_protocol stress_signals;
extern const struct stress_protocol stress_loops;
extern const struct stress_protocol stress_opens;
extern const struct stress_protocol stress_jobs;
extern const struct stress_protocol stress_pairs;
extern const struct stress_protocol stress_cancel;
extern const struct stress_protocol stress_expiry;
extern const struct stress_protocol stress_fork;
extern const struct stress_protocol stress_groups;
extern const struct stress_protocol stress_streams;
extern const struct stress_protocol stress_lanes;
extern const struct stress_protocol stress_serial;
extern const struct stress_protocol stress_compat;
extern const struct stress_protocol stress_kill;

/* ---- dice ---- */

/* The next number; and one below @limit, 0 for a limit of 0. */
uint64_t stress_roll(struct stress_dice *dice);
unsigned stress_below(struct stress_dice *dice, unsigned limit);
/* True once in @times. */
bool stress_once_in(struct stress_dice *dice, unsigned times);
/* Another stream, for another thread. */
struct stress_dice stress_split(struct stress_dice *dice);

/* Passes some time: nothing, a yield, or up to 100 microseconds. */
void stress_dawdle(struct stress_dice *dice);

/* ---- how a round goes ---- */

/* Says what is wrong; the first one of a round counts. Thread: any. */
void stress_fail(const char *fmt, ...)
	__attribute__((__format__(__printf__, 1, 2)));
bool stress_failed(void);
/* The first one, or nothing. */
const char *stress_failure(void);

/* Stops at once: out of memory, no thread. */
void stress_give_up(const char *what) __attribute__((__noreturn__));

/* How much of something a round does: @usual, or what --count says. */
unsigned stress_count(unsigned usual);
/* Now and then in a round that may be long: it gets on, when @done is another
 * number than before. What does not is ended by an alarm. Thread: main. */
void stress_alive(uint64_t done);
/* What a long round has done, for the report. Thread: main. */
void stress_note(const char *fmt, ...)
	__attribute__((__format__(__printf__, 1, 2)));

/* ---- kit.c: without which none of them gets on ---- */

/* Before the first round: a sanitizer has a thread of its own, from the first
 * one of a program on, which is not to be counted. */
void stress_begin(void);

uint64_t stress_now_ns(void);

/* Passes so much time, for waits for what nobody signals. */
void stress_nap(unsigned us);

void stress_start(pthread_t *thread, void *(*fn)(void *), void *arg);
struct tevent_context *stress_context(void);
struct weft_pool *stress_pool(const struct weft_pool_options *options);
/* A handle of its own, below @mem. */
struct weft_pool *stress_handle(TALLOC_CTX *mem, struct weft_pool *pool);

/* Threads that do the same, each with an item of an array of @count; the main
 * thread joins all that it has started. All zero: nobody. */
#define STRESS_CREW_MAX 32
struct stress_crew {
	pthread_t threads[STRESS_CREW_MAX];
	unsigned count;
};

void stress_crew_start(struct stress_crew *crew, void *(*fn)(void *item),
		       void *items, size_t size, unsigned count);
void stress_crew_join(struct stress_crew *crew);

/* Sums that are looked at when all is quiet. */
static inline void stress_add(atomic_uint *sum, int change)
{
	/* Relaxed: a number. */
	(void)atomic_fetch_add_explicit(sum, (unsigned)change,
					memory_order_relaxed);
}

static inline unsigned stress_sum(const atomic_uint *sum)
{
	return atomic_load_explicit(sum, memory_order_relaxed);
}

/* Blocks: who sees that all are freed sees that they are gone. */
struct stress_sums {
	atomic_uint made; /* A: released by who makes, or frees, one */
	atomic_uint freed;
};

void stress_made(struct stress_sums *sums);
void stress_freed(struct stress_sums *sums);
/* Waits until all are freed; only workers may still be on their way. */
void stress_sums_wait(const struct stress_sums *sums);

/* Waits until nothing is left in @pool and its workers sleep; then its books
 * must be balanced. */
void stress_settle(struct weft_pool *pool);

/* Turns the loop for about so long, also when nothing happens. A handler may
 * free the loop, if it clears *@ev. */
void stress_turn(struct tevent_context **ev, unsigned us);

/* Twice in @times: cancels a request, or gives it up. @cancelled becomes true
 * when that was accepted. Return: whether it did. */
bool stress_bother(struct stress_dice *dice, unsigned times,
		   struct tevent_req **req, bool *cancelled);

/* Descriptors and threads of this process. */
unsigned stress_fds(void);
unsigned stress_threads(void);
/* So many bytes are allocated, as near as the allocator says. */
size_t stress_memory(void);

/* Forks off a child, which ends with what @fn returns; it must be 0. */
void stress_child(int (*fn)(void *arg), void *arg);

/* Rest: threads stop at places of their own choice while one forks, so that no
 * sanitizer's lock is taken. stress_rest_reset() says how many threads there
 * are beside that one; each comes by stress_rest_point() again and again, and
 * in the end by stress_rest_leave(). */
void stress_rest_reset(unsigned threads);
void stress_rest_point(void);
void stress_rest_leave(void);
void stress_rest_begin(void);
void stress_rest_end(void);
