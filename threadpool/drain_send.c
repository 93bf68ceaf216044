/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Drain send: the end of a pool in order, as a tevent request.
 *
 * An errand waits at the pool (drain.h) and is sent home by the thread that
 * finds that nothing is left. It is a block of malloc with a share of the crew,
 * because that may happen after request and pool have gone. Request and errand
 * part as soon as one of them ends. When it is the request, its owner takes the
 * errand out of the pool and sends it home himself, if nobody else has begun
 * to.
 *
 * A request that ends before the pool is through keeps a list of what is left
 * at that moment.
 *
 * Threads: drain_through, drain_dispose: any; all others: the owner of the
 * request.
 * Ordering: through drain.h and errand.h.
 */
#include <errno.h>
#include <stdlib.h>

#include "threadpool/tevent_compat.h"

#include "weft.h"

#include "engine/base.h"
#include "threadpool/drain.h"
#include "threadpool/errand.h"
#include "threadpool/jobs.h"
#include "threadpool/pool.h"
#include "threadpool/request.h"

struct drain_errand {
	struct wf_errand errand;   /* see errand.h */
	struct wf_drain drain;     /* see drain.h */
	struct wf_crew *crew;      /* I: a share of the elder */
	struct drain_state *state; /* O: NULL: nobody waits any more */
};

struct drain_state {
	struct tevent_req *req;
	struct tevent_context *ev;
	struct drain_errand *errand; /* NULL: done with */
	struct weft_job_info *left;
	size_t left_count;
};

static void drain_through(struct wf_drain *drain)
{
	struct drain_errand *errand = tev_container_of(
		drain, struct drain_errand, drain);

	/* Transferred by the port. */
	wf_errand_post(&errand->errand);
}

/* ---- the errand ---- */

static void drain_free(struct drain_errand *errand)
{
	struct wf_crew *crew = errand->crew;

	free(errand);
	wf_crew_unref(crew);
}

static void drain_part(struct drain_errand *errand)
{
	if (errand->state != NULL) {
		errand->state->errand = NULL;
		errand->state = NULL;
	}
}

/* Nobody waits for @errand any more: it is sent home, unless it is on its
 * way. */
static void drain_recall(struct drain_errand *errand)
{
	bool waits = false;

	drain_part(errand);
	waits = wf_drain_leave(errand->crew, &errand->drain);
	if (waits) {
		wf_errand_post(&errand->errand);
	}
}

static void drain_back(struct wf_errand *home, struct tevent_context *ev)
{
	struct drain_errand *errand = tev_container_of(
		home, struct drain_errand, errand);
	struct drain_state *state = errand->state;

	(void)ev;
	drain_part(errand);
	drain_free(errand);
	if (state != NULL) {
		tevent_req_done(state->req);
	}
}

static void drain_cut(struct wf_errand *home)
{
	drain_recall(tev_container_of(home, struct drain_errand, errand));
}

static void drain_dispose(struct wf_errand *home)
{
	drain_free(tev_container_of(home, struct drain_errand, errand));
}

/* The pool has forgotten it in this process. */
static void drain_forked(struct wf_errand *home)
{
	drain_part(tev_container_of(home, struct drain_errand, errand));
	drain_dispose(home);
}

static const struct wf_errand_ops drain_ops = {
	.back = drain_back,
	.cut = drain_cut,
	.dispose = drain_dispose,
	.forked = drain_forked,
};

/* ---- the request ---- */

static void drain_cleanup(struct tevent_req *req,
			  enum tevent_req_state req_state)
{
	struct drain_state *state = tevent_req_data(req, struct drain_state);
	struct drain_errand *errand = state->errand;

	if (errand == NULL) {
		return;
	}
	/* A forked child lets go of its parent's errands, this one too. */
	wf_port_check_fork(errand->errand.port);
	if (state->errand == NULL) {
		return;
	}
	if (req_state != TEVENT_REQ_RECEIVED) {
		/* Without memory there is no list. */
		(void)wf_jobs_list(errand->crew, state, 0, &state->left,
				   &state->left_count);
	}
	wf_errand_leave(&errand->errand);
	drain_recall(errand);
}

static bool drain_cancel(struct tevent_req *req)
{
	struct drain_state *state = tevent_req_data(req, struct drain_state);

	if (!tevent_req_is_in_progress(req)) {
		return false;
	}
	tevent_req_defer_callback(req, state->ev);
	(void)tevent_req_error(req, ECANCELED);
	return true;
}

/* Return: 0: the errand is on its way; or why not. */
static int drain_begin(struct drain_state *state, struct wf_crew *crew)
{
	struct drain_errand *errand = NULL;
	struct wf_port *port = NULL;
	int ret = wf_port_get(state->ev, &port);

	if (ret != 0) {
		return ret;
	}
	errand = calloc(1, sizeof(*errand));
	if (errand == NULL) {
		return ENOMEM;
	}
	ret = wf_errand_begin(&errand->errand, port, &drain_ops);
	if (ret != 0) {
		free(errand);
		return ret;
	}
	tev_list_init(&errand->drain.link);
	errand->drain.through = drain_through;
	errand->crew = wf_crew_ref(crew);
	errand->state = state;
	state->errand = errand;
	/* Transferred by the park's lock: who finds it there sends it home. */
	wf_drain_begin(crew, &errand->drain);
	return 0;
}

struct tevent_req *weft_pool_drain_send_located(TALLOC_CTX *mem_ctx,
						struct tevent_context *ev,
						struct weft_pool *pool,
						const char *location)
{
	struct drain_state *state = NULL;
	struct wf_crew *crew = wf_pool_crew(pool);
	struct tevent_req *req = _tevent_req_create(
		mem_ctx, &state, sizeof(*state), "struct drain_state",
		location);
	int ret = 0;

	if (req == NULL) {
		return NULL;
	}
	state->req = req;
	state->ev = ev;
	tevent_req_set_cleanup_fn(req, drain_cleanup);
	tevent_req_set_cancel_fn(req, drain_cancel);
	ret = drain_begin(state, crew);
	if (ret != 0) {
		wf_drain_close(crew);
		(void)tevent_req_error(req, (uint64_t)ret);
		return tevent_req_post(req, ev);
	}
	return req;
}

int weft_pool_drain_recv(struct tevent_req *req, TALLOC_CTX *mem_ctx,
			 struct weft_job_info **ret_left, size_t *ret_count)
{
	struct drain_state *state = NULL;
	int ret = 0;
	bool ended = wf_request_ended(req, &ret);

	if (!ended) {
		return ret;
	}
	state = tevent_req_data(req, struct drain_state);
	if (ret_left != NULL) {
		*ret_left = talloc_move(mem_ctx, &state->left);
	}
	if (ret_count != NULL) {
		*ret_count = state->left_count;
	}
	tevent_req_received(req);
	return ret;
}
