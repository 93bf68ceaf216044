/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Threaded: threaded contexts, seen from one thread: order, lifetimes, what is
 * refused. Many threads at once are in mailbox.t.c.
 */
#include <pthread.h>
#include <signal.h>

#include "tests/wrappertest.h"

/* What crosses threads has no parent. */
static struct tevent_immediate *make_im(void)
{
	return tevent_create_immediate(NULL);
}

static void test_objects(struct fixture *fx)
{
	struct tevent_threaded_context *tctx = tevent_threaded_context_create(
		fx->mem, fx->ev);
	struct tevent_threaded_context *orphan = tevent_threaded_context_create(
		NULL, fx->ev);
	struct trail trail = { "" };
	struct step step = { &trail, "x" };
	struct tevent_immediate *im = make_im();

	ok(tctx != NULL && orphan != NULL, "9 threaded contexts");
	is_ptr(talloc_parent(tctx), fx->mem, "B1107 its parent");
	is_str(talloc_get_name(tctx), "struct tevent_threaded_context",
	       "B1107 its name");
	is_int(tevent_loop_wait(fx->ev), 0,
	       "B131 it does not keep loop_wait from ending");
	tevent_threaded_schedule_immediate(tctx, im, step_immediate, &step);
	is_int(tevent_loop_wait(fx->ev), 0,
	       "B131 nor does a post that no pass has taken");
	is_str(trail.text, "", "B131 which is still on its way");
	trail_passes(&trail, fx->ev, 1);
	is_str(trail.text, "x |", "B131 and arrives with the next pass");
	TALLOC_FREE(im);
	TALLOC_FREE(tctx);
	TALLOC_FREE(orphan);
}

static void test_order(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step steps[5] = { { &trail, "1" },
				 { &trail, "2" },
				 { &trail, "3" },
				 { &trail, "local" },
				 { &trail, "later" } };
	struct tevent_threaded_context *tctx = tevent_threaded_context_create(
		fx->mem, fx->ev);
	struct tevent_immediate *local = tevent_create_immediate(fx->mem);
	struct tevent_immediate *later = tevent_create_immediate(fx->mem);
	struct tevent_immediate *im[3] = { NULL };

	for (int i = 0; i < 3; i++) {
		im[i] = make_im();
		tevent_threaded_schedule_immediate(tctx, im[i], step_immediate,
						   &steps[i]);
	}
	tevent_schedule_immediate(local, fx->ev, step_immediate, &steps[3]);
	trail_passes(&trail, fx->ev, 1);
	tevent_schedule_immediate(later, fx->ev, step_immediate, &steps[4]);
	trail_passes(&trail, fx->ev, 4);
	is_str(trail.text, "local | 1 | 2 | 3 | later |",
	       "B1101 posts join the queue at the start of a pass, in order");

	trail_clear(&trail);
	tevent_schedule_immediate(im[0], fx->ev, step_immediate, &steps[3]);
	trail_passes(&trail, fx->ev, 1);
	is_str(trail.text, "local |",
	       "B1102 afterwards it is an ordinary immediate");
	for (int i = 0; i < 3; i++) {
		TALLOC_FREE(im[i]);
	}
	TALLOC_FREE(local);
	TALLOC_FREE(later);
	TALLOC_FREE(tctx);
}

/* Whatever the loop saves itself by working off what it has taken, the order
 * is as if each pass had looked for posts when it began. */
static void test_order_in_batch(struct fixture *fx)
{
	static const char *const words[] = { "A", "B", "C", "D", "L", "t" };
	struct trail trail = { "" };
	struct step steps[6];
	struct tevent_immediate *im[5] = { NULL };
	struct tevent_threaded_context *tctx = tevent_threaded_context_create(
		fx->mem, fx->ev);

	for (int i = 0; i < 6; i++) {
		steps[i] = (struct step){ &trail, words[i] };
		if (i < 5) {
			im[i] = make_im();
		}
	}
	for (int i = 0; i < 3; i++) {
		tevent_threaded_schedule_immediate(tctx, im[i], step_immediate,
						   &steps[i]);
	}
	trail_passes(&trail, fx->ev, 1);
	tevent_threaded_schedule_immediate(tctx, im[3], step_immediate,
					   &steps[3]);
	trail_passes(&trail, fx->ev, 1);
	tevent_schedule_immediate(im[4], fx->ev, step_immediate, &steps[4]);
	trail_passes(&trail, fx->ev, 3);
	is_str(trail.text, "A | B | C | D | L |",
	       "B1101 a post comes before what is scheduled a pass later");

	trail_clear(&trail);
	tevent_threaded_schedule_immediate(tctx, im[0], step_immediate,
					   &steps[0]);
	(void)tevent_add_timer(fx->ev, fx->ev, tevent_timeval_zero(),
			       step_timer, &steps[5]);
	trail_passes(&trail, fx->ev, 2);
	is_str(trail.text, "A | t |", "B101 a post comes before a due timer");
	for (int i = 0; i < 5; i++) {
		TALLOC_FREE(im[i]);
	}
	TALLOC_FREE(tctx);
}

struct again {
	struct step step;
	struct tevent_threaded_context *tctx;
	unsigned left;
};

static void again_local(struct tevent_context *ev, struct tevent_immediate *im,
			void *private_data)
{
	struct again *again = private_data;

	trail_add(again->step.trail, again->step.word);
	if (again->left-- > 0) {
		tevent_schedule_immediate(im, ev, again_local, again);
		return;
	}
	TALLOC_FREE(im);
}

static void test_in_handler(struct fixture *fx)
{
	struct trail trail = { "" };
	struct again again = { { &trail, "a" }, NULL, 2 };
	struct tevent_immediate *im = make_im();

	again.tctx = tevent_threaded_context_create(fx->mem, fx->ev);
	tevent_threaded_schedule_immediate(again.tctx, im, again_local, &again);
	trail_passes(&trail, fx->ev, 3);
	settle(fx->ev, 3);
	is_str(trail.text, "a | a | a |",
	       "B1102 in its handler it may be scheduled and freed");
	TALLOC_FREE(again.tctx);
}

struct post {
	struct tevent_threaded_context *tctx;
	struct tevent_immediate *im;
	struct step *step;
};

static void *post_from_thread(void *arg)
{
	struct post *post = arg;

	tevent_threaded_schedule_immediate(post->tctx, post->im, step_immediate,
					   post->step);
	return NULL;
}

/* The loop has nothing else to wake up for. */
static void test_wakes(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "x" };
	struct post post = { NULL, NULL, &step };
	pthread_t thread;

	post.tctx = tevent_threaded_context_create(fx->mem, fx->ev);
	for (int i = 0; i < 20; i++) {
		post.im = make_im();
		trail_clear(&trail);
		if (pthread_create(&thread, NULL, post_from_thread, &post)) {
			bail_out("pthread_create");
		}
		trail_passes(&trail, fx->ev, 1);
		(void)pthread_join(thread, NULL);
		if (strcmp(trail.text, "x |") != 0) {
			break;
		}
		TALLOC_FREE(post.im);
	}
	is_str(trail.text, "x |", "B1101 a post wakes a loop that sleeps");
	TALLOC_FREE(post.tctx);
}

static void test_context_gone(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "x" };
	struct tevent_context *other = NULL;
	struct tevent_threaded_context *tctx = tevent_threaded_context_create(
		fx->mem, fx->ev);
	struct tevent_immediate *im = make_im();

	TALLOC_FREE(fx->ev);
	tevent_threaded_schedule_immediate(tctx, im, step_immediate, &step);
	tevent_threaded_schedule_immediate(tctx, im, step_immediate, &step);
	other = tevent_context_init(fx->mem);
	tevent_schedule_immediate(im, other, step_immediate, &step);
	trail_passes(&trail, other, 1);
	is_str(trail.text, "x |",
	       "B1103 4.3 a post to a dead context is "
	       "refused, the immediate stays the caller's");
	TALLOC_FREE(im);
	TALLOC_FREE(tctx);
	TALLOC_FREE(other);
}

/* Accepted, and then the context goes. */
static void test_context_gone_with_posts(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "x" };
	struct tevent_threaded_context *tctx = NULL;
	struct tevent_context *other = NULL;
	struct tevent_immediate *im[3] = { NULL };

	if (TEST_ON_STOCK) {
		skip("B1104 stock aborts when such an immediate is freed");
		return;
	}
	tctx = tevent_threaded_context_create(fx->mem, fx->ev);
	for (int i = 0; i < 3; i++) {
		im[i] = make_im();
		tevent_threaded_schedule_immediate(tctx, im[i], step_immediate,
						   &step);
	}
	TALLOC_FREE(fx->ev);
	is_str(trail.text, "", "B1104 4.3 pending posts are cancelled");
	TALLOC_FREE(im[0]);
	other = tevent_context_init(fx->mem);
	tevent_schedule_immediate(im[1], other, step_immediate, &step);
	trail_passes(&trail, other, 1);
	is_str(trail.text, "x |",
	       "B1104 4.3 their immediates are the caller's again");
	tevent_threaded_schedule_immediate(tctx, im[2], step_immediate, &step);
	TALLOC_FREE(im[1]);
	TALLOC_FREE(im[2]);
	TALLOC_FREE(tctx);
	TALLOC_FREE(other);
}

static void test_threaded_gone_with_posts(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step steps[2] = { { &trail, "1" }, { &trail, "2" } };
	struct tevent_threaded_context *tctx = NULL;
	struct tevent_immediate *im[2] = { NULL };

	if (TEST_ON_STOCK) {
		skip("B1105 stock strands what it has accepted");
		return;
	}
	tctx = tevent_threaded_context_create(fx->mem, fx->ev);
	for (int i = 0; i < 2; i++) {
		im[i] = make_im();
		tevent_threaded_schedule_immediate(tctx, im[i], step_immediate,
						   &steps[i]);
	}
	TALLOC_FREE(tctx);
	trail_passes(&trail, fx->ev, 2);
	is_str(trail.text, "1 | 2 |",
	       "B1105 4.3 what a threaded context has "
	       "accepted is delivered after its end");
	TALLOC_FREE(im[0]);
	TALLOC_FREE(im[1]);
}

static void test_scheduled_freed(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step steps[3] = { { &trail, "1" },
				 { &trail, "2" },
				 { &trail, "3" } };
	struct tevent_threaded_context *tctx = NULL;
	struct tevent_immediate *im[3] = { NULL };

	if (TEST_ON_STOCK) {
		skip("B1102 stock aborts");
		return;
	}
	tctx = tevent_threaded_context_create(fx->mem, fx->ev);
	for (int i = 0; i < 3; i++) {
		im[i] = make_im();
		tevent_threaded_schedule_immediate(tctx, im[i], step_immediate,
						   &steps[i]);
	}
	TALLOC_FREE(im[1]);
	trail_passes(&trail, fx->ev, 2);
	settle(fx->ev, 3);
	is_str(trail.text, "1 | 3 |",
	       "B1102 4.3 a scheduled immediate may be freed by the owner");
	TALLOC_FREE(im[0]);
	TALLOC_FREE(im[2]);
	TALLOC_FREE(tctx);
}

static int schedule_twice(void *arg)
{
	struct fixture *fx = arg;
	struct trail trail = { "" };
	struct step step = { &trail, "x" };
	struct tevent_threaded_context *tctx = tevent_threaded_context_create(
		fx->mem, fx->ev);
	struct tevent_immediate *im = make_im();

	tevent_threaded_schedule_immediate(tctx, im, step_immediate, &step);
	tevent_threaded_schedule_immediate(tctx, im, step_immediate, &step);
	return 0;
}

static int schedule_nothing(void *arg)
{
	struct fixture *fx = arg;
	struct tevent_threaded_context *tctx = tevent_threaded_context_create(
		fx->mem, fx->ev);

	tevent_threaded_schedule_immediate(tctx, make_im(), NULL, NULL);
	return 0;
}

static void post_self(struct tevent_context *ev, struct tevent_immediate *im,
		      void *private_data)
{
	struct again *again = private_data;

	(void)ev;
	tevent_threaded_schedule_immediate(again->tctx, im, step_immediate,
					   &again->step);
}

/* To another context, whose thread might run it before its handler returns. */
static int schedule_running(void *arg)
{
	struct fixture *fx = arg;
	struct trail trail = { "" };
	struct again again = { { &trail, "x" }, NULL, 0 };
	struct tevent_context *other = tevent_context_init(fx->mem);
	struct tevent_immediate *im = make_im();

	again.tctx = tevent_threaded_context_create(fx->mem, other);
	tevent_schedule_immediate(im, fx->ev, post_self, &again);
	turn(fx->ev);
	return 0;
}

static void test_misuse(struct fixture *fx)
{
	struct fixture_child child = fixture_child(schedule_twice, fx);

	child_killed(&child, SIGABRT,
		     "B1102 scheduled twice: abort, not a corrupt queue");
	child = fixture_child(schedule_nothing, fx);
	child_killed(&child, SIGABRT, "9 no handler: abort");
	child = fixture_child(schedule_running, fx);
	child_killed(&child, SIGABRT, "B1102 posted by its own handler: abort");
}

static void test_re_initialise(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "x" };
	struct tevent_threaded_context *tctx = tevent_threaded_context_create(
		fx->mem, fx->ev);
	struct tevent_threaded_context *fresh = NULL;
	struct tevent_immediate *im = make_im();

	is_int(tevent_re_initialise(fx->ev), 0, "B701 re-initialise");
	tevent_threaded_schedule_immediate(tctx, im, step_immediate, &step);
	settle(fx->ev, 3);
	is_str(trail.text, "", "B701 B1106 it detaches threaded contexts");
	fresh = tevent_threaded_context_create(fx->mem, fx->ev);
	tevent_threaded_schedule_immediate(fresh, im, step_immediate, &step);
	trail_passes(&trail, fx->ev, 1);
	is_str(trail.text, "x |", "B701 a new one works");
	TALLOC_FREE(im);
	TALLOC_FREE(fresh);
	TALLOC_FREE(tctx);
}

static void test_tag(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "x" };
	struct tevent_threaded_context *tctx = tevent_threaded_context_create(
		fx->mem, fx->ev);
	struct tevent_immediate *im = make_im();

	tevent_immediate_set_tag(im, 5);
	tevent_threaded_schedule_immediate(tctx, im, step_immediate, &step);
	is_uint(tevent_immediate_get_tag(im), 0, "10 B1102 a post takes a tag");
	trail_passes(&trail, fx->ev, 1);
	tevent_immediate_set_tag(im, 6);
	tevent_schedule_immediate(im, fx->ev, step_immediate, &step);
	trail_passes(&trail, fx->ev, 1);
	is_uint(tevent_immediate_get_tag(im), 6, "10 nothing else does");
	is_str(trail.text, "x | x |", "10 they ran");
	TALLOC_FREE(fx->ev);
	tevent_threaded_schedule_immediate(tctx, im, step_immediate, &step);
	is_uint(tevent_immediate_get_tag(im), 6,
		"10 B1103 a post to a context that has gone leaves the tag");
	TALLOC_FREE(im);
	TALLOC_FREE(tctx);
}

static void test_on_wrapper(struct fixture *fx)
{
	struct wrapped wrapped;
	struct step steps[2] = { { &wrapped.trail, "1" },
				 { &wrapped.trail, "2" } };
	struct tevent_threaded_context *tctx = NULL;
	struct tevent_immediate *im[2] = { make_im(), make_im() };

	wrapped_open(&wrapped, fx);
	tctx = tevent_threaded_context_create(fx->mem, wrapped.ev);
	for (int i = 0; i < 2; i++) {
		tevent_threaded_schedule_immediate(tctx, im[i], step_immediate,
						   &steps[i]);
	}
	trail_passes(&wrapped.trail, fx->ev, 2);
	is_str(wrapped.trail.text, "<im 1 >im | <im 2 >im |",
	       "B1503 B1501 posts to a wrapper run between its hooks");
	TALLOC_FREE(tctx);
	wrapped_close(&wrapped);
	TALLOC_FREE(im[0]);
	TALLOC_FREE(im[1]);
}

/* One post is taken before the wrapper goes, one is not, one comes later. */
static void test_wrapper_gone_with_posts(struct fixture *fx)
{
	struct wrapped wrapped;
	struct step steps[2] = { { &wrapped.trail, "x" },
				 { &wrapped.trail, "never" } };
	struct tevent_threaded_context *tctx = NULL;
	struct tevent_immediate *im[5] = { NULL };

	if (TEST_ON_STOCK) {
		skip("B1104 stock aborts when such an immediate is freed");
		return;
	}
	wrapped_open(&wrapped, fx);
	tctx = tevent_threaded_context_create(fx->mem, wrapped.ev);
	for (int i = 0; i < 5; i++) {
		im[i] = make_im();
		if (i == 2) {
			trail_passes(&wrapped.trail, fx->ev, 1);
		}
		if (i == 4) {
			wrapped_close(&wrapped);
		}
		tevent_threaded_schedule_immediate(tctx, im[i], step_immediate,
						   &steps[i > 0]);
	}
	TALLOC_FREE(im[3]);
	settle(fx->ev, 3);
	is_str(wrapped.trail.text, "<im x >im |",
	       "B1506 B1104 posts to a wrapper that goes are cancelled");
	for (int i = 0; i < 5; i++) {
		if (im[i] != NULL) {
			tevent_schedule_immediate(im[i], fx->ev, step_immediate,
						  &steps[0]);
		}
	}
	trail_clear(&wrapped.trail);
	trail_passes(&wrapped.trail, fx->ev, 4);
	is_str(wrapped.trail.text, "x | x | x | x |",
	       "B1104 their immediates are the caller's again");
	for (int i = 0; i < 5; i++) {
		TALLOC_FREE(im[i]);
	}
	TALLOC_FREE(tctx);
}

/* The wrapper survives its context, the threaded context both. */
static void test_wrapper_cut_off(struct fixture *fx)
{
	struct wrapped wrapped;
	struct step step = { &wrapped.trail, "never" };
	struct tevent_threaded_context *tctx = NULL;
	struct tevent_immediate *im[2] = { NULL };

	if (TEST_ON_STOCK) {
		skip("B1104 stock aborts when such an immediate is freed");
		return;
	}
	wrapped_open(&wrapped, fx);
	tctx = tevent_threaded_context_create(fx->mem, wrapped.ev);
	for (int i = 0; i < 2; i++) {
		im[i] = make_im();
		tevent_threaded_schedule_immediate(tctx, im[i], step_immediate,
						   &step);
		TALLOC_FREE(fx->ev);
	}
	is_ptr(tevent_threaded_context_create(fx->mem, wrapped.ev), NULL,
	       "B1505 a wrapper that is cut off has no new ones");
	TALLOC_FREE(im[0]);
	TALLOC_FREE(im[1]);
	is_str(wrapped.trail.text, "", "B1505 B1103 nothing ran");
	TALLOC_FREE(tctx);
	wrapped_close(&wrapped);
}

int main(void)
{
	warm_up();
	fixture_each_backend("B1107 objects", test_objects);
	fixture_each_backend("B1101 order", test_order);
	fixture_each_backend("B1101 order in a batch", test_order_in_batch);
	fixture_each_backend("B1102 in handler", test_in_handler);
	fixture_each_backend_flags("B1101 wakes", test_wakes, FIXTURE_THREADS);
	fixture_each_backend("B1103 context gone", test_context_gone);
	fixture_each_backend("B1104 context gone with posts",
			     test_context_gone_with_posts);
	fixture_each_backend("B1105 threaded context gone with posts",
			     test_threaded_gone_with_posts);
	fixture_each_backend("B1102 scheduled freed", test_scheduled_freed);
	fixture_each_backend("B1102 misuse", test_misuse);
	fixture_each_backend("B701 re-initialise", test_re_initialise);
	fixture_run("10 tag", test_tag);
	fixture_each_backend("B1503 on a wrapper", test_on_wrapper);
	fixture_each_backend("B1506 wrapper gone with posts",
			     test_wrapper_gone_with_posts);
	fixture_run("B1505 wrapper cut off", test_wrapper_cut_off);
	return done();
}
