/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Req profile: what is kept about a request and the requests below it. */
#include <errno.h>
#include <stdint.h>

#include "tests/trail.h"

struct one_state {
	int number;
};

struct other_state {
	int number;
};

typedef const struct tevent_req_profile *profile_t;

static profile_t of(struct tevent_req *req)
{
	return tevent_req_get_profile(req);
}

static profile_t first_below(struct tevent_req *req)
{
	return tevent_req_profile_get_subprofiles(of(req));
}

static const char *name_of(profile_t profile)
{
	const char *name = "nothing said";

	tevent_req_profile_get_name(profile, &name);
	return name;
}

static unsigned count_below(profile_t profile)
{
	profile_t sub = tevent_req_profile_get_subprofiles(profile);
	unsigned count = 0;

	while (sub != NULL) {
		count++;
		sub = tevent_req_profile_next(sub);
	}
	return count;
}

static bool is_now(struct timeval when)
{
	struct timeval now = tevent_timeval_current();
	struct timeval since = tevent_timeval_until(&when, &now);

	return tevent_timeval_compare(&when, &now) <= 0 && since.tv_sec < 60;
}

static void not_stopped(profile_t profile, const char *rule)
{
	const char *location = "nothing said";
	struct timeval when = { 9, 9 };
	enum tevent_req_state state = TEVENT_REQ_RECEIVED;
	uint64_t error = 99;
	pid_t pid = 99;

	tevent_req_profile_get_stop(profile, &location, &when);
	tevent_req_profile_get_status(profile, &pid, &state, &error);
	is_ptr(location, NULL, "%s no stop location yet", rule);
	ok(tevent_timeval_is_zero(&when), "%s no stop time yet", rule);
	is_int(state, TEVENT_REQ_INIT, "%s no state yet", rule);
	is_uint(error, 0, "%s no error yet", rule);
	is_int(pid, 0, "B851 %s no pid", rule);
}

static void stopped(profile_t profile, const char *location,
		    enum tevent_req_state state, uint64_t error,
		    const char *rule)
{
	const char *stop_location = NULL;
	struct timeval when = { 0, 0 };
	enum tevent_req_state is_state = TEVENT_REQ_INIT;
	uint64_t is_error = 99;
	pid_t pid = 99;

	tevent_req_profile_get_stop(profile, &stop_location, &when);
	tevent_req_profile_get_status(profile, &pid, &is_state, &is_error);
	is_str(stop_location, location, "B854 %s stop location", rule);
	ok(is_now(when), "B854 %s stop time", rule);
	is_int(is_state, state, "B854 %s state", rule);
	is_uint(is_error, error, "B854 %s error", rule);
	is_int(pid, 0, "B851 %s no pid", rule);
}

static struct tevent_req *make(TALLOC_CTX *mem_ctx, struct one_state **state)
{
	return _tevent_req_create(mem_ctx, state, sizeof(**state),
				  "struct one_state", "made.c:1");
}

static void note_called(struct tevent_req *req)
{
	unsigned *calls = tevent_req_callback_data_void(req);

	(*calls)++;
}

static void test_start(struct fixture *fx)
{
	struct one_state *state = NULL;
	struct tevent_req *req = make(fx->mem, &state);
	enum tevent_req_state is = TEVENT_REQ_INIT;
	uint64_t error = 0;
	const char *location = NULL;
	struct timeval when = { 0, 0 };
	unsigned calls = 0;

	tevent_req_set_callback(req, note_called, &calls);
	is_ptr(of(req), NULL, "B850 off by default");
	is_ptr(tevent_req_move_profile(req, fx->mem), NULL,
	       "B855 nothing to move");
	ok(tevent_req_set_profile(req), "B850 set");
	if (!ok(of(req) != NULL, "B850 a profile")) {
		return;
	}
	is_str(name_of(of(req)), "struct one_state",
	       "B850 its name is that of the state");
	tevent_req_profile_get_start(of(req), &location, &when);
	is_str(location, "made.c:1", "B850 where it was created");
	ok(is_now(when), "B850 the time");
	not_stopped(of(req), "B850");
	is_ptr(tevent_req_profile_get_subprofiles(of(req)), NULL,
	       "6.4 nothing below");
	is_ptr(tevent_req_profile_next(of(req)), NULL, "6.4 nothing beside");
	is_ptr(talloc_parent(of(req)), req, "6.4 it is the request's");
	is_str(talloc_get_name(of(req)), "struct tevent_req_profile",
	       "6.4 its talloc name");

	tevent_req_profile_get_name(of(req), NULL);
	tevent_req_profile_get_start(of(req), NULL, NULL);
	tevent_req_profile_get_stop(of(req), NULL, NULL);
	tevent_req_profile_get_status(of(req), NULL, NULL, NULL);
	ok(of(req) != NULL, "6.4 getters take NULL for what is not wanted");

	ok(!tevent_req_set_profile(req), "B850 set again: refused");
	ok(tevent_req_is_error(req, &is, &error), "B850 and finished");
	is_int(is, TEVENT_REQ_USER_ERROR, "B850 with an error");
	is_uint(error, EINVAL, "B850 namely EINVAL");
	is_uint(calls, 1, "B850 the callback was called");
	TALLOC_FREE(req);
}

/* A state may have been given another name, of any lifetime. */
static void test_renamed(struct fixture *fx)
{
	struct one_state *state = NULL;
	struct tevent_req *req = make(fx->mem, &state);
	const char *name = talloc_asprintf(state, "renamed %d", 7);

	talloc_set_name_const(state, name);
	ok(tevent_req_set_profile(req), "B850 set");
	is_str(name_of(of(req)), "renamed 7",
	       "B850 the state's present talloc name");
	if (TEST_ON_STOCK) {
		skip("B850 stock does not copy the name: freed memory");
	} else {
		tevent_req_done(req);
		tevent_req_received(req);
		is_str(name_of(of(req)), "renamed 7",
		       "B850 4.3 it outlives the state");
	}
	TALLOC_FREE(req);
}

static void test_stop(struct fixture *fx)
{
	struct one_state *state = NULL;
	struct tevent_req *req = make(fx->mem, &state);

	(void)tevent_req_set_profile(req);
	(void)_tevent_req_error(req, 7, "over.c:2");
	stopped(of(req), "over.c:2", TEVENT_REQ_USER_ERROR, 7, "error");
	tevent_req_received(req);
	stopped(of(req), "over.c:2", TEVENT_REQ_USER_ERROR, 7, "received");
	TALLOC_FREE(req);

	req = make(fx->mem, &state);
	(void)tevent_req_set_profile(req);
	(void)tevent_req_set_endtime(req, fx->ev, tevent_timeval_zero());
	turn(fx->ev);
	stopped(of(req), "tevent_req_timedout", TEVENT_REQ_TIMED_OUT, 0,
		"timed out");
	TALLOC_FREE(req);

	/* Set after the end, it is told by the post, which repeats the end. */
	req = make(fx->mem, &state);
	_tevent_req_done(req, "over.c:3");
	ok(tevent_req_set_profile(req), "B850 set after the end");
	not_stopped(of(req), "B854");
	(void)tevent_req_post(req, fx->ev);
	turn(fx->ev);
	stopped(of(req), "over.c:3", TEVENT_REQ_DONE, 0, "B820 post");
	TALLOC_FREE(req);
}

static void test_sub(struct fixture *fx)
{
	struct one_state *state = NULL;
	struct one_state *sub_state = NULL;
	struct tevent_req *req = make(fx->mem, &state);
	struct tevent_req *one = NULL;
	struct tevent_req *two = NULL;
	struct tevent_req *three = NULL;
	struct tevent_req *deep = NULL;
	const char *location = NULL;
	struct other_state *other = NULL;
	profile_t sub = NULL;

	one = make(state, &sub_state);
	is_ptr(of(one), NULL, "B852 the parent has none: neither has the sub");
	TALLOC_FREE(one);
	(void)tevent_req_set_profile(req);
	one = make(state, &sub_state);
	deep = make(sub_state, &sub_state);
	two = tevent_req_create(state, &other, struct other_state);
	three = make(state, &sub_state);
	ok(of(one) != NULL && of(two) != NULL && of(three) != NULL,
	   "B852 each sub-request has one");
	is_ptr(first_below(req), of(one), "B857 the first");
	is_ptr(tevent_req_profile_next(of(one)), of(two), "B857 the second");
	is_ptr(tevent_req_profile_next(of(two)), of(three), "B857 the third");
	is_ptr(tevent_req_profile_next(of(three)), NULL, "B857 the end");
	is_ptr(first_below(one), of(deep), "B852 and so on below");
	is_str(name_of(of(two)), "struct other_state", "B852 its name");
	tevent_req_profile_get_start(of(one), &location, NULL);
	is_str(location, "made.c:1", "B852 where it was created");
	not_stopped(of(one), "B852");

	/* Freed unfinished. */
	TALLOC_FREE(one);
	is_ptr(first_below(req), of(two), "B853 freed unfinished: gone");
	is_uint(count_below(of(req)), 2, "B853 with what was below");

	/* Finished. */
	sub = of(two);
	_tevent_req_done(two, "over.c:4");
	is_ptr(of(two), NULL, "B853 finished: the sub-request has none");
	is_ptr(first_below(req), sub, "B853 its profile keeps its place");
	is_ptr(talloc_parent(sub), of(req), "B853 below its parent's");
	stopped(sub, "over.c:4", TEVENT_REQ_DONE, 0, "B853 sub");
	TALLOC_FREE(two);
	is_ptr(first_below(req), sub, "B853 and survives the sub-request");
	is_ptr(tevent_req_profile_next(sub), of(three), "B857 the next");
	is_str(name_of(sub), "struct other_state", "B853 its name too");
	TALLOC_FREE(req);
}

/* Only the parent of mem_ctx counts. */
static void test_relation(struct fixture *fx)
{
	struct one_state *state = NULL;
	struct one_state *sub_state = NULL;
	struct tevent_req *req = make(fx->mem, &state);
	void *beside = talloc_new(req);
	void *below = talloc_new(state);
	struct tevent_req *sub = NULL;

	(void)tevent_req_set_profile(req);
	sub = make(req, &sub_state);
	is_ptr(of(sub), NULL, "B803 not when mem_ctx is the request");
	sub = make(below, &sub_state);
	is_ptr(of(sub), NULL, "B803 nor when it is deeper below the state");
	sub = make(beside, &sub_state);
	ok(of(sub) != NULL, "B803 but when it is any child of the request");
	sub = make(NULL, &sub_state);
	is_ptr(of(sub), NULL, "B803 nor without a parent");
	TALLOC_FREE(sub);
	_tevent_req_done(req, "over.c:5");
	sub = make(state, &sub_state);
	ok(of(sub) != NULL, "B852 also below one that is finished");
	TALLOC_FREE(req);
}

static void test_move(struct fixture *fx)
{
	struct one_state *state = NULL;
	struct one_state *sub_state = NULL;
	struct tevent_req *req = make(fx->mem, &state);
	struct tevent_req *one = NULL;
	struct tevent_req *two = NULL;
	struct tevent_req_profile *moved = NULL;
	profile_t sub = NULL;

	(void)tevent_req_set_profile(req);
	one = make(state, &sub_state);
	two = make(state, &sub_state);
	sub = of(one);
	tevent_req_done(one);
	moved = tevent_req_move_profile(req, fx->mem);
	ok(moved != NULL, "B855 moved");
	is_ptr(of(req), NULL, "B855 the request has none");
	is_ptr(talloc_parent(moved), fx->mem, "B855 the new owner");
	is_ptr(tevent_req_profile_get_subprofiles(moved), sub,
	       "B855 with what is below");
	TALLOC_FREE(one);
	one = make(state, &sub_state);
	is_ptr(of(one), NULL, "B852 later sub-requests have none");
	ok(of(two) != NULL, "B855 the one in progress keeps its own");
	tevent_req_done(two);
	is_uint(count_below(moved), 2, "B853 which goes where the other went");
	tevent_req_done(req);
	not_stopped(moved, "B855 the request's end is no more noted:");
	TALLOC_FREE(req);
	is_uint(count_below(moved), 2, "B855 all outlive the request");
	is_uint(talloc_total_blocks(moved), 3, "B855 as three chunks");
	TALLOC_FREE(moved);
}

/* Moved away by the program, a sub-request's keeps its place. */
static void test_move_sub(struct fixture *fx)
{
	struct one_state *state = NULL;
	struct one_state *sub_state = NULL;
	struct tevent_req *req = make(fx->mem, &state);
	struct tevent_req *one = NULL;
	struct tevent_req *two = NULL;
	struct tevent_req_profile *moved = NULL;

	(void)tevent_req_set_profile(req);
	one = make(state, &sub_state);
	two = make(state, &sub_state);
	moved = tevent_req_move_profile(one, fx->mem);
	is_ptr(first_below(req), moved, "B855 a sub-request's keeps its place");
	tevent_req_done(one);
	is_ptr(talloc_parent(moved), fx->mem, "B855 and its owner");
	TALLOC_FREE(moved);
	is_ptr(first_below(req), of(two), "B856 freed: it leaves the list");
	is_uint(count_below(of(req)), 1, "B856 alone");

	/* The parent's freed before: the other one is nobody's. */
	moved = tevent_req_move_profile(req, fx->mem);
	TALLOC_FREE(moved);
	tevent_req_done(two);
	ok(of(two) != NULL, "B856 without a parent it stays its request's");
	is_ptr(talloc_parent(of(two)), two, "B856 whose child it is");
	is_ptr(tevent_req_profile_next(of(two)), NULL, "B856 in no list");
	TALLOC_FREE(req);
}

static void test_texts(struct fixture *fx)
{
	struct tevent_req_profile *profile = tevent_req_profile_create(fx->mem);
	struct timeval when = { 0, 0 };
	const char *text = NULL;
	char buffer[8] = "one";
	enum tevent_req_state state = TEVENT_REQ_INIT;
	uint64_t error = 0;
	pid_t pid = 0;

	if (!ok(profile != NULL, "6.4 create")) {
		return;
	}
	is_ptr(talloc_parent(profile), fx->mem, "6.4 its parent");
	is_ptr(name_of(profile), NULL, "6.4 no name");
	tevent_req_profile_get_start(profile, &text, &when);
	is_ptr(text, NULL, "6.4 no start location");
	ok(tevent_timeval_is_zero(&when), "6.4 no start time");
	not_stopped(profile, "6.4");

	ok(tevent_req_profile_set_name(profile, buffer), "6.4 set_name");
	ok(tevent_req_profile_set_start(profile, buffer,
					tevent_timeval_set(1, 2)),
	   "6.4 set_start");
	ok(tevent_req_profile_set_stop(profile, buffer,
				       tevent_timeval_set(3, 4)),
	   "6.4 set_stop");
	buffer[0] = 'x';
	is_str(name_of(profile), "one", "6.4 the name is a copy");
	tevent_req_profile_get_start(profile, &text, &when);
	is_str(text, "one", "6.4 so is the start location");
	ok(when.tv_sec == 1 && when.tv_usec == 2, "6.4 the start time");
	tevent_req_profile_get_stop(profile, &text, &when);
	is_str(text, "one", "6.4 and the stop location");
	ok(when.tv_sec == 3 && when.tv_usec == 4, "6.4 the stop time");

	text = name_of(profile);
	ok(tevent_req_profile_set_name(profile, "two"), "6.4 set again");
	is_str(name_of(profile), "two", "6.4 another name");
	is_str(text, "one", "6.4 who has the old one keeps it");
	ok(!tevent_req_profile_set_name(profile, NULL), "6.4 NULL: false");
	is_ptr(name_of(profile), NULL, "6.4 the slot is NULL then");

	tevent_req_profile_set_status(profile, 4711, TEVENT_REQ_TIMED_OUT, 5);
	tevent_req_profile_get_status(profile, &pid, &state, &error);
	is_int(pid, 4711, "B851 a pid by set_status");
	is_int(state, TEVENT_REQ_TIMED_OUT, "6.4 a state");
	is_uint(error, 5, "6.4 an error");
	TALLOC_FREE(profile);
}

static void test_append(struct fixture *fx)
{
	struct tevent_req_profile *top = tevent_req_profile_create(fx->mem);
	struct tevent_req_profile *other = tevent_req_profile_create(fx->mem);
	struct tevent_req_profile *subs[3] = { NULL, NULL, NULL };
	struct tevent_req_profile *given = NULL;

	for (int i = 0; i < 3; i++) {
		subs[i] = tevent_req_profile_create(fx->mem);
		given = subs[i];
		tevent_req_profile_append_sub(top, &given);
		is_ptr(given, NULL, "6.4 append_sub takes the pointer");
		is_ptr(talloc_parent(subs[i]), top, "6.4 and the chunk");
	}
	is_ptr(tevent_req_profile_get_subprofiles(top), subs[0],
	       "B857 in order");
	is_ptr(tevent_req_profile_next(subs[0]), subs[1], "B857 second");
	is_ptr(tevent_req_profile_next(subs[1]), subs[2], "B857 third");
	TALLOC_FREE(subs[1]);
	is_ptr(tevent_req_profile_next(subs[0]), subs[2],
	       "B856 freed: it leaves the list");

	if (TEST_ON_STOCK) {
		skip("6.4 stock mixes the lists up");
	} else {
		given = subs[0];
		tevent_req_profile_append_sub(other, &given);
		is_ptr(tevent_req_profile_get_subprofiles(top), subs[2],
		       "6.4 4.3 appended elsewhere: it leaves the first list");
		is_ptr(tevent_req_profile_get_subprofiles(other), subs[0],
		       "6.4 4.3 and is in the second");
		is_ptr(tevent_req_profile_next(subs[0]), NULL, "6.4 4.3 alone");
	}

	/* One that the program has taken back outlives its parent. */
	(void)talloc_steal(fx->mem, subs[2]);
	TALLOC_FREE(top);
	is_uint(talloc_total_blocks(subs[2]), 1, "B856 it lives on");
	given = subs[2];
	tevent_req_profile_append_sub(other, &given);
	ok(count_below(other) >= 1, "B856 and may be appended again");
	TALLOC_FREE(other);
}

static void test_freed_with_parent(struct fixture *fx)
{
	struct one_state *state = NULL;
	struct one_state *sub_state = NULL;
	size_t before = talloc_total_blocks(fx->mem);
	struct tevent_req *req = make(fx->mem, &state);
	struct tevent_req *sub = NULL;

	(void)tevent_req_set_profile(req);
	for (int i = 0; i < 100; i++) {
		sub = make(state, &sub_state);
		(void)make(sub_state, &sub_state);
		if (i % 3 == 0) {
			tevent_req_done(sub);
		}
	}
	is_uint(count_below(of(req)), 100, "B852 a hundred below");
	TALLOC_FREE(req);
	is_uint(talloc_total_blocks(fx->mem), before, "B853 all go together");
}

int main(void)
{
	warm_up();
	fixture_run("B850 start", test_start);
	fixture_run("B850 renamed", test_renamed);
	fixture_run("B854 stop", test_stop);
	fixture_run("B852 sub", test_sub);
	fixture_run("B803 relation", test_relation);
	fixture_run("B855 move", test_move);
	fixture_run("B855 move sub", test_move_sub);
	fixture_run("6.4 texts", test_texts);
	fixture_run("B857 append", test_append);
	fixture_run("B853 freed with parent", test_freed_with_parent);
	return done();
}
