/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Marktest: what the tests of a lane's watermarks have in common: a pool whose
 * only worker takes one job at a time, when it is let.
 */
#pragma once

#include "tests/lanetest.h"
#include "tests/trail.h"

/* What the handler was told: "+3" above with three waiting, "-1" below with
 * one; whole says it as one line. */
struct marks {
	struct trail trail;
	unsigned calls;
	bool above;
	bool called; /* to wait for; cleared by the test */
};

static inline void marks_note(struct marks *marks, unsigned waiting, bool above)
{
	char word[16];

	(void)snprintf(word, sizeof(word), "%c%u", above ? '+' : '-', waiting);
	trail_add(&marks->trail, word);
	marks->calls++;
	marks->above = above;
	marks->called = true;
}

static inline void marks_told(struct weft_lane *lane, unsigned waiting,
			      bool above, void *private_data)
{
	(void)lane;
	marks_note(private_data, waiting, above);
}

static inline struct weft_lane *marks_lane(TALLOC_CTX *mem_ctx,
					   struct tevent_context *ev,
					   struct weft_pool *pool,
					   unsigned high, unsigned low,
					   struct marks *marks)
{
	const struct weft_lane_options options = {
		.high = high,
		.low = low,
		.watermark = marks_told,
		.ev = ev,
		.private_data = marks,
	};
	struct weft_lane *lane = NULL;
	int ret = weft_lane_create(mem_ctx, pool, &options, &lane);

	if (ret != 0) {
		bail_out("weft_lane_create: %d", ret);
	}
	return lane;
}

/* Jobs that begin one after the other, each when the test says so. */
struct steps {
	struct tevent_context *ev;
	struct weft_pool *pool;
	struct weft_lane *lane;
	struct fixture_gate begun;
	struct fixture_gate go;
	unsigned sent;
	unsigned ended;
};

struct steps_block {
	struct steps *steps;
	unsigned number;
};

static inline int steps_run(struct weft_job *job, void *block)
{
	struct steps_block *mine = block;

	(void)job;
	fixture_gate_add(&mine->steps->begun, 1);
	fixture_gate_wait(&mine->steps->go, (int)mine->number);
	return 0;
}

static inline void steps_done(struct tevent_req *req)
{
	struct steps *steps = tevent_req_callback_data_void(req);

	(void)weft_job_recv(req, NULL, NULL);
	steps->ended++;
	talloc_free(req);
}

/* Below @mem_ctx; with a lane, or the pool's own. */
static inline void steps_send(TALLOC_CTX *mem_ctx, struct steps *steps,
			      unsigned count)
{
	const struct weft_job_options options = { .lane = steps->lane };

	for (unsigned i = 0; i < count; i++) {
		struct steps_block *block = talloc(NULL, struct steps_block);
		struct tevent_req *req = NULL;

		*block = (struct steps_block){ steps, ++steps->sent };
		req = weft_job_send(mem_ctx, steps->ev, steps->pool, steps_run,
				    &block, &options);
		if (req == NULL) {
			bail_out("weft_job_send: no memory");
		}
		tevent_req_set_callback(req, steps_done, steps);
	}
}

/* Lets so many end; the one after them has begun when this returns. */
static inline void steps_let_go(struct steps *steps, unsigned count)
{
	fixture_gate_add(&steps->go, (int)count);
	if (fixture_gate_value(&steps->go) < (int)steps->sent) {
		fixture_gate_wait(&steps->begun,
				  fixture_gate_value(&steps->go) + 1);
	}
}
