/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Loop stop: a loop's end as a tevent request.
 *
 * An errand waits at the loop and is sent home by its thread when that is
 * through; it is a block of malloc, because that may happen long after the
 * request has gone. Request and errand part as soon as one of them ends.
 * Nobody takes the errand back from the loop: there is one for each request
 * that was ever sent, and they go with the loop.
 *
 * A loop may ask for its own end. Its port closes before its errand is sent,
 * so that is disposed of, and the request never ends.
 *
 * Threads: stop_ended, stop_dispose: the loop's; all others: the owner of the
 * request.
 * Ordering: through loop.h and errand.h.
 */
#include <errno.h>
#include <stdlib.h>

#include "engine/base.h"
#include "threadpool/errand.h"
#include "threadpool/loop.h"
#include "threadpool/mailbox.h"
#include "threadpool/request.h"

struct stop_errand {
	struct wf_errand errand;      /* see errand.h */
	struct wf_loop_waiter waiter; /* see loop.h */
	struct stop_state *state;     /* O: NULL: nobody waits any more */
};

struct stop_state {
	struct tevent_req *req;
	struct tevent_context *ev;  /* NULL: the loop at home is not tevent's */
	struct stop_errand *errand; /* NULL: done with */
};

static void stop_ended(struct wf_loop_waiter *waiter)
{
	struct stop_errand *errand = tev_container_of(
		waiter, struct stop_errand, waiter);

	wf_errand_post(&errand->errand);
}

/* ---- the errand ---- */

static void stop_part(struct stop_errand *errand)
{
	if (errand->state != NULL) {
		errand->state->errand = NULL;
		errand->state = NULL;
	}
}

static void stop_back(struct wf_errand *home, struct tevent_context *ev)
{
	struct stop_errand *errand = tev_container_of(home, struct stop_errand,
						      errand);
	struct stop_state *state = errand->state;
	int error = errand->waiter.error;

	(void)ev;
	stop_part(errand);
	free(errand);
	if (state == NULL) {
		return;
	}
	if (error != 0) {
		(void)tevent_req_error(state->req, (uint64_t)error);
	} else {
		tevent_req_done(state->req);
	}
}

static void stop_cut(struct wf_errand *home)
{
	stop_part(tev_container_of(home, struct stop_errand, errand));
}

static void stop_dispose(struct wf_errand *home)
{
	free(tev_container_of(home, struct stop_errand, errand));
}

/* The loop that it waits at is nobody's here, and will not look at it. */
static void stop_forked(struct wf_errand *home)
{
	stop_cut(home);
	stop_dispose(home);
}

static const struct wf_errand_ops stop_ops = {
	.back = stop_back,
	.cut = stop_cut,
	.dispose = stop_dispose,
	.forked = stop_forked,
};

/* ---- the request ---- */

static void stop_cleanup(struct tevent_req *req,
			 enum tevent_req_state req_state)
{
	struct stop_state *state = tevent_req_data(req, struct stop_state);
	struct stop_errand *errand = state->errand;

	(void)req_state;
	if (errand == NULL) {
		return;
	}
	/* A forked child lets go of its parent's errands, this one too. */
	wf_port_check_fork(errand->errand.port);
	if (state->errand == NULL) {
		return;
	}
	stop_part(errand);
	wf_errand_leave(&errand->errand);
}

static bool stop_cancel(struct tevent_req *req)
{
	struct stop_state *state = tevent_req_data(req, struct stop_state);

	/* Nothing but its end would bring the callback in a later pass. */
	if (state->ev == NULL || !tevent_req_is_in_progress(req)) {
		return false;
	}
	tevent_req_defer_callback(req, state->ev);
	(void)tevent_req_error(req, ECANCELED);
	return true;
}

/* Return: 0: it will come home to @port; or why not. */
static int stop_begin(struct stop_state *state, struct wf_port *port,
		      struct weft_loop *loop)
{
	struct stop_errand *errand = calloc(1, sizeof(*errand));
	bool waits = false;
	int ret = 0;

	if (errand == NULL) {
		return ENOMEM;
	}
	ret = wf_errand_begin(&errand->errand, port, &stop_ops);
	if (ret != 0) {
		free(errand);
		return ret;
	}
	tev_list_init(&errand->waiter.link);
	errand->waiter.ended = stop_ended;
	errand->state = state;
	state->errand = errand;
	/* Transferred by the loop's lock: its thread sends it home. */
	waits = wf_loop_await(loop, &errand->waiter);
	if (!waits) {
		wf_errand_post(&errand->errand);
	}
	return 0;
}

static struct tevent_req *stop_create(TALLOC_CTX *mem_ctx,
				      struct tevent_context *ev,
				      const char *location)
{
	struct stop_state *state = NULL;
	struct tevent_req *req = _tevent_req_create(
		mem_ctx, &state, sizeof(*state), "struct stop_state", location);

	if (req == NULL) {
		return NULL;
	}
	state->req = req;
	state->ev = ev;
	tevent_req_set_cleanup_fn(req, stop_cleanup);
	tevent_req_set_cancel_fn(req, stop_cancel);
	return req;
}

struct tevent_req *weft_loop_stop_send_located(TALLOC_CTX *mem_ctx,
					       struct tevent_context *ev,
					       struct weft_loop *loop,
					       const char *location)
{
	struct tevent_req *req = stop_create(mem_ctx, ev, location);
	struct wf_port *port = NULL;
	int ret = 0;

	if (req == NULL) {
		return NULL;
	}
	ret = wf_port_get(ev, &port);
	if (ret == 0) {
		ret = stop_begin(tevent_req_data(req, struct stop_state), port,
				 loop);
	}
	wf_loop_tell(loop);
	if (ret != 0) {
		(void)tevent_req_error(req, (uint64_t)ret);
		return tevent_req_post(req, ev);
	}
	return req;
}

struct tevent_req *weft_mailbox_loop_stop_send_located(
	TALLOC_CTX *mem_ctx, struct weft_mailbox *home, struct weft_loop *loop,
	const char *location)
{
	struct wf_port *port = wf_mailbox_foreign_port(home);
	struct tevent_req *req = NULL;
	int ret = 0;

	if (port == NULL) {
		return NULL;
	}
	req = stop_create(mem_ctx, NULL, location);
	if (req == NULL) {
		return NULL;
	}
	wf_port_check_fork(port);
	ret = stop_begin(tevent_req_data(req, struct stop_state), port, loop);
	if (ret != 0) {
		talloc_free(req);
		return NULL;
	}
	wf_loop_tell(loop);
	return req;
}

int weft_loop_stop_recv(struct tevent_req *req)
{
	int ret = 0;

	if (wf_request_ended(req, &ret)) {
		tevent_req_received(req);
	}
	return ret;
}
