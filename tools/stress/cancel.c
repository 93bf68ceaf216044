/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Cancel: storms in which all that is under way is taken back at once.
 *
 * Bursts of jobs that would never end by themselves: they look whether they are
 * to stop, poll the descriptor that says so, sleep in the kernel until they are
 * interrupted, wait for room for a part or for a child like themselves; many
 * more wait in the queue, some behind each other by a key. Then the storm comes
 * in some shape: each request cancelled or freed in any order, the serial, the
 * pool, the loop, or a deadline that all have. What must hold:
 *  1. Each job is reached: else the round hangs.
 *  2. What was cancelled ends with ECANCELED, what was freed does not speak.
 *  3. Each block is freed once.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <time.h>

#include "tools/stress/stress.h"

#define BURST_MAX   120
#define STORMS      4
#define LOOPS_MAX   2
#define DEADLINE_MS 2
#define KEYS        3

enum shape { BY_CANCEL, BY_FREE, BY_SERIAL, BY_STOP, BY_LOOP, BY_DEADLINE };

struct burst {
	struct stress_dice dice;
	struct stress_sums *sums;
	unsigned workers;
	enum shape shape;
	struct tevent_context *ev;
	struct weft_pool *pool;
	struct weft_serial *serial;
	struct tevent_req *reqs[BURST_MAX];
	unsigned count;
	unsigned ended;
};

struct block {
	struct stress_sums *sums;
	unsigned kind;
};

static int block_destructor(struct block *block)
{
	stress_freed(block->sums);
	return 0;
}

static struct block *block_new(struct stress_sums *sums, unsigned kind)
{
	struct block *block = talloc(NULL, struct block);

	if (block == NULL) {
		stress_give_up("no memory");
	}
	*block = (struct block){ sums, kind };
	stress_made(sums);
	talloc_set_destructor(block, block_destructor);
	return block;
}

/* ---- jobs without an end ---- */

static void until_told(struct weft_job *job)
{
	while (!weft_job_should_stop(job)) {
		(void)sched_yield();
	}
}

static void until_readable(struct weft_job *job)
{
	struct pollfd pollfd = { weft_job_stop_fd(job), POLLIN, 0 };

	if (pollfd.fd < 0) {
		stress_give_up("no descriptor");
	}
	while (poll(&pollfd, 1, -1) != 1) {
	}
}

static void until_interrupted(struct weft_job *job)
{
	const struct timespec long_time = { 100000, 0 };

	while (!weft_job_should_stop(job)) {
		(void)nanosleep(&long_time, NULL);
	}
}

static void until_refused(struct weft_job *job, struct stress_sums *sums)
{
	int ret = 0;

	while (ret == 0) {
		struct block *part = block_new(sums, 0);

		ret = weft_job_emit(job, &part);
		talloc_free(part);
	}
}

static int work(struct weft_job *job, void *ptr)
{
	struct block *block = talloc_get_type_abort(ptr, struct block);
	struct block *other = NULL;
	struct weft_child *child = NULL;

	switch (block->kind) {
	case 0:
		until_readable(job);
		break;
	case 1:
		until_interrupted(job);
		break;
	case 2:
		until_refused(job, block->sums);
		break;
	case 3:
		other = block_new(block->sums, UINT_MAX);
		if (weft_job_spawn(job, work, &other, NULL, &child) == 0) {
			(void)weft_child_wait(child, block, &other);
		}
		talloc_free(other);
		break;
	default:
		until_told(job);
		break;
	}
	return ECANCELED;
}

/* ---- the storm ---- */

static void done(struct tevent_req *req)
{
	struct burst *burst = tevent_req_callback_data_void(req);
	int ret = weft_job_recv(req, NULL, NULL);

	burst->ended++;
	if (ret != ECANCELED &&
	    !(ret == ETIMEDOUT && burst->shape == BY_DEADLINE)) {
		stress_fail("a job was not cancelled, but says %d", ret);
	}
}

static void send_all(struct burst *burst)
{
	struct stress_dice *dice = &burst->dice;
	unsigned i = 0;

	for (i = 0; i < burst->count; i++) {
		struct block *block = block_new(burst->sums,
						stress_below(dice, 6));
		struct weft_job_options options = {
			.interruptible = block->kind == 1,
			.parts = 1 + stress_below(dice, 3),
		};

		if (burst->shape == BY_SERIAL || stress_once_in(dice, 4)) {
			options.serial = burst->serial;
			options.key = stress_below(dice, KEYS);
		}
		if (burst->shape == BY_DEADLINE) {
			options.deadline_ns = weft_deadline_ms(DEADLINE_MS);
		}
		burst->reqs[i] = weft_job_send(burst->ev, burst->ev,
					       burst->pool, work, &block,
					       &options);
		if (burst->reqs[i] == NULL) {
			stress_give_up("no memory");
		}
		tevent_req_set_callback(burst->reqs[i], done, burst);
		weft_job_hold_parts(burst->reqs[i], true);
	}
}

/* Some of them, in any order, then the rest. */
static void cancel_all(struct burst *burst)
{
	unsigned i = 0;

	for (i = 0; i < burst->count / 2; i++) {
		(void)tevent_req_cancel(
			burst->reqs[stress_below(&burst->dice, burst->count)]);
	}
	for (i = 0; i < burst->count; i++) {
		(void)tevent_req_cancel(burst->reqs[i]);
	}
}

/* A result is held back with the parts before it. */
static void let_go(struct burst *burst)
{
	unsigned i = 0;

	for (i = 0; i < burst->count; i++) {
		weft_job_hold_parts(burst->reqs[i], false);
	}
}

static void blow(struct burst *burst)
{
	unsigned i = 0;

	switch (burst->shape) {
	case BY_CANCEL:
		cancel_all(burst);
		break;
	case BY_FREE:
		for (i = 0; i < burst->count; i++) {
			talloc_free(burst->reqs[i]);
		}
		burst->ended = burst->count;
		break;
	case BY_SERIAL:
		/* Behind what runs nothing of its key has begun. */
		weft_serial_cancel(burst->serial, NULL);
		let_go(burst);
		break;
	case BY_STOP:
		weft_pool_stop(burst->pool);
		let_go(burst);
		break;
	case BY_LOOP:
		TALLOC_FREE(burst->ev);
		burst->ended = burst->count;
		break;
	case BY_DEADLINE:
		break;
	}
}

static void storm(struct burst *burst)
{
	struct weft_pool_options options = {
		.max = burst->workers,
		.idle_ms = 1,
		.spare = stress_once_in(&burst->dice, 2) ? UINT_MAX : 2,
	};

	burst->ev = stress_context();
	burst->pool = stress_pool(&options);
	if (weft_serial_create(NULL, burst->pool, &burst->serial) != 0) {
		stress_give_up("no serial");
	}
	burst->shape = (enum shape)stress_below(&burst->dice, 6);
	burst->count = 1 + stress_below(&burst->dice, BURST_MAX);
	burst->ended = 0;
	send_all(burst);
	stress_dawdle(&burst->dice);
	blow(burst);
	while (burst->ended < burst->count) {
		(void)tevent_loop_once(burst->ev);
	}
	talloc_free(burst->ev);
	if (stress_once_in(&burst->dice, 2)) {
		stress_settle(burst->pool);
	}
	talloc_free(burst->serial);
	talloc_free(burst->pool);
}

static void *burst_run(void *arg)
{
	unsigned i = 0;

	for (i = 0; i < STORMS; i++) {
		storm(arg);
	}
	return NULL;
}

static bool cancel_round(struct stress_dice *dice, unsigned threads)
{
	struct stress_crew crew = { .count = 0 };
	static struct burst bursts[LOOPS_MAX];
	struct stress_sums sums = { .made = 0 };
	unsigned count = 1 + stress_below(dice, LOOPS_MAX);
	unsigned i = 0;

	for (i = 0; i < count; i++) {
		bursts[i] = (struct burst){
			.dice = stress_split(dice),
			.sums = &sums,
			.workers = 1 + stress_below(dice, threads),
		};
	}
	stress_crew_start(&crew, burst_run, bursts, sizeof(bursts[0]), count);
	stress_crew_join(&crew);
	stress_sums_wait(&sums);
	return !stress_failed();
}

const struct stress_protocol stress_cancel = {
	.name = "cancel",
	.what = "storms that take back all that is under way at once",
	.round = cancel_round,
};
