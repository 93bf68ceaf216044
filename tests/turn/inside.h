/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Turn, inside: what its parts share. */
#pragma once

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/turn/turn.h"

#define TURN_THREADS 64
#define TURN_RING    4096 /* steps that are kept for the report */
#define TURN_NEVER   UINT64_MAX
#define TURN_SECOND  UINT64_C(1000000000)

/* What a step is. */
enum turn_kind {
	TURN_LOAD,
	TURN_STORE,
	TURN_RMW, /* exchange, add, compare and swap */
	TURN_FENCE,
	TURN_LOCK, /* mutexes, conditions, once */
	TURN_FUTEX,
	TURN_FD, /* descriptors: reads, writes, waits */
	TURN_THREAD,
	TURN_REST, /* sleeps, yields */
};

struct turn_step {
	uintptr_t pc; /* where it returns to */
	uint64_t at_ns;
	uint8_t thread;
	uint8_t kind;
};

enum turn_state {
	TURN_MOVES, /* or would, had it the token */
	TURN_WAITS,
	TURN_ENDED,
};

/* What is known of a thread. */
struct turn_seat {
	uintptr_t pc;      /* of its last step */
	uint64_t until_ns; /* TURN_WAITS: at the latest */
	enum turn_state state;
};

/* In memory that the parent sees, also when the story crashes. */
struct turn_record {
	char verdict[256]; /* "": nothing was wrong */
	struct turn_seat seats[TURN_THREADS];
	unsigned threads;
	uint64_t hash;
	uint64_t steps;
	uint64_t turns; /* how often the token went to another */
	struct turn_step ring[TURN_RING];
};

/* ---- rules.c ---- */

#define TURN_DEPTH 4

/* What the seed says of a story as a whole. */
struct turn_rules {
	bool walks;       /* else PCT */
	bool late_stores; /* atomics.c */
	unsigned lag;     /* 1 / so much, at each step: a late store is seen */
	unsigned chance;  /* of a walk: 1 / so much, at each step */
	unsigned hurries; /* 1 / so much, at each choice; 0: no */
	uint64_t falls[TURN_DEPTH]; /* of PCT: at these steps */
	unsigned depth;
};

extern struct turn_rules turn_rules;

void turn_rules_draw(uint64_t seed);
uint64_t turn_dice(void);
/* Whether who moves falls below all others at this step. */
bool turn_rules_fall(uint64_t step);
/* Whether a time-out comes before its time. */
bool turn_rules_hurry(void);

/* ---- sched.c ---- */

/* Whether the calling thread takes part: then its calls are ours. */
bool turn_is_on(void);

/* The calling thread becomes the first one of a story. */
void turn_begin(uint64_t seed, struct turn_record *record);

/* All others have moved as far as they will. */
void turn_settle(void);

/* One step: somebody else may have the token before it is done. */
void turn_point(enum turn_kind kind, const void *pc);

/* Gives the token away until @on is woken, one of the @fds is ready, or @until
 * has come. Return: false: it is @until. */
bool turn_wait(const void *on, struct pollfd *fds, nfds_t count,
	       uint64_t until_ns);

/* Wakes up to @count of those that wait for @on, chosen by the seed.
 * Return: how many. */
unsigned turn_wake(const void *on, unsigned count);

/* The stores of all threads are seen. */
void turn_fence_everywhere(void);

/* A descriptor was changed: who waits for any looks again. */
void turn_stir_fds(void);

/* Virtual time, and a look at the clock, which takes a moment. */
uint64_t turn_now_ns(void);
uint64_t turn_look_at_clock(void);

/* A thread of a story is made by another one, enters as the first thing it
 * does, and leaves as the last. */
struct turn_thread;
struct turn_thread *turn_thread_new(void);
void turn_thread_enter(struct turn_thread *thread);
void turn_thread_leave(void);
unsigned turn_thread_number(void);

/* The next function of that name, which ours stands before. */
void *turn_next(const char *name);
#define TURN_NEXT(name) ((__typeof__(&(name)))turn_next(#name))

#define TURN_PC __builtin_return_address(0)

/* ---- atomics.c ---- */

/* Stores that others do not see yet; see there. */
#define TURN_STORES 8

struct turn_stores {
	struct {
		volatile void *to;
		uint64_t value;
		unsigned size;
	} queue[TURN_STORES];
	unsigned count;
};

/* The calling thread's. */
struct turn_stores *turn_stores(void);
void turn_stores_first(struct turn_stores *stores);
void turn_stores_all(struct turn_stores *stores);

/* ---- memory.c ---- */

/* Whether @size bytes there may be touched. */
bool turn_memory_is_live(const volatile void *at, size_t size);
bool turn_memory_is_heap(const volatile void *at);

/* ---- timers.c ---- */

/* When the first descriptor that is a timer is due. */
uint64_t turn_timers_next_ns(void);
/* Makes those readable that are due. */
void turn_timers_run(uint64_t now_ns);
/* If @fd is one it is none any more. */
void turn_timers_close(int fd);

/* ---- report.c ---- */

/* What a story that went wrong has done last. */
void turn_report(const struct turn_record *record, unsigned steps);
