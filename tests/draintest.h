/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Draintest: what the tests of drained pools have in common. */
#pragma once

#include "tests/lanetest.h"

/* What came of one drain request. */
struct drained {
	bool done;
	int ret;
	struct weft_job_info *left;
	size_t count;
	TALLOC_CTX *mem;
	unsigned *order; /* counts deliveries, as in struct outcome */
	unsigned place;
};

static inline void drained_done(struct tevent_req *req)
{
	struct drained *drained = tevent_req_callback_data_void(req);

	drained->ret = weft_pool_drain_recv(req, drained->mem, &drained->left,
					    &drained->count);
	drained->done = true;
	if (drained->order != NULL) {
		drained->place = ++*drained->order;
	}
	talloc_free(req);
}

/* On any loop. */
static inline struct tevent_req *drain_on(struct tevent_context *ev,
					  struct weft_pool *pool,
					  struct drained *drained)
{
	struct tevent_req *req = weft_pool_drain_send(ev, ev, pool);

	if (req == NULL) {
		bail_out("weft_pool_drain_send: no memory");
	}
	drained->mem = ev;
	tevent_req_set_callback(req, drained_done, drained);
	return req;
}

static inline struct tevent_req *drain_pool(struct fixture *fx,
					    struct weft_pool *pool,
					    struct drained *drained)
{
	return drain_on(fx->ev, pool, drained);
}

/* A job that is sent now is refused. */
static inline void is_closed(struct fixture *fx, struct weft_pool *pool,
			     const char *name)
{
	struct outcome outcome = { .done = false };

	(void)outcome_send(fx, pool, quick_run, NULL, &outcome);
	ok(fixture_turn_until(fx->ev, &outcome.done) &&
		   outcome.ret == ESHUTDOWN,
	   "%s: a job is refused with ESHUTDOWN", name);
}

/* Several jobs, of which the first waits at a gate. */
struct crowd {
	struct fixture_gate started;
	struct fixture_gate go;
	struct outcome outcomes[8];
	unsigned order;
	unsigned count;
};

static inline void crowd_send(struct fixture *fx, struct weft_pool *pool,
			      struct crowd *crowd, unsigned count,
			      const struct weft_job_options *options)
{
	unsigned i = 0;

	*crowd = (struct crowd){ .count = count };
	for (i = 0; i < count; i++) {
		struct held *held = held_new(&crowd->started, &crowd->go, NULL);
		struct tevent_req *req = weft_job_send(
			fx->mem, fx->ev, pool, held_run, &held, options);

		if (req == NULL) {
			bail_out("weft_job_send: no memory");
		}
		crowd->outcomes[i].mem = fx->mem;
		crowd->outcomes[i].order = &crowd->order;
		tevent_req_set_callback(req, outcome_done, &crowd->outcomes[i]);
	}
	fixture_gate_wait(&crowd->started, 1);
}

static inline void crowd_let_go(struct crowd *crowd)
{
	fixture_gate_add(&crowd->go, 1);
}

/* How many have ended with @ret. */
static inline unsigned crowd_ended(const struct crowd *crowd, int ret)
{
	unsigned ended = 0;

	for (unsigned i = 0; i < crowd->count; i++) {
		ended += crowd->outcomes[i].done &&
					 crowd->outcomes[i].ret == ret
				 ? 1
				 : 0;
	}
	return ended;
}
