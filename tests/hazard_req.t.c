/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Hazards of requests and queues: finished twice, used after their end, and
 * contexts that die before they are needed.
 */
#include "tests/hazard.h"

struct state {
	int unused;
};

static struct tevent_req *make(struct fixture *fx, TALLOC_CTX *mem)
{
	struct state *state = NULL;
	struct tevent_req *req = tevent_req_create(mem != NULL ? mem : fx->mem,
						   &state, struct state);

	if (req == NULL) {
		bail_out("no memory for a request");
	}
	return req;
}

static void called(struct tevent_req *req)
{
	struct trail *trail = tevent_req_callback_data_void(req);

	trail_add(trail, "called");
}

/* Two paths of a program both think that they end a request. */
static void finished_again(struct fixture *fx)
{
	struct trail trail = { "" };
	struct tevent_req *req = make(fx, NULL);

	tevent_req_set_callback(req, called, &trail);
	tevent_req_done(req);
	(void)tevent_req_error(req, EIO);
	hazard_expect_trail(&trail, "called");
	(void)hazard_expect(tevent_req_is_in_progress(req) == false,
			    "in progress again");
	TALLOC_FREE(req);
}

static void called_once(struct tevent_req *req)
{
	struct trail **trail = tevent_req_callback_data(req, struct trail *);

	trail_add(*trail, "called");
	TALLOC_FREE(trail);
}

/* The same, where the callback has cleaned up after itself. */
static void finished_again_cleaned_up(struct fixture *fx)
{
	struct trail trail = { "" };
	struct trail **data = talloc(fx->mem, struct trail *);
	struct tevent_req *req = make(fx, NULL);

	*data = &trail;
	tevent_req_set_callback(req, called_once, data);
	tevent_req_done(req);
	tevent_req_done(req);
	hazard_expect_trail(&trail, "called");
	TALLOC_FREE(req);
}

static void posted_after_received(struct fixture *fx)
{
	struct tevent_req *req = make(fx, NULL);

	tevent_req_done(req);
	tevent_req_received(req);
	(void)tevent_req_post(req, fx->ev);
	TALLOC_FREE(req);
	settle(fx->ev, 2);
}

/* The callback was to run on a loop that has gone meanwhile. */
static void deferred_context_gone(struct fixture *fx)
{
	struct trail trail = { "" };
	struct tevent_context *other = tevent_context_init(fx->mem);
	struct tevent_req *req = make(fx, NULL);

	tevent_req_set_callback(req, called, &trail);
	tevent_req_defer_callback(req, other);
	TALLOC_FREE(other);
	tevent_req_done(req);
	settle(fx->ev, 2);
	hazard_expect_trail(&trail, "");
	TALLOC_FREE(req);
}

/* ---- queues ---- */

static void trigger(struct tevent_req *req, void *private_data)
{
	struct step *step = private_data;

	(void)req;
	trail_add(step->trail, step->word);
}

struct line {
	struct trail trail;
	struct step steps[2];
	struct tevent_queue *queue;
	struct tevent_context *evs[2]; /* of the first in line, the second */
	struct tevent_req *reqs[2];
};

static void line_make(struct fixture *fx, struct line *line)
{
	static const char *const words[2] = { "1", "2" };

	*line = (struct line){ .queue = NULL };
	line->queue = tevent_queue_create(fx->mem, "line");
	for (int i = 0; i < 2; i++) {
		line->steps[i] = (struct step){ &line->trail, words[i] };
		line->evs[i] = tevent_context_init(fx->mem);
		line->reqs[i] = make(fx, NULL);
		if (!tevent_queue_add(line->queue, line->evs[i], line->reqs[i],
				      trigger, &line->steps[i])) {
			bail_out("no memory for a queue");
		}
	}
	trail_passes(&line->trail, line->evs[0], 1);
	trail_clear(&line->trail);
}

static void line_free(struct line *line)
{
	for (int i = 0; i < 2; i++) {
		TALLOC_FREE(line->reqs[i]);
		TALLOC_FREE(line->evs[i]);
	}
	TALLOC_FREE(line->queue);
}

/* The second in line has lost its loop when its turn comes. */
static void queue_next_context_gone(struct fixture *fx)
{
	struct line line;

	line_make(fx, &line);
	TALLOC_FREE(line.evs[1]);
	TALLOC_FREE(line.reqs[0]);
	hazard_expect_trail(&line.trail, "");
	line_free(&line);
}

/* The first has lost it, and one behind leaves. */
static void queue_head_context_gone(struct fixture *fx)
{
	struct line line;

	line_make(fx, &line);
	TALLOC_FREE(line.evs[0]);
	TALLOC_FREE(line.reqs[1]);
	hazard_expect_trail(&line.trail, "");
	line_free(&line);
}

/* Stopped and started while the loop of its head is gone. */
static void queue_started_context_gone(struct fixture *fx)
{
	struct line line;

	line_make(fx, &line);
	tevent_queue_stop(line.queue);
	TALLOC_FREE(line.reqs[0]);
	TALLOC_FREE(line.evs[1]);
	tevent_queue_start(line.queue);
	hazard_expect_trail(&line.trail, "");
	line_free(&line);
}

static void free_it(struct tevent_req *req, enum tevent_req_state state)
{
	if (state != TEVENT_REQ_RECEIVED) {
		talloc_free(req);
	}
}

/* A cleanup function that gives the request back, and with it its state. */
static void freed_in_cleanup(struct fixture *fx)
{
	struct trail trail = { "" };
	TALLOC_CTX *mem = talloc_new(fx->mem);
	struct tevent_req *req = make(fx, mem);

	tevent_req_set_callback(req, called, &trail);
	tevent_req_set_cleanup_fn(req, free_it);
	tevent_req_done(req);
	hazard_expect_trail(&trail, "");
	(void)hazard_expect(talloc_total_blocks(mem) == 1,
			    "the request is still there");
	TALLOC_FREE(mem);
}

static void free_again(struct tevent_req *req)
{
	struct trail *trail = tevent_req_callback_data_void(req);

	trail_add(trail, "free");
	talloc_free(req);
}

static void fail_in_cleanup(struct tevent_req *req, enum tevent_req_state state)
{
	if (state == TEVENT_REQ_DONE) {
		(void)tevent_req_error(req, EIO);
	}
}

/* A cleanup function that finishes the request otherwise, and a callback that
 * frees it: there are two ends, and the second is too late. */
static void finished_in_cleanup(struct fixture *fx)
{
	struct trail trail = { "" };
	struct tevent_req *req = make(fx, fx->mem);

	tevent_req_set_callback(req, free_again, &trail);
	tevent_req_set_cleanup_fn(req, fail_in_cleanup);
	tevent_req_done(req);
	hazard_expect_trail(&trail, "free");
}

static const struct hazard hazards[] = {
	{ HAZARD(finished_again, "B814", HAZARD_WRONG) },
	{ HAZARD(finished_again_cleaned_up, "B814", HAZARD_KILLED) },
	{ HAZARD(freed_in_cleanup, "B830", HAZARD_KILLED) },
	{ HAZARD(finished_in_cleanup, "B832", HAZARD_KILLED) },
	{ HAZARD(posted_after_received, "B834", HAZARD_KILLED) },
	{ HAZARD(deferred_context_gone, "B823", HAZARD_KILLED) },
	{ HAZARD(queue_next_context_gone, "B913", HAZARD_KILLED) },
	{ HAZARD(queue_head_context_gone, "B913 B1207", HAZARD_KILLED) },
	{ HAZARD(queue_started_context_gone, "B913", HAZARD_KILLED) },
	{ .name = NULL },
};

int main(int argc, char **argv)
{
	return hazard_main(argc, argv, hazards);
}
