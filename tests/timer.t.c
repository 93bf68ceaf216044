/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Timer: order by examples, the time handlers are told, update, free, and very
 * many of them. Order by chance against a model is in timer_order.t.c, timers
 * that their own handlers arm again are in timer_rearm.t.c.
 */
#include "tests/trail.h"

#define ADDED_MAX 8

struct added {
	const char *word; /* NULL ends a row */
	long sec;
	long usec;
};

/* Adds a row's timers, runs each and compares the order. */
static void check_order(struct fixture *fx, const struct added *row,
			const char *want, const char *name)
{
	struct trail trail = { "" };
	struct step steps[ADDED_MAX];
	unsigned count = 0;

	for (; row[count].word != NULL; count++) {
		struct timeval when = { row[count].sec, row[count].usec };

		steps[count] = (struct step){ &trail, row[count].word };
		(void)tevent_add_timer(fx->ev, fx->mem, when, step_timer,
				       &steps[count]);
	}
	trail_passes(&trail, fx->ev, count);
	is_str(trail.text, want, "%s", name);
}

static void test_order(struct fixture *fx)
{
	static const struct {
		struct added added[ADDED_MAX];
		const char *want;
		const char *name;
	} rows[] = {
		{ { { "c", 300, 0 }, { "a", 100, 0 }, { "b", 200, 0 } },
		  "a | b | c |",
		  "B401 by time" },
		{ { { "b", 7, 2 }, { "c", 7, 3 }, { "a", 7, 1 } },
		  "a | b | c |",
		  "B401 by microseconds" },
		{ { { "a", 7, 7 }, { "b", 7, 7 }, { "c", 7, 7 } },
		  "a | b | c |",
		  "B401 equal times in order of adding" },
		{ { { "x", 9, 0 },
		    { "a", 7, 7 },
		    { "y", 8, 0 },
		    { "b", 7, 7 } },
		  "a | b | y | x |",
		  "B401 equal times between others" },
		{ { { "p", 1, 0 }, { "z", 0, 0 }, { "n", -1, 0 } },
		  "n | z | p |",
		  "B401 negative, zero, positive" },
		{ { { "p", 0, 1 },
		    { "z1", 0, 0 },
		    { "z2", 0, 0 },
		    { "z3", 0, 0 } },
		  "z1 | z2 | z3 | p |",
		  "B403 zeros in order of adding" },
		{ { { "b", 2, 0 }, { "a", 1, 1500000 }, { "c", 2, 1 } },
		  "a | b | c |",
		  "B401 seconds first, normalised or not" },
		{ { { "b", -1, 0 }, { "a", -2, 999999 }, { "c", -1, 1 } },
		  "a | b | c |",
		  "B401 negative seconds" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check_order(fx, rows[i].added, rows[i].want, rows[i].name);
	}
}

struct told {
	struct timeval now;
	bool came;
};

static void told_timer(struct tevent_context *ev, struct tevent_timer *te,
		       struct timeval now, void *private_data)
{
	struct told *told = private_data;

	(void)ev;
	(void)te;
	told->now = now;
	told->came = true;
}

static void test_told(struct fixture *fx)
{
	static const struct timeval whens[] = { { 0, 1 }, { 5, 0 }, { -5, 0 } };
	struct timeval before = tevent_timeval_current();
	struct timeval after = { 0, 0 };
	struct told told = { .now = { 1, 1 } };

	(void)tevent_add_timer(fx->ev, fx->ev, tevent_timeval_zero(),
			       told_timer, &told);
	(void)fixture_turn_until(fx->ev, &told.came);
	ok(tevent_timeval_is_zero(&told.now),
	   "B402 the handler of a zero timer is told zero");
	for (size_t i = 0; i < sizeof(whens) / sizeof(whens[0]); i++) {
		told.came = false;
		(void)tevent_add_timer(fx->ev, fx->ev, whens[i], told_timer,
				       &told);
		(void)fixture_turn_until(fx->ev, &told.came);
		after = tevent_timeval_current();
		ok(tevent_timeval_compare(&before, &told.now) <= 0 &&
			   tevent_timeval_compare(&told.now, &after) <= 0,
		   "B402 the handler of %ld.%06ld is told the time of day",
		   (long)whens[i].tv_sec, (long)whens[i].tv_usec);
	}
}

static void test_moved_to_zero(struct fixture *fx)
{
	struct timeval zero = { 0, 0 };
	struct timeval late = { 9, 0 };
	struct trail trail = { "" };
	struct step a = { &trail, "a" };
	struct step z1 = { &trail, "z1" };
	struct step z2 = { &trail, "z2" };
	struct step p = { &trail, "p" };
	struct tevent_timer *te = NULL;

	te = tevent_add_timer(fx->ev, fx->ev, late, step_timer, &a);
	tevent_update_timer(te, zero);
	(void)tevent_add_timer(fx->ev, fx->ev, late, step_timer, &p);
	(void)tevent_add_timer(fx->ev, fx->ev, zero, step_timer, &z1);
	(void)tevent_add_timer(fx->ev, fx->ev, zero, step_timer, &z2);
	trail_passes(&trail, fx->ev, 4);
	is_str(trail.text, "z1 | z2 | a | p |",
	       "B403 zeros added after one moved to zero run before it");

	trail_clear(&trail);
	te = tevent_add_timer(fx->ev, fx->ev, late, step_timer, &a);
	(void)tevent_add_timer(fx->ev, fx->ev, zero, step_timer, &z1);
	tevent_update_timer(te, zero);
	(void)tevent_add_timer(fx->ev, fx->ev, zero, step_timer, &z2);
	trail_passes(&trail, fx->ev, 3);
	is_str(trail.text, "z1 | z2 | a |",
	       "B403 one moved to zero runs after the zeros");
}

static void test_update(struct fixture *fx)
{
	struct timeval one = { 1, 0 };
	struct timeval two = { 2, 0 };
	struct timeval three = { 3, 0 };
	struct trail trail = { "" };
	struct step steps[] = { { &trail, "a" },
				{ &trail, "b" },
				{ &trail, "c" } };
	struct tevent_timer *te[3] = { NULL };

	for (int i = 0; i < 3; i++) {
		te[i] = tevent_add_timer(fx->ev, fx->ev, two, step_timer,
					 &steps[i]);
	}
	tevent_update_timer(te[0], two);
	trail_passes(&trail, fx->ev, 3);
	is_str(trail.text, "b | c | a |",
	       "B410 updated to the same time, it goes last");

	trail_clear(&trail);
	for (int i = 0; i < 3; i++) {
		te[i] = tevent_add_timer(fx->ev, fx->ev, two, step_timer,
					 &steps[i]);
	}
	tevent_update_timer(te[0], three);
	tevent_update_timer(te[2], one);
	trail_passes(&trail, fx->ev, 3);
	is_str(trail.text, "c | b | a |", "B410 sooner and later");

	trail_clear(&trail);
	te[0] = tevent_add_timer(fx->ev, fx->ev, two, step_timer, &steps[0]);
	tevent_update_timer(te[0], seconds_from_now(60));
	settle(fx->ev, 3);
	is_str(trail.text, "", "B410 moved out of the past, it does not fire");
	tevent_timer_set_tag(te[0], 77);
	tevent_update_timer(te[0], one);
	is_uint(tevent_timer_get_tag(te[0]), 77, "B410 it keeps its tag");
	trail_passes(&trail, fx->ev, 1);
	is_str(trail.text, "a |", "B410 moved back, it does");
}

static int freed;

static int count_free(char *child)
{
	(void)child;
	freed++;
	return 0;
}

static void free_inside(struct tevent_context *ev, struct tevent_timer *te,
			struct timeval now, void *private_data)
{
	bool *came = private_data;

	(void)ev;
	(void)now;
	*came = true;
	TALLOC_FREE(te);
}

static void keep_inside(struct tevent_context *ev, struct tevent_timer *te,
			struct timeval now, void *private_data)
{
	bool *came = private_data;

	(void)ev;
	(void)te;
	(void)now;
	*came = freed == 0;
}

static void test_lifetime(struct fixture *fx)
{
	static const tevent_timer_handler_t handlers[] = { keep_inside,
							   free_inside };

	for (size_t i = 0; i < 2; i++) {
		struct tevent_timer *te = NULL;
		bool came = false;
		char *child = NULL;

		te = tevent_add_timer(fx->ev, fx->mem, tevent_timeval_zero(),
				      handlers[i], &came);
		child = talloc(te, char);
		talloc_set_destructor(child, count_free);
		freed = 0;
		(void)fixture_turn_until(fx->ev, &came);
		is_int(freed, 1, "B406 a timer %s is freed once",
		       i == 0 ? "left alone" : "freed in its handler");
	}
	is_uint(talloc_total_blocks(fx->mem) - talloc_total_blocks(fx->ev) - 1,
		0, "B406 and nothing of it stays");
}

struct killer {
	struct step step;
	struct tevent_timer *victim;
};

static void kill_timer(struct tevent_context *ev, struct tevent_timer *te,
		       struct timeval now, void *private_data)
{
	struct killer *killer = private_data;

	(void)ev;
	(void)te;
	(void)now;
	trail_add(killer->step.trail, killer->step.word);
	TALLOC_FREE(killer->victim);
}

static void test_freed(struct fixture *fx)
{
	struct timeval one = { 1, 0 };
	struct trail trail = { "" };
	struct step b = { &trail, "b" };
	struct step c = { &trail, "c" };
	struct killer killer = { { &trail, "a" }, NULL };
	struct tevent_timer *te = NULL;

	te = tevent_add_timer(fx->ev, fx->ev, one, step_timer, &b);
	TALLOC_FREE(te);
	(void)tevent_add_timer(fx->ev, fx->ev, one, kill_timer, &killer);
	killer.victim = tevent_add_timer(fx->ev, fx->ev, one, step_timer, &b);
	(void)tevent_add_timer(fx->ev, fx->ev, one, step_timer, &c);
	trail_passes(&trail, fx->ev, 2);
	is_str(trail.text, "a | c |",
	       "B407 a timer freed before or by a sibling never fires");
	is_int(tevent_loop_wait(fx->ev), 0, "B407 none is left");
}

struct adder {
	struct step step;
	struct step zero;
	struct step im_step;
	struct tevent_immediate *im;
};

static void add_inside(struct tevent_context *ev, struct tevent_timer *te,
		       struct timeval now, void *private_data)
{
	struct adder *adder = private_data;

	(void)te;
	(void)now;
	trail_add(adder->step.trail, adder->step.word);
	(void)tevent_add_timer(ev, ev, tevent_timeval_zero(), step_timer,
			       &adder->zero);
	tevent_schedule_immediate(adder->im, ev, step_immediate,
				  &adder->im_step);
}

static void test_added_inside(struct fixture *fx)
{
	struct trail trail = { "" };
	struct adder adder = { { &trail, "a" },
			       { &trail, "zero" },
			       { &trail, "im" },
			       tevent_create_immediate(fx->ev) };
	struct step b = { &trail, "b" };
	struct timeval one = { 1, 0 };

	(void)tevent_add_timer(fx->ev, fx->ev, one, add_inside, &adder);
	(void)tevent_add_timer(fx->ev, fx->ev, one, step_timer, &b);
	trail_passes(&trail, fx->ev, 4);
	is_str(trail.text, "a | im | zero | b |",
	       "B404 what a timer adds runs in later passes, in its place");
}

static void test_detached(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "a" };
	struct tevent_timer *te = tevent_add_timer(
		fx->ev, fx->mem, tevent_timeval_zero(), step_timer, &step);

	TALLOC_FREE(fx->ev);
	if (TEST_ON_STOCK) {
		skip("B411 stock crashes over updating a detached timer");
	} else {
		tevent_update_timer(te, seconds_from_now(1));
		is_str(trail.text, "",
		       "B411 updating a timer whose context is gone does "
		       "nothing");
	}
	TALLOC_FREE(te);
}

#define MANY (TEST_ASAN || TEST_TSAN ? 100000 : 1000000)

static void count_timer(struct tevent_context *ev, struct tevent_timer *te,
			struct timeval now, void *private_data)
{
	unsigned *count = private_data;

	(void)ev;
	(void)te;
	(void)now;
	(*count)++;
}

/* Added in order, which stock's list can do as well. */
static void test_many(struct fixture *fx)
{
	TALLOC_CTX *mem = talloc_new(fx->mem);
	struct timeval now = tevent_timeval_current();
	struct timeval past = { 1, 0 };
	struct trail trail = { "" };
	struct step step = { &trail, "first" };
	unsigned count = 0;
	unsigned added = 0;

	for (unsigned i = 0; i < MANY; i++) {
		struct timeval when = { now.tv_sec + 100, 0 };

		when.tv_sec += i / 1000;
		when.tv_usec = i % 1000;
		if (tevent_add_timer(fx->ev, mem, when, count_timer, &count) !=
		    NULL) {
			added++;
		}
	}
	is_uint(added, MANY, "4.5 very many timers pending");
	(void)tevent_add_timer(fx->ev, mem, past, step_timer, &step);
	trail_passes(&trail, fx->ev, 1);
	is_str(trail.text, "first |", "4.5 the one that is due comes first");
	is_uint(count, 0, "4.5 and no other");
	TALLOC_FREE(mem);
	is_int(tevent_loop_wait(fx->ev), 0, "4.5 all freed, none is left");
}

int main(void)
{
	warm_up();
	fixture_each_backend("B401 order", test_order);
	fixture_each_backend("B402 told", test_told);
	fixture_each_backend("B403 moved to zero", test_moved_to_zero);
	fixture_each_backend("B410 update", test_update);
	fixture_each_backend("B406 lifetime", test_lifetime);
	fixture_each_backend("B407 freed", test_freed);
	fixture_each_backend("B404 added inside", test_added_inside);
	fixture_each_backend("B411 detached", test_detached);
	fixture_run("4.5 many", test_many);
	return done();
}
