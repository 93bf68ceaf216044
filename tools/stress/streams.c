/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Streams: parts and progress of jobs, to loops that hold them back.
 *
 * Each job sends numbered parts, more than its loop lets wait, so that it waits
 * for room again and again, or is refused; and says how far it is. The loop
 * holds and lets go, keeps parts, cancels, gives up. What must hold:
 *  1. Parts come in their order, none is missing, all before the result.
 *  2. A job that was not disturbed has brought all that it said it sent.
 *  3. Progress never goes back.
 *  4. Each block and each part is freed once; a job that waits for room that
 *     never comes hangs.
 */
#include <errno.h>

#include "tools/stress/stress.h"

#define LOOPS_MAX 3
#define HELD_MAX  6
#define STEPS_MAX 200
#define PARTS_MAX 60

struct source {
	struct stress_sums *sums;
	unsigned parts; /* to be sent */
	unsigned sent;
	bool says;
};

struct part {
	struct stress_sums *sums;
	unsigned number;
};

struct loop;

struct held {
	struct loop *loop;
	struct tevent_req *req; /* NULL: the place is free */
	unsigned next;
	uint64_t progress;
	bool holds;
	bool refuses;
	bool cancelled;
};

struct loop {
	struct stress_dice dice;
	struct stress_sums *sums;
	struct weft_pool *pool;
	struct weft_pool *own; /* its handle */
	struct tevent_context *ev;
	unsigned steps;
	bool ends_early;
	struct held held[HELD_MAX];
};

static int source_destructor(struct source *source)
{
	stress_freed(source->sums);
	return 0;
}

static int part_destructor(struct part *part)
{
	stress_freed(part->sums);
	return 0;
}

/* ---- the job ---- */

static int work(struct weft_job *job, void *ptr)
{
	struct source *source = talloc_get_type_abort(ptr, struct source);
	int ret = 0;

	while (ret == 0 && source->sent < source->parts) {
		struct part *part = talloc(NULL, struct part);

		if (part == NULL) {
			stress_give_up("no memory");
		}
		*part = (struct part){ source->sums, source->sent };
		stress_made(source->sums);
		talloc_set_destructor(part, part_destructor);
		if (source->says) {
			weft_job_set_progress(job, source->sent + 1,
					      source->parts);
		}
		ret = weft_job_emit(job, &part);
		if (ret == 0) {
			source->sent++;
		} else {
			talloc_free(part);
		}
	}
	return ret;
}

/* ---- the loop ---- */

static void came(struct tevent_req *req, void *ptr, void *private_data)
{
	struct held *held = private_data;
	const struct part *part = talloc_get_type_abort(ptr, struct part);

	if (held->req != req || held->holds) {
		stress_fail("a part comes to who does not want it");
		return;
	}
	if (part->number != held->next) {
		stress_fail("part %u comes where %u was due", part->number,
			    held->next);
	}
	held->next = part->number + 1;
	if (stress_once_in(&held->loop->dice, 4)) {
		(void)talloc_steal(held->loop->ev, ptr);
	}
	if (stress_once_in(&held->loop->dice, 8)) {
		held->holds = true;
		weft_job_hold_parts(req, true);
	} else if (stress_once_in(&held->loop->dice, 100)) {
		TALLOC_FREE(held->req);
	}
}

static void progressed(struct tevent_req *req, uint64_t done, uint64_t total,
		       void *private_data)
{
	struct held *held = private_data;

	if (held->req != req || done < held->progress || done > total) {
		stress_fail("progress %u of %u after %u", (unsigned)done,
			    (unsigned)total, (unsigned)held->progress);
	}
	held->progress = done;
}

static void done(struct tevent_req *req)
{
	struct held *held = tevent_req_callback_data_void(req);
	struct source *source = NULL;
	int ret = 0;

	if (held->req != req) {
		stress_fail("a request that was given up called back");
		return;
	}
	ret = weft_job_recv(req, NULL, &source);
	if (ret != 0 && !(ret == ECANCELED && held->cancelled) &&
	    !(ret == EAGAIN && held->refuses)) {
		stress_fail("the result is %d", ret);
	}
	if (!held->cancelled && source != NULL && source->sent != held->next) {
		stress_fail("%u parts were sent, %u have come", source->sent,
			    held->next);
	}
	talloc_free(source);
	TALLOC_FREE(held->req);
}

static void send_one(struct loop *loop, struct held *held)
{
	struct source *source = talloc(NULL, struct source);
	struct weft_job_options options = {
		.parts = 1 + stress_below(&loop->dice, 8),
		.parts_refuse = stress_once_in(&loop->dice, 8),
	};

	if (source == NULL) {
		stress_give_up("no memory");
	}
	*source = (struct source){
		.sums = loop->sums,
		.parts = stress_below(&loop->dice, PARTS_MAX),
		.says = stress_once_in(&loop->dice, 2),
	};
	stress_made(loop->sums);
	talloc_set_destructor(source, source_destructor);
	*held = (struct held){
		.loop = loop,
		.refuses = options.parts_refuse,
	};
	held->req = weft_job_send(loop->ev, loop->ev, loop->own, work, &source,
				  &options);
	if (held->req == NULL) {
		stress_give_up("no memory");
	}
	tevent_req_set_callback(held->req, done, held);
	weft_job_on_part(held->req, came, held);
	weft_job_on_progress(held->req, progressed, held);
}

static void step(struct loop *loop)
{
	struct held *held = &loop->held[stress_below(&loop->dice, HELD_MAX)];

	if (held->req == NULL) {
		send_one(loop, held);
		return;
	}
	if (stress_bother(&loop->dice, 16, &held->req, &held->cancelled)) {
		return;
	}
	if (stress_once_in(&loop->dice, 3)) {
		held->holds = !held->holds;
		weft_job_hold_parts(held->req, held->holds);
	} else {
		stress_turn(&loop->ev, stress_below(&loop->dice, 100));
	}
}

/* Nothing is held back any more, so all of it comes. */
static void finish(struct loop *loop)
{
	unsigned i = 0;

	for (i = 0; i < HELD_MAX; i++) {
		while (loop->held[i].req != NULL) {
			loop->held[i].holds = false;
			weft_job_hold_parts(loop->held[i].req, false);
			stress_turn(&loop->ev, 100);
		}
	}
}

static void *loop_run(void *arg)
{
	struct loop *loop = arg;

	loop->ev = stress_context();
	loop->own = stress_handle(loop->ev, loop->pool);
	while (loop->steps-- > 0) {
		step(loop);
	}
	if (!loop->ends_early) {
		finish(loop);
	}
	talloc_free(loop->ev);
	return NULL;
}

static bool streams_round(struct stress_dice *dice, unsigned threads)
{
	struct stress_crew crew = { .count = 0 };
	static struct loop loops[LOOPS_MAX];
	struct weft_pool_options options = {
		.max = 1 + stress_below(dice, threads),
		.idle_ms = 1,
	};
	struct stress_sums sums = { .made = 0 };
	struct weft_pool *pool = stress_pool(&options);
	unsigned count = 1 + stress_below(dice, LOOPS_MAX);
	unsigned i = 0;

	for (i = 0; i < count; i++) {
		loops[i] = (struct loop){
			.dice = stress_split(dice),
			.sums = &sums,
			.pool = pool,
			.steps = stress_below(dice, STEPS_MAX),
			.ends_early = stress_once_in(dice, 3),
		};
	}
	stress_crew_start(&crew, loop_run, loops, sizeof(loops[0]), count);
	stress_crew_join(&crew);
	stress_sums_wait(&sums);
	stress_settle(pool);
	talloc_free(pool);
	return !stress_failed();
}

const struct stress_protocol stress_streams = {
	.name = "streams",
	.what = "parts and progress, to loops that hold them back",
	.round = streams_round,
};
