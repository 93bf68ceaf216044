/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Req cleanup: the cleanup function is called once for each state that is
 * higher than the last it saw.
 */
#include "tests/trail.h"

struct state {
	struct trail *trail;
	unsigned finish_again; /* finish once more inside the cleanup */
};

static const char *const state_names[] = { "init",    "progress", "DONE",
					   "ERROR",   "TIMEOUT",  "NOMEM",
					   "RECEIVED" };

static void note_cleanup(struct tevent_req *req,
			 enum tevent_req_state req_state)
{
	struct state *state = tevent_req_data(req, struct state);

	trail_add(state->trail, state_names[req_state]);
	if (state->finish_again > 0) {
		state->finish_again--;
		(void)tevent_req_error(req, 9);
	}
}

static void note_callback(struct tevent_req *req)
{
	struct trail *trail = tevent_req_callback_data_void(req);
	enum tevent_req_state state = TEVENT_REQ_DONE;
	uint64_t error = 0;

	(void)tevent_req_is_error(req, &state, &error);
	trail_add(trail, "cb");
	trail_add(trail, state_names[state]);
}

static struct tevent_req *make(struct fixture *fx, struct trail *trail)
{
	struct state *state = NULL;
	struct tevent_req *req = tevent_req_create(fx->mem, &state,
						   struct state);

	state->trail = trail;
	tevent_req_set_callback(req, note_callback, trail);
	tevent_req_set_cleanup_fn(req, note_cleanup);
	return req;
}

enum move {
	END, /* of a row */
	DONE,
	ERROR,
	OOM,
	TIMEOUT,
	POST,
	DEFER,
	RECEIVE,
	FREE,
	TURN,
	QUIET, /* no callback from here on */
};

static void make_move(struct fixture *fx, struct tevent_req **req,
		      enum move move)
{
	switch (move) {
	case DONE:
		tevent_req_done(*req);
		break;
	case ERROR:
		(void)tevent_req_error(*req, 5);
		break;
	case OOM:
		tevent_req_oom(*req);
		break;
	case TIMEOUT:
		(void)tevent_req_set_endtime(*req, fx->ev,
					     tevent_timeval_zero());
		turn(fx->ev);
		break;
	case POST:
		(void)tevent_req_post(*req, fx->ev);
		break;
	case DEFER:
		tevent_req_defer_callback(*req, fx->ev);
		break;
	case RECEIVE:
		tevent_req_received(*req);
		break;
	case FREE:
		TALLOC_FREE(*req);
		break;
	case TURN:
		(void)tevent_loop_wait(fx->ev);
		break;
	case QUIET:
		tevent_req_set_callback(*req, NULL, NULL);
		break;
	case END:
		break;
	}
}

static void test_moves(struct fixture *fx)
{
	static const struct {
		enum move moves[6];
		const char *want;
		const char *name;
	} rows[] = {
		{ { DONE, FREE }, "DONE cb DONE RECEIVED", "B830 B833 done" },
		{ { ERROR, FREE }, "ERROR cb ERROR RECEIVED", "B830 error" },
		{ { OOM, FREE }, "NOMEM cb NOMEM RECEIVED", "B830 no memory" },
		{ { TIMEOUT, FREE },
		  "TIMEOUT cb TIMEOUT RECEIVED",
		  "B830 timed out" },
		{ { FREE }, "RECEIVED", "B833 freed in progress" },
		{ { RECEIVE, FREE }, "RECEIVED", "B833 received in progress" },
		{ { DONE, RECEIVE, FREE },
		  "DONE cb DONE RECEIVED",
		  "B833 received, then freed" },
		{ { QUIET, DONE, ERROR, FREE },
		  "DONE ERROR RECEIVED",
		  "B830 a higher state after a lower one" },
		{ { QUIET, ERROR, DONE, FREE },
		  "ERROR RECEIVED",
		  "B830 no call for a lower state" },
		{ { QUIET, ERROR, ERROR, OOM, FREE },
		  "ERROR NOMEM RECEIVED",
		  "B830 no call for the same state" },
		{ { DONE, POST, TURN, FREE },
		  "DONE cb DONE cb DONE RECEIVED",
		  "B820 no cleanup again for a post" },
		{ { DEFER, DONE, TURN, FREE },
		  "DONE cb DONE RECEIVED",
		  "B823 deferred: cleanup at once" },
		{ { DEFER, DONE, FREE, TURN },
		  "DONE RECEIVED",
		  "B209 B833 freed before the deferred callback" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct trail trail = { "" };
		struct tevent_req *req = make(fx, &trail);

		for (int j = 0; j < 6; j++) {
			make_move(fx, &req, rows[i].moves[j]);
		}
		is_str(trail.text, rows[i].want, "%s", rows[i].name);
		TALLOC_FREE(req);
	}
}

static void test_set_late(struct fixture *fx)
{
	struct trail trail = { "" };
	struct tevent_req *req = make(fx, &trail);

	tevent_req_set_cleanup_fn(req, NULL);
	tevent_req_done(req);
	tevent_req_set_cleanup_fn(req, note_cleanup);
	is_str(trail.text, "cb DONE", "B831 set after done: not called for it");
	TALLOC_FREE(req);
	is_str(trail.text, "cb DONE RECEIVED", "B831 only for received");

	trail_clear(&trail);
	req = make(fx, &trail);
	tevent_req_set_cleanup_fn(req, NULL);
	tevent_req_set_callback(req, NULL, NULL);
	(void)tevent_req_post(req, fx->ev);
	tevent_req_done(req);
	tevent_req_set_cleanup_fn(req, note_cleanup);
	tevent_req_set_callback(req, note_callback, &trail);
	is_int(tevent_loop_wait(fx->ev), 0, "loop_wait");
	is_str(trail.text, "cb DONE",
	       "B820 B831 a post repeats the end, cleanup knows it already");
	TALLOC_FREE(req);
}

static void test_finish_again(struct fixture *fx)
{
	struct trail trail = { "" };
	struct tevent_req *req = make(fx, &trail);
	struct state *state = tevent_req_data(req, struct state);

	state->finish_again = 1;
	tevent_req_done(req);
	if (TEST_ON_STOCK) {
		is_str(trail.text, "DONE ERROR cb ERROR cb ERROR",
		       "B832 finished again inside: called twice");
	} else {
		ok(strcmp(trail.text, "DONE ERROR cb ERROR") == 0 ||
			   strcmp(trail.text, "DONE ERROR cb ERROR cb ERROR") ==
				   0,
		   "B832 4.3 finished again inside: the inner state, %s",
		   trail.text);
	}
	TALLOC_FREE(req);
}

/* The state's children are still there in each call, at destruction too. */
static int child_gone;

static int note_child(char *child)
{
	(void)child;
	child_gone++;
	return 0;
}

static void child_cleanup(struct tevent_req *req,
			  enum tevent_req_state req_state)
{
	struct state *state = tevent_req_data(req, struct state);

	(void)req_state;
	trail_add(state->trail, child_gone == 0 ? "alive" : "late");
}

static void test_data_alive(struct fixture *fx)
{
	for (int i = 0; i < 2; i++) {
		struct trail trail = { "" };
		struct tevent_req *req = make(fx, &trail);
		struct state *state = tevent_req_data(req, struct state);

		tevent_req_set_callback(req, NULL, NULL);
		talloc_set_destructor(talloc(state, char), note_child);
		tevent_req_set_cleanup_fn(req, child_cleanup);
		child_gone = 0;
		if (i == 0) {
			tevent_req_done(req);
			tevent_req_received(req);
			is_int(child_gone, 1, "B834 received frees the state");
		}
		TALLOC_FREE(req);
		is_str(trail.text, i == 0 ? "alive alive" : "alive",
		       "B830 the data is there in every call");
		is_int(child_gone, 1, "B834 freed once");
	}
}

/* The order in which a request's parts go: cleanup, then state. */
static void test_parent_freed(struct fixture *fx)
{
	struct trail trail = { "" };
	TALLOC_CTX *parent = talloc_new(fx->mem);
	struct tevent_req *req = make(fx, &trail);

	(void)talloc_steal(parent, req);
	TALLOC_FREE(parent);
	is_str(trail.text, "RECEIVED",
	       "B833 freed with its parent: cleanup runs, the callback not");
}

static struct tevent_context *arm_on;

static void arming_cleanup(struct tevent_req *req,
			   enum tevent_req_state req_state)
{
	if (req_state == TEVENT_REQ_RECEIVED) {
		(void)tevent_req_set_endtime(req, arm_on,
					     tevent_timeval_zero());
		tevent_req_defer_callback(req, arm_on);
		if (!TEST_ON_STOCK) {
			/* B834: through a null pointer there */
			(void)tevent_req_post(req, arm_on);
		}
	}
}

/* What the last cleanup arms goes with the request all the same. */
static void test_arming(struct fixture *fx)
{
	struct trail trail = { "" };
	struct tevent_req *req = make(fx, &trail);

	arm_on = fx->ev;
	tevent_req_set_cleanup_fn(req, arming_cleanup);
	TALLOC_FREE(req);
	is_int(tevent_loop_wait(fx->ev), 0, "B830 B833 nothing is left");
	is_str(trail.text, "", "B830 B833 and nobody is called");
}

int main(void)
{
	warm_up();
	fixture_run("B830 moves", test_moves);
	fixture_run("B831 set late", test_set_late);
	fixture_run("B832 finish again", test_finish_again);
	fixture_run("B830 data alive", test_data_alive);
	fixture_run("B833 parent freed", test_parent_freed);
	fixture_run("B833 armed by cleanup", test_arming);
	return done();
}
