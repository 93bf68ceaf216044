/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Jobs: stories of pools; stories.c tells what they are.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>

#include "tests/turn/story.h"

/* ---- jobs ---- */

#define JOBS 4

static int job_run(struct weft_job *job, void *block)
{
	int *value = block;

	(void)job;
	++*value;
	return 0;
}

static void job_done(struct tevent_req *req)
{
	unsigned *done = tevent_req_callback_data_void(req);
	int *value = NULL;
	int ret = weft_job_recv(req, NULL, &value);

	TURN_CHECK(ret == 0 || ret == ECANCELED || ret == ESHUTDOWN);
	TURN_CHECK(ret != 0 || *value == 1);
	talloc_free(value);
	talloc_free(req);
	++*done;
}

struct tevent_req *story_job_send(struct tevent_context *ev,
				  struct weft_pool *pool, unsigned *done)
{
	int *value = talloc_zero(NULL, int);
	struct tevent_req *req = weft_job_send(ev, ev, pool, job_run, &value,
					       NULL);

	TURN_CHECK(req != NULL);
	tevent_req_set_callback(req, job_done, done);
	return req;
}

void story_jobs(void)
{
	struct tevent_context *ev = tevent_context_init(NULL);
	struct weft_pool *pool = story_pool();
	unsigned done = 0;
	unsigned i = 0;

	for (i = 0; i < JOBS; i++) {
		struct tevent_req *req = story_job_send(ev, pool, &done);

		if (turn_choose(4) == 0) {
			(void)tevent_req_cancel(req);
		}
		if (turn_choose(4) == 0) {
			story_until(ev, &done, i + 1);
		}
	}
	story_until(ev, &done, turn_choose(JOBS + 1));
	TALLOC_FREE(pool);
	story_until(ev, &done, JOBS);
	TALLOC_FREE(ev);
}

/* ---- parts ---- */

static int parts_run(struct weft_job *job, void *block)
{
	unsigned i = 0;

	(void)block;
	for (i = 1; i <= STORY_MESSAGES; i++) {
		struct story_block *part = story_block(0, i);
		int ret = weft_job_emit(job, &part);

		talloc_free(part);
		if (ret != 0) {
			TURN_CHECK(ret == ECANCELED);
			return ret;
		}
	}
	return 0;
}

static void part_came(struct tevent_req *req, void *part, void *private_data)
{
	const struct story_block *block = part;
	unsigned *parts = private_data;

	(void)req;
	TURN_CHECK(block->number == *parts + 1);
	++*parts;
}

/* For requests whose result is nothing but its number. */
static void plain_done(struct tevent_req *req)
{
	unsigned *done = tevent_req_callback_data_void(req);
	int ret = weft_job_recv(req, NULL, NULL);

	TURN_CHECK(ret == 0 || ret == ECANCELED || ret == ESHUTDOWN);
	++*done;
}

void story_parts(void)
{
	const struct weft_job_options options = { .parts = 1 };
	struct tevent_context *ev = tevent_context_init(NULL);
	struct weft_pool *pool = story_pool();
	struct tevent_req *req = weft_job_send(ev, ev, pool, parts_run, NULL,
					       &options);
	unsigned parts = 0;
	unsigned done = 0;

	TURN_CHECK(req != NULL);
	tevent_req_set_callback(req, plain_done, &done);
	weft_job_on_part(req, part_came, &parts);
	story_until(ev, &parts, turn_choose(STORY_MESSAGES + 1));
	switch (turn_choose(4)) {
	case 0:
		(void)tevent_req_cancel(req);
		break;
	case 1:
		talloc_free(req);
		done = 1;
		break;
	case 2:
		TALLOC_FREE(pool);
		break;
	default:
		story_until(ev, &done, 1);
		TURN_CHECK(parts == STORY_MESSAGES);
		break;
	}
	story_until(ev, &done, 1);
	TALLOC_FREE(pool);
	TALLOC_FREE(ev);
}

/* ---- a pool that ends in order while others send ---- */

static void *drain_main(void *arg)
{
	struct weft_pool *pool = arg;
	struct tevent_context *ev = tevent_context_init(NULL);
	unsigned done = 0;
	unsigned i = 0;

	for (i = 0; i < 2; i++) {
		(void)story_job_send(ev, pool, &done);
	}
	story_until(ev, &done, 2);
	TALLOC_FREE(ev);
	return NULL;
}

static void drain_done(struct tevent_req *req)
{
	unsigned *done = tevent_req_callback_data_void(req);

	TURN_CHECK(weft_pool_drain_recv(req, NULL, NULL, NULL) == 0);
	++*done;
}

void story_drain(void)
{
	struct tevent_context *ev = tevent_context_init(NULL);
	struct weft_pool *pool = story_pool();
	struct tevent_req *req = NULL;
	unsigned drained = 0;
	unsigned done = 0;
	pthread_t other;

	TURN_CHECK(pthread_create(&other, NULL, drain_main, pool) == 0);
	(void)story_job_send(ev, pool, &done);
	req = weft_pool_drain_send(ev, ev, pool);
	TURN_CHECK(req != NULL);
	tevent_req_set_callback(req, drain_done, &drained);
	story_until(ev, &drained, 1);
	TURN_CHECK(done == 1);
	TURN_CHECK(pthread_join(other, NULL) == 0);
	TALLOC_FREE(pool);
	TALLOC_FREE(ev);
}

/* ---- one after the other ---- */

static struct {
	atomic_uint at_work;
	unsigned last; /* of those at work */
} order;

static int serial_run(struct weft_job *job, void *block)
{
	const struct story_block *mine = block;

	(void)job;
	TURN_CHECK(atomic_fetch_add(&order.at_work, 1) == 0);
	TURN_CHECK(order.last < mine->number);
	order.last = mine->number;
	TURN_CHECK(atomic_fetch_sub(&order.at_work, 1) == 1);
	return 0;
}

void story_serial(void)
{
	struct tevent_context *ev = tevent_context_init(NULL);
	struct weft_pool *pool = story_pool();
	struct weft_serial *serial = NULL;
	struct weft_job_options options = { .key = 7 };
	unsigned done = 0;
	unsigned i = 0;

	TURN_CHECK(weft_serial_create(NULL, pool, &serial) == 0);
	options.serial = serial;
	for (i = 1; i <= STORY_MESSAGES; i++) {
		struct story_block *block = story_block(0, i);
		struct tevent_req *req = weft_job_send(ev, ev, pool, serial_run,
						       &block, &options);

		TURN_CHECK(req != NULL);
		tevent_req_set_callback(req, plain_done, &done);
		if (turn_choose(4) == 0) {
			(void)tevent_req_cancel(req);
		}
	}
	if (turn_choose(2) == 0) {
		story_until(ev, &done, STORY_MESSAGES);
	}
	TALLOC_FREE(serial);
	TALLOC_FREE(pool);
	story_until(ev, &done, STORY_MESSAGES);
	TALLOC_FREE(ev);
}

/* ---- jobs that make jobs ---- */

static int child_run(struct weft_job *job, void *block)
{
	struct story_block *mine = block;

	(void)job;
	mine->number++;
	return 0;
}

static int parent_run(struct weft_job *job, void *block)
{
	struct weft_child *children[2] = { NULL, NULL };
	unsigned waited = turn_choose(3);
	unsigned i = 0;

	(void)block;
	for (i = 0; i < 2; i++) {
		struct story_block *share = story_block(0, 1);
		int ret = weft_job_spawn(job, child_run, &share, NULL,
					 &children[i]);

		TURN_CHECK(ret == 0 || ret == ESHUTDOWN);
		if (ret != 0) {
			talloc_free(share);
			return ret;
		}
	}
	for (i = 0; i < waited; i++) {
		struct story_block *share = NULL;
		int ret = weft_child_wait(children[i], NULL, &share);

		TURN_CHECK(ret == 0 || ret == ECANCELED);
		TURN_CHECK(ret != 0 || share->number == 2);
		talloc_free(share);
	}
	return 0;
}

void story_family(void)
{
	struct tevent_context *ev = tevent_context_init(NULL);
	struct weft_pool *pool = story_pool();
	struct tevent_req *req = weft_job_send(ev, ev, pool, parent_run, NULL,
					       NULL);
	unsigned done = 0;

	TURN_CHECK(req != NULL);
	tevent_req_set_callback(req, plain_done, &done);
	if (turn_choose(3) == 0) {
		(void)tevent_req_cancel(req);
	}
	if (turn_choose(2) == 0) {
		story_until(ev, &done, 1);
	}
	TALLOC_FREE(pool);
	story_until(ev, &done, 1);
	TALLOC_FREE(ev);
}

/* ---- a parent that is told to stop has its children told ---- */

static int obedient_run(struct weft_job *job, void *block)
{
	(void)block;
	while (!weft_job_should_stop(job)) {
		(void)sched_yield();
	}
	return 0;
}

static int obedient_parent_run(struct weft_job *job, void *block)
{
	struct weft_child *child = NULL;
	int ret = weft_job_spawn(job, obedient_run, NULL, NULL, &child);

	(void)block;
	return ret != 0 ? ret : weft_child_wait(child, NULL, NULL);
}

void story_told(void)
{
	struct tevent_context *ev = tevent_context_init(NULL);
	struct weft_pool *pool = story_pool();
	struct tevent_req *req = weft_job_send(ev, ev, pool,
					       obedient_parent_run, NULL, NULL);
	unsigned done = 0;
	unsigned i = 0;

	TURN_CHECK(req != NULL);
	tevent_req_set_callback(req, plain_done, &done);
	/* At whatever moment of theirs. */
	for (i = turn_choose(200); i > 0; i--) {
		(void)atomic_load(&story_blocks);
	}
	TURN_CHECK(tevent_req_cancel(req));
	story_until(ev, &done, 1);
	TALLOC_FREE(pool);
	TALLOC_FREE(ev);
}
