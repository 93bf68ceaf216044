/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Sched: who has the token.
 *
 * The threads of a story are real ones. One of them moves, all others sleep,
 * each on a futex of its own. It moves until a *step*, where another may be
 * given the token, and until a *wait*, where another must be.
 *
 * Steps are all things by which threads meet. No line of the libraries says
 * so: they are compiled for ThreadSanitizer, which makes a call of each atomic
 * operation, and these calls come here (atomics.c); and the functions of libc
 * that threads meet by stand here too, in front of libc's own:
 *
 *      atomics.c    loads, stores, exchanges, fences; accesses of dead memory
 *      locks.c      mutexes, conditions, once
 *      threads.c    create, join, end
 *      waits.c      futexes, epoll_wait, poll, read, write, close, sleeps
 *      timers.c     timerfd
 *      clock.c      clocks and processors
 *
 * liburcu and talloc are linked as they are, but what they call of libc is
 * this, too. So a post is a step at its compare-and-swap and at its write of
 * the eventfd; a worker that parks at each store and load, at the lock, and in
 * its futex; a grace period where it sleeps.
 *
 * Waits: a thread waits for an address (a futex, a mutex, a condition, another
 * thread's end), for descriptors, and for a time. It can move when the
 * address is woken, when poll(2) says so, or when the time has come. Who is
 * woken of several is chosen.
 *
 * Time is virtual, and one clock for all. It passes when nobody can move: to
 * the next time that somebody waits for; and by a microsecond with each look at
 * it. If there is no such time, or it is too far away to be meant, all wait for
 * each other: that is the end, and a finding. A lost wake-up is one, at once.
 *
 * Who is next, and when, is chosen by the rules of the story (rules.c).
 *
 * The same program with the same seed is the same run: all that is chosen comes
 * from one generator, addresses of memory are the same (memory.c), and the hash
 * of the steps says whether it was.
 *
 * What this does not show: more of the memory model than atomics.c tells;
 * races on plain memory (the thread sanitizer's); signals and forks; a thread
 * that waits in the kernel by other calls than these: it keeps the token, for
 * ever if it must be woken.
 *
 * Threads: all data here is the token's.
 */
#include <dlfcn.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/turn/inside.h"

/* Once this many steps are done it does not end. */
#define STEPS_MAX  2000000
/* Nobody moves longer than so many steps while others can: he may be waiting
 * for them in a circle. */
#define PATIENCE   1000
#define EPOCH_NS   (UINT64_C(1000000) * TURN_SECOND)
/* Stories are told in milliseconds. Who waits for longer than this waits for
 * nothing: a loop looks up every half minute all the same. */
#define LULL_NS    (UINT64_C(20) * TURN_SECOND)
#define SETTLED_NS (UINT64_C(100) * TURN_SECOND)

struct turn_thread {
	unsigned number;
	atomic_uint go; /* A: futex: it has the token */
	struct turn_seat *seat;
	const void *on; /* what it waits for */
	struct pollfd *fds;
	nfds_t count;
	uint64_t stirred; /* descriptors were looked at then */
	bool late;        /* its time came first */
	int64_t priority; /* PCT */
	struct turn_stores stores;
};

static struct {
	struct turn_thread threads[TURN_THREADS];
	unsigned count;
	struct turn_thread *moves;
	struct turn_record *record;
	uint64_t now_ns;
	uint64_t stirred;  /* counts changes of descriptors */
	bool changed;      /* somebody else can move since the last choice */
	bool settles;      /* the story is over */
	unsigned in_a_row; /* steps of the one that moves */
	int64_t lowest;    /* priority that anybody has fallen to */
} world;

static __thread struct turn_thread *self;

void *turn_next(const char *name)
{
	void *next = dlsym(RTLD_NEXT, name);

	if (next == NULL) {
		abort();
	}
	return next;
}

bool turn_is_on(void)
{
	return self != NULL;
}

unsigned turn_thread_number(void)
{
	return self->number;
}

struct turn_stores *turn_stores(void)
{
	return &self->stores;
}

/* ---- the end ---- */

void turn_fail(const char *why, ...)
{
	struct turn_record *record = world.record;
	va_list args;

	va_start(args, why);
	if (record == NULL) {
		(void)vfprintf(stderr, why, args);
		abort();
	}
	(void)vsnprintf(record->verdict, sizeof(record->verdict), why, args);
	va_end(args);
	_exit(1);
}

/* ---- the token ---- */

static long futex(atomic_uint *word, int op, unsigned value)
{
	static __typeof__(syscall) *next;

	if (next == NULL) {
		next = TURN_NEXT(syscall);
	}
	return next(SYS_futex, word, op, value, NULL, NULL, 0);
}

static void give(struct turn_thread *to)
{
	world.moves = to;
	world.in_a_row = 0;
	world.record->turns++;
	/* Release: all that was done with the token. */
	atomic_store_explicit(&to->go, 1, memory_order_release);
	(void)futex(&to->go, FUTEX_WAKE_PRIVATE, 1);
}

static void receive(void)
{
	/* Acquire: pairs with give(). */
	while (atomic_load_explicit(&self->go, memory_order_acquire) == 0) {
		(void)futex(&self->go, FUTEX_WAIT_PRIVATE, 0);
	}
	atomic_store_explicit(&self->go, 0, memory_order_relaxed);
}

static void move_again(struct turn_thread *thread, bool late)
{
	thread->seat->state = TURN_MOVES;
	thread->on = NULL;
	thread->count = 0;
	thread->late = late;
	world.changed = true;
}

/* Descriptors may have become ready. */
static void look_at_fds(struct turn_thread *thread)
{
	static __typeof__(poll) *next;
	int ready = 0;

	if (thread->count == 0 || thread->stirred == world.stirred) {
		return;
	}
	if (next == NULL) {
		next = TURN_NEXT(poll);
	}
	thread->stirred = world.stirred;
	ready = next(thread->fds, thread->count, 0);
	if (ready > 0) {
		move_again(thread, false);
	}
}

static void look_at_waiting(void)
{
	unsigned i = 0;

	for (i = 0; i < world.count; i++) {
		struct turn_thread *thread = &world.threads[i];

		if (thread->stores.count != 0 &&
		    turn_choose(turn_rules.lag) == 0) {
			turn_stores_first(&thread->stores);
		}
		if (thread->seat->state != TURN_WAITS) {
			continue;
		}
		look_at_fds(thread);
		if (thread->seat->state == TURN_WAITS &&
		    thread->seat->until_ns <= world.now_ns) {
			move_again(thread, true);
		}
	}
}

static uint64_t next_time(void)
{
	uint64_t next_ns = turn_timers_next_ns();
	unsigned i = 0;

	for (i = 0; i < world.count; i++) {
		const struct turn_seat *seat = world.threads[i].seat;

		if (seat->state == TURN_WAITS && seat->until_ns < next_ns) {
			next_ns = seat->until_ns;
		}
	}
	return next_ns;
}

/* Return: false: there is nothing to wait for. */
static bool let_time_pass(void)
{
	uint64_t next_ns = next_time();

	if (next_ns == TURN_NEVER ||
	    (next_ns > world.now_ns + LULL_NS && !world.settles)) {
		return false;
	}
	if (next_ns > world.now_ns) {
		world.now_ns = next_ns;
	}
	turn_timers_run(world.now_ns);
	look_at_waiting();
	return true;
}

static struct turn_thread *nth_that_moves(unsigned n)
{
	unsigned i = 0;

	for (i = 0; i < world.count; i++) {
		if (world.threads[i].seat->state == TURN_MOVES && n-- == 0) {
			return &world.threads[i];
		}
	}
	return NULL;
}

static struct turn_thread *highest_that_moves(void)
{
	struct turn_thread *highest = NULL;
	unsigned i = 0;

	for (i = 0; i < world.count; i++) {
		struct turn_thread *thread = &world.threads[i];

		if (thread->seat->state == TURN_MOVES &&
		    (highest == NULL || thread->priority > highest->priority)) {
			highest = thread;
		}
	}
	return highest;
}

static unsigned count_that_move(void)
{
	unsigned count = 0;
	unsigned i = 0;

	for (i = 0; i < world.count; i++) {
		count += world.threads[i].seat->state == TURN_MOVES ? 1 : 0;
	}
	return count;
}

/* Return: who moves next, of those that can. */
static struct turn_thread *choose(void)
{
	unsigned count = 0;

	look_at_waiting();
	if (!world.settles && turn_rules_hurry()) {
		(void)let_time_pass();
	}
	for (count = count_that_move(); count == 0; count = count_that_move()) {
		if (!let_time_pass()) {
			turn_fail("all wait for each other");
		}
	}
	world.changed = false;
	return turn_rules.walks ? nth_that_moves(turn_choose(count))
				: highest_that_moves();
}

static void pass(void)
{
	struct turn_thread *to = choose();

	if (to != self) {
		give(to);
		receive();
	}
}

/* ---- steps ---- */

static void note(enum turn_kind kind, const void *pc)
{
	extern char __executable_start[];
	extern char etext[];
	struct turn_record *record = world.record;
	struct turn_step *step = &record->ring[record->steps % TURN_RING];
	uintptr_t at = (uintptr_t)pc;
	bool ours = at >= (uintptr_t)__executable_start &&
		    at < (uintptr_t)etext;
	uint64_t word = (ours ? at : 0) ^ (uint64_t)self->number << 56 ^
			(uint64_t)kind << 48;

	self->seat->pc = at;
	*step = (struct turn_step){
		.pc = at,
		.at_ns = world.now_ns - EPOCH_NS,
		.thread = (uint8_t)self->number,
		.kind = (uint8_t)kind,
	};
	record->hash = (record->hash ^ word ^ world.now_ns) *
		       UINT64_C(0x9e3779b97f4a7c15);
	record->hash ^= record->hash >> 29;
	if (++record->steps > STEPS_MAX) {
		turn_fail("it does not end");
	}
}

static void fall(void)
{
	self->priority = --world.lowest;
	world.in_a_row = 0;
	world.changed = true;
}

static bool changes(void)
{
	if (turn_rules.walks) {
		return turn_choose(turn_rules.chance) == 0;
	}
	if (turn_rules_fall(world.record->steps) || world.in_a_row > PATIENCE) {
		fall();
	}
	return world.changed;
}

void turn_point(enum turn_kind kind, const void *pc)
{
	if (self == NULL) {
		return;
	}
	note(kind, pc);
	if (self->stores.count != 0 && turn_choose(turn_rules.lag) == 0) {
		turn_stores_first(&self->stores);
	}
	world.in_a_row++;
	if (changes()) {
		pass();
	}
}

bool turn_wait(const void *on, struct pollfd *fds, nfds_t count,
	       uint64_t until_ns)
{
	turn_stores_all(&self->stores);
	self->on = on;
	self->fds = fds;
	self->count = count;
	/* The caller has looked; but not at what the others have done since. */
	self->stirred = world.stirred;
	self->seat->until_ns = until_ns;
	self->seat->state = TURN_WAITS;
	pass();
	return !self->late;
}

unsigned turn_wake(const void *on, unsigned count)
{
	struct turn_thread *found[TURN_THREADS];
	unsigned waiting = 0;
	unsigned woken = 0;
	unsigned i = 0;

	for (i = 0; i < world.count; i++) {
		struct turn_thread *thread = &world.threads[i];

		if (thread->seat->state == TURN_WAITS && thread->on == on) {
			found[waiting++] = thread;
		}
	}
	for (woken = 0; woken < count && waiting > 0; woken++) {
		i = turn_choose(waiting);
		move_again(found[i], false);
		found[i] = found[--waiting];
	}
	return woken;
}

void turn_fence_everywhere(void)
{
	unsigned i = 0;

	for (i = 0; i < world.count; i++) {
		turn_stores_all(&world.threads[i].stores);
	}
}

void turn_stir_fds(void)
{
	world.stirred++;
	world.changed = true;
}

/* ---- time ---- */

uint64_t turn_now_ns(void)
{
	return world.now_ns;
}

uint64_t turn_look_at_clock(void)
{
	world.now_ns += 1000;
	return world.now_ns;
}

/* ---- threads ---- */

struct turn_thread *turn_thread_new(void)
{
	struct turn_thread *thread = &world.threads[world.count];

	if (world.count == TURN_THREADS) {
		turn_fail("more than %d threads", TURN_THREADS);
	}
	thread->number = world.count;
	thread->seat = &world.record->seats[world.count];
	thread->seat->state = TURN_MOVES;
	thread->priority = (int64_t)turn_dice();
	world.count++;
	world.record->threads = world.count;
	world.changed = true;
	return thread;
}

void turn_thread_enter(struct turn_thread *thread)
{
	self = thread;
	receive();
}

void turn_thread_leave(void)
{
	struct turn_thread *thread = self;

	turn_stores_all(&thread->stores);
	thread->seat->state = TURN_ENDED;
	(void)turn_wake(thread, TURN_THREADS);
	self = NULL;
	give(choose());
}

void turn_begin(uint64_t seed, struct turn_record *record)
{
	world.record = record;
	world.now_ns = EPOCH_NS;
	turn_rules_draw(seed);
	self = turn_thread_new();
	world.moves = self;
}

void turn_settle(void)
{
	world.settles = true;
	(void)turn_wait(NULL, NULL, 0, world.now_ns + SETTLED_NS);
}
