/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Posts: messages from other threads to a loop that is busy.
 *
 * Busy: the loop has work of its own and never sleeps, so what is seen is the
 * way of a message and not the time that the machine takes to wake a thread.
 *
 * Each thread numbers its messages; the loop checks that they come in order
 * and that none is missing. The clock runs from the moment at which all threads
 * start until the last message has been handled.
 *
 * A thread is at most WINDOW messages ahead: a backlog without a bound measures
 * how fast the kernel hands out memory.
 *
 * Threads: each poster has its own `struct poster`; what both sides touch is
 * classed below.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>

#include "tools/bench/thread/peer.h"
#include "tools/bench/thread/thread.h"

#define POSTERS_MAX 4
#define WINDOW      256
#define TELL        32 /* messages; the poster is told of so many at once */
#define CACHE_LINE  64

struct slot {
	/* Q: the poster's while it is free; a line of its own for each. */
	_Alignas(CACHE_LINE) struct peer_message peer;
	struct poster *poster; /* I: */
	uint64_t number;       /* Q: */
	atomic_bool out; /* A: set by the poster, cleared by the loop, which
			  * gives the slot back */
};

struct poster {
	struct posting *all; /* I: */
	pthread_t thread;    /* O: */
	struct slot *slots;  /* I: */
	uint64_t room;       /* O: numbers below it may be posted */
	_Alignas(CACHE_LINE) uint64_t handled; /* O(loop): of its messages */
	atomic_ulong told; /* A: relaxed; the same, now and then */
};

struct posting {
	struct peer_loop loop;
	unsigned way;  /* I: */
	uint64_t each; /* I: messages of one thread */
	pthread_barrier_t start;
	uint64_t left;    /* O(loop): not handled yet */
	struct slot *ran; /* O(loop): by the pass under way */
	struct poster posters[POSTERS_MAX];
};

static struct posting posting; /* of the one row that runs */

static void arrived(struct poster *poster, uint64_t number, bool in_order)
{
	peer_check(!in_order || number == poster->handled,
		   "a message out of order");
	posting.left--;
	poster->handled++;
	if (poster->handled % TELL == 0) {
		/* Relaxed: only the number counts. */
		atomic_store_explicit(&poster->told, poster->handled,
				      memory_order_relaxed);
	}
}

/* ---- messages that are numbers ---- */

static uint64_t pack(const struct poster *poster, uint64_t number)
{
	return number * POSTERS_MAX + (uint64_t)(poster - posting.posters);
}

static void number_runs(uint64_t number)
{
	arrived(&posting.posters[number % POSTERS_MAX], number / POSTERS_MAX,
		PEER_IN_ORDER || posting.way != WAY_PROXY);
}

/* Waits until @number is no more than WINDOW ahead. */
static inline void wait_for_room(struct poster *poster, uint64_t number)
{
	while (number >= poster->room) {
		/* Relaxed: only the number counts. */
		poster->room = WINDOW +
			       atomic_load_explicit(&poster->told,
						    memory_order_relaxed);
		if (number >= poster->room) {
			(void)sched_yield();
		}
	}
}

/* ---- messages that are used again ---- */

static struct slot *slot_of(struct peer_message *peer)
{
	return (struct slot *)(void *)((char *)peer -
				       offsetof(struct slot, peer));
}

static void give_back(struct slot *slot)
{
	/* Release: pairs with the acquire in next_slot(). */
	atomic_store_explicit(&slot->out, false, memory_order_release);
}

static void message_runs(struct peer_message *peer)
{
	struct slot *slot = slot_of(peer);

	arrived(slot->poster, slot->number, true);
	if (posting.way == WAY_REUSED) {
		posting.ran = slot;
	} else {
		give_back(slot);
	}
}

/* Slot number @i, when the loop has done with it. */
static struct slot *next_slot(struct poster *poster, uint64_t i)
{
	struct slot *slot = &poster->slots[i % WINDOW];

	/* Acquire: the loop has done with the slot. */
	while (atomic_load_explicit(&slot->out, memory_order_acquire)) {
		(void)sched_yield();
	}
	slot->number = i;
	/* Relaxed: the post publishes it. */
	atomic_store_explicit(&slot->out, true, memory_order_relaxed);
	return slot;
}

static void make_slots(struct poster *poster)
{
	unsigned i = 0;

	poster->slots = aligned_alloc(CACHE_LINE,
				      WINDOW * sizeof(*poster->slots));
	peer_check(poster->slots != NULL, "no memory");
	for (i = 0; i < WINDOW; i++) {
		poster->slots[i].poster = poster;
		atomic_init(&poster->slots[i].out, false);
		peer_message_init(&poster->slots[i].peer, posting.way);
	}
}

static void free_slots(struct poster *poster)
{
	unsigned i = 0;

	for (i = 0; i < WINDOW; i++) {
		peer_message_fini(&poster->slots[i].peer, posting.way);
	}
	free(poster->slots);
}

/* ---- posters ---- */

/* The posters stay away from the loop's CPU: beside a loop that never sleeps
 * each would wait for the end of the other's time slice. */
static void begin(void)
{
	bench_pin(false);
	(void)pthread_barrier_wait(&posting.start);
}

static void *lean_posts(void *arg)
{
	struct poster *poster = arg;
	uint64_t i = 0;

	begin();
	for (i = 0; i < posting.each; i++) {
		peer_post(&posting.loop, &next_slot(poster, i)->peer);
	}
	return NULL;
}

#if PEER_WAYS & WAY_FRESH
static void *fresh_posts(void *arg)
{
	struct poster *poster = arg;
	uint64_t i = 0;

	begin();
	for (i = 0; i < posting.each; i++) {
		wait_for_room(poster, i);
		peer_post_fresh(&posting.loop, pack(poster, i));
	}
	return NULL;
}
#endif

#if PEER_WAYS & WAY_REUSED
static void *reused_posts(void *arg)
{
	struct poster *poster = arg;
	uint64_t i = 0;

	begin();
	for (i = 0; i < posting.each; i++) {
		peer_post_reused(&posting.loop, &next_slot(poster, i)->peer);
	}
	return NULL;
}
#endif

#if PEER_WAYS & WAY_PROXY
static void *proxy_posts(void *arg)
{
	struct poster *poster = arg;
	uint64_t i = 0;

	begin();
	for (i = 0; i < posting.each; i++) {
		wait_for_room(poster, i);
		peer_post_proxy(&posting.loop, pack(poster, i));
	}
	return NULL;
}
#endif

static void post_all(struct bench *bench, void *(*posts)(void *))
{
	unsigned i = 0;

	peer_busy_start(&posting.loop, posting.way);
	posting.left = posting.each * bench->size;
	(void)pthread_barrier_init(&posting.start, NULL, bench->size + 1);
	for (i = 0; i < bench->size; i++) {
		struct poster *poster = &posting.posters[i];

		poster->handled = 0;
		poster->room = WINDOW;
		atomic_init(&poster->told, 0);
		peer_check(pthread_create(&poster->thread, NULL, posts,
					  poster) == 0,
			   "no thread");
	}
	(void)pthread_barrier_wait(&posting.start);
	bench_start(bench);
	while (posting.left > 0) {
		peer_loop_turn(&posting.loop);
		if (posting.ran != NULL) {
			give_back(posting.ran);
			posting.ran = NULL;
		}
	}
	bench_stop(bench, posting.each * bench->size);
	for (i = 0; i < bench->size; i++) {
		(void)pthread_join(posting.posters[i].thread, NULL);
	}
	peer_busy_stop(&posting.loop);
	(void)pthread_barrier_destroy(&posting.start);
}

static void run_posts(struct bench *bench, unsigned way, void *(*posts)(void *))
{
	unsigned i = 0;

	running = bench;
	posting.way = way;
	posting.each = bench->ops / bench->size;
	peer_loop_open(&posting.loop);
	for (i = 0; i < bench->size; i++) {
		make_slots(&posting.posters[i]);
	}
	while (bench_again(bench)) {
		post_all(bench, posts);
	}
	for (i = 0; i < bench->size; i++) {
		free_slots(&posting.posters[i]);
	}
	peer_loop_close(&posting.loop);
}

/* ---- rows ---- */

static void run_lean(struct bench *bench)
{
	run_posts(bench, WAY_LEAN, lean_posts);
}

static void run_fresh(struct bench *bench)
{
#if PEER_WAYS & WAY_FRESH
	run_posts(bench, WAY_FRESH, fresh_posts);
#else
	bench_cannot(bench, "it has no such messages");
#endif
}

static void run_reused(struct bench *bench)
{
#if PEER_WAYS & WAY_REUSED
	run_posts(bench, WAY_REUSED, reused_posts);
#else
	bench_cannot(bench, "it has no immediates");
#endif
}

static void run_proxy(struct bench *bench)
{
#if PEER_WAYS & WAY_PROXY
	run_posts(bench, WAY_PROXY, proxy_posts);
#else
	bench_cannot(bench, "it has no proxy");
#endif
}

#define POSTS(kind, text, count, words)                                        \
	{                                                                      \
		.name = "post-" #kind "-" text, .group = "posts",              \
		.what = "a message to a busy loop, threads: " text "; " words, \
		.run = run_##kind, .size = (count), .ops = 40000,              \
	}

const struct bench_row thread_post_rows[] = {
	POSTS(lean, "1", 1, "the leanest way"),
	POSTS(lean, "2", 2, "the leanest way"),
	POSTS(lean, "4", 4, "the leanest way"),
	POSTS(fresh, "1", 1, "each with an allocation"),
	POSTS(fresh, "2", 2, "each with an allocation"),
	POSTS(fresh, "4", 4, "each with an allocation"),
	POSTS(reused, "1", 1, "immediates used again"),
	POSTS(reused, "2", 2, "immediates used again"),
	POSTS(reused, "4", 4, "immediates used again"),
	POSTS(proxy, "1", 1, "tevent's thread proxy"),
	POSTS(proxy, "2", 2, "tevent's thread proxy"),
	POSTS(proxy, "4", 4, "tevent's thread proxy"),
	{ .name = NULL },
};

const struct bench_row *const bench_groups[] = {
	thread_post_rows,
	thread_call_rows,
	NULL,
};
const char *const bench_symbol = PEER_SYMBOL;
const bool bench_pins = true;
