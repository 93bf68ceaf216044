/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Hazards between threads: posts whose context or threaded context goes away
 * before they are delivered, and a library that several threads use for the
 * first time. The posts need no second thread to show, and are no matter of
 * luck then.
 */
#include "tests/hazard.h"

#define POSTS 4

/* Immediates for tevent_threaded_schedule_immediate() hang nowhere. */
struct posts {
	struct trail trail;
	struct step steps[POSTS];
	struct tevent_threaded_context *tctx;
	struct tevent_immediate *im[POSTS];
};

static void posts_make(struct fixture *fx, struct posts *posts, int count)
{
	static const char *const words[POSTS] = { "1", "2", "3", "4" };

	*posts = (struct posts){ .tctx = NULL };
	posts->tctx = tevent_threaded_context_create(fx->mem, fx->ev);
	for (int i = 0; i < count; i++) {
		posts->steps[i] = (struct step){ &posts->trail, words[i] };
		posts->im[i] = tevent_create_immediate(NULL);
		tevent_threaded_schedule_immediate(posts->tctx, posts->im[i],
						   step_immediate,
						   &posts->steps[i]);
	}
}

static void posts_free(struct posts *posts)
{
	for (int i = 0; i < POSTS; i++) {
		TALLOC_FREE(posts->im[i]);
	}
	TALLOC_FREE(posts->tctx);
}

/* Its owner no longer wants what it has posted. */
static void posted_freed(struct fixture *fx)
{
	struct posts posts;

	posts_make(fx, &posts, 3);
	TALLOC_FREE(posts.im[1]);
	settle(fx->ev, 3);
	hazard_expect_trail(&posts.trail, "1 3");
	posts_free(&posts);
}

static void context_gone(struct fixture *fx)
{
	struct posts posts;

	posts_make(fx, &posts, 2);
	TALLOC_FREE(fx->ev);
	hazard_expect_trail(&posts.trail, "");
	posts_free(&posts);
}

/* What hangs below a context goes with it, immediates too. */
static void context_gone_parent(struct fixture *fx)
{
	struct posts posts;

	posts_make(fx, &posts, 1);
	(void)talloc_steal(fx->ev, posts.im[0]);
	posts.im[0] = NULL;
	TALLOC_FREE(fx->ev);
	hazard_expect_trail(&posts.trail, "");
	posts_free(&posts);
}

/* The immediates of a dead context serve with another. */
static void context_gone_used_again(struct fixture *fx)
{
	struct tevent_context *other = tevent_context_init(fx->mem);
	struct posts posts;

	posts_make(fx, &posts, 1);
	TALLOC_FREE(fx->ev);
	tevent_schedule_immediate(posts.im[0], other, step_immediate,
				  &posts.steps[0]);
	settle(other, 2);
	hazard_expect_trail(&posts.trail, "1");
	posts_free(&posts);
}

/* Accepted is delivered. */
static void threaded_gone(struct fixture *fx)
{
	struct posts posts;

	posts_make(fx, &posts, 2);
	TALLOC_FREE(posts.tctx);
	settle(fx->ev, 3);
	if (!hazard_expect(posts.trail.text[0] != '\0',
			   "what was accepted is not delivered")) {
		return; /* nobody can free them either */
	}
	hazard_expect_trail(&posts.trail, "1 2");
	posts_free(&posts);
}

/* ---- first use ---- */

static void use_library(unsigned index, void *arg)
{
	struct fixture_gate *worked = arg;
	struct trail trail = { "" };
	struct step step = { &trail, "t" };
	struct tevent_context *ev = tevent_context_init(NULL);

	(void)index;
	if (ev != NULL && tevent_add_timer(ev, ev, tevent_timeval_zero(),
					   step_timer, &step) != NULL) {
		trail_pass(&trail, ev);
	}
	if (strcmp(trail.text, "t |") == 0) {
		fixture_gate_add(worked, 1);
	}
	talloc_free(ev);
}

static void first_use(struct fixture *fx)
{
	struct fixture_gate worked = { 0 };

	(void)fx;
	fixture_threads_join(fixture_threads_start(4, use_library, &worked));
	(void)hazard_expect(fixture_gate_value(&worked) == 4,
			    "%d of 4 threads could use the library",
			    fixture_gate_value(&worked));
}

static const struct hazard hazards[] = {
	{ HAZARD(posted_freed, "B1102", HAZARD_KILLED) },
	{ HAZARD(context_gone, "B1104", HAZARD_KILLED) },
	{ HAZARD(context_gone_parent, "B1104", HAZARD_KILLED) },
	{ HAZARD(context_gone_used_again, "B1104", HAZARD_KILLED) },
	{ HAZARD(threaded_gone, "B1105", HAZARD_WRONG) },
	{ HAZARD(first_use, "4.3",
		 HAZARD_WRONG | HAZARD_KILLED | HAZARD_HIDDEN),
	  .checker = "helgrind", .bare = true },
	{ .name = NULL },
};

int main(int argc, char **argv)
{
	return hazard_main(argc, argv, hazards);
}
