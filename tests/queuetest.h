/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Queuetest: requests for the tests of queues, which leave a word in a trail
 * when their turn comes.
 */
#pragma once

#include "tests/trail.h"

struct turn_state {
	struct step step;
};

/* A request whose trigger is turn_begin(). */
static inline struct tevent_req *turn_make(TALLOC_CTX *mem_ctx,
					   struct trail *trail,
					   const char *word)
{
	struct turn_state *state = NULL;
	struct tevent_req *req = tevent_req_create(mem_ctx, &state,
						   struct turn_state);

	if (req == NULL) {
		bail_out("no memory for a request");
	}
	state->step.trail = trail;
	state->step.word = word;
	return req;
}

static inline void turn_begin(struct tevent_req *req,
			      void *private_data TRAIL_UNUSED)
{
	struct turn_state *state = tevent_req_data(req, struct turn_state);

	trail_add(state->step.trail, state->step.word);
}

/* The same, and its turn is over at once. */
static inline void turn_pass_on(struct tevent_req *req, void *private_data)
{
	turn_begin(req, private_data);
	talloc_free(req);
}

/* Runs all there is to run, and waits for nothing: no test here has an event
 * that would keep a loop. */
static inline void run_out(struct tevent_context *ev)
{
	int ret = tevent_loop_wait(ev);

	if (ret != 0) {
		bail_out("tevent_loop_wait: %d", ret);
	}
}

enum { A, B, C, COUNT };

/* What most tests begin with: a queue and three requests that are not yet in
 * it. */
struct row {
	struct trail trail;
	struct tevent_queue *queue;
	struct tevent_req *req[COUNT];
	struct tevent_queue_entry *entry[COUNT];
};

static inline void row_make(struct fixture *fx, struct row *row)
{
	static const char *const words[COUNT] = { "a", "b", "c" };

	*row = (struct row){ .queue = tevent_queue_create(fx->mem, "row") };
	for (int i = 0; i < COUNT; i++) {
		row->req[i] = turn_make(fx->mem, &row->trail, words[i]);
	}
}

static inline void row_add(struct fixture *fx, struct row *row, int i)
{
	struct tevent_queue_entry *entry = NULL;

	entry = tevent_queue_add_entry(row->queue, fx->ev, row->req[i],
				       turn_begin, NULL);
	row->entry[i] = entry;
}

static inline void row_fill(struct fixture *fx, struct row *row)
{
	row_make(fx, row);
	for (int i = 0; i < COUNT; i++) {
		row_add(fx, row, i);
	}
}

static inline void row_free(struct row *row)
{
	for (int i = 0; i < COUNT; i++) {
		TALLOC_FREE(row->req[i]);
	}
	TALLOC_FREE(row->queue);
}
