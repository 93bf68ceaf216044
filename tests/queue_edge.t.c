/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Queue edge: what is freed, stopped, added and nested inside of a trigger, and
 * requests in several queues.
 */
#define TEVENT_DEPRECATED 1
#define _DEPRECATED_

#include "tests/queuetest.h"

/* A trigger that says its word and then does one thing. */
struct deed {
	struct fixture *fx;
	struct row *row;
	enum {
		NOTHING,
		FINISH,
		FREE_REQUEST,
		FREE_ENTRY,
		FREE_QUEUE,
		FREE_WAITING,
		STOP,
		STOP_START,
		AGAIN,
		ADD,
		ADD_SAME,
		FREE_AND_ADD,
	} what;
};

static void do_deed(struct tevent_req *req, void *private_data)
{
	struct deed *deed = private_data;
	struct row *row = deed->row;

	turn_begin(req, NULL);
	switch (deed->what) {
	case FINISH:
		tevent_req_done(req);
		break;
	case FREE_REQUEST:
		TALLOC_FREE(row->req[A]);
		break;
	case FREE_ENTRY:
		TALLOC_FREE(row->entry[A]);
		break;
	case FREE_QUEUE:
		TALLOC_FREE(row->queue);
		break;
	case FREE_WAITING:
		TALLOC_FREE(row->req[B]);
		break;
	case STOP:
		tevent_queue_stop(row->queue);
		break;
	case STOP_START:
		tevent_queue_stop(row->queue);
		tevent_queue_start(row->queue);
		break;
	case AGAIN: /* once */
		deed->what = NOTHING;
		tevent_queue_stop(row->queue);
		tevent_queue_entry_untrigger(row->entry[A]);
		tevent_queue_start(row->queue);
		break;
	case ADD:
		row_add(deed->fx, row, C);
		break;
	case ADD_SAME:
		deed->what = NOTHING;
		(void)tevent_queue_add(row->queue, deed->fx->ev, req, do_deed,
				       deed);
		break;
	case FREE_AND_ADD:
		TALLOC_FREE(row->req[A]);
		TALLOC_FREE(row->req[B]);
		(void)tevent_queue_add_optimize_empty(row->queue, deed->fx->ev,
						      row->req[C], turn_begin,
						      NULL);
		trail_add(&row->trail, "after");
		break;
	case NOTHING:
		break;
	}
}

/* B905: what stock had scheduled for a head that is gone triggers the one that
 * was triggered inside of add a second time. */
#define ADDED_INSIDE (TEST_ON_STOCK ? "a c after c" : "a c after")

static void test_inside(struct fixture *fx)
{
	const struct {
		int what;
		const char *inside; /* the trail after the trigger */
		const char *then;   /* and after its request is freed */
		const char *name;
	} rows[] = {
		{ FINISH, "a", "a b", "finish the request" },
		{ FREE_REQUEST, "a b", "a b", "free the request" },
		{ FREE_ENTRY, "a b", "a b", "free the entry alone" },
		{ FREE_QUEUE, "a", "a", "free the queue" },
		{ FREE_WAITING, "a", "a", "free the next" },
		{ STOP, "a", "a", "stop" },
		{ STOP_START, "a", "a b", "stop and start" },
		{ AGAIN, "a a", "a a b", "stop, untrigger and start" },
		{ ADD, "a", "a b", "add more" },
		{ ADD_SAME, "a", "a b", "add the request once more" },
		{ FREE_AND_ADD, ADDED_INSIDE, ADDED_INSIDE,
		  "free all and add to the empty queue" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct row row;
		struct deed deed = { fx, &row, NOTHING };

		row_make(fx, &row);
		deed.what = rows[i].what;
		row.entry[A] = tevent_queue_add_entry(
			row.queue, fx->ev, row.req[A], do_deed, &deed);
		row_add(fx, &row, B);
		run_out(fx->ev);
		is_str(row.trail.text, rows[i].inside, "B908 in a trigger: %s",
		       rows[i].name);
		TALLOC_FREE(row.req[A]);
		run_out(fx->ev);
		is_str(row.trail.text, rows[i].then, "B903 and then: %s",
		       rows[i].name);
		row_free(&row);
	}
}

/* A trigger called from add, for which the same holds. */
static void test_inside_add(struct fixture *fx)
{
	static const struct {
		int what;
		const char *want;
		const char *name;
	} rows[] = {
		{ FREE_REQUEST, "a", "free the request" },
		{ FREE_QUEUE, "a", "free the queue" },
		{ ADD, "a", "add more" },
		{ FREE_AND_ADD, "a c after", "free all and add" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct row row;
		struct deed deed = { fx, &row, NOTHING };

		row_make(fx, &row);
		deed.what = rows[i].what;
		(void)tevent_queue_add_optimize_empty(
			row.queue, fx->ev, row.req[A], do_deed, &deed);
		is_str(row.trail.text, rows[i].want,
		       "B905 B908 in a trigger inside of add: %s",
		       rows[i].name);
		row_free(&row);
	}
}

enum { MANY = 5000 };

struct chain {
	unsigned inside;
	unsigned deepest;
	unsigned ran;
};

static void chain_link(struct tevent_req *req, void *private_data)
{
	struct chain *chain = private_data;

	chain->ran++;
	chain->inside++;
	if (chain->inside > chain->deepest) {
		chain->deepest = chain->inside;
	}
	talloc_free(req);
	chain->inside--;
}

static void test_chain(struct fixture *fx)
{
	struct tevent_queue *queue = tevent_queue_create(fx->mem, "chain");
	struct chain chain = { 0, 0, 0 };
	struct trail trail = { "" };
	unsigned added = 0;

	for (int i = 0; i < MANY; i++) {
		struct tevent_req *req = turn_make(fx->mem, &trail, "");

		added += tevent_queue_add(queue, fx->ev, req, chain_link,
					  &chain);
	}
	is_uint(tevent_queue_length(queue), added, "B910 all are there");
	run_out(fx->ev);
	is_uint(chain.ran, MANY, "B901 each had its turn");
	is_uint(chain.deepest, 1, "B903 and no two were on the stack");
	is_uint(tevent_queue_length(queue), 0, "B910 none is left");
}

/* Every third goes, from both ends to the middle, while the head waits. */
static void test_many_freed(struct fixture *fx)
{
	struct tevent_queue *queue = tevent_queue_create(fx->mem, "many");
	struct tevent_req **reqs = talloc_array(fx->mem, struct tevent_req *,
						MANY);
	struct chain chain = { 0, 0, 0 };
	struct trail trail = { "" };
	unsigned freed = 0;

	for (int i = 0; i < MANY; i++) {
		reqs[i] = turn_make(fx->mem, &trail, "");
		(void)tevent_queue_add(queue, fx->ev, reqs[i], chain_link,
				       &chain);
	}
	for (int i = 0; i < MANY / 2; i++) {
		if (i % 3 == 0) {
			TALLOC_FREE(reqs[i]);
			TALLOC_FREE(reqs[MANY - 1 - i]);
			freed += 2;
		}
	}
	is_uint(tevent_queue_length(queue), MANY - freed, "B910 the others");
	run_out(fx->ev);
	is_uint(chain.ran, MANY - freed, "B903 have their turns");
	is_uint(tevent_queue_length(queue), 0, "B910 none is left");
	TALLOC_FREE(queue);
	TALLOC_FREE(reqs);
}

struct nest {
	struct fixture *fx;
	bool free_first;
};

static void turn_nested(struct tevent_req *req, void *private_data)
{
	struct nest *nest = private_data;
	struct turn_state *state = tevent_req_data(req, struct turn_state);
	struct trail *trail = state->step.trail;

	turn_begin(req, NULL);
	if (nest->free_first) {
		talloc_free(req);
	}
	trail_add(trail, "(");
	run_out(nest->fx->ev);
	trail_add(trail, ")");
}

static void test_nested(struct fixture *fx)
{
	for (int i = 0; i < 2; i++) {
		struct nest nest = { fx, i > 0 };
		struct row row;

		row_make(fx, &row);
		tevent_loop_allow_nesting(fx->ev);
		(void)tevent_queue_add(row.queue, fx->ev, row.req[A],
				       turn_nested, &nest);
		row_add(fx, &row, B);
		run_out(fx->ev);
		is_str(row.trail.text, i > 0 ? "a ( b )" : "a ( )",
		       "B901 B908 a loop in a trigger, its request %s",
		       i > 0 ? "freed before" : "still the head");
		row.req[A] = i > 0 ? NULL : row.req[A];
		row_free(&row);
	}
}

/* The queue goes while its immediate stands among others. */
static void test_free_scheduled(struct fixture *fx)
{
	struct row row;
	struct step x = { &row.trail, "x" };
	struct step y = { &row.trail, "y" };

	row_make(fx, &row);
	tevent_schedule_immediate(tevent_create_immediate(fx->mem), fx->ev,
				  step_immediate, &x);
	row_add(fx, &row, A);
	tevent_schedule_immediate(tevent_create_immediate(fx->mem), fx->ev,
				  step_immediate, &y);
	TALLOC_FREE(row.queue);
	trail_passes(&row.trail, fx->ev, 2);
	is_str(row.trail.text, "x | y |", "B909 freed while scheduled");
	row_free(&row);
}

/* One request in two queues, and twice in one. */
static void test_two_queues(struct fixture *fx)
{
	struct row row;
	struct tevent_queue *second = tevent_queue_create(fx->mem, "second");

	row_make(fx, &row);
	row_add(fx, &row, A);
	(void)tevent_queue_add(second, fx->ev, row.req[A], turn_begin, NULL);
	(void)tevent_queue_add(row.queue, fx->ev, row.req[A], turn_begin, NULL);
	row_add(fx, &row, B);
	(void)tevent_queue_add(second, fx->ev, row.req[C], turn_begin, NULL);
	run_out(fx->ev);
	is_str(row.trail.text, "a a", "B901 the head of both queues");
	is_uint(tevent_queue_length(row.queue), 3, "B910 twice in one");
	TALLOC_FREE(row.req[A]);
	run_out(fx->ev);
	is_uint(tevent_queue_length(row.queue), 1, "B903 all its entries go");
	is_uint(tevent_queue_length(second), 1, "B903 from both");
	is_uint(strlen(row.trail.text), strlen("a a b c"),
		"B903 and the next ones come: %s", row.trail.text);
	row_free(&row);
	TALLOC_FREE(second);
}

static void free_queue(struct tevent_req *req, enum tevent_req_state req_state)
{
	struct turn_state *state = tevent_req_data(req, struct turn_state);
	struct row *row = tevent_req_callback_data_void(req);

	(void)req_state;
	trail_add(state->step.trail, "cleanup");
	TALLOC_FREE(row->queue);
}

static void test_free_in_cleanup(struct fixture *fx)
{
	struct row row;

	row_fill(fx, &row);
	run_out(fx->ev);
	tevent_req_set_callback(row.req[A], NULL, &row);
	tevent_req_set_cleanup_fn(row.req[A], free_queue);
	TALLOC_FREE(row.req[A]);
	run_out(fx->ev);
	is_str(row.trail.text, "a cleanup",
	       "B833 B909 the queue freed as the head's request goes");
	row_free(&row);
}

/* Each is a child of another that is freed. */
static void test_family(struct fixture *fx)
{
	struct row row;
	TALLOC_CTX *parent = talloc_new(fx->mem);

	row_fill(fx, &row);
	for (int i = 0; i < COUNT; i++) {
		(void)talloc_steal(i == B ? row.queue : parent, row.req[i]);
	}
	(void)talloc_steal(row.req[A], row.queue);
	run_out(fx->ev);
	talloc_free(parent);
	run_out(fx->ev);
	is_str(row.trail.text, "a", "B903 B909 requests and queue at once");
}

int main(void)
{
	warm_up();
	fixture_each_backend("B908 inside", test_inside);
	fixture_each_backend("B908 inside add", test_inside_add);
	fixture_each_backend("B903 chain", test_chain);
	fixture_each_backend("B903 many freed", test_many_freed);
	fixture_each_backend("B908 nested", test_nested);
	fixture_each_backend("B909 free scheduled", test_free_scheduled);
	fixture_each_backend("B901 two queues", test_two_queues);
	fixture_each_backend("B909 free in cleanup", test_free_in_cleanup);
	fixture_each_backend("B909 family", test_family);
	return done();
}
