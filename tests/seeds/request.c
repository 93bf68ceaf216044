/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The tevent tutorial (part of Samba, LGPL-3.0-or-later), chapter 4, "Tevent
 * request": its fragments made a program. A foo_send/foo_done/foo_recv by the
 * chapter's naming finishes in each of the ways that it lists.
 *
 * Output:
 *      done: state 2, error 0, bar 42
 *      error: state 3, error 7
 *      timeout: state 4, error 0
 *      no memory: state 5, error 0
 *      premature: state 3, error 8
 */
#include <stdio.h>
#include <tevent.h>

enum way { WAY_DONE, WAY_ERROR, WAY_TIMEOUT, WAY_NOMEM, WAY_PREMATURE };

struct foo {
	int bar;
};

struct foo_state {
	enum way way;
	struct foo *bar;
};

static void foo_done(struct tevent_context *ev, struct tevent_immediate *im,
		     void *private_data);

/* Called first: creates the request, starts the work, does not block. */
struct tevent_req *foo_send(TALLOC_CTX *mem_ctx, struct tevent_context *ev,
			    enum way way)
{
	struct tevent_req *req;
	struct foo_state *state;
	struct tevent_immediate *im;

	req = tevent_req_create(mem_ctx, &state, struct foo_state);
	if (req == NULL) {
		return NULL;
	}
	state->way = way;

	// as though there were no memory left
	state->bar = way == WAY_NOMEM ? NULL : talloc(state, struct foo);
	if (tevent_req_nomem(state->bar, req)) {
		return tevent_req_post(req, ev);
	}
	if (way == WAY_PREMATURE) {
		tevent_req_error(req, 8);
		return tevent_req_post(req, ev);
	}
	if (way == WAY_TIMEOUT) {
		// the second overwrites the first
		if (!tevent_req_set_endtime(req, ev,
					    tevent_timeval_current_ofs(9, 0)) ||
		    !tevent_req_set_endtime(req, ev,
					    tevent_timeval_current())) {
			return tevent_req_post(req, ev);
		}
		return req;
	}

	im = tevent_create_immediate(state);
	if (tevent_req_nomem(im, req)) {
		return tevent_req_post(req, ev);
	}
	tevent_schedule_immediate(im, ev, foo_done, req);
	return req;
}

/* The event: handles it and finishes the request. */
static void foo_done(struct tevent_context *ev, struct tevent_immediate *im,
		     void *private_data)
{
	struct tevent_req *req = talloc_get_type_abort(private_data,
						       struct tevent_req);
	struct foo_state *state = tevent_req_data(req, struct foo_state);

	if (state->way == WAY_ERROR) {
		tevent_req_error(req, 7);
		return;
	}
	state->bar->bar = 42;
	tevent_req_done(req);
}

/* Makes the result visible; the state is gone afterwards. */
static bool foo_recv(struct tevent_req *req, TALLOC_CTX *mem_ctx,
		     struct foo **bar, enum tevent_req_state *req_state,
		     uint64_t *error)
{
	struct foo_state *state = tevent_req_data(req, struct foo_state);
	bool failed = tevent_req_is_error(req, req_state, error);

	if (!failed) {
		*bar = talloc_move(mem_ctx, &state->bar);
	}
	tevent_req_received(req);
	return !failed;
}

static void foo_finished(struct tevent_req *req)
{
	const char *name = tevent_req_callback_data_void(req);
	enum tevent_req_state req_state = TEVENT_REQ_DONE;
	uint64_t error = 0;
	struct foo *bar = NULL;
	TALLOC_CTX *mem_ctx = talloc_new(NULL);

	if (foo_recv(req, mem_ctx, &bar, &req_state, &error)) {
		printf("%s: state %d, error %d, bar %d\n", name, req_state,
		       (int)error, bar->bar);
	} else {
		printf("%s: state %d, error %d\n", name, req_state, (int)error);
	}
	talloc_free(req);
	talloc_free(mem_ctx);
}

int main(void)
{
	static char names[][16] = { "done", "error", "timeout", "no memory",
				    "premature" };
	struct tevent_context *ev = tevent_context_init(NULL);
	struct tevent_req *req;
	enum way way;

	if (ev == NULL) {
		return EXIT_FAILURE;
	}
	for (way = WAY_DONE; way <= WAY_PREMATURE; way++) {
		req = foo_send(ev, ev, way);
		if (req == NULL) {
			return EXIT_FAILURE;
		}
		tevent_req_set_callback(req, foo_finished, names[way]);
		tevent_loop_wait(ev);
	}
	talloc_free(ev);
	return EXIT_SUCCESS;
}
