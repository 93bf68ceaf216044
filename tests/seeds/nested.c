/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The tevent tutorial (part of Samba, LGPL-3.0-or-later), chapter 4,
 * "Subrequests - Nested Requests": its picture and text made a program. A
 * wakeup triggers the cascade; a request starts a subrequest, which starts
 * another; each callback receives the one below and finishes its own.
 *
 * Output:
 *      main: send
 *      outer: send
 *      inner: send
 *      inner: the time has come
 *      outer: inner gave 1
 *      main: outer gave 2
 */
#include <stdio.h>
#include <tevent.h>

struct inner_state {
	int result;
};

static void inner_woken(struct tevent_req *subreq);

static struct tevent_req *inner_send(TALLOC_CTX *mem_ctx,
				     struct tevent_context *ev)
{
	struct tevent_req *req, *subreq;
	struct inner_state *state;

	req = tevent_req_create(mem_ctx, &state, struct inner_state);
	if (req == NULL) {
		return NULL;
	}
	puts("inner: send");
	subreq = tevent_wakeup_send(state, ev,
				    tevent_timeval_current_ofs(0, 1000));
	if (tevent_req_nomem(subreq, req)) {
		return tevent_req_post(req, ev);
	}
	tevent_req_set_callback(subreq, inner_woken, req);
	return req;
}

static void inner_woken(struct tevent_req *subreq)
{
	struct tevent_req *req = tevent_req_callback_data(subreq,
							  struct tevent_req);
	struct inner_state *state = tevent_req_data(req, struct inner_state);
	bool ok = tevent_wakeup_recv(subreq);

	TALLOC_FREE(subreq);
	if (!ok) {
		tevent_req_error(req, 1);
		return;
	}
	puts("inner: the time has come");
	state->result = 1;
	tevent_req_done(req);
}

static int inner_recv(struct tevent_req *req)
{
	struct inner_state *state = tevent_req_data(req, struct inner_state);
	int result = tevent_req_is_in_progress(req) ? -1 : state->result;

	tevent_req_received(req);
	return result;
}

struct outer_state {
	int result;
};

static void outer_inner_done(struct tevent_req *subreq);

static struct tevent_req *outer_send(TALLOC_CTX *mem_ctx,
				     struct tevent_context *ev)
{
	struct tevent_req *req, *subreq;
	struct outer_state *state;

	req = tevent_req_create(mem_ctx, &state, struct outer_state);
	if (req == NULL) {
		return NULL;
	}
	puts("outer: send");
	subreq = inner_send(state, ev);
	if (tevent_req_nomem(subreq, req)) {
		return tevent_req_post(req, ev);
	}
	tevent_req_set_callback(subreq, outer_inner_done, req);
	return req;
}

static void outer_inner_done(struct tevent_req *subreq)
{
	struct tevent_req *req = tevent_req_callback_data(subreq,
							  struct tevent_req);
	struct outer_state *state = tevent_req_data(req, struct outer_state);
	int inner = inner_recv(subreq);

	TALLOC_FREE(subreq);
	printf("outer: inner gave %d\n", inner);
	state->result = inner + 1;
	tevent_req_done(req);
}

static int outer_recv(struct tevent_req *req)
{
	struct outer_state *state = tevent_req_data(req, struct outer_state);
	int result = tevent_req_is_in_progress(req) ? -1 : state->result;

	tevent_req_received(req);
	return result;
}

static void main_outer_done(struct tevent_req *req)
{
	printf("main: outer gave %d\n", outer_recv(req));
	talloc_free(req);
}

int main(void)
{
	struct tevent_context *ev = tevent_context_init(NULL);
	struct tevent_req *req;

	if (ev == NULL) {
		return EXIT_FAILURE;
	}
	puts("main: send");
	req = outer_send(ev, ev);
	if (req == NULL) {
		return EXIT_FAILURE;
	}
	tevent_req_set_callback(req, main_outer_done, NULL);
	tevent_loop_wait(ev);
	talloc_free(ev);
	return EXIT_SUCCESS;
}
