/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Fork mailbox: a context that other threads or signals can wake, when the
 * first that a child does with it is to replace or to end just that.
 */
#include <signal.h>

#include "tests/trail.h"

struct scene {
	struct tevent_context *ev;
	struct trail trail;
	struct step step;
	struct tevent_threaded_context *tctx;
	struct tevent_immediate *im;
};

static void post_from_thread(unsigned index, void *arg)
{
	struct scene *scene = arg;

	(void)index;
	tevent_threaded_schedule_immediate(scene->tctx, scene->im,
					   step_immediate, &scene->step);
}

/* What the child makes here belongs to its own mailbox, not to the parent's,
 * although the context seems to have one already. */
static int child_makes_threaded(void *arg)
{
	struct scene *scene = arg;
	struct step late = { &scene->trail, "late" };
	struct fixture_threads *thread = NULL;

	scene->tctx = tevent_threaded_context_create(NULL, scene->ev);
	scene->im = tevent_create_immediate(NULL);
	(void)tevent_add_timer(scene->ev, scene->ev, seconds_from_now(5),
			       step_timer, &late);
	post_from_thread(0, scene);
	trail_passes(&scene->trail, scene->ev, 1);
	thread = fixture_threads_start(1, post_from_thread, scene);
	trail_passes(&scene->trail, scene->ev, 1);
	fixture_threads_join(thread);
	diag("%s", scene->trail.text);
	TALLOC_FREE(scene->im);
	TALLOC_FREE(scene->tctx);
	return strcmp(scene->trail.text, "x | x |") == 0 ? 0 : 1;
}

static int child_frees_context(void *arg)
{
	struct scene *scene = arg;

	TALLOC_FREE(scene->ev);
	return 0;
}

static int child_re_initialises(void *arg)
{
	struct scene *scene = arg;

	if (tevent_re_initialise(scene->ev) != 0) {
		return 2;
	}
	return child_makes_threaded(scene);
}

static void check_children(struct scene *scene)
{
	static const struct {
		fixture_child_fn fn;
		const char *name;
	} rows[] = {
		{ child_makes_threaded,
		  "B703 B705 the child's first act is a threaded context" },
		{ child_frees_context,
		  "B703 the child's first act is to free the context" },
		{ child_re_initialises,
		  "B701 the child's first act is to re-initialise" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fixture_child child = fixture_child(rows[i].fn, scene);

		child_exited(&child, 0, rows[i].name);
	}
}

/* A threaded context keeps the mailbox's memory beyond the context. */
static void test_with_threaded(struct fixture *fx)
{
	struct scene scene = { .ev = fx->ev };
	struct fixture_threads *thread = NULL;

	scene.step = (struct step){ &scene.trail, "x" };
	scene.tctx = tevent_threaded_context_create(fx->mem, fx->ev);
	check_children(&scene);
	scene.im = tevent_create_immediate(NULL);
	thread = fixture_threads_start(1, post_from_thread, &scene);
	trail_passes(&scene.trail, fx->ev, 1);
	fixture_threads_join(thread);
	is_str(scene.trail.text, "x |", "B705 the parent's works still");
	TALLOC_FREE(scene.im);
	TALLOC_FREE(scene.tctx);
}

/* A signal event does not: the mailbox goes with the context. */
static void test_with_signal(struct fixture *fx)
{
	struct scene scene = { .ev = fx->ev };
	struct step signal_step = { &scene.trail, "s" };
	struct tevent_signal *se = NULL;

	scene.step = (struct step){ &scene.trail, "x" };
	se = tevent_add_signal(fx->ev, fx->ev, SIGUSR1, 0, step_signal,
			       &signal_step);
	check_children(&scene);
	(void)raise(SIGUSR1);
	trail_passes(&scene.trail, fx->ev, 1);
	is_str(scene.trail.text, "s1 |", "B513 the parent's works still");
	TALLOC_FREE(se);
}

int main(void)
{
	warm_up();
	fixture_each_backend_flags("B705 first act, threaded context",
				   test_with_threaded, FIXTURE_THREADS);
	fixture_each_backend_flags("B703 first act, signal", test_with_signal,
				   FIXTURE_THREADS);
	return done();
}
