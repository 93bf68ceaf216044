/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Memory: heap bytes of each object that waits, with what the program holds of
 * it: a pointer, or the whole where it is embedded in the program's structure.
 * Requests are counted in req.c.
 */
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define BENCH_FDS
#define BENCH_SOON
#define BENCH_TIMERS
#include "tools/bench/loop.h"
#include "tools/bench/peer.h"

#define FAR_US INT64_C(3600000000)

static struct peer_loop loop;

static void soon_runs(struct peer_soon *soon)
{
	(void)soon;
	peer_check(false, "runs without being told to");
}

static void timer_fires(struct peer_timer *timer)
{
	(void)timer;
	peer_check(false, "a timer fires that is not due");
}

static void fd_ready(struct peer_fd *fd)
{
	(void)fd;
	peer_check(false, "ready without reason");
}

static void *allot(struct bench *bench, size_t size)
{
	void *all = NULL;

	bench_now = bench;
	all = calloc(bench->size, size);
	peer_check(all != NULL, "no memory");
	return all;
}

static void run_soon(struct bench *bench)
{
	size_t before = 0;
	struct peer_soon *all = NULL;
	unsigned i = 0;

	bench_now = bench;
	peer_loop_open(&loop);
	before = heap_bytes();
	all = allot(bench, sizeof(*all));
	for (i = 0; i < bench->size; i++) {
		peer_soon_init(&loop, &all[i]);
	}
	heap_sample(bench, before);
	for (i = 0; i < bench->size; i++) {
		peer_soon_fini(&all[i]);
	}
	peer_loop_close(&loop);
	free(all);
}

static void run_timer(struct bench *bench)
{
	size_t before = 0;
	struct peer_timer *all = NULL;
	unsigned i = 0;

	bench_now = bench;
	peer_loop_open(&loop);
	before = heap_bytes();
	all = allot(bench, sizeof(*all));
	for (i = 0; i < bench->size; i++) {
		peer_timer_add(&loop, &all[i], FAR_US);
	}
	heap_sample(bench, before);
	for (i = 0; i < bench->size; i++) {
		peer_timer_free(&loop, &all[i]);
	}
	peer_loop_close(&loop);
	free(all);
}

static void run_fd(struct bench *bench)
{
	size_t before = 0;
	struct peer_fd *all = NULL;
	int *files = allot(bench, sizeof(*files));
	unsigned i = 0;

	for (i = 0; i < bench->size; i++) {
		files[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		peer_check(files[i] != -1, "no descriptor");
	}
	peer_loop_open(&loop);
	before = heap_bytes();
	all = allot(bench, sizeof(*all));
	for (i = 0; i < bench->size; i++) {
		peer_fd_watch(&loop, &all[i], files[i]);
	}
	heap_sample(bench, before);
	for (i = 0; i < bench->size; i++) {
		peer_fd_unwatch(&loop, &all[i]);
		(void)close(files[i]);
	}
	peer_loop_close(&loop);
	free(all);
	free(files);
}

#define ROW(kind, words, count)                                               \
	{                                                                     \
		.name = "memory-" #kind, .group = "memory",                   \
		.what = "heap of " words, .unit = "bytes", .run = run_##kind, \
		.size = (count), .samples = 1,                                \
	}

const struct bench_row bench_memory_rows[] = {
	ROW(fd, "a watched descriptor", 900),
	ROW(timer, "a pending timer", 1000),
	ROW(soon, "an immediate", 1000),
	{ .name = NULL },
};
