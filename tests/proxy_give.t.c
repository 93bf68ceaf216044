/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Proxy give: what a handler does with the immediate it was called by: keeps
 * it, schedules it again, passes it on, to where another thread may run and
 * free it before the handler has returned. And what a trace callback sees of
 * that.
 */
#include <errno.h>
#include <signal.h>

#include "tests/proxytest.h"
#include "tests/wrappertest.h"

/* ---- a proxied immediate ---- */

static void keep_both(struct tevent_context *ev, struct tevent_immediate *im,
		      struct parcel *parcel)
{
	(void)ev;
	parcel->scene->kept[0] = talloc_steal(NULL, im);
	parcel->scene->kept[1] = talloc_steal(NULL, parcel);
}

static void free_both(struct tevent_context *ev, struct tevent_immediate *im,
		      struct parcel *parcel)
{
	(void)ev;
	talloc_free(im);
	talloc_free(parcel);
}

static void schedule_kept(struct tevent_context *ev,
			  struct tevent_immediate *im, struct parcel *parcel)
{
	parcel->act = free_both;
	(void)talloc_steal(NULL, im);
	(void)talloc_steal(NULL, parcel);
	tevent_schedule_immediate(im, ev, parcel_came, parcel);
}

/* It stays the library's, which frees it. */
static void schedule_left(struct tevent_context *ev,
			  struct tevent_immediate *im, struct parcel *parcel)
{
	tevent_schedule_immediate(im, ev, parcel_came, parcel);
}

static void test_taken(struct fixture *fx)
{
	struct scene scene;

	scene_open(&scene, fx);
	(void)parcel_send(scene.proxy, &scene, "a", keep_both);
	scene_until(&scene, 1);
	scene_settle(&scene);
	is_str(scene.trail.text, "a", "B1003 the handler may keep both");
	talloc_free(scene.kept[0]);
	talloc_free(scene.kept[1]);

	(void)parcel_send(scene.proxy, &scene, "b", free_both);
	scene_until(&scene, 2);
	scene_settle(&scene);
	is_str(scene.trail.text, "a -a b -b", "B1003 or free both");

	(void)parcel_send(scene.proxy, &scene, "c", schedule_kept);
	scene_until(&scene, 4);
	scene_settle(&scene);
	is_str(scene.trail.text, "a -a b -b c c -c",
	       "B1003 or keep and schedule them");

	(void)parcel_send(scene.proxy, &scene, "d", schedule_left);
	scene_until(&scene, 5);
	scene_settle(&scene);
	is_str(scene.trail.text, "a -a b -b c c -c d -d",
	       "B1003 what is scheduled and not kept goes, and does not run");
	TALLOC_FREE(scene.proxy);
}

static void pass_on(struct tevent_context *ev, struct tevent_immediate *im,
		    struct parcel *parcel)
{
	struct scene *scene = parcel->scene;
	struct parcel *data = parcel;

	parcel->act = ev == scene->ev ? pass_on : NULL;
	tevent_thread_proxy_schedule(ev == scene->ev ? scene->other
						     : scene->proxy,
				     &im, parcel_came, &data);
	ok(im == NULL && data == NULL, "B1004 passed on in the handler");
}

/* The tutorial's request and reply, between two loops of one thread. */
static void test_passed_on(struct fixture *fx)
{
	struct tevent_context *ev = NULL;
	struct scene scene;

	scene_open(&scene, fx);
	ev = tevent_context_init_byname(fx->mem, fx->backend);
	scene.other = tevent_thread_proxy_create(ev);
	(void)parcel_send(scene.proxy, &scene, "a", pass_on);
	scene_until(&scene, 1);
	while (scene.came < 2) {
		turn(ev);
	}
	settle(ev, 4);
	is_str(scene.trail.text, "a a", "B1003 it is not freed on the way");
	scene_until(&scene, 3);
	scene_settle(&scene);
	is_str(scene.trail.text, "a a a -a",
	       "B1003 a request comes back as the reply");
	TALLOC_FREE(scene.proxy);
	TALLOC_FREE(ev);
}

static void note_tag(struct tevent_context *ev, struct tevent_immediate *im,
		     struct parcel *parcel)
{
	(void)ev;
	(void)parcel;
	is_uint(tevent_immediate_get_tag(im), 7, "10 the tag travels along");
}

static void test_tag(struct fixture *fx)
{
	struct tevent_immediate *im = tevent_create_immediate(NULL);
	struct parcel *parcel = NULL;
	struct scene scene;

	scene_open(&scene, fx);
	parcel = parcel_make(NULL, &scene, "a", note_tag);
	tevent_immediate_set_tag(im, 7);
	tevent_thread_proxy_schedule(scene.proxy, &im, parcel_came, &parcel);
	scene_until(&scene, 1);
	scene_settle(&scene);
	TALLOC_FREE(scene.proxy);
}

static void test_no_handler(struct fixture *fx)
{
	struct tevent_immediate *im = tevent_create_immediate(NULL);
	struct parcel *parcel = NULL;
	struct scene scene;

	scene_open(&scene, fx);
	parcel = parcel_make(NULL, &scene, "a", NULL);
	tevent_thread_proxy_schedule(scene.proxy, &im, NULL, &parcel);
	ok(im == NULL && parcel == NULL, "B453 without a handler: taken");
	scene_settle(&scene);
	is_str(scene.trail.text, "-a", "B453 and freed");
	TALLOC_FREE(scene.proxy);
}

static int give_scheduled(void *arg)
{
	struct fixture *fx = arg;
	struct tevent_immediate *im = tevent_create_immediate(NULL);
	struct trail trail = { "" };
	struct step step = { &trail, "x" };
	struct scene scene;

	scene_open(&scene, fx);
	tevent_schedule_immediate(im, fx->ev, step_immediate, &step);
	tevent_thread_proxy_schedule(scene.proxy, &im, step_immediate, NULL);
	return 0;
}

static void test_misuse(struct fixture *fx)
{
	struct fixture_child child;

	if (TEST_ON_STOCK) {
		skip("B1005 stock corrupts its lists, or is lucky");
		return;
	}
	child = fixture_child(give_scheduled, fx);
	child_killed(&child, SIGABRT, "B1005 scheduled elsewhere: abort");
}

/* ---- an immediate of one's own ---- */

struct giver {
	struct scene *scene;
	struct tevent_immediate *im;
	unsigned runs;  /* so many before it is given */
	unsigned waits; /* in the handler, for so many to come */
};

static void give(struct tevent_context *ev, struct tevent_immediate *im,
		 void *private_data)
{
	struct giver *giver = private_data;
	struct scene *scene = giver->scene;
	struct parcel *parcel = NULL;

	trail_add(&scene->trail, "(");
	if (giver->runs > 1) {
		giver->runs--;
		tevent_schedule_immediate(im, ev, give, giver);
		turn(ev);
		trail_add(&scene->trail, ")");
		return;
	}
	parcel = parcel_make(NULL, scene, "a", NULL);
	tevent_thread_proxy_schedule(scene->proxy, &im, parcel_came, &parcel);
	if (im != NULL) {
		TALLOC_FREE(im);
		TALLOC_FREE(parcel);
	}
	scene_until(scene, giver->waits);
	trail_add(&scene->trail, ")");
}

static void giver_start(struct giver *giver, struct scene *scene)
{
	*giver = (struct giver){ .scene = scene };
	giver->im = tevent_create_immediate(NULL);
	tevent_schedule_immediate(giver->im, scene->ev, give, giver);
}

static void test_given(struct fixture *fx)
{
	struct giver giver;
	struct scene scene;

	scene_open(&scene, fx);
	giver_start(&giver, &scene);
	scene_until(&scene, 1);
	scene_settle(&scene);
	is_str(scene.trail.text, "( ) a -a",
	       "B454 B1004 a handler gives its own immediate away");
	TALLOC_FREE(scene.proxy);
}

/* Its handler still runs when it is delivered, and freed. */
static void test_given_nested(struct fixture *fx)
{
	struct giver giver;
	struct scene scene;

	tevent_loop_allow_nesting(fx->ev);
	scene_open(&scene, fx);
	giver_start(&giver, &scene);
	giver.waits = 1;
	scene_until(&scene, 1);
	scene_settle(&scene);
	is_str(scene.trail.text, EITHER("( a -a )", "( a ) -a"),
	       "B145 B1004 given, delivered and freed in its own handler");

	trail_clear(&scene.trail);
	giver_start(&giver, &scene);
	giver.runs = 3;
	giver.waits = 2;
	scene_until(&scene, 2);
	scene_settle(&scene);
	is_str(scene.trail.text, EITHER("( ( ( a -a ) ) )", "( ( ( a ) ) ) -a"),
	       "B145 B1004 the same with several runs of it under way");
	TALLOC_FREE(scene.proxy);
}

static void fresh_ran(struct tevent_context *ev, struct tevent_immediate *im,
		      void *private_data)
{
	unsigned *ran = private_data;

	(void)ev;
	(void)im;
	(*ran)++;
}

/* What is made next is likely to lie where the one that is given away lay. */
static void give_and_make(struct tevent_context *ev,
			  struct tevent_immediate *im, void *private_data)
{
	struct scene *scene = private_data;
	unsigned ran = 0;

	for (unsigned i = 1; i <= 8; i++) {
		struct parcel *parcel = parcel_make(NULL, scene, "a", NULL);

		tevent_thread_proxy_schedule(scene->proxy, &im, parcel_came,
					     &parcel);
		scene_until(scene, i);
		im = tevent_create_immediate(NULL);
		tevent_schedule_immediate(im, ev, fresh_ran, &ran);
		turn(ev);
		is_uint(ran, i, "B145 a fresh one runs as any other");
	}
	is_int(talloc_free(im), 0, "B145 and is freed at once");
}

static void test_given_again(struct fixture *fx)
{
	struct tevent_immediate *im = NULL;
	struct scene scene;

	if (TEST_ON_STOCK) {
		skip("B145 stock touches what it has given away");
		return;
	}
	tevent_loop_allow_nesting(fx->ev);
	scene_open(&scene, fx);
	im = tevent_create_immediate(NULL);
	tevent_schedule_immediate(im, fx->ev, give_and_make, &scene);
	scene_until(&scene, 8);
	is_uint(scene.freed, 8, "B1003 each is freed");
	TALLOC_FREE(scene.proxy);
}

static void test_given_refused(struct fixture *fx)
{
	struct tevent_context *gone = NULL;
	struct giver giver;
	struct scene scene;

	if (TEST_ON_STOCK) {
		skip("B1007 stock's dead proxy takes it");
		return;
	}
	scene_open(&scene, fx);
	TALLOC_FREE(scene.proxy);
	gone = tevent_context_init(fx->mem);
	scene.proxy = talloc_steal(fx->mem, tevent_thread_proxy_create(gone));
	TALLOC_FREE(gone);
	giver_start(&giver, &scene);
	trail_passes(&scene.trail, fx->ev, 1);
	is_str(scene.trail.text, "( -a ) |",
	       "B1004 refused, it is the handler's again, to free");
	TALLOC_FREE(scene.proxy);
}

static void look_after(struct tevent_context *wrap TRAIL_UNUSED,
		       void *private_state,
		       struct tevent_context *ev TRAIL_UNUSED,
		       struct tevent_immediate *im,
		       const char *name TRAIL_UNUSED,
		       const char *location TRAIL_UNUSED)
{
	wrap_say(private_state,
		 tevent_immediate_get_tag(im) == 9 ? ">im" : ">?");
}

/* When the hook after the handler is called, another loop has run and freed
 * it. */
static void test_given_wrapped(struct fixture *fx)
{
	struct tevent_wrapper_ops ops = wrap_ops;
	struct wrap_state *state = NULL;
	struct tevent_context *wrap = NULL;
	struct giver giver = { .waits = 1 };
	struct scene scene;

	if (TEST_ON_STOCK) {
		skip("B1501 stock's hook is shown what has been freed");
		return;
	}
	ops.after_immediate_handler = look_after;
	wrap = tevent_context_wrapper_create(fx->ev, fx->mem, &ops, &state,
					     struct wrap_state);
	scene = (struct scene){ .ev = tevent_context_init(fx->mem) };
	scene.proxy = tevent_thread_proxy_create(scene.ev);
	state->trail = &scene.trail;
	giver.scene = &scene;
	giver.im = tevent_create_immediate(NULL);
	tevent_immediate_set_tag(giver.im, 9);
	tevent_schedule_immediate(giver.im, wrap, give, &giver);
	trail_passes(&scene.trail, fx->ev, 1);
	is_str(scene.trail.text, "<im ( a -a ) >im |",
	       "B1501 a wrapper's immediate is given away: the hook after it "
	       "is shown a copy");
	TALLOC_FREE(wrap);
	TALLOC_FREE(scene.ev);
}

static void test_on_wrapper(struct fixture *fx)
{
	struct tevent_thread_proxy *proxy = NULL;
	struct wrapped wrapped;

	wrapped_open(&wrapped, fx);
	errno = 0;
	proxy = tevent_thread_proxy_create(wrapped.ev);
	is_ptr(proxy, NULL, "B1503 no proxy for a wrapper");
	is_int(errno, EINVAL, "B1503 EINVAL");
	wrapped_close(&wrapped);
}

/* ---- traced ---- */

/* Stock has immediates of its own; ours of this test have a tag. */
#define TRACED_TAG 11

static void trace_words(struct tevent_immediate *im,
			enum tevent_event_trace_point point, void *private_data)
{
	static const char *const words[] = {
		[TEVENT_EVENT_TRACE_ATTACH] = "A",
		[TEVENT_EVENT_TRACE_DETACH] = "D",
		[TEVENT_EVENT_TRACE_BEFORE_HANDLER] = "B",
	};
	struct scene *scene = private_data;

	if (tevent_immediate_get_tag(im) == TRACED_TAG) {
		trail_add(&scene->trail, words[point]);
	}
}

static void test_traced(struct fixture *fx)
{
	static const struct {
		parcel_fn act;
		unsigned came;
		const char *ours;
		const char *stock;
		const char *what;
	} rows[] = {
		{ NULL, 1, "A B a -a D", "A B a D -a", "left" },
		{ free_both, 1, "A B a D -a", "A B a D -a", "freed" },
		{ keep_both, 1, "A B a D", "A B a D", "kept" },
		{ schedule_kept, 2, "A B a D A B a D -a", "A B a D A B a D -a",
		  "kept and scheduled" },
		{ schedule_left, 1, "A B a D A -a D", "A B a D A -a D",
		  "scheduled and left" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct tevent_immediate *im = tevent_create_immediate(NULL);
		struct parcel *parcel = NULL;
		struct scene scene;

		scene_open(&scene, fx);
		tevent_set_trace_immediate_callback(fx->ev, trace_words,
						    &scene);
		tevent_immediate_set_tag(im, TRACED_TAG);
		parcel = parcel_make(NULL, &scene, "a", rows[i].act);
		tevent_thread_proxy_schedule(scene.proxy, &im, parcel_came,
					     &parcel);
		scene_until(&scene, rows[i].came);
		scene_settle(&scene);
		is_str(scene.trail.text, EITHER(rows[i].ours, rows[i].stock),
		       "B1201 B1209 traced: %s", rows[i].what);
		talloc_free(scene.kept[0]);
		talloc_free(scene.kept[1]);
		TALLOC_FREE(scene.proxy);
		tevent_set_trace_immediate_callback(fx->ev, NULL, NULL);
	}
}

/* What has arrived is detached, what has not was never attached. */
static void test_traced_dropped(struct fixture *fx)
{
	struct scene scene;

	scene_open(&scene, fx);
	tevent_set_trace_immediate_callback(fx->ev, trace_words, &scene);
	for (unsigned i = 0; i < 4; i++) {
		struct tevent_immediate *im = tevent_create_immediate(NULL);
		struct parcel *parcel = parcel_make(NULL, &scene, "a", NULL);

		tevent_immediate_set_tag(im, TRACED_TAG);
		tevent_thread_proxy_schedule(scene.proxy, &im, parcel_came,
					     &parcel);
		if (i == 2) {
			scene_until(&scene, 1);
		}
	}
	TALLOC_FREE(fx->ev);
	is_str(scene.trail.text,
	       EITHER("A A A B a -a D D -a D -a -a",
		      "A A A B a D D D -a -a -a -a"),
	       "B1201 B1006 traced: dropped with the context");
}

static void test_traced_given(struct fixture *fx)
{
	struct giver giver;
	struct scene scene;

	scene_open(&scene, fx);
	tevent_set_trace_immediate_callback(fx->ev, trace_words, &scene);
	giver_start(&giver, &scene);
	TALLOC_FREE(giver.im);
	trail_clear(&scene.trail);
	giver.im = tevent_create_immediate(NULL);
	tevent_immediate_set_tag(giver.im, TRACED_TAG);
	tevent_schedule_immediate(giver.im, fx->ev, give, &giver);
	scene_until(&scene, 1);
	scene_settle(&scene);
	is_str(scene.trail.text,
	       EITHER("A B ( D ) A B a -a D", "A B ( ) D A B a D -a"),
	       "B1201 traced: given away by its handler");
	TALLOC_FREE(scene.proxy);
}

int main(void)
{
	warm_up();
	fixture_each_backend("B1003 taken", test_taken);
	fixture_each_backend("B1003 passed on", test_passed_on);
	fixture_run("10 tag", test_tag);
	fixture_run("B453 no handler", test_no_handler);
	fixture_run("B1005 misuse", test_misuse);
	fixture_each_backend("B454 given", test_given);
	fixture_each_backend("B145 given nested", test_given_nested);
	fixture_each_backend("B145 given again and again", test_given_again);
	fixture_run("B1004 given and refused", test_given_refused);
	fixture_run("B1501 given by a wrapper's", test_given_wrapped);
	fixture_run("B1503 on a wrapper", test_on_wrapper);
	fixture_each_backend("B1201 traced", test_traced);
	fixture_each_backend("B1201 traced and dropped", test_traced_dropped);
	fixture_run("B1201 traced and given", test_traced_given);
	return done();
}
