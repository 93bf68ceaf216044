/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Queue: one request after the other, in the order in which they were added.
 */
#include "tests/queuetest.h"

static void test_create(struct fixture *fx)
{
	char name[] = "mine";
	struct trail trail = { "" };
	struct tevent_queue *queue = tevent_queue_create(fx->mem, name);
	struct tevent_queue_entry *entry = NULL;
	struct tevent_req *req = turn_make(fx->mem, &trail, "a");

	name[0] = 'M';
	ok(talloc_total_blocks(queue) > 1, "its name is a copy below it");
	ok(tevent_queue_running(queue), "B904 a new queue runs");
	is_uint(tevent_queue_length(queue), 0, "B910 and is empty");
	is_str(talloc_get_name(queue), "struct tevent_queue", "its name");
	is_ptr(talloc_parent(queue), fx->mem, "and its parent");
	is_ptr(tevent_queue_create(fx->mem, NULL), NULL,
	       "a queue without a name is refused");

	entry = tevent_queue_add_entry(queue, fx->ev, req, turn_begin, NULL);
	is_str(talloc_get_name(entry), "struct tevent_queue_entry",
	       "the name of an entry");
	is_ptr(talloc_parent(entry), req, "B901 it is a child of the request");
	is_uint(tevent_queue_entry_get_tag(entry), 0, "tag: 0 at first");
	tevent_queue_entry_set_tag(entry, UINT64_MAX);
	run_out(fx->ev);
	is_uint(tevent_queue_entry_get_tag(entry), UINT64_MAX,
		"tag: as set, also when it was triggered");
	tevent_queue_entry_set_tag(NULL, 1);
	is_uint(tevent_queue_entry_get_tag(NULL), 0, "tag: 0 of nothing");
}

/* The functions that the macros hide. */
static void test_functions(struct fixture *fx)
{
	struct row row;
	struct tevent_queue_entry *entry = NULL;

	row_make(fx, &row);
	entry = (tevent_queue_add_optimize_empty)(row.queue, fx->ev, row.req[A],
						  turn_begin, NULL);
	ok(entry != NULL, "the function tevent_queue_add_optimize_empty");
	ok((tevent_queue_add)(row.queue, fx->ev, row.req[B], turn_begin, NULL),
	   "the function tevent_queue_add");
	entry = (tevent_queue_add_entry)(row.queue, fx->ev, row.req[C],
					 turn_begin, NULL);
	is_ptr(talloc_parent(entry), row.req[C],
	       "the function tevent_queue_add_entry");
	is_uint(tevent_queue_length(row.queue), 3, "B910 length");
	TALLOC_FREE(row.req[A]);
	run_out(fx->ev);
	TALLOC_FREE(row.req[B]);
	run_out(fx->ev);
	is_str(row.trail.text, "a b c", "B901 in order");
	row_free(&row);
}

static void test_head_of_line(struct fixture *fx)
{
	struct row row;

	row_fill(fx, &row);
	is_str(row.trail.text, "", "B902 nothing is called inside of add");
	run_out(fx->ev);
	is_str(row.trail.text, "a", "B901 only the head is triggered");
	is_uint(tevent_queue_length(row.queue), 3,
		"B910 the triggered head counts");

	tevent_req_done(row.req[A]);
	run_out(fx->ev);
	is_str(row.trail.text, "a", "B901 done: still the head");
	tevent_req_received(row.req[A]);
	run_out(fx->ev);
	is_str(row.trail.text, "a", "B901 received: still the head");
	TALLOC_FREE(row.req[A]);
	is_uint(tevent_queue_length(row.queue), 2, "B910 freed: one less");
	is_str(row.trail.text, "a", "B903 nothing is called inside of free");
	run_out(fx->ev);
	is_str(row.trail.text, "a b", "B901 B903 freed: the next one");

	TALLOC_FREE(row.entry[B]);
	run_out(fx->ev);
	is_str(row.trail.text, "a b c",
	       "B901 the entry alone freed: the next one");
	ok(tevent_req_is_in_progress(row.req[B]), "B901 its request stays");
	TALLOC_FREE(row.req[C]);
	is_uint(tevent_queue_length(row.queue), 0, "B910 empty");
	row_free(&row);
}

static void test_one_immediate(struct fixture *fx)
{
	struct row row;
	struct step x = { &row.trail, "x" };
	struct tevent_immediate *im = tevent_create_immediate(fx->mem);

	row_make(fx, &row);
	row_add(fx, &row, A);
	tevent_schedule_immediate(im, fx->ev, step_immediate, &x);
	trail_passes(&row.trail, fx->ev, 2);
	is_str(row.trail.text, "a | x |", "B902 an immediate at its place");

	trail_clear(&row.trail);
	row_add(fx, &row, B);
	tevent_schedule_immediate(im, fx->ev, step_immediate, &x);
	run_out(fx->ev);
	is_str(row.trail.text, "x", "B902 nothing behind a triggered head");

	trail_clear(&row.trail);
	TALLOC_FREE(row.req[A]);
	tevent_schedule_immediate(im, fx->ev, step_immediate, &x);
	row_add(fx, &row, C);
	trail_passes(&row.trail, fx->ev, 2);
	is_str(row.trail.text, "x | b |",
	       "B902 added behind a waiting head: the same immediate, queued "
	       "again");
	row_free(&row);

	row_fill(fx, &row);
	tevent_schedule_immediate(im, fx->ev, step_immediate, &x);
	tevent_queue_start(row.queue);
	trail_passes(&row.trail, fx->ev, 2);
	is_str(row.trail.text, "a | x |",
	       "B904 started while it runs: nothing");
	row_free(&row);

	row_fill(fx, &row);
	tevent_schedule_immediate(im, fx->ev, step_immediate, &x);
	TALLOC_FREE(row.req[B]);
	trail_passes(&row.trail, fx->ev, 2);
	is_str(row.trail.text, "x | a |",
	       "B902 freed behind a waiting head: queued again");
	row_free(&row);
}

static void test_free(struct fixture *fx)
{
	static const struct {
		int turns; /* before the first is freed */
		int order[COUNT];
		const char *want;
		const char *name;
	} rows[] = {
		{ 1, { A, B, C }, "a b c", "head after head" },
		{ 1, { B, A, C }, "a c", "a middle one" },
		{ 1, { C, B, A }, "a", "from the end" },
		{ 0, { A, B, C }, "b c", "a head that waits" },
		{ 0, { B, A, C }, "a c", "a middle one, the head waits" },
		{ 0, { C, A, B }, "a b", "the last one, the head waits" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct row row;

		row_fill(fx, &row);
		if (rows[i].turns > 0) {
			run_out(fx->ev);
		}
		for (int j = 0; j < COUNT; j++) {
			TALLOC_FREE(row.req[rows[i].order[j]]);
			run_out(fx->ev);
			is_uint(tevent_queue_length(row.queue),
				(size_t)(COUNT - 1 - j), "B910 length");
		}
		is_str(row.trail.text, rows[i].want, "B903 freed: %s",
		       rows[i].name);
		row_free(&row);
	}
}

static void test_stop(struct fixture *fx)
{
	struct row row;
	struct step x = { &row.trail, "x" };
	struct tevent_immediate *im = tevent_create_immediate(fx->mem);

	row_make(fx, &row);
	row_add(fx, &row, A);
	tevent_queue_stop(row.queue);
	ok(!tevent_queue_running(row.queue), "B904 stopped");
	tevent_schedule_immediate(im, fx->ev, step_immediate, &x);
	turn(fx->ev);
	is_str(row.trail.text, "", "B904 what was scheduled does nothing");
	turn(fx->ev);
	is_str(row.trail.text, "x", "B904 in a pass of its own");
	row_add(fx, &row, B);
	run_out(fx->ev);
	is_str(row.trail.text, "x", "B904 stopped: an added one waits");

	tevent_queue_start(row.queue);
	ok(tevent_queue_running(row.queue), "B904 started");
	is_str(row.trail.text, "x", "B905 start calls nothing itself");
	run_out(fx->ev);
	is_str(row.trail.text, "x a", "B904 the head, by an immediate");

	tevent_queue_stop(row.queue);
	tevent_queue_start(row.queue);
	tevent_queue_start(row.queue);
	run_out(fx->ev);
	is_str(row.trail.text, "x a", "B904 a triggered head is not again");

	tevent_queue_stop(row.queue);
	TALLOC_FREE(row.req[A]);
	run_out(fx->ev);
	is_str(row.trail.text, "x a", "B904 stopped: the next one waits");
	tevent_queue_start(row.queue);
	run_out(fx->ev);
	is_str(row.trail.text, "x a b", "B904 until it is started");
	row_free(&row);
}

static void test_stop_scheduled(struct fixture *fx)
{
	struct row row;
	struct step x = { &row.trail, "x" };
	struct tevent_immediate *im = tevent_create_immediate(fx->mem);

	row_fill(fx, &row);
	tevent_schedule_immediate(im, fx->ev, step_immediate, &x);
	tevent_queue_stop(row.queue);
	tevent_queue_start(row.queue);
	trail_passes(&row.trail, fx->ev, 2);
	is_str(row.trail.text, "x | a |",
	       "B904 stopped and started: scheduled again, once");
	run_out(fx->ev);
	is_str(row.trail.text, "x | a |", "B904 and not twice");
	row_free(&row);

	row_fill(fx, &row);
	tevent_queue_stop(row.queue);
	TALLOC_FREE(row.req[A]);
	tevent_queue_start(row.queue);
	run_out(fx->ev);
	is_str(row.trail.text, "b", "B904 the head freed while stopped");
	row_free(&row);

	row_make(fx, &row);
	tevent_queue_stop(row.queue);
	tevent_queue_start(row.queue);
	run_out(fx->ev);
	row_add(fx, &row, C);
	run_out(fx->ev);
	is_str(row.trail.text, "c", "B904 started empty");
	row_free(&row);
}

static void test_queue_freed(struct fixture *fx)
{
	for (int turns = 0; turns < 2; turns++) {
		struct row row;
		struct tevent_req *alone = NULL;

		row_fill(fx, &row);
		alone = turn_make(fx->mem, &row.trail, "");
		if (turns > 0) {
			run_out(fx->ev);
		}
		TALLOC_FREE(row.queue);
		run_out(fx->ev);
		is_str(row.trail.text, turns > 0 ? "a" : "",
		       "B909 queue freed, head %s: no trigger any more",
		       turns > 0 ? "triggered" : "waiting");
		for (int i = 0; i < COUNT; i++) {
			ok(tevent_req_is_in_progress(row.req[i]),
			   "B909 the request stays");
			is_uint(talloc_total_blocks(row.req[i]),
				talloc_total_blocks(alone),
				"B909 and its entry is gone");
		}
		TALLOC_FREE(alone);
		row_free(&row);
	}
}

int main(void)
{
	warm_up();
	fixture_run("B901 create", test_create);
	fixture_each_backend("B901 functions", test_functions);
	fixture_each_backend("B901 head of line", test_head_of_line);
	fixture_each_backend("B902 one immediate", test_one_immediate);
	fixture_each_backend("B903 free", test_free);
	fixture_each_backend("B904 stop", test_stop);
	fixture_each_backend("B904 stop, scheduled", test_stop_scheduled);
	fixture_each_backend("B909 queue freed", test_queue_freed);
	return done();
}
