/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Posts: messages from other threads to a loop that is busy.
 *
 * Busy: the loop has work of its own and never sleeps, so what is seen is the
 * way of a message and not the time that the machine takes to wake a thread.
 * The work is an immediate that schedules itself; with the proxy a descriptor
 * that is always ready, since stock's proxy is one, which immediates starve.
 *
 * Each thread numbers its messages; the loop checks that they come in order
 * and that none is missing. The clock runs from the moment at which all threads
 * start until the last message has been handled.
 *
 *   fresh   a new immediate for each message, freed by its handler
 *   reused  each thread has WINDOW immediates and posts one again once the
 *           pass that ran its handler is over
 *   proxy   through tevent_thread_proxy, which takes a new immediate and new
 *           data along and frees both; stock's changes the order of what it
 *           hands over, so there only the number of messages is checked
 *   msg     weft_post_msg(), each message used again as in reused; beside it
 *           what one has without libweft, which is fresh on the other library
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
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tools/bench/engine.h"

#if !BENCH_ON_STOCK
#include <weft.h>
#endif

#define POSTERS_MAX 4
#define WINDOW      256
#define TELL        32 /* messages; the poster is told of so many at once */
#define CACHE_LINE  64

struct slot {
	struct tevent_immediate *im; /* Q: the poster's while it is free */
#if !BENCH_ON_STOCK
	struct weft_msg msg; /* Q: the same */
#endif
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
	const struct bench *bench;          /* I: */
	struct tevent_threaded_context *tc; /* I: */
	struct tevent_thread_proxy *proxy;  /* I: */
	bool by_fd; /* I: the loop's own work is a descriptor */
#if !BENCH_ON_STOCK
	weft_addr_t addr; /* I: */
#endif
	uint64_t each; /* I: messages of one thread */
	pthread_barrier_t start;
	uint64_t left;    /* O(loop): not handled yet */
	struct slot *ran; /* O(loop): by the pass under way */
	struct poster posters[POSTERS_MAX];
};

static void arrived(struct poster *poster, uint64_t number)
{
	bench_check(poster->all->bench, number == poster->handled,
		    "a message out of order");
	poster->all->left--;
	poster->handled++;
	if (poster->handled % TELL == 0) {
		/* Relaxed: only the number counts. */
		atomic_store_explicit(&poster->told, poster->handled,
				      memory_order_relaxed);
	}
}

/* The posters stay away from the loop's CPU: beside a loop that never sleeps
 * each would wait for the end of the other's time slice. */
static void begin(struct poster *poster)
{
	bench_pin(false);
	(void)pthread_barrier_wait(&poster->all->start);
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

/* ---- fresh ---- */

/* The number travels in the upper half of the pointer's bits. */
static void *pack(const struct posting *all, const struct poster *poster,
		  uint64_t number)
{
	uint64_t which = (uint64_t)(poster - all->posters);

	return (void *)(uintptr_t)(number * POSTERS_MAX + which); /* NOLINT */
}

static struct posting *receiving; /* O(loop): of the one row that runs */

static void fresh_arrives(struct tevent_context *ev,
			  struct tevent_immediate *im, void *private_data)
{
	uint64_t packed = (uintptr_t)private_data;

	(void)ev;
	arrived(&receiving->posters[packed % POSTERS_MAX],
		packed / POSTERS_MAX);
	talloc_free(im);
}

static void *fresh_posts(void *arg)
{
	struct poster *poster = arg;
	struct posting *all = poster->all;
	uint64_t i = 0;

	begin(poster);
	for (i = 0; i < all->each; i++) {
		struct tevent_immediate *im = NULL;

		wait_for_room(poster, i);
		im = tevent_create_immediate(NULL);
		bench_check(all->bench, im != NULL, "no memory");
		tevent_threaded_schedule_immediate(all->tc, im, fresh_arrives,
						   pack(all, poster, i));
	}
	return NULL;
}

/* ---- reused ---- */

static void reused_arrives(struct tevent_context *ev,
			   struct tevent_immediate *im, void *private_data)
{
	struct slot *slot = private_data;

	(void)ev;
	(void)im;
	arrived(slot->poster, slot->number);
	slot->poster->all->ran = slot;
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

static void *reused_posts(void *arg)
{
	struct poster *poster = arg;
	struct posting *all = poster->all;
	uint64_t i = 0;

	begin(poster);
	for (i = 0; i < all->each; i++) {
		struct slot *slot = next_slot(poster, i);

		tevent_threaded_schedule_immediate(all->tc, slot->im,
						   reused_arrives, slot);
	}
	return NULL;
}

static void give_back(struct posting *all)
{
	if (all->ran != NULL) {
		/* Release: pairs with the acquire in next_slot(). */
		atomic_store_explicit(&all->ran->out, false,
				      memory_order_release);
		all->ran = NULL;
	}
}

static void make_slots(struct poster *poster)
{
	unsigned i = 0;

	poster->slots = calloc(WINDOW, sizeof(*poster->slots));
	bench_check(poster->all->bench, poster->slots != NULL, "no memory");
	for (i = 0; i < WINDOW; i++) {
		poster->slots[i].poster = poster;
		poster->slots[i].im = tevent_create_immediate(NULL);
	}
}

static void free_slots(struct poster *poster)
{
	unsigned i = 0;

	if (poster->slots == NULL) {
		return;
	}
	for (i = 0; i < WINDOW; i++) {
		talloc_free(poster->slots[i].im);
	}
	free(poster->slots);
}

/* ---- proxy ---- */

struct parcel {
	struct poster *poster;
	uint64_t number;
};

static void parcel_arrives(struct tevent_context *ev,
			   struct tevent_immediate *im, void *private_data)
{
	struct parcel *parcel = private_data;

	(void)ev;
	(void)im;
	arrived(parcel->poster,
		BENCH_ON_STOCK ? parcel->poster->handled : parcel->number);
}

static void *proxy_posts(void *arg)
{
	struct poster *poster = arg;
	struct posting *all = poster->all;
	uint64_t i = 0;

	begin(poster);
	for (i = 0; i < all->each; i++) {
		struct tevent_immediate *im = NULL;
		struct parcel *parcel = NULL;

		wait_for_room(poster, i);
		im = tevent_create_immediate(NULL);
		parcel = talloc(NULL, struct parcel);
		bench_check(all->bench, im != NULL && parcel != NULL,
			    "no memory");
		parcel->poster = poster;
		parcel->number = i;
		tevent_thread_proxy_schedule(all->proxy, &im, parcel_arrives,
					     &parcel);
		bench_check(all->bench, im == NULL && parcel == NULL,
			    "the proxy has not taken it");
	}
	return NULL;
}

/* ---- msg ---- */

#if BENCH_ON_STOCK
#define msg_posts fresh_posts
#else
static void msg_arrives(struct weft_mailbox *mailbox, struct weft_msg *msg)
{
	struct slot *slot = (struct slot *)(void *)((char *)msg -
						    offsetof(struct slot, msg));

	(void)mailbox;
	arrived(slot->poster, slot->number);
	/* Release: pairs with the acquire in next_slot(). */
	atomic_store_explicit(&slot->out, false, memory_order_release);
}

static void msg_lost(struct weft_msg *msg)
{
	(void)msg;
}

static void *msg_posts(void *arg)
{
	struct poster *poster = arg;
	struct posting *all = poster->all;
	uint64_t i = 0;

	begin(poster);
	for (i = 0; i < all->each; i++) {
		struct slot *slot = next_slot(poster, i);
		int ret = 0;

		slot->msg.run = msg_arrives;
		slot->msg.cancel = msg_lost;
		ret = weft_post_msg(all->addr, &slot->msg);
		bench_check(all->bench, ret == 0, "the mailbox is gone");
	}
	return NULL;
}
#endif

/* ---- all ---- */

/* What keeps the loop busy. */
struct work {
	struct tevent_immediate *im;
	struct tevent_fd *fde;
	int fd;
};

static void im_works(struct tevent_context *ev, struct tevent_immediate *im,
		     void *private_data)
{
	tevent_schedule_immediate(im, ev, im_works, private_data);
}

static void fd_works(struct tevent_context *ev, struct tevent_fd *fde,
		     uint16_t flags, void *private_data)
{
	(void)ev;
	(void)fde;
	(void)flags;
	(void)private_data;
}

static void start_work(struct posting *all, struct tevent_context *ev,
		       struct work *work)
{
	if (!all->by_fd) {
		work->im = tevent_create_immediate(ev);
		bench_check(all->bench, work->im != NULL, "no memory");
		tevent_schedule_immediate(work->im, ev, im_works, NULL);
		return;
	}
	work->fd = eventfd(1, EFD_CLOEXEC);
	work->fde = tevent_add_fd(ev, ev, work->fd, TEVENT_FD_READ, fd_works,
				  NULL);
	bench_check(all->bench, work->fde != NULL, "no descriptor");
}

static void stop_work(struct work *work)
{
	TALLOC_FREE(work->im);
	if (work->fde != NULL) {
		TALLOC_FREE(work->fde);
		(void)close(work->fd);
	}
}

static void post_all(struct bench *bench, struct tevent_context *ev,
		     struct posting *all, void *(*posts)(void *))
{
	struct work work = { .fd = -1 };
	unsigned i = 0;

	start_work(all, ev, &work);
	all->left = all->each * bench->size;
	(void)pthread_barrier_init(&all->start, NULL, bench->size + 1);
	for (i = 0; i < bench->size; i++) {
		struct poster *poster = &all->posters[i];

		poster->handled = 0;
		poster->room = WINDOW;
		atomic_init(&poster->told, 0);
		bench_check(bench,
			    pthread_create(&poster->thread, NULL, posts,
					   poster) == 0,
			    "no thread");
	}
	(void)pthread_barrier_wait(&all->start);
	bench_start(bench);
	while (all->left > 0) {
		bench_turn(bench, ev);
		give_back(all);
	}
	bench_stop(bench, all->each * bench->size);
	stop_work(&work);
	for (i = 0; i < bench->size; i++) {
		(void)pthread_join(all->posters[i].thread, NULL);
	}
	(void)pthread_barrier_destroy(&all->start);
}

static void open_ways(struct posting *all, struct tevent_context *ev,
		      void *(*posts)(void *))
{
	const struct bench *bench = all->bench;

	all->tc = tevent_threaded_context_create(ev, ev);
	bench_check(bench, all->tc != NULL, "no threaded context");
	if (posts == proxy_posts) {
		all->proxy = tevent_thread_proxy_create(ev);
		bench_check(bench, all->proxy != NULL, "no proxy");
		all->by_fd = true;
	}
#if !BENCH_ON_STOCK
	if (posts == msg_posts) {
		bench_check(bench, weft_context_addr(ev, &all->addr) == 0,
			    "no mailbox");
		all->by_fd = true;
	}
#endif
}

static void run_posts(struct bench *bench, void *(*posts)(void *))
{
	struct tevent_context *ev = bench_context(bench);
	struct posting all = {
		.bench = bench,
		.each = bench->ops / bench->size,
	};
	unsigned i = 0;

	open_ways(&all, ev, posts);
	receiving = &all;
	for (i = 0; i < bench->size; i++) {
		all.posters[i].all = &all;
		if (posts != fresh_posts && posts != proxy_posts) {
			make_slots(&all.posters[i]);
		}
	}
	while (bench_again(bench)) {
		post_all(bench, ev, &all, posts);
	}
	for (i = 0; i < bench->size; i++) {
		free_slots(&all.posters[i]);
	}
	talloc_free(ev);
}

static void run_fresh(struct bench *bench)
{
	run_posts(bench, fresh_posts);
}

static void run_reused(struct bench *bench)
{
	run_posts(bench, reused_posts);
}

static void run_proxy(struct bench *bench)
{
	run_posts(bench, proxy_posts);
}

static void run_msg(struct bench *bench)
{
	run_posts(bench, msg_posts);
}

#define POSTS(kind, text, count, words)                           \
	{                                                         \
		.name = "post-" #kind "-" text,                   \
		.what = "a message to a busy loop from " text     \
			" threads, " words,                       \
		.run = run_##kind, .size = (count), .ops = 40000, \
	}

const struct bench_row bench_post_rows[] = {
	POSTS(fresh, "1", 1, "a fresh immediate each"),
	POSTS(fresh, "2", 2, "a fresh immediate each"),
	POSTS(fresh, "4", 4, "a fresh immediate each"),
	POSTS(reused, "1", 1, "immediates used again"),
	POSTS(reused, "2", 2, "immediates used again"),
	POSTS(reused, "4", 4, "immediates used again"),
	POSTS(proxy, "1", 1, "an immediate and data by the proxy"),
	POSTS(proxy, "2", 2, "an immediate and data by the proxy"),
	POSTS(proxy, "4", 4, "an immediate and data by the proxy"),
	POSTS(msg, "1", 1, "weft_post_msg, messages used again"),
	POSTS(msg, "2", 2, "weft_post_msg, messages used again"),
	POSTS(msg, "4", 4, "weft_post_msg, messages used again"),
	{ .name = NULL },
};
