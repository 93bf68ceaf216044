/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Req: requests as objects: create, data, callback, cancel, print, poll, end
 * time. How they end is in req_finish.t.c, cleanup in req_cleanup.t.c.
 */
#define TEVENT_DEPRECATED 1
#define _DEPRECATED_

#include <errno.h>
#include <stdint.h>

#include "tests/trail.h"

struct some_state {
	char bytes[56];
};

struct tiny_state {
	char byte;
};

static int destroyed;

static int count_destroyed(char *child)
{
	(void)child;
	destroyed++;
	return 0;
}

static void test_create(struct fixture *fx)
{
	static const char zeroes[sizeof(struct some_state)];
	struct some_state *state = NULL;
	struct tevent_req *req = tevent_req_create(fx->mem, &state,
						   struct some_state);
	enum tevent_req_state is = TEVENT_REQ_INIT;
	uint64_t error = 99;

	if (!ok(req != NULL && state != NULL, "B801 a request")) {
		return;
	}
	is_ptr(talloc_parent(req), fx->mem, "B801 the request's parent");
	is_ptr(talloc_parent(state), req, "B801 the state hangs below it");
	is_str(talloc_get_name(req), "struct tevent_req", "B801 its name");
	is_str(talloc_get_name(state), "struct some_state",
	       "B801 the state's name is its type");
	is_uint(talloc_get_size(state), sizeof(*state),
		"B801 the state's size");
	ok(memcmp(state, zeroes, sizeof(zeroes)) == 0, "B801 it is zeroed");
	is_ptr(tevent_req_data(req, struct some_state), state, "6.3 data");
	is_ptr(tevent_req_callback_data_void(req), NULL, "6.3 callback data");
	ok(tevent_req_is_in_progress(req), "B801 it is in progress");
	ok(tevent_req_is_error(req, &is, &error),
	   "6.3 in progress counts as an error");
	is_int(is, TEVENT_REQ_IN_PROGRESS, "6.3 namely that it is in progress");
	is_uint(error, 99, "6.3 without an error number");
	destroyed = 0;
	talloc_set_destructor(talloc(state, char), count_destroyed);
	TALLOC_FREE(req);
	is_int(destroyed, 1, "B801 freeing the request frees the state");
	req = tevent_req_create(NULL, &state, struct some_state);
	ok(req != NULL, "0.3 a request needs no parent");
	TALLOC_FREE(req);
}

/* Nobody should do this: the state goes with the request all the same. */
static void test_state_stolen(struct fixture *fx)
{
	for (int i = 0; i < 2; i++) {
		TALLOC_CTX *thief = talloc_new(fx->mem);
		struct some_state *state = NULL;
		struct tevent_req *req = tevent_req_create(fx->mem, &state,
							   struct some_state);

		destroyed = 0;
		talloc_set_destructor(talloc(state, char), count_destroyed);
		(void)talloc_steal(thief, state);
		if (i == 0) {
			TALLOC_FREE(req);
		} else {
			tevent_req_received(req);
		}
		is_int(destroyed, 1, "B210 a stolen state goes when %s",
		       i == 0 ? "the request is freed" : "it is received");
		TALLOC_FREE(req);
		TALLOC_FREE(thief);
		is_int(destroyed, 1, "B210 once");
	}
}

static bool aligned(const void *ptr)
{
	return ((uintptr_t)ptr & 15) == 0;
}

static void test_sizes(struct fixture *fx)
{
	static const size_t sizes[] = { 0, 1, 2, 15, 16, 17, 100, 4096 };
	bool good = true;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		void *state = NULL;
		struct tevent_req *req = _tevent_req_create(
			fx->mem, &state, sizes[i], "blob", "here:1");

		good = good && req != NULL && aligned(req) && aligned(state) &&
		       talloc_get_size(state) == sizes[i] &&
		       strcmp(talloc_get_name(state), "blob") == 0;
		TALLOC_FREE(req);
	}
	ok(good, "B801 any size of state, aligned");
	for (size_t i = 0; i < 3; i++) {
		static const size_t many[] = { SIZE_MAX, SIZE_MAX - 100,
					       SIZE_MAX / 2 };
		void *state = fx;

		is_ptr(_tevent_req_create(fx->mem, &state, many[i], "blob",
					  "here:1"),
		       NULL, "B802 a size that overflows is refused");
		is_ptr(state, fx, "6.3 and the caller's pointer untouched");
	}
}

struct notes {
	struct trail trail;
	const char *word;
	struct tevent_req *req;
	bool answer;
};

static void note_callback(struct tevent_req *req)
{
	struct notes *notes = tevent_req_callback_data(req, struct notes);

	trail_add(&notes->trail, notes->word);
	notes->req = req;
}

static void other_callback(struct tevent_req *req)
{
	struct notes *notes = tevent_req_callback_data(req, struct notes);

	trail_add(&notes->trail, "other");
}

static struct notes *make_notes(struct fixture *fx, const char *word)
{
	struct notes *notes = talloc_zero(fx->mem, struct notes);

	notes->word = word;
	return notes;
}

static void test_callback(struct fixture *fx)
{
	struct notes *notes = make_notes(fx, "called");
	struct some_state *state = NULL;
	struct tevent_req *req = tevent_req_create(fx->mem, &state,
						   struct some_state);

	tevent_req_set_callback(req, other_callback, notes);
	tevent_req_set_callback(req, note_callback, notes);
	is_ptr(tevent_req_callback_data(req, struct notes), notes,
	       "6.3 callback data");
	tevent_req_notify_callback(req);
	is_str(notes->trail.text, "called",
	       "6.3 one slot, and notify calls it at once");
	ok(notes->req == req && tevent_req_is_in_progress(req),
	   "B812 without changing the state");
	tevent_req_set_callback(req, NULL, NULL);
	tevent_req_notify_callback(req);
	is_str(notes->trail.text, "called", "6.3 NULL clears the slot");
	tevent_req_done(req);
	tevent_req_set_callback(req, note_callback, notes);
	is_str(notes->trail.text, "called",
	       "B812 set after the end, it is not called");
	TALLOC_FREE(req);
	TALLOC_FREE(notes);
}

static bool note_cancel(struct tevent_req *req)
{
	struct notes *notes = tevent_req_callback_data(req, struct notes);

	trail_add(&notes->trail, "cancel");
	return notes->answer;
}

static void test_cancel(struct fixture *fx)
{
	struct notes *notes = make_notes(fx, "called");
	struct tiny_state *state = NULL;
	struct tevent_req *req = tevent_req_create(fx->mem, &state,
						   struct tiny_state);

	tevent_req_set_callback(req, note_callback, notes);
	ok(!tevent_req_cancel(req), "B835 nobody to cancel: false");
	tevent_req_set_cancel_fn(req, note_cancel);
	ok(!tevent_req_cancel(req), "B835 the cancel function's answer: false");
	notes->answer = true;
	ok(tevent_req_cancel(req), "B835 the cancel function's answer: true");
	ok(tevent_req_is_in_progress(req), "6.3 cancel changes no state");
	tevent_req_done(req);
	ok(tevent_req_cancel(req), "B835 possible after the end");
	is_str(notes->trail.text, "cancel cancel called cancel",
	       "B835 each a call");
	tevent_req_received(req);
	ok(!tevent_req_cancel(req), "B835 not after received");
	TALLOC_FREE(req);
	TALLOC_FREE(notes);
}

static char *own_print(struct tevent_req *req, TALLOC_CTX *mem_ctx)
{
	return talloc_asprintf(mem_ctx, "own %d",
			       tevent_req_is_in_progress(req) ? 1 : 0);
}

static void print_is(struct fixture *fx, struct tevent_req *req,
		     const char *want, const char *name)
{
	char *text = tevent_req_print(fx->mem, req);

	is_str(text, want, "B845 %s", name);
	is_ptr(talloc_parent(text), fx->mem, "6.3 the text's parent");
	TALLOC_FREE(text);
}

static void test_print(struct fixture *fx)
{
	struct some_state *state = NULL;
	struct tevent_req *req = _tevent_req_create(
		fx->mem, &state, sizeof(*state), "struct some_state", "f.c:8");
	char want[256];
	char *text = NULL;

	print_is(fx, NULL, "tevent_req[NULL]", "no request");
	(void)snprintf(want, sizeof(want),
		       "tevent_req[%p/f.c:8]: state[1] error[0 (0x0)]  "
		       "state[struct some_state (%p)] timer[(nil)] "
		       "finish[(null)]",
		       (void *)req, (void *)state);
	print_is(fx, req, want, "in progress");
	(void)_tevent_req_error(req, 0xab, "g.c:9");
	(void)snprintf(want, sizeof(want),
		       "tevent_req[%p/f.c:8]: state[3] error[171 (0xAB)]  "
		       "state[struct some_state (%p)] timer[(nil)] "
		       "finish[g.c:9]",
		       (void *)req, (void *)state);
	print_is(fx, req, want, "after an error");
	tevent_req_set_print_fn(req, own_print);
	print_is(fx, req, "own 0", "a print function of one's own");
	text = tevent_req_default_print(req, fx->mem);
	is_str(text, want, "B845 the default is still there");
	TALLOC_FREE(text);
	tevent_req_received(req);
	text = tevent_req_print(fx->mem, req);
	ok(strstr(text, "state[6]") != NULL && strstr(text, "(nil)") != NULL &&
		   strncmp(text, "tevent_req[", 11) == 0,
	   "B845 after received: %s", text);
	TALLOC_FREE(text);
	TALLOC_FREE(req);
}

static void test_endtime(struct fixture *fx)
{
	struct notes *notes = make_notes(fx, "timeout");
	struct some_state *state = NULL;
	struct tevent_req *req = tevent_req_create(fx->mem, &state,
						   struct some_state);
	enum tevent_req_state is = TEVENT_REQ_INIT;
	uint64_t error = 0;
	char *text = NULL;

	tevent_req_set_callback(req, note_callback, notes);
	ok(tevent_req_set_endtime(req, fx->ev, seconds_from_now(60)),
	   "B840 an end time");
	text = tevent_req_print(fx->mem, req);
	ok(strstr(text, "timer[(nil)]") == NULL, "B845 a timer is shown");
	TALLOC_FREE(text);
	settle(fx->ev, 2);
	ok(tevent_req_is_in_progress(req), "B840 not before its time");
	ok(tevent_req_set_endtime(req, fx->ev, tevent_timeval_zero()),
	   "B840 set again");
	trail_pass(&notes->trail, fx->ev);
	is_str(notes->trail.text, "timeout |", "B840 the later one counts");
	ok(tevent_req_is_error(req, &is, &error), "B840 it is an error");
	is_int(is, TEVENT_REQ_TIMED_OUT, "B840 namely timed out");
	text = tevent_req_print(fx->mem, req);
	ok(strstr(text, "finish[tevent_req_timedout]") != NULL,
	   "B815 its finish location");
	TALLOC_FREE(text);
	is_int(tevent_loop_wait(fx->ev), 0, "B840 no timer is left");
	TALLOC_FREE(req);
	TALLOC_FREE(notes);
}

static void test_endtime_removed(struct fixture *fx)
{
	static const char *const names[] = { "reset", "done", "received",
					     "freed" };

	for (int i = 0; i < 4; i++) {
		struct notes *notes = make_notes(fx, "called");
		struct some_state *state = NULL;
		struct tevent_req *req = tevent_req_create(fx->mem, &state,
							   struct some_state);

		tevent_req_set_callback(req, note_callback, notes);
		(void)tevent_req_set_endtime(req, fx->ev,
					     tevent_timeval_zero());
		switch (i) {
		case 0:
			tevent_req_reset_endtime(req);
			tevent_req_reset_endtime(req);
			break;
		case 1:
			tevent_req_done(req);
			break;
		case 2:
			tevent_req_received(req);
			break;
		default:
			TALLOC_FREE(req);
			break;
		}
		is_int(tevent_loop_wait(fx->ev), 0, "loop_wait");
		is_str(notes->trail.text, i == 1 ? "called" : "",
		       "B840 B834 B209 %s: the end time is removed", names[i]);
		TALLOC_FREE(req);
		TALLOC_FREE(notes);
	}
}

/* The context may go before the request. */
static void test_endtime_context_gone(struct fixture *fx)
{
	struct some_state *state = NULL;
	struct tevent_req *req = tevent_req_create(fx->mem, &state,
						   struct some_state);

	(void)tevent_req_set_endtime(req, fx->ev, tevent_timeval_zero());
	(void)tevent_req_post(req, fx->ev);
	TALLOC_FREE(fx->ev);
	ok(tevent_req_is_in_progress(req),
	   "B207 the context gone, the request stays in progress");
	tevent_req_reset_endtime(req);
	tevent_req_done(req);
	ok(!tevent_req_is_in_progress(req), "B207 and can be finished");
	TALLOC_FREE(req);
}

static void finish_timer(struct tevent_context *ev, struct tevent_timer *te,
			 struct timeval now, void *private_data)
{
	struct tevent_req *req = private_data;

	(void)ev;
	(void)te;
	(void)now;
	tevent_req_done(req);
}

static int failing_hook(struct tevent_context *ev, void *private_data,
			uint32_t level, bool begin, void *stack_ptr,
			const char *location)
{
	(void)ev;
	(void)private_data;
	(void)level;
	(void)begin;
	(void)stack_ptr;
	(void)location;
	errno = E2BIG;
	return -7;
}

static void test_poll(struct fixture *fx)
{
	struct tiny_state *state = NULL;
	struct tevent_req *req = tevent_req_create(fx->mem, &state,
						   struct tiny_state);

	(void)tevent_add_timer(fx->ev, fx->ev, tevent_timeval_zero(),
			       finish_timer, req);
	ok(tevent_req_poll(req, fx->ev), "6.3 poll turns the loop");
	ok(!tevent_req_is_in_progress(req), "6.3 until the request has ended");
	ok(tevent_req_poll(req, fx->ev), "6.3 then it returns at once");
	TALLOC_FREE(req);

	req = tevent_req_create(fx->mem, &state, struct tiny_state);
	tevent_loop_set_nesting_hook(fx->ev, failing_hook, NULL);
	ok(!tevent_req_poll(req, fx->ev), "6.3 poll fails with the loop");
	is_int(errno, E2BIG, "6.3 errno tells why");
	TALLOC_FREE(req);
}

int main(void)
{
	warm_up();
	fixture_run("B801 create", test_create);
	fixture_run("B210 state stolen", test_state_stolen);
	fixture_run("B801 sizes", test_sizes);
	fixture_run("6.3 callback", test_callback);
	fixture_run("B835 cancel", test_cancel);
	fixture_run("B845 print", test_print);
	fixture_each_backend("B840 end time", test_endtime);
	fixture_run("B840 end time removed", test_endtime_removed);
	fixture_run("B207 end time without context", test_endtime_context_gone);
	fixture_each_backend("6.3 poll", test_poll);
	return done();
}
