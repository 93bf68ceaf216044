/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Progress: how far a job has come, the newest value only. */
#include <unistd.h>

#include "tests/streamtest.h"

static void newest(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct fixture_gate emitted = { 0 };
	struct talk *talk = talk_new(1, NULL);
	struct heard heard = { .calls = 0 };

	talk->progress = 1000;
	talk->emitted = &emitted;
	(void)heard_send(fx, pool, talk, NULL, &heard);
	/* All of it is said before the loop looks. */
	fixture_gate_wait(&emitted, 1);
	is_int(tevent_loop_wait(fx->ev), 0, "the loop stays");
	is_uint(heard.calls, 1, "what was replaced is not told");
	is_uint(heard.done, 999, "the newest value is");
	is_uint(heard.total, 1000, "with its total");
	is_uint(heard.back, 0, "before the result");
	ok(heard.outcome.done, "which comes");
}

static void on_its_way(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct talk *talk = talk_new(1000, NULL);
	struct heard heard = { .calls = 0 };

	talk->progress = 20;
	(void)heard_send(fx, pool, talk, NULL, &heard);
	(void)tevent_loop_wait(fx->ev);
	ok(heard.calls >= 1 && heard.calls <= 20000, "told %u times",
	   heard.calls);
	is_uint(heard.back, 0, "always further, never after the result");
	is_uint(heard.done, 19999, "the last value is told");
	is_uint(heard.parts, 1000, "parts come between");
	is_uint(heard.wrong, 0, "in order");
}

static int endless_run(struct weft_job *job, void *block)
{
	uint64_t done = 0;

	(void)block;
	while (!weft_job_should_stop(job)) {
		weft_job_set_progress(job, ++done, 0);
	}
	return 0;
}

struct ticks {
	unsigned count;
	unsigned turns; /* of another descriptor */
	uint64_t total;
};

static void tick(struct tevent_req *req, uint64_t done, uint64_t total,
		 void *private_data)
{
	struct ticks *ticks = private_data;

	(void)done;
	ticks->total = total;
	if (++ticks->count == 1000) {
		talloc_free(req);
	}
}

static void ready(struct tevent_context *ev, struct tevent_fd *fde,
		  uint16_t flags, void *private_data)
{
	struct ticks *ticks = private_data;

	(void)ev;
	(void)fde;
	(void)flags;
	ticks->turns++;
}

/* A job that says more than anybody can hear leaves the loop its other events;
 * its listener ends it. */
static void flood(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct ticks ticks = { .count = 0, .total = 1 };
	struct tevent_req *req = weft_job_send(fx->mem, fx->ev, pool,
					       endless_run, NULL, NULL);
	struct tevent_fd *fde = NULL;
	int fds[2] = { -1, -1 };

	fixture_pipe(fds);
	(void)!write(fds[1], "x", 1);
	fde = tevent_add_fd(fx->ev, fx->mem, fds[0], TEVENT_FD_READ, ready,
			    &ticks);
	weft_job_on_progress(req, tick, &ticks);
	while (ticks.count < 1000) {
		(void)tevent_loop_once(fx->ev);
	}
	is_uint(ticks.count, 1000, "none after the request was freed");
	ok(ticks.turns > 0, "descriptors have had their turns");
	is_uint(ticks.total, 0, "a total that is not known is 0");
	fixture_wait_until(pooltest_at_rest, pool);
	talloc_free(fde);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void nobody_listens(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct talk *talk = talk_new(1, NULL);
	struct heard heard = { .calls = 0 };
	struct tevent_req *req = NULL;

	talk->progress = 3;
	req = heard_send(fx, pool, talk, NULL, &heard);
	weft_job_on_progress(req, NULL, NULL);
	(void)tevent_loop_wait(fx->ev);
	is_uint(heard.calls, 0, "NULL: nobody is told");
	ok(heard.outcome.done, "the result comes");
}

static void numbers(struct fixture *fx)
{
	struct weft_job_options bad = { .priority = 7 };
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct tevent_req *reqs[3];

	reqs[0] = weft_job_send(fx->mem, fx->ev, pool, quick_run, NULL, NULL);
	reqs[1] = weft_job_send(fx->mem, fx->ev, pool, quick_run, NULL, NULL);
	reqs[2] = weft_job_send(fx->mem, fx->ev, pool, quick_run, NULL, &bad);
	ok(weft_job_id(reqs[0]) != 0, "a job has a number");
	ok(weft_job_id(reqs[0]) != weft_job_id(reqs[1]), "of its own");
	is_uint(weft_job_id(reqs[2]), 0, "one that was not accepted has none");
	(void)tevent_loop_wait(fx->ev);
	ok(weft_job_id(reqs[0]) != 0, "it keeps it when it is through");
}

int main(void)
{
	POOLTEST(newest);
	POOLTEST(on_its_way);
	POOLTEST(flood);
	POOLTEST(nobody_listens);
	POOLTEST(numbers);
	return done();
}
