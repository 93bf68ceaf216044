/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Descriptors: tokens that go round over pipes, and interest that changes.
 *
 * pipes: n pipes are watched. A token is a byte; the handler reads it and
 * writes it into a pipe some way on, a step that has no factor in common with
 * n, so every pipe is visited equally often. With several tokens as many pipes
 * are ready at each moment.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tools/bench/engine.h"

#define STEP    7919 /* a prime */
#define SPARE   32   /* descriptors for everything else */
#define HUNDRED 100

struct ring {
	const struct bench *bench;
	struct pipe_end *ends;
	unsigned tokens; /* on the way */
	unsigned moved;
};

struct pipe_end {
	struct ring *ring;
	int fds[2];
};

static void visit(struct tevent_context *ev, struct tevent_fd *fde,
		  uint16_t flags, void *private_data)
{
	struct pipe_end *here = private_data;
	struct ring *ring = here->ring;
	size_t at = (size_t)(here - ring->ends);
	struct pipe_end *next = &ring->ends[(at + STEP) % ring->bench->size];
	char byte = 0;

	(void)ev;
	(void)fde;
	bench_check(ring->bench,
		    flags == TEVENT_FD_READ &&
			    read(here->fds[0], &byte, 1) == 1 &&
			    write(next->fds[1], &byte, 1) == 1,
		    "a token is lost");
	ring->moved++;
}

static void allow_descriptors(const struct bench *bench, rlim_t count)
{
	struct rlimit limit = { 0, 0 };

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < count) {
		limit.rlim_cur = limit.rlim_max < count ? limit.rlim_max
							: count;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < count) {
		bench_cannot(bench, "too few descriptors are allowed");
	}
}

static struct ring *make_ring(const struct bench *bench,
			      struct tevent_context *ev)
{
	struct ring *ring = talloc_zero(ev, struct ring);
	unsigned i = 0;

	allow_descriptors(bench, 2 * (rlim_t)bench->size + SPARE);
	ring->bench = bench;
	ring->ends = talloc_zero_array(ring, struct pipe_end, bench->size);
	for (i = 0; i < bench->size; i++) {
		struct pipe_end *end = &ring->ends[i];
		struct tevent_fd *fde = NULL;

		end->ring = ring;
		bench_check(bench, pipe2(end->fds, O_NONBLOCK | O_CLOEXEC) == 0,
			    "no pipe");
		fde = tevent_add_fd(ev, ring, end->fds[0], TEVENT_FD_READ,
				    visit, end);
		bench_check(bench, fde != NULL, "no fd event");
	}
	return ring;
}

static void free_ring(struct ring *ring)
{
	unsigned count = ring->bench->size;
	struct pipe_end *ends = talloc_steal(NULL, ring->ends);
	unsigned i = 0;

	talloc_free(ring);
	for (i = 0; i < count; i++) {
		(void)close(ends[i].fds[0]);
		(void)close(ends[i].fds[1]);
	}
	talloc_free(ends);
}

static void go_round(struct bench *bench, unsigned tokens)
{
	struct tevent_context *ev = bench_context(bench);
	struct ring *ring = make_ring(bench, ev);
	unsigned i = 0;

	for (i = 0; i < tokens; i++) {
		size_t at = (size_t)i * bench->size / tokens;

		bench_check(bench, write(ring->ends[at].fds[1], "t", 1) == 1,
			    "no token");
	}
	while (bench_again(bench)) {
		ring->moved = 0;
		bench_start(bench);
		for (i = 0; i < bench->ops; i++) {
			bench_turn(bench, ev);
		}
		bench_stop(bench, bench->ops);
		bench_check(bench, ring->moved == bench->ops,
			    "a pass without an event");
	}
	free_ring(ring);
	talloc_free(ev);
}

static void run_one(struct bench *bench)
{
	go_round(bench, 1);
}

static void run_hundred(struct bench *bench)
{
	go_round(bench, bench->size < HUNDRED ? bench->size / 2 : HUNDRED);
}

/* Write interest on and off, and no pass between. */
static void run_interest(struct bench *bench)
{
	struct tevent_context *ev = bench_context(bench);
	struct ring *ring = NULL;
	struct tevent_fd *fde = NULL;
	int fds[2] = { -1, -1 };
	unsigned i = 0;

	ring = make_ring(bench, ev);
	bench_check(bench, pipe2(fds, O_NONBLOCK | O_CLOEXEC) == 0, "no pipe");
	fde = tevent_add_fd(ev, ev, fds[0], TEVENT_FD_READ, visit,
			    &ring->ends[0]);
	/* Everything is known to the kernel from here on. */
	bench_check(bench, write(ring->ends[0].fds[1], "t", 1) == 1,
		    "no token");
	bench_turn(bench, ev);
	while (bench_again(bench)) {
		bench_start(bench);
		for (i = 0; i < bench->ops; i++) {
			tevent_fd_set_flags(fde,
					    TEVENT_FD_READ | TEVENT_FD_WRITE);
			tevent_fd_set_flags(fde, TEVENT_FD_READ);
		}
		bench_stop(bench, bench->ops);
		ring->moved = 0;
		bench_turn(bench, ev);
		bench_check(bench, ring->moved == 1, "a token is lost");
	}
	talloc_free(fde);
	(void)close(fds[0]);
	(void)close(fds[1]);
	free_ring(ring);
	talloc_free(ev);
}

#define ONE(text, count)                                              \
	{                                                             \
		.name = "fd-one-" text,                               \
		.what = "a byte is read and written on, one of " text \
			" pipes is ready",                            \
		.run = run_one, .size = (count), .ops = 5000,         \
	}

const struct bench_row bench_fd_rows[] = {
	ONE("100", 100),
	ONE("1000", 1000),
	ONE("9900", 9900),
	{
		.name = "fd-hundred-1000",
		.what = "the same, 100 of 1000 are ready",
		.run = run_hundred,
		.size = 1000,
		.ops = 5000,
	},
	{
		.name = "fd-interest",
		.what = "write interest on and off, no pass between",
		.run = run_interest,
		.size = 8,
		.ops = 20000,
	},
	{ .name = NULL },
};
