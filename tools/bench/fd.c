/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Descriptors: tokens that go round over n pipes, and interest that changes.
 *
 * A token is a byte; the handler reads it and writes it into a pipe some way
 * on, a step that has no factor in common with n, so every pipe is visited
 * equally often. With 100 tokens so many pipes are ready at each moment.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define BENCH_FDS
#include "tools/bench/loop.h"
#include "tools/bench/peer.h"

#define STEP    7919 /* a prime */
#define SPARE   64   /* descriptors for everything else */
#define HUNDRED 100
#define IN_TURN 64 /* watches of one file that are used one after the other */

struct pipe_end {
	struct peer_fd fd;
	int files[2];
};

static struct peer_loop loop;
static struct pipe_end *ends;
static unsigned pipes;
static unsigned moved;

static void fd_ready(struct peer_fd *fd)
{
	struct pipe_end *here = (struct pipe_end *)(void *)fd;
	size_t at = (size_t)(here - ends);
	struct pipe_end *next = &ends[(at + STEP) % pipes];
	char byte = 0;

	peer_check(read(here->files[0], &byte, 1) == 1 &&
			   write(next->files[1], &byte, 1) == 1,
		   "a token is lost");
	moved++;
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

/* @count pipes and @tokens in them; the first @watched are watched. */
static void make_ring(struct bench *bench, unsigned watched, unsigned tokens)
{
	unsigned i = 0;

	bench_now = bench;
	pipes = bench->size;
	allow_descriptors(bench, 2 * (rlim_t)pipes + SPARE);
	peer_loop_open(&loop);
	ends = calloc(pipes, sizeof(*ends));
	peer_check(ends != NULL, "no memory");
	for (i = 0; i < pipes; i++) {
		peer_check(pipe2(ends[i].files, O_NONBLOCK | O_CLOEXEC) == 0,
			   "no pipe");
		if (i < watched) {
			peer_fd_watch(&loop, &ends[i].fd, ends[i].files[0]);
		}
	}
	for (i = 0; i < tokens; i++) {
		size_t at = (size_t)i * pipes / tokens;

		peer_check(write(ends[at].files[1], "t", 1) == 1, "no token");
	}
}

static void free_ring(unsigned watched)
{
	unsigned i = 0;

	for (i = 0; i < watched; i++) {
		peer_fd_unwatch(&loop, &ends[i].fd);
	}
	peer_loop_close(&loop);
	for (i = 0; i < pipes; i++) {
		(void)close(ends[i].files[0]);
		(void)close(ends[i].files[1]);
	}
	free(ends);
}

static void go_round(struct bench *bench, unsigned tokens)
{
	make_ring(bench, bench->size, tokens);
	while (bench_again(bench)) {
		moved = 0;
		bench_start(bench);
		while (moved < bench->ops) {
			peer_loop_turn(&loop);
		}
		bench_stop(bench, moved);
	}
	free_ring(pipes);
}

static void run_one(struct bench *bench)
{
	go_round(bench, 1);
}

static void run_hundred(struct bench *bench)
{
	go_round(bench, bench->size < HUNDRED ? bench->size : HUNDRED);
}

/* A pipe that is ready is watched, seen and no longer watched. The watches are
 * several, for some libraries keep one a while. */
static void run_watch(struct bench *bench)
{
	struct pipe_end *before = NULL;
	unsigned i = 0;

	make_ring(bench, 0, 1);
	before = ends;
	ends = calloc(IN_TURN, sizeof(*ends));
	peer_check(ends != NULL, "no memory");
	for (i = 0; i < IN_TURN; i++) {
		ends[i].files[0] = before->files[0];
		ends[i].files[1] = before->files[1];
	}
	while (bench_again(bench)) {
		moved = 0;
		bench_start(bench);
		for (i = 0; i < bench->ops; i++) {
			struct pipe_end *end = &ends[i % IN_TURN];

			peer_fd_watch(&loop, &end->fd, end->files[0]);
			peer_loop_turn(&loop);
			peer_fd_unwatch(&loop, &end->fd);
		}
		bench_stop(bench, bench->ops);
		peer_check(moved == bench->ops, "not seen once each");
	}
	free(ends);
	ends = before;
	free_ring(0);
}

/* The second pipe's write interest on and off, and no pass between. */
static void run_interest(struct bench *bench)
{
	unsigned i = 0;

	make_ring(bench, bench->size, 1);
	peer_loop_turn(&loop);
	while (bench_again(bench)) {
		bench_start(bench);
		for (i = 0; i < bench->ops; i++) {
			peer_fd_writes(&loop, &ends[1].fd, true);
			peer_fd_writes(&loop, &ends[1].fd, false);
		}
		bench_stop(bench, bench->ops);
		moved = 0;
		peer_loop_turn(&loop);
		peer_check(moved > 0, "a token is lost");
	}
	free_ring(pipes);
}

#define POINT(kind, text, count)                                         \
	{                                                                \
		.name = "fd-" #kind "/" text, .group = "descriptors",    \
		.what = "a byte is read and written on, " #kind " of n " \
			"pipes ready",                                   \
		.run = run_##kind, .size = (count), .ops = 2000,         \
	}

const struct bench_row bench_fd_rows[] = {
	POINT(one, "10", 10),
	POINT(one, "100", 100),
	POINT(one, "1000", 1000),
	POINT(one, "9900", 9900),
	POINT(hundred, "100", 100),
	POINT(hundred, "1000", 1000),
	POINT(hundred, "9900", 9900),
	{
		.name = "fd-watch",
		.group = "interest",
		.what = "a pipe is watched, seen ready, and unwatched",
		.run = run_watch,
		.size = 1,
		.ops = 2000,
	},
	{
		.name = "fd-interest",
		.group = "interest",
		.what = "write interest on and off, no pass between",
		.run = run_interest,
		.size = 2,
		.ops = 5000,
	},
	{ .name = NULL },
};
