/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Immediate: queued calls, one a pass, first in first out. */
#include "tests/trail.h"

#define COUNT 4

struct row {
	struct trail trail;
	struct step steps[COUNT];
	struct tevent_immediate *im[COUNT];
};

static void row_open(struct row *row, struct fixture *fx)
{
	static const char *const words[COUNT] = { "a", "b", "c", "d" };

	*row = (struct row){ .trail = { "" } };
	for (int i = 0; i < COUNT; i++) {
		row->steps[i] = (struct step){ &row->trail, words[i] };
		row->im[i] = tevent_create_immediate(fx->mem);
		tevent_schedule_immediate(row->im[i], fx->ev, step_immediate,
					  &row->steps[i]);
	}
}

static void row_close(struct row *row)
{
	for (int i = 0; i < COUNT; i++) {
		TALLOC_FREE(row->im[i]);
	}
}

static void test_order(struct fixture *fx)
{
	struct row row;

	row_open(&row, fx);
	trail_passes(&row.trail, fx->ev, COUNT);
	is_str(row.trail.text, "a | b | c | d |",
	       "B451 one a pass, in order of scheduling");
	row_close(&row);
}

static void test_again(struct fixture *fx)
{
	struct row row;
	struct step other = { &row.trail, "A" };

	row_open(&row, fx);
	tevent_schedule_immediate(row.im[0], fx->ev, step_immediate, &other);
	trail_passes(&row.trail, fx->ev, COUNT);
	is_str(row.trail.text, "b | c | d | A |",
	       "B452 scheduled again, it moves to the end with its new data");
	row_close(&row);
}

static void test_cancel(struct fixture *fx)
{
	struct row row;

	row_open(&row, fx);
	tevent_schedule_immediate(row.im[1], fx->ev, NULL, NULL);
	tevent_schedule_immediate(row.im[1], fx->ev, NULL, NULL);
	is_int(tevent_loop_wait(fx->ev), 0, "B453 loop_wait");
	is_str(row.trail.text, "a c d", "B453 without a handler: cancelled");
	row_close(&row);
}

#if TEST_ON_STOCK
static void test_reset(struct fixture *fx)
{
	(void)fx;
	skip("B457 no tevent_reset_immediate before 0.17");
}
#else
static void test_reset(struct fixture *fx)
{
	struct row row;

	row_open(&row, fx);
	tevent_reset_immediate(row.im[0]);
	tevent_reset_immediate(row.im[0]);
	tevent_reset_immediate(row.im[3]);
	is_int(tevent_loop_wait(fx->ev), 0, "B457 loop_wait");
	is_str(row.trail.text, "b c", "B457 reset: cancelled");
	tevent_schedule_immediate(row.im[0], fx->ev, step_immediate,
				  &row.steps[0]);
	trail_clear(&row.trail);
	trail_pass(&row.trail, fx->ev);
	is_str(row.trail.text, "a |", "B457 and can be scheduled again");
	row_close(&row);
}
#endif

static void test_freed(struct fixture *fx)
{
	struct row row;

	row_open(&row, fx);
	TALLOC_FREE(row.im[0]);
	TALLOC_FREE(row.im[2]);
	is_int(tevent_loop_wait(fx->ev), 0, "B455 loop_wait");
	is_str(row.trail.text, "b d", "B455 freed while queued: never runs");
	row_close(&row);
}

struct inside {
	struct row row;
	struct tevent_context *other;
};

static void free_sibling(struct tevent_context *ev, struct tevent_immediate *im,
			 void *private_data)
{
	struct inside *inside = private_data;

	(void)ev;
	(void)im;
	trail_add(&inside->row.trail, "free");
	TALLOC_FREE(inside->row.im[1]);
}

static void test_free_sibling(struct fixture *fx)
{
	struct inside inside;
	struct tevent_immediate *im = tevent_create_immediate(fx->mem);

	tevent_schedule_immediate(im, fx->ev, free_sibling, &inside);
	row_open(&inside.row, fx);
	is_int(tevent_loop_wait(fx->ev), 0, "B455 loop_wait");
	is_str(inside.row.trail.text, "free a c d",
	       "B455 a sibling freed in a handler never runs");
	row_close(&inside.row);
	TALLOC_FREE(im);
}

static void repeat(struct tevent_context *ev, struct tevent_immediate *im,
		   void *private_data)
{
	struct inside *inside = private_data;

	trail_add(&inside->row.trail, "again");
	tevent_schedule_immediate(im, ev, step_immediate,
				  &inside->row.steps[0]);
}

static void cancel_self(struct tevent_context *ev, struct tevent_immediate *im,
			void *private_data)
{
	struct inside *inside = private_data;

	trail_add(&inside->row.trail, "cancel");
	tevent_schedule_immediate(im, ev, step_immediate,
				  &inside->row.steps[0]);
	tevent_schedule_immediate(im, ev, NULL, NULL);
}

static void free_self(struct tevent_context *ev, struct tevent_immediate *im,
		      void *private_data)
{
	struct inside *inside = private_data;

	(void)ev;
	trail_add(&inside->row.trail, "freed");
	TALLOC_FREE(im);
}

static void hop(struct tevent_context *ev, struct tevent_immediate *im,
		void *private_data)
{
	struct inside *inside = private_data;

	(void)ev;
	trail_add(&inside->row.trail, "hop");
	tevent_schedule_immediate(im, inside->other, step_immediate,
				  &inside->row.steps[0]);
}

static void test_inside(struct fixture *fx)
{
	static const struct {
		tevent_immediate_handler_t handler;
		const char *want;
		const char *name;
	} rows[] = {
		{ repeat, "again b c d a",
		  "B454 scheduled in its handler it goes to the end" },
		{ cancel_self, "cancel b c d",
		  "B453 cancelled in its handler it is not queued" },
		{ free_self, "freed b c d",
		  "B201 freed in its handler it is gone" },
		{ hop, "hop b c d",
		  "B454 a handler may schedule it on another context" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct inside inside = { .other = NULL };
		struct tevent_immediate *first = NULL;

		inside.other = tevent_context_init(fx->mem);
		row_open(&inside.row, fx);
		for (int j = 0; j < COUNT; j++) {
			tevent_schedule_immediate(
				inside.row.im[j], fx->ev,
				j == 0 ? rows[i].handler : step_immediate,
				j == 0 ? (void *)&inside
				       : (void *)&inside.row.steps[j]);
		}
		first = inside.row.im[0];
		inside.row.im[0] = NULL;
		is_int(tevent_loop_wait(fx->ev), 0, "loop_wait");
		is_str(inside.row.trail.text, rows[i].want, "%s", rows[i].name);
		trail_clear(&inside.row.trail);
		is_int(tevent_loop_wait(inside.other), 0, "the other's");
		is_str(inside.row.trail.text, rows[i].handler == hop ? "a" : "",
		       "%s: the other context", rows[i].name);
		if (rows[i].handler != free_self) {
			TALLOC_FREE(first);
		}
		row_close(&inside.row);
		TALLOC_FREE(inside.other);
	}
}

static void use_freed(struct tevent_context *ev, struct tevent_immediate *im,
		      void *private_data)
{
	tevent_immediate_handler_t *handler = private_data;

	(void)talloc_free(im);
	tevent_schedule_immediate(im, ev, *handler, NULL);
}

static int run_use_freed(void *arg)
{
	struct fixture *fx = arg;
	tevent_immediate_handler_t handler = step_immediate;

	tevent_schedule_immediate(tevent_create_immediate(fx->mem), fx->ev,
				  use_freed, &handler);
	(void)tevent_loop_once(fx->ev);
	return 0;
}

static int run_cancel_freed(void *arg)
{
	struct fixture *fx = arg;
	tevent_immediate_handler_t handler = NULL;

	tevent_schedule_immediate(tevent_create_immediate(fx->mem), fx->ev,
				  use_freed, &handler);
	(void)tevent_loop_once(fx->ev);
	return 0;
}

static void test_freed_used(struct fixture *fx)
{
	struct fixture_child child;

	ok(fixture_aborts(run_use_freed, fx, &child),
	   "B205 freed and scheduled in its own handler: abort, %s",
	   child.text);
	ok(fixture_aborts(run_cancel_freed, fx, &child),
	   "B205 freed and cancelled in its own handler: abort, %s",
	   child.text);
}

static void test_contexts(struct fixture *fx)
{
	struct tevent_context *other = tevent_context_init(fx->mem);
	struct row row;

	row_open(&row, fx);
	tevent_schedule_immediate(row.im[1], other, step_immediate,
				  &row.steps[1]);
	is_int(tevent_loop_wait(fx->ev), 0, "the one");
	is_str(row.trail.text, "a c d",
	       "B452 scheduled on another context it leaves the first");
	is_int(tevent_loop_wait(other), 0, "the other");
	is_str(row.trail.text, "a c d b", "B452 and runs there");

	tevent_schedule_immediate(row.im[0], other, step_immediate,
				  &row.steps[0]);
	TALLOC_FREE(other);
	trail_clear(&row.trail);
	tevent_schedule_immediate(row.im[0], fx->ev, step_immediate,
				  &row.steps[0]);
	is_int(tevent_loop_wait(fx->ev), 0, "the one again");
	is_str(row.trail.text, "a",
	       "B456 its context freed, it is usable with another");
	row_close(&row);
}

static void test_unused(struct fixture *fx)
{
	struct tevent_immediate *im = tevent_create_immediate(fx->mem);
	struct tevent_immediate *orphan = tevent_create_immediate(NULL);

	is_ptr(talloc_parent(im), fx->mem, "4 an immediate has the parent");
	ok(orphan != NULL, "4 an immediate needs no parent");
	TALLOC_FREE(im);
	TALLOC_FREE(orphan);
	is_int(tevent_loop_wait(fx->ev), 0,
	       "B458 one never scheduled leaves "
	       "nothing");
}

#define MANY 50000

static void count_immediate(struct tevent_context *ev,
			    struct tevent_immediate *im, void *private_data)
{
	unsigned *next = private_data;
	unsigned *own = talloc_get_type_abort(talloc_parent(im), unsigned);

	(void)ev;
	if (*own == *next) {
		(*next)++;
	}
}

static void test_many(struct fixture *fx)
{
	TALLOC_CTX *mem = talloc_new(fx->mem);
	unsigned next = 0;

	for (unsigned i = 0; i < MANY; i++) {
		unsigned *number = talloc(mem, unsigned);

		*number = i;
		tevent_schedule_immediate(tevent_create_immediate(number),
					  fx->ev, count_immediate, &next);
	}
	is_int(tevent_loop_wait(fx->ev), 0, "loop_wait");
	is_uint(next, MANY, "B451 very many, each once and in order");
	TALLOC_FREE(mem);
}

int main(void)
{
	warm_up();
	fixture_each_backend("B451 order", test_order);
	fixture_each_backend("B452 again", test_again);
	fixture_each_backend("B453 cancel", test_cancel);
	fixture_each_backend("B457 reset", test_reset);
	fixture_each_backend("B455 freed", test_freed);
	fixture_each_backend("B455 free sibling", test_free_sibling);
	fixture_each_backend("B454 inside", test_inside);
	fixture_each_backend("B205 freed, used", test_freed_used);
	fixture_each_backend("B456 contexts", test_contexts);
	fixture_each_backend("B458 unused", test_unused);
	fixture_run("B451 many", test_many);
	return done();
}
