/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Queue contexts: entries of one queue on several contexts, and contexts that
 * go, or start anew, before the turn of their entries.
 */
#define TEVENT_DEPRECATED 1
#define _DEPRECATED_

#include "tests/queuetest.h"

static void test_contexts(struct fixture *fx)
{
	struct row row;
	struct tevent_context *other = NULL;

	other = tevent_context_init_byname(fx->mem, fx->backend);
	row_make(fx, &row);
	(void)tevent_queue_add(row.queue, fx->ev, row.req[A], turn_begin, NULL);
	(void)tevent_queue_add(row.queue, other, row.req[B], turn_begin, NULL);
	(void)tevent_queue_add(row.queue, fx->ev, row.req[C], turn_begin, NULL);
	run_out(other);
	is_str(row.trail.text, "", "B912 not the context of the head");
	run_out(fx->ev);
	is_str(row.trail.text, "a", "B912 but this one");
	TALLOC_FREE(row.req[A]);
	run_out(fx->ev);
	is_str(row.trail.text, "a", "B912 the next one on its own context");
	run_out(other);
	is_str(row.trail.text, "a b", "B912 here");
	TALLOC_FREE(row.req[B]);
	run_out(other);
	is_str(row.trail.text, "a b", "B912 and back");
	run_out(fx->ev);
	is_str(row.trail.text, "a b c", "B912 again");
	row_free(&row);
	TALLOC_FREE(other);
}

/* The waiting head goes, the next one is on another context. */
static void test_contexts_move(struct fixture *fx)
{
	struct row row;
	struct tevent_context *other = NULL;

	other = tevent_context_init_byname(fx->mem, fx->backend);
	row_make(fx, &row);
	(void)tevent_queue_add(row.queue, fx->ev, row.req[A], turn_begin, NULL);
	(void)tevent_queue_add(row.queue, other, row.req[B], turn_begin, NULL);
	TALLOC_FREE(row.req[A]);
	run_out(fx->ev);
	is_str(row.trail.text, "", "B912 B903 nothing is left here");
	run_out(other);
	is_str(row.trail.text, "b", "B912 B903 the immediate has moved");
	row_free(&row);
	TALLOC_FREE(other);
}

/* A waits or works on the fixture's context, B on another one, C again on the
 * first. */
struct pair {
	struct row row;
	struct tevent_context *other;
};

static void pair_make(struct fixture *fx, struct pair *pair)
{
	row_make(fx, &pair->row);
	pair->other = tevent_context_init_byname(fx->mem, fx->backend);
	for (int i = 0; i < COUNT; i++) {
		(void)tevent_queue_add(pair->row.queue,
				       i == B ? pair->other : fx->ev,
				       pair->row.req[i], turn_begin, NULL);
	}
}

static void test_gone_waiting(struct fixture *fx)
{
	struct pair pair;
	struct row *row = &pair.row;

	pair_make(fx, &pair);
	TALLOC_FREE(pair.other);
	run_out(fx->ev);
	is_str(row->trail.text, "a", "B913 the head on another one: its turn");
	TALLOC_FREE(row->req[A]);
	run_out(fx->ev);
	is_str(row->trail.text, "a", "B913 context gone: never triggered");
	is_uint(tevent_queue_length(row->queue), 2, "B913 but it stays");
	tevent_queue_stop(row->queue);
	tevent_queue_start(row->queue);
	run_out(fx->ev);
	is_str(row->trail.text, "a", "B913 by start neither");
	TALLOC_FREE(row->req[B]);
	run_out(fx->ev);
	is_str(row->trail.text, "a c", "B913 freed: the next one");
	row_free(row);
}

static void test_gone_scheduled(struct fixture *fx)
{
	struct pair pair;
	struct row *row = &pair.row;
	struct tevent_req *late = NULL;

	pair_make(fx, &pair);
	TALLOC_FREE(row->req[A]);
	TALLOC_FREE(pair.other);
	run_out(fx->ev);
	is_str(row->trail.text, "", "B913 context gone while scheduled there");
	late = turn_make(fx->mem, &row->trail, "d");
	(void)tevent_queue_add(row->queue, fx->ev, late, turn_begin, NULL);
	run_out(fx->ev);
	is_str(row->trail.text, "", "B913 an added one waits");
	TALLOC_FREE(row->req[B]);
	run_out(fx->ev);
	is_str(row->trail.text, "c", "B913 freed: the next one");
	TALLOC_FREE(late);
	row_free(row);
}

/* The immediate is scheduled on one context, and the head that it finds there
 * has lost its own. */
static void test_gone_head_changes(struct fixture *fx)
{
	struct pair pair;
	struct row *row = &pair.row;

	pair_make(fx, &pair);
	TALLOC_FREE(pair.other);
	TALLOC_FREE(row->req[A]);
	run_out(fx->ev);
	is_str(row->trail.text, "", "B913 scheduled for another head");
	row_free(row);
}

static void test_gone_triggered(struct fixture *fx)
{
	struct pair pair;
	struct row *row = &pair.row;

	pair_make(fx, &pair);
	TALLOC_FREE(row->req[A]);
	run_out(pair.other);
	TALLOC_FREE(pair.other);
	run_out(fx->ev);
	is_str(row->trail.text, "b", "B913 context gone while it works");
	TALLOC_FREE(row->req[B]);
	run_out(fx->ev);
	is_str(row->trail.text, "b c", "B913 it ends as ever");
	row_free(row);
}

static void turn_free_context(struct tevent_req *req, void *private_data)
{
	struct pair *pair = private_data;

	turn_begin(req, NULL);
	TALLOC_FREE(pair->other);
}

static void test_gone_inside(struct fixture *fx)
{
	struct pair pair;
	struct row *row = &pair.row;
	struct tevent_context *other = NULL;

	row_make(fx, row);
	pair.other = tevent_context_init_byname(fx->mem, fx->backend);
	other = pair.other;
	(void)tevent_queue_add(row->queue, other, row->req[A],
			       turn_free_context, &pair);
	(void)tevent_queue_add(row->queue, other, row->req[B], turn_begin,
			       NULL);
	row_add(fx, row, C);
	is_int(tevent_loop_once(other), 0, "B206 freed in its own trigger");
	is_str(row->trail.text, "a", "B913 it ran");
	TALLOC_FREE(row->req[A]);
	TALLOC_FREE(row->req[B]);
	run_out(fx->ev);
	is_str(row->trail.text, "a c", "B913 the next one that has a context");
	row_free(row);
}

/* Everything is a child of the context. */
static void test_gone_family(struct fixture *fx)
{
	struct pair pair;
	struct row *row = &pair.row;

	pair_make(fx, &pair);
	for (int i = 0; i < COUNT; i++) {
		(void)talloc_steal(i == C ? (void *)fx->ev : pair.other,
				   row->req[i]);
	}
	(void)talloc_steal(pair.other, row->queue);
	TALLOC_FREE(pair.other);
	run_out(fx->ev);
	is_str(row->trail.text, "", "B909 B913 queue and requests go with it");
	ok(tevent_req_is_in_progress(row->req[C]), "B909 but for one");
	TALLOC_FREE(row->req[C]);
}

/* What a child of a context does while that is being freed. */
struct will {
	struct tevent_context *ev;
	struct row *row;
	unsigned accepted;
	struct tevent_req *wait;
};

static int add_too_late(struct will **child)
{
	struct will *will = *child;
	struct row *row = will->row;

	will->accepted += tevent_queue_add(row->queue, will->ev, row->req[A],
					   turn_begin, NULL);
	will->accepted += tevent_queue_add_optimize_empty(
				  row->queue, will->ev, row->req[B], turn_begin,
				  NULL) != NULL;
	will->wait = tevent_queue_wait_send(row->req[C], will->ev, row->queue);
	return 0;
}

static void test_gone_before(struct fixture *fx)
{
	struct row row;
	struct will will = { .row = &row };
	struct will **child = NULL;
	enum tevent_req_state state = TEVENT_REQ_INIT;
	uint64_t error = 0;

	row_make(fx, &row);
	will.ev = tevent_context_init_byname(fx->mem, fx->backend);
	child = talloc(will.ev, struct will *);
	*child = &will;
	talloc_set_destructor(child, add_too_late);
	TALLOC_FREE(will.ev);
	is_uint(will.accepted, 0, "B913 a freed context is refused");
	is_uint(tevent_queue_length(row.queue), 0, "B913 nothing is added");
	ok(tevent_req_is_error(will.wait, &state, &error) &&
		   state == TEVENT_REQ_NO_MEMORY,
	   "B911 B913 a wait on it fails");
	is_str(row.trail.text, "", "B905 B913 and nobody is called");
	row_free(&row);
}

static void test_re_initialise(struct fixture *fx)
{
	struct row row;

	row_fill(fx, &row);
	is_int(tevent_re_initialise(fx->ev), 0, "re-initialised");
	run_out(fx->ev);
	is_str(row.trail.text, "", "B701 what was scheduled is not any more");
	tevent_queue_stop(row.queue);
	tevent_queue_start(row.queue);
	run_out(fx->ev);
	is_str(row.trail.text, "a", "B904 until the queue is started");
	TALLOC_FREE(row.req[A]);
	run_out(fx->ev);
	is_str(row.trail.text, "a b", "B903 and so on");
	row_free(&row);
}

/* A wrapper that leaves "<" and ">" around its immediates; it has no other
 * events here. */
struct brackets {
	struct trail *trail;
};

static void wrap_before(struct tevent_context *wrap_ev, void *private_state,
			struct tevent_context *main_ev,
			struct tevent_immediate *im, const char *handler_name,
			const char *location)
{
	struct brackets *brackets = private_state;

	(void)wrap_ev;
	(void)main_ev;
	(void)im;
	(void)handler_name;
	(void)location;
	trail_add(brackets->trail, "<");
}

static void wrap_after(struct tevent_context *wrap_ev, void *private_state,
		       struct tevent_context *main_ev,
		       struct tevent_immediate *im, const char *handler_name,
		       const char *location)
{
	struct brackets *brackets = private_state;

	(void)wrap_ev;
	(void)main_ev;
	(void)im;
	(void)handler_name;
	(void)location;
	trail_add(brackets->trail, ">");
}

static const struct tevent_wrapper_ops wrap_ops = {
	.name = "brackets",
	.before_immediate_handler = wrap_before,
	.after_immediate_handler = wrap_after,
};

static struct tevent_context *wrap_make(struct fixture *fx, struct trail *trail)
{
	struct brackets *brackets = NULL;
	struct tevent_context *wrap = NULL;

	wrap = tevent_context_wrapper_create(fx->ev, fx->mem, &wrap_ops,
					     &brackets, struct brackets);
	if (wrap == NULL) {
		bail_out("no wrapper");
	}
	brackets->trail = trail;
	return wrap;
}

static void test_wrapper(struct fixture *fx)
{
	struct row row;
	struct tevent_context *wrap = NULL;

	row_make(fx, &row);
	wrap = wrap_make(fx, &row.trail);
	(void)tevent_queue_add(row.queue, wrap, row.req[A], turn_begin, NULL);
	(void)tevent_queue_add(row.queue, fx->ev, row.req[B], turn_begin, NULL);
	run_out(fx->ev);
	TALLOC_FREE(row.req[A]);
	run_out(fx->ev);
	TALLOC_FREE(row.req[B]);
	is_str(row.trail.text, "< a > b", "B912 B1501 through a wrapper");
	(void)tevent_queue_add_optimize_empty(row.queue, wrap, row.req[C],
					      turn_begin, NULL);
	is_str(row.trail.text, "< a > b c", "B905 B1501 inside of add: bare");
	row_free(&row);
	TALLOC_FREE(wrap);
}

static void test_wrapper_cut_off(struct fixture *fx)
{
	struct row row;
	struct tevent_context *wrap = NULL;

	row_make(fx, &row);
	wrap = wrap_make(fx, &row.trail);
	(void)tevent_queue_add(row.queue, wrap, row.req[A], turn_begin, NULL);
	(void)tevent_queue_add(row.queue, wrap, row.req[B], turn_begin, NULL);
	TALLOC_FREE(fx->ev);
	TALLOC_FREE(row.req[A]);
	is_uint(tevent_queue_length(row.queue), 1,
		"B913 B1505 the context behind the wrapper is gone");
	TALLOC_FREE(wrap);
	is_str(row.trail.text, "", "B913 B1505 nobody is called");
	row_free(&row);
}

static void test_wrapper_gone(struct fixture *fx)
{
	struct row row;
	struct tevent_context *wrap = NULL;

	row_make(fx, &row);
	wrap = wrap_make(fx, &row.trail);
	(void)tevent_queue_add(row.queue, wrap, row.req[A], turn_begin, NULL);
	(void)tevent_queue_add(row.queue, wrap, row.req[B], turn_begin, NULL);
	row_add(fx, &row, C);
	TALLOC_FREE(wrap);
	run_out(fx->ev);
	is_str(row.trail.text, "", "B913 B1506 wrapper gone: not triggered");
	TALLOC_FREE(row.req[A]);
	run_out(fx->ev);
	is_str(row.trail.text, "", "B913 B1506 nor the one behind");
	TALLOC_FREE(row.req[B]);
	run_out(fx->ev);
	is_str(row.trail.text, "c", "B913 freed: the next one");
	row_free(&row);
}

int main(void)
{
	warm_up();
	fixture_each_backend("B912 contexts", test_contexts);
	fixture_each_backend("B912 contexts move", test_contexts_move);
	fixture_each_backend("B701 re-initialise", test_re_initialise);
	fixture_each_backend("B1501 wrapper", test_wrapper);
	if (TEST_ON_STOCK) {
		skip("B913 stock uses freed memory");
		skip("B1505 stock schedules on a wrapper that is cut off, and "
		     "crashes");
		return done();
	}
	fixture_each_backend("B913 gone, waiting", test_gone_waiting);
	fixture_each_backend("B913 gone, scheduled", test_gone_scheduled);
	fixture_each_backend("B913 gone, head changes", test_gone_head_changes);
	fixture_each_backend("B913 gone, triggered", test_gone_triggered);
	fixture_each_backend("B913 gone, inside", test_gone_inside);
	fixture_each_backend("B913 gone, family", test_gone_family);
	fixture_each_backend("B913 gone before", test_gone_before);
	fixture_each_backend("B1505 wrapper, cut off", test_wrapper_cut_off);
	fixture_each_backend("B1506 wrapper gone", test_wrapper_gone);
	return done();
}
