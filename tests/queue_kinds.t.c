/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Queue kinds: entries that begin at once when nobody is before them, entries
 * that only block, entries that are triggered again, and requests that wait
 * for their turn and do nothing else.
 */
#include <signal.h>

#include "tests/queuetest.h"

static void never(struct tevent_req *req)
{
	(void)req;
	fail("a callback that nobody calls");
}

/* Where the trail is after the add, and after the loop. */
static void test_optimize_empty(struct fixture *fx)
{
	struct row row;
	struct tevent_queue_entry *entry = NULL;

	row_make(fx, &row);
	entry = tevent_queue_add_optimize_empty(row.queue, fx->ev, row.req[A],
						turn_begin, NULL);
	is_str(row.trail.text, "a", "B905 empty: called inside of add");
	is_ptr(talloc_parent(entry), row.req[A], "B905 the entry is returned");
	run_out(fx->ev);
	is_str(row.trail.text, "a", "B905 and not again");

	entry = tevent_queue_add_optimize_empty(row.queue, fx->ev, row.req[B],
						turn_begin, NULL);
	is_ptr(talloc_parent(entry), row.req[B], "B905 behind another: waits");
	is_str(row.trail.text, "a", "B905 is not called");
	TALLOC_FREE(row.req[A]);
	run_out(fx->ev);
	is_str(row.trail.text, "a b", "B905 until it is its turn");
	TALLOC_FREE(row.req[B]);

	tevent_queue_stop(row.queue);
	(void)tevent_queue_add_optimize_empty(row.queue, fx->ev, row.req[C],
					      turn_begin, NULL);
	is_str(row.trail.text, "a b", "B905 stopped: waits");
	tevent_queue_start(row.queue);
	is_str(row.trail.text, "a b", "B905 start calls nothing itself");
	run_out(fx->ev);
	is_str(row.trail.text, "a b c", "B905 but schedules");
	row_free(&row);
}

static void test_optimize_callback(struct fixture *fx)
{
	struct row row;

	row_make(fx, &row);
	tevent_req_set_callback(row.req[A], never, NULL);
	(void)tevent_queue_add_optimize_empty(row.queue, fx->ev, row.req[A],
					      turn_begin, NULL);
	is_str(row.trail.text, "", "B905 a callback is set: not called inside");
	run_out(fx->ev);
	is_str(row.trail.text, "a", "B905 but by an immediate");
	TALLOC_FREE(row.req[A]);

	tevent_req_set_callback(row.req[B], never, NULL);
	tevent_req_set_callback(row.req[B], NULL, NULL);
	(void)tevent_queue_add_optimize_empty(row.queue, fx->ev, row.req[B],
					      turn_begin, NULL);
	is_str(row.trail.text, "a b", "B905 a callback taken back: inside");
	TALLOC_FREE(row.req[B]);

	tevent_req_done(row.req[C]);
	(void)tevent_queue_add_optimize_empty(row.queue, fx->ev, row.req[C],
					      turn_begin, NULL);
	is_str(row.trail.text, "a b c", "B905 finished before: inside");
	row_free(&row);
}

static void test_blocker(struct fixture *fx)
{
	struct row row;
	struct step x = { &row.trail, "x" };
	struct tevent_immediate *im = tevent_create_immediate(fx->mem);

	row_make(fx, &row);
	ok(tevent_queue_add(row.queue, fx->ev, row.req[A], NULL, NULL),
	   "B906 no trigger");
	tevent_schedule_immediate(im, fx->ev, step_immediate, &x);
	turn(fx->ev);
	is_str(row.trail.text, "", "B906 it takes an immediate all the same");
	row_add(fx, &row, B);
	run_out(fx->ev);
	is_str(row.trail.text, "x", "B906 and holds the head");
	TALLOC_FREE(row.req[A]);
	run_out(fx->ev);
	is_str(row.trail.text, "x b", "B906 until it is freed");
	TALLOC_FREE(row.req[B]);

	(void)tevent_queue_add_optimize_empty(row.queue, fx->ev, row.req[C],
					      NULL, NULL);
	is_uint(tevent_queue_length(row.queue), 1, "B905 B906 on empty");
	row_free(&row);
}

static void test_untrigger(struct fixture *fx)
{
	struct row row;

	row_fill(fx, &row);
	run_out(fx->ev);
	tevent_queue_stop(row.queue);
	tevent_queue_entry_untrigger(row.entry[A]);
	run_out(fx->ev);
	is_str(row.trail.text, "a", "B907 nothing before the start");
	tevent_queue_start(row.queue);
	run_out(fx->ev);
	is_str(row.trail.text, "a a", "B907 then the head again");

	TALLOC_FREE(row.req[A]);
	tevent_queue_stop(row.queue);
	tevent_queue_entry_untrigger(row.entry[B]);
	tevent_queue_start(row.queue);
	run_out(fx->ev);
	is_str(row.trail.text, "a a b", "B907 a head that waits: no change");
	row_free(&row);
}

enum untrigger { WHILE_RUNNING, NOT_HEAD };

static int untrigger_badly(void *arg)
{
	const enum untrigger *how = arg;
	struct fixture fx = { .mem = talloc_new(NULL) };
	struct row row;

	fx.ev = tevent_context_init(fx.mem);
	row_fill(&fx, &row);
	run_out(fx.ev);
	if (*how == NOT_HEAD) {
		tevent_queue_stop(row.queue);
	}
	tevent_queue_entry_untrigger(row.entry[*how == NOT_HEAD ? B : A]);
	return 0;
}

static void test_untrigger_badly(struct fixture *fx)
{
	enum untrigger how = WHILE_RUNNING;
	struct fixture_child child = fixture_child(untrigger_badly, &how);

	(void)fx;
	(void)child_killed(&child, SIGABRT, "B907 untrigger while it runs");
	how = NOT_HEAD;
	child = fixture_child(untrigger_badly, &how);
	(void)child_killed(&child, SIGABRT, "B907 untrigger behind the head");
}

static void note_done(struct tevent_req *req)
{
	struct step *step = tevent_req_callback_data_void(req);

	trail_add(step->trail, step->word);
}

static void test_wait(struct fixture *fx)
{
	struct row row;
	struct step w = { &row.trail, "w" };
	struct tevent_req *req = NULL;

	row_make(fx, &row);
	row_add(fx, &row, A);
	req = tevent_queue_wait_send(fx->mem, fx->ev, row.queue);
	tevent_req_set_callback(req, note_done, &w);
	row_add(fx, &row, B);
	is_uint(tevent_queue_length(row.queue), 3, "B911 it is an entry");
	run_out(fx->ev);
	ok(tevent_req_is_in_progress(req), "B911 waits for its turn");
	TALLOC_FREE(row.req[A]);
	ok(tevent_req_is_in_progress(req), "B911 comes by an immediate");
	run_out(fx->ev);
	is_str(row.trail.text, "a w", "B911 done as the head");
	ok(tevent_queue_wait_recv(req), "B911 recv: it was done");
	ok(!tevent_queue_wait_recv(req), "B911 recv: received already");
	run_out(fx->ev);
	is_str(row.trail.text, "a w", "B911 received: holds the queue");
	TALLOC_FREE(req);
	run_out(fx->ev);
	is_str(row.trail.text, "a w b", "B911 freed: the next one");
	row_free(&row);
}

static void test_wait_early(struct fixture *fx)
{
	struct tevent_queue *queue = tevent_queue_create(fx->mem, "wait");
	struct tevent_req *req = NULL;
	enum tevent_req_state state = TEVENT_REQ_INIT;
	uint64_t error = 0;

	req = tevent_queue_wait_send(fx->mem, fx->ev, queue);
	ok(tevent_req_is_in_progress(req), "B911 empty: not done at once");
	ok(!tevent_queue_wait_recv(req), "B911 recv before its turn: false");
	ok(tevent_req_is_error(req, &state, &error), "B911 which receives it");
	is_int(state, TEVENT_REQ_RECEIVED, "B911 state received");
	is_uint(tevent_queue_length(queue), 1, "B911 it is still there");
	TALLOC_FREE(req);
	is_uint(tevent_queue_length(queue), 0, "B911 until it is freed");
	run_out(fx->ev);
}

int main(void)
{
	warm_up();
	fixture_each_backend("B905 optimize empty", test_optimize_empty);
	fixture_each_backend("B905 callback set", test_optimize_callback);
	fixture_each_backend("B906 blocker", test_blocker);
	fixture_each_backend("B907 untrigger", test_untrigger);
	fixture_run_flags("B907 untrigger badly", test_untrigger_badly,
			  FIXTURE_NO_CONTEXT);
	fixture_each_backend("B911 wait", test_wait);
	fixture_each_backend("B911 wait, early", test_wait_early);
	return done();
}
