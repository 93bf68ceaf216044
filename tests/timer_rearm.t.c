/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Timer re-arm: a timer whose own handler updates it is pending again and not
 * the library's to free, whatever else that handler does.
 */
#include "tests/trail.h"

struct rearm {
	struct step step;
	unsigned left;
	bool free_too;
};

static void rearm_timer(struct tevent_context *ev, struct tevent_timer *te,
			struct timeval now, void *private_data)
{
	struct rearm *rearm = private_data;
	struct timeval soon = { 1, 0 };

	(void)ev;
	(void)now;
	trail_add(rearm->step.trail, rearm->step.word);
	if (rearm->left-- > 0) {
		tevent_update_timer(te, soon);
		if (rearm->free_too) {
			TALLOC_FREE(te);
		}
	}
}

static void test_rearm(struct fixture *fx)
{
	struct trail trail = { "" };
	struct rearm rearm = { { &trail, "a" }, 2, false };
	struct rearm gone = { { &trail, "g" }, 1, true };

	if (TEST_ON_STOCK) {
		skip("B411 stock leaves a freed timer in its list here");
		return;
	}
	(void)tevent_add_timer(fx->ev, fx->mem, tevent_timeval_zero(),
			       rearm_timer, &rearm);
	is_int(tevent_loop_wait(fx->ev), 0, "B411 4.3 loop_wait ends");
	is_str(trail.text, "a a a",
	       "B411 4.3 update in its own handler re-arms a timer");
	trail_clear(&trail);
	(void)tevent_add_timer(fx->ev, fx->mem, tevent_timeval_zero(),
			       rearm_timer, &gone);
	is_int(tevent_loop_wait(fx->ev), 0, "B411 4.3 loop_wait ends again");
	is_str(trail.text, "g", "B411 4.3 re-armed and then freed, it is gone");
	is_uint(talloc_total_blocks(fx->mem) - talloc_total_blocks(fx->ev) - 1,
		0, "B411 4.3 the library has freed both");
}

/* Armed again while the others fill whatever room there is. */
static void test_rearm_among_many(struct fixture *fx)
{
	bool good = true;

	if (TEST_ON_STOCK) {
		skip("B411 stock leaves a freed timer in its list here");
		return;
	}
	for (unsigned count = 1; count <= 150; count++) {
		struct tevent_context *ev = tevent_context_init(fx->mem);
		struct trail trail = { "" };
		struct rearm rearm = { { &trail, "a" }, 1, false };

		(void)tevent_add_timer(ev, ev, tevent_timeval_zero(),
				       rearm_timer, &rearm);
		for (unsigned i = 0; i < count; i++) {
			(void)tevent_add_timer(ev, ev, seconds_from_now(60),
					       rearm_timer, &rearm);
		}
		trail_passes(&trail, ev, 2);
		good = good && strcmp(trail.text, "a | a |") == 0;
		TALLOC_FREE(ev);
	}
	ok(good, "B411 4.3 re-armed among any number of others");
}

struct ending {
	struct fixture *fx;
	unsigned frees; /* of the timer */
	bool rearm;
	bool free_too;
};

static int count_free(struct ending **witness)
{
	(*witness)->frees++;
	return 0;
}

static void end_context(struct tevent_context *ev, struct tevent_timer *te,
			struct timeval now, void *private_data)
{
	struct ending *ending = private_data;

	(void)ev;
	(void)now;
	if (ending->rearm) {
		tevent_update_timer(te, seconds_from_now(60));
	}
	TALLOC_FREE(ending->fx->ev);
	if (ending->free_too) {
		TALLOC_FREE(te);
	}
}

/* Armed again by a handler that then ends the context, the timer is detached
 * and not pending; it is the program's all the same. */
static void test_rearm_context_freed(struct fixture *fx)
{
	static const struct {
		bool rearm;
		bool free_too;
		unsigned frees;
		const char *name;
	} rows[] = {
		{ true, false, 0, "re-armed: the program's to free" },
		{ true, true, 1, "re-armed and freed: gone" },
		{ false, false, 1, "not re-armed: gone" },
		{ false, true, 1, "freed: gone" },
	};

	if (TEST_ON_STOCK) {
		skip("B206 stock uses a context freed in a handler");
		return;
	}
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ending ending = { fx, 0, rows[i].rearm,
					 rows[i].free_too };
		struct tevent_timer *te = NULL;
		struct ending **witness = NULL;

		if (fx->ev == NULL) {
			fx->ev = tevent_context_init_byname(fx->mem,
							    fx->backend);
		}
		te = tevent_add_timer(fx->ev, fx->mem, tevent_timeval_zero(),
				      end_context, &ending);
		witness = talloc(te, struct ending *);
		*witness = &ending;
		talloc_set_destructor(witness, count_free);
		turn(fx->ev);
		is_uint(ending.frees, rows[i].frees,
			"B206 B411 4.3 context freed, %s", rows[i].name);
		if (ending.frees == 0) {
			tevent_update_timer(te, tevent_timeval_zero());
			TALLOC_FREE(te);
			is_uint(ending.frees, 1, "B207 4.3 and now it is gone");
		}
	}
}

int main(void)
{
	warm_up();
	fixture_each_backend("B411 re-arm", test_rearm);
	fixture_run("B411 re-arm among many", test_rearm_among_many);
	fixture_each_backend("B411 re-arm, context freed",
			     test_rearm_context_freed);
	return done();
}
