/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Trace: what a context's callbacks hear of events and passes, in which order.
 *
 * "+a" an event whose tag is a was added or scheduled, "!a" is about to be
 * called, "-a" is gone; the handler itself leaves its word. Passes are numbers,
 * as of enum tevent_trace_point.
 */
#include <fcntl.h>
#include <signal.h>

#include "tests/trail.h"

#define TAG(letter) ((uint64_t)(letter))

static void hear(struct trail *trail, enum tevent_event_trace_point point,
		 uint64_t tag)
{
	char word[3] = { "+-!"[point], tag != 0 ? (char)tag : '?', '\0' };

	trail_add(trail, word);
}

static void hear_immediate(struct tevent_immediate *im,
			   enum tevent_event_trace_point point,
			   void *private_data)
{
	hear(private_data, point, tevent_immediate_get_tag(im));
}

static void hear_timer(struct tevent_timer *te,
		       enum tevent_event_trace_point point, void *private_data)
{
	hear(private_data, point, tevent_timer_get_tag(te));
}

static void hear_fd(struct tevent_fd *fde, enum tevent_event_trace_point point,
		    void *private_data)
{
	hear(private_data, point, tevent_fd_get_tag(fde));
}

static void hear_signal(struct tevent_signal *se,
			enum tevent_event_trace_point point, void *private_data)
{
	hear(private_data, point, tevent_signal_get_tag(se));
}

static void hear_pass(enum tevent_trace_point point, void *private_data)
{
	char word[2] = { (char)('0' + point), '\0' };

	trail_add(private_data, word);
}

struct scene {
	struct trail trail;
	struct step step;
	struct tevent_context *ev;
	struct tevent_immediate *im;
};

static void scene_make(struct scene *scene, struct fixture *fx)
{
	*scene = (struct scene){ .ev = fx->ev };
	scene->step = (struct step){ &scene->trail, "run" };
	scene->im = tevent_create_immediate(fx->mem);
	tevent_immediate_set_tag(scene->im, TAG('i'));
}

static void immediate_again(struct tevent_context *ev,
			    struct tevent_immediate *im, void *private_data)
{
	struct scene *scene = private_data;

	trail_add(&scene->trail, "again");
	tevent_schedule_immediate(im, ev, step_immediate, &scene->step);
	trail_add(&scene->trail, "done");
}

static void immediate_free(struct tevent_context *ev,
			   struct tevent_immediate *im, void *private_data)
{
	struct scene *scene = private_data;

	(void)ev;
	trail_add(&scene->trail, "free");
	talloc_free(im);
	scene->im = NULL;
	trail_add(&scene->trail, "done");
}

static void test_immediate(struct fixture *fx)
{
	struct scene scene;

	scene_make(&scene, fx);
	tevent_set_trace_immediate_callback(fx->ev, hear_immediate,
					    &scene.trail);
	tevent_schedule_immediate(scene.im, fx->ev, step_immediate,
				  &scene.step);
	turn(fx->ev);
	is_str(scene.trail.text, "+i !i run -i", "B1201 scheduled and run");

	trail_clear(&scene.trail);
	tevent_schedule_immediate(scene.im, fx->ev, step_immediate,
				  &scene.step);
	tevent_schedule_immediate(scene.im, fx->ev, immediate_again, &scene);
	is_str(scene.trail.text, "+i -i +i", "B1201 scheduled again");
	trail_clear(&scene.trail);
	turn(fx->ev);
	is_str(scene.trail.text, "!i again -i +i done",
	       "B1201 scheduled by its handler: the end of the old comes then");
	trail_clear(&scene.trail);
	tevent_schedule_immediate(scene.im, fx->ev, NULL, NULL);
	is_str(scene.trail.text, "-i", "B1201 cancelled");

	trail_clear(&scene.trail);
	tevent_schedule_immediate(scene.im, fx->ev, immediate_free, &scene);
	turn(fx->ev);
	is_str(scene.trail.text, "+i !i free -i done",
	       "B1201 freed by its handler: gone at the free");
	tevent_set_trace_immediate_callback(fx->ev, NULL, NULL);
}

static void test_switched(struct fixture *fx)
{
	struct scene scene;

	scene_make(&scene, fx);
	tevent_schedule_immediate(scene.im, fx->ev, step_immediate,
				  &scene.step);
	tevent_set_trace_immediate_callback(fx->ev, hear_immediate,
					    &scene.trail);
	turn(fx->ev);
	is_str(scene.trail.text, "!i run -i",
	       "B1201 set while it is scheduled: heard from then on");
	tevent_schedule_immediate(scene.im, fx->ev, step_immediate,
				  &scene.step);
	tevent_set_trace_immediate_callback(fx->ev, NULL, NULL);
	trail_clear(&scene.trail);
	turn(fx->ev);
	is_str(scene.trail.text, "run", "B1201 cleared: no longer heard");
	TALLOC_FREE(scene.im);
}

static struct tevent_timer *timer_at(struct scene *scene, struct timeval when,
				     tevent_timer_handler_t handler,
				     void *private_data)
{
	struct tevent_timer *te = tevent_add_timer(scene->ev, scene->ev, when,
						   handler, private_data);

	tevent_timer_set_tag(te, TAG('t'));
	return te;
}

static void timer_free(struct tevent_context *ev, struct tevent_timer *te,
		       struct timeval now, void *private_data)
{
	struct trail *trail = private_data;

	(void)ev;
	(void)now;
	trail_add(trail, "free");
	talloc_free(te);
	trail_add(trail, "done");
}

static void test_timer(struct fixture *fx)
{
	struct tevent_timer *te = NULL;
	struct scene scene;

	scene_make(&scene, fx);
	tevent_set_trace_timer_callback(fx->ev, hear_timer, &scene.trail);
	(void)timer_at(&scene, seconds_from_now(-1), step_timer, &scene.step);
	turn(fx->ev);
	is_str(scene.trail.text, "+? !t run -t", "B1202 added and fired");

	trail_clear(&scene.trail);
	te = timer_at(&scene, seconds_from_now(100), step_timer, &scene.step);
	tevent_update_timer(te, seconds_from_now(200));
	talloc_free(te);
	is_str(scene.trail.text, "+? -t +t -t", "B1202 moved, then freed");

	trail_clear(&scene.trail);
	(void)timer_at(&scene, tevent_timeval_zero(), timer_free, &scene.trail);
	turn(fx->ev);
	is_str(scene.trail.text, "+? !t free -t done",
	       "B1202 freed by its handler: gone at the free");
	tevent_set_trace_timer_callback(fx->ev, NULL, NULL);
	TALLOC_FREE(scene.im);
}

static void hear_close(struct tevent_context *ev, struct tevent_fd *fde, int fd,
		       void *private_data)
{
	struct step *step = private_data;

	(void)ev;
	(void)fde;
	(void)fd;
	trail_add(step->trail, "close");
}

static void test_fd(struct fixture *fx)
{
	struct tevent_fd *fde = NULL;
	struct scene scene;
	int fds[2] = { -1, -1 };

	scene_make(&scene, fx);
	fixture_pipe(fds);
	tevent_set_trace_fd_callback(fx->ev, hear_fd, &scene.trail);
	fde = tevent_add_fd(fx->ev, fx->ev, fds[0], TEVENT_FD_READ, step_fd,
			    &scene.step);
	tevent_fd_set_tag(fde, TAG('f'));
	tevent_fd_set_close_fn(fde, hear_close);
	tevent_fd_set_flags(fde, 0);
	tevent_fd_set_flags(fde, TEVENT_FD_READ);
	(void)write(fds[1], "x", 1);
	is_str(scene.trail.text, "+?",
	       "B1203 added; a change of flags is not heard");
	while (strstr(scene.trail.text, "run") == NULL) {
		trail_clear(&scene.trail); /* poll_mt's own comes first */
		turn(fx->ev);
	}
	is_str(scene.trail.text, "!f runR", "B1203 called");
	trail_clear(&scene.trail);
	talloc_free(fde);
	is_str(scene.trail.text, "-f close", "B1203 gone before it is closed");
	tevent_set_trace_fd_callback(fx->ev, NULL, NULL);
	(void)close(fds[0]);
	(void)close(fds[1]);
	TALLOC_FREE(scene.im);
}

static void test_fd_disabled(struct fixture *fx)
{
	struct tevent_fd *fde = NULL;
	struct scene scene;
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int fd = fcntl(null, F_DUPFD_CLOEXEC, 100);

	scene_make(&scene, fx);
	(void)close(null);
	(void)close(fd);
	tevent_set_trace_fd_callback(fx->ev, hear_fd, &scene.trail);
	fde = tevent_add_fd(fx->ev, fx->ev, fd, TEVENT_FD_READ, step_fd,
			    &scene.step);
	settle(fx->ev, 2);
	is_int(tevent_fd_get_flags(fde), 0, "B1203 the event is disabled");
	tevent_set_trace_fd_callback(fx->ev, NULL, NULL);
	if (TEST_ON_STOCK) {
		skip("B1203 0.14.1 does not tell of disabled events");
	} else {
		ok(strstr(scene.trail.text, "+? ") != NULL ||
			   strncmp(scene.trail.text, "+? -?", 5) == 0,
		   "B1203 it was added");
		ok(strstr(scene.trail.text, "-?") != NULL,
		   "B1203 disabled for an error: gone");
	}
	TALLOC_FREE(fde);
	TALLOC_FREE(scene.im);
}

static void test_signal(struct fixture *fx)
{
	struct tevent_signal *se = NULL;
	struct scene scene;

	scene_make(&scene, fx);
	tevent_set_trace_signal_callback(fx->ev, hear_signal, &scene.trail);
	se = tevent_add_signal(fx->ev, fx->ev, SIGUSR1, 0, step_signal,
			       &scene.step);
	tevent_signal_set_tag(se, TAG('s'));
	(void)raise(SIGUSR1);
	turn(fx->ev);
	is_str(scene.trail.text, "+? !s run1", "B1204 added, called");
	trail_clear(&scene.trail);
	talloc_free(se);
	is_str(scene.trail.text, "-s", "B1204 freed: gone");

	trail_clear(&scene.trail);
	se = tevent_add_signal(fx->ev, fx->ev, SIGUSR1, SA_RESETHAND,
			       step_signal, &scene.step);
	tevent_signal_set_tag(se, TAG('r'));
	(void)raise(SIGUSR1);
	turn(fx->ev);
	is_str(scene.trail.text, "+? !r run1 -r",
	       "B1204 SA_RESETHAND: gone after the handler");
	tevent_set_trace_signal_callback(fx->ev, NULL, NULL);
	TALLOC_FREE(scene.im);
}

static void test_pass(struct fixture *fx)
{
	struct scene scene;

	scene_make(&scene, fx);
	tevent_set_trace_callback(fx->ev, hear_pass, &scene.trail);
	tevent_set_trace_timer_callback(fx->ev, hear_timer, &scene.trail);
	tevent_schedule_immediate(scene.im, fx->ev, step_immediate,
				  &scene.step);
	turn(fx->ev);
	is_str(scene.trail.text, "2 run 3", "B1205 a pass that does not wait");

	trail_clear(&scene.trail);
	(void)timer_at(&scene, tevent_timeval_current_ofs(0, 30000), step_timer,
		       &scene.step);
	while (strstr(scene.trail.text, "run") == NULL) {
		trail_clear(&scene.trail);
		turn(fx->ev);
	}
	is_str(scene.trail.text, "2 0 1 !t run -t 3",
	       "B1205 a timer that becomes due by waiting");
	tevent_set_trace_callback(fx->ev, NULL, NULL);
	tevent_set_trace_timer_callback(fx->ev, NULL, NULL);
	TALLOC_FREE(scene.im);
}

/* What the library makes for itself is heard too. */
static void test_own_events(struct fixture *fx)
{
	struct tevent_threaded_context *tctx = NULL;
	struct tevent_req *req = NULL;
	struct scene scene;
	int *state = NULL;

	scene_make(&scene, fx);
	tevent_set_trace_fd_callback(fx->ev, hear_fd, &scene.trail);
	tevent_set_trace_timer_callback(fx->ev, hear_timer, &scene.trail);
	tevent_set_trace_immediate_callback(fx->ev, hear_immediate,
					    &scene.trail);
	tctx = tevent_threaded_context_create(fx->mem, fx->ev);
	if (strcmp(fx->backend, "poll_mt") != 0) { /* which has it already */
		is_str(scene.trail.text, "+?",
		       "B1206 the wake-up descriptor is an fd");
	}

	trail_clear(&scene.trail);
	req = tevent_req_create(fx->mem, &state, int);
	(void)tevent_req_set_endtime(req, fx->ev, seconds_from_now(100));
	is_str(scene.trail.text, "+?", "B1206 an end time is a timer");
	trail_clear(&scene.trail);
	tevent_req_done(req);
	is_str(scene.trail.text, "-?", "B1206 and gone when it is finished");
	trail_clear(&scene.trail);
	(void)tevent_req_post(req, fx->ev);
	turn(fx->ev);
	is_str(scene.trail.text, "+? !? -?", "B1206 a post is an immediate");

	trail_clear(&scene.trail);
	(void)tevent_req_post(req, fx->ev);
	TALLOC_FREE(req);
	is_str(scene.trail.text, "+? -?", "B1206 cancelled with its request");

	trail_clear(&scene.trail);
	tevent_threaded_schedule_immediate(tctx, scene.im, step_immediate,
					   &scene.step);
	is_str(scene.trail.text, "", "B1209 posted: not yet heard of");
	while (strstr(scene.trail.text, "run") == NULL) {
		turn(fx->ev);
	}
	ok(strstr(scene.trail.text, "+? !? run -?") != NULL,
	   "B1209 heard when it is moved, by its owner; its tag is 0 again");
	tevent_set_trace_fd_callback(fx->ev, NULL, NULL);
	tevent_set_trace_timer_callback(fx->ev, NULL, NULL);
	tevent_set_trace_immediate_callback(fx->ev, NULL, NULL);
	TALLOC_FREE(tctx);
	TALLOC_FREE(scene.im);
}

static void free_in_callback(struct tevent_req *req)
{
	struct trail *trail = tevent_req_callback_data_void(req);

	trail_add(trail, "free");
	talloc_free(req);
	trail_add(trail, "done");
}

static void test_freed_in_callback(struct fixture *fx)
{
	struct tevent_req *req = NULL;
	struct scene scene;
	int *state = NULL;

	scene_make(&scene, fx);
	tevent_set_trace_immediate_callback(fx->ev, hear_immediate,
					    &scene.trail);
	req = tevent_req_create(fx->mem, &state, int);
	tevent_req_set_callback(req, free_in_callback, &scene.trail);
	tevent_req_done(req);
	trail_clear(&scene.trail);
	req = tevent_req_create(fx->mem, &state, int);
	tevent_req_set_callback(req, free_in_callback, &scene.trail);
	(void)tevent_req_post(req, fx->ev);
	turn(fx->ev);
	is_str(scene.trail.text, "+? !? free -? done",
	       "B1206 a posted request freed by its callback");
	tevent_set_trace_immediate_callback(fx->ev, NULL, NULL);
	TALLOC_FREE(scene.im);
}

/* The whole context goes: kind by kind. */
static void test_context_freed(struct fixture *fx)
{
	struct tevent_timer *te = NULL;
	struct tevent_fd *fde = NULL;
	struct tevent_signal *se = NULL;
	struct scene scene;
	int fds[2] = { -1, -1 };

	scene_make(&scene, fx);
	fixture_pipe(fds);
	se = tevent_add_signal(fx->ev, fx->mem, SIGUSR1, 0, step_signal,
			       &scene.step);
	tevent_signal_set_tag(se, TAG('s'));
	tevent_schedule_immediate(scene.im, fx->ev, step_immediate,
				  &scene.step);
	te = timer_at(&scene, seconds_from_now(100), step_timer, &scene.step);
	fde = tevent_add_fd(fx->ev, fx->mem, fds[0], 0, step_fd, &scene.step);
	tevent_fd_set_tag(fde, TAG('f'));
	tevent_set_trace_fd_callback(fx->ev, hear_fd, &scene.trail);
	tevent_set_trace_timer_callback(fx->ev, hear_timer, &scene.trail);
	tevent_set_trace_immediate_callback(fx->ev, hear_immediate,
					    &scene.trail);
	tevent_set_trace_signal_callback(fx->ev, hear_signal, &scene.trail);
	talloc_steal(fx->mem, te);
	TALLOC_FREE(fx->ev);
	ok(strcmp(scene.trail.text, "-? -f -t -i -s") == 0 ||
		   strcmp(scene.trail.text, "-f -? -t -i -s") == 0,
	   "B208 fds (ours too), timers, immediates, signals are told gone");
	trail_clear(&scene.trail);
	TALLOC_FREE(fde);
	TALLOC_FREE(te);
	TALLOC_FREE(se);
	TALLOC_FREE(scene.im);
	is_str(scene.trail.text, "",
	       "B208 and not once more when they are freed");
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void test_getters(struct fixture *fx)
{
	tevent_trace_callback_t loop = NULL;
	tevent_trace_fd_callback_t fd = NULL;
	tevent_trace_timer_callback_t timer = NULL;
	tevent_trace_immediate_callback_t immediate = NULL;
	tevent_trace_signal_callback_t sig = NULL;
	struct trail trail = { "" };
	void *private_data = &trail;

	tevent_get_trace_callback(fx->ev, &loop, &private_data);
	ok(loop == NULL && private_data == NULL, "B1205 none set: NULL, NULL");
	tevent_set_trace_callback(fx->ev, hear_pass, &trail);
	tevent_get_trace_callback(fx->ev, &loop, &private_data);
	ok(loop == hear_pass && private_data == &trail, "B1205 what was set");
	tevent_set_trace_callback(fx->ev, NULL, NULL);

	tevent_set_trace_fd_callback(fx->ev, hear_fd, &trail);
	tevent_get_trace_fd_callback(fx->ev, &fd, &private_data);
	ok(fd == hear_fd && private_data == &trail, "B1203 what was set");
	tevent_set_trace_fd_callback(fx->ev, NULL, NULL);

	tevent_set_trace_timer_callback(fx->ev, hear_timer, &trail);
	tevent_get_trace_timer_callback(fx->ev, &timer, &private_data);
	ok(timer == hear_timer && private_data == &trail, "B1202 what was set");
	tevent_set_trace_timer_callback(fx->ev, NULL, NULL);

	tevent_set_trace_immediate_callback(fx->ev, hear_immediate, &trail);
	tevent_get_trace_immediate_callback(fx->ev, &immediate, &private_data);
	ok(immediate == hear_immediate && private_data == &trail,
	   "B1201 what was set");
	tevent_set_trace_immediate_callback(fx->ev, NULL, NULL);

	tevent_set_trace_signal_callback(fx->ev, hear_signal, &trail);
	tevent_get_trace_signal_callback(fx->ev, &sig, &private_data);
	ok(sig == hear_signal && private_data == &trail, "B1204 what was set");
	tevent_set_trace_signal_callback(fx->ev, NULL, NULL);
}

static void test_kept(struct fixture *fx)
{
	tevent_trace_callback_t loop = NULL;
	struct tevent_immediate *im = tevent_create_immediate(fx->mem);
	struct trail trail = { "" };
	void *private_data = NULL;

	tevent_set_trace_callback(fx->ev, hear_pass, &trail);
	tevent_immediate_set_tag(im, TAG('k'));
	is_int(tevent_re_initialise(fx->ev), 0, "B701 started anew");
	tevent_get_trace_callback(fx->ev, &loop, &private_data);
	ok(loop == hear_pass && private_data == &trail,
	   "B701 trace callbacks are kept");
	is_int(tevent_immediate_get_tag(im), 'k', "B701 and tags");
	tevent_set_trace_callback(fx->ev, NULL, NULL);
	TALLOC_FREE(im);
}

static void test_null_tags(struct fixture *fx)
{
	struct tevent_immediate *im = tevent_create_immediate(fx->mem);

	is_int(tevent_immediate_get_tag(im), 0, "B1208 a tag is 0 at first");
	tevent_fd_set_tag(NULL, 1);
	tevent_timer_set_tag(NULL, 1);
	tevent_immediate_set_tag(NULL, 1);
	tevent_signal_set_tag(NULL, 1);
	tevent_queue_entry_set_tag(NULL, 1);
	is_int(tevent_fd_get_tag(NULL) + tevent_timer_get_tag(NULL) +
		       tevent_immediate_get_tag(NULL) +
		       tevent_signal_get_tag(NULL) +
		       tevent_queue_entry_get_tag(NULL),
	       0, "B1208 of no event it is 0");
	tevent_immediate_set_tag(im, UINT64_MAX);
	ok(tevent_immediate_get_tag(im) == UINT64_MAX, "B1208 of 64 bits");
	TALLOC_FREE(im);
}

static void hear_and_tag(struct tevent_timer *te,
			 enum tevent_event_trace_point point,
			 void *private_data)
{
	if (point == TEVENT_EVENT_TRACE_ATTACH) {
		tevent_timer_set_tag(te, TAG('a'));
	}
	hear(private_data, point, tevent_timer_get_tag(te));
}

static void test_tag_in_attach(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "run" };

	tevent_set_trace_timer_callback(fx->ev, hear_and_tag, &trail);
	(void)tevent_add_timer(fx->ev, fx->ev, tevent_timeval_zero(),
			       step_timer, &step);
	turn(fx->ev);
	is_str(trail.text, "+a !a run -a",
	       "B1208 a tag set as it is added is seen from then on");
	tevent_set_trace_timer_callback(fx->ev, NULL, NULL);
}

int main(void)
{
	warm_up();
	fixture_each_backend("B1201 immediate", test_immediate);
	fixture_run("B1201 callback set late", test_switched);
	fixture_each_backend("B1202 timer", test_timer);
	fixture_each_backend("B1203 fd", test_fd);
	fixture_each_backend("B1203 fd disabled", test_fd_disabled);
	fixture_each_backend("B1204 signal", test_signal);
	fixture_each_backend("B1205 pass", test_pass);
	fixture_each_backend("B1206 the library's own", test_own_events);
	fixture_run("B1206 request freed", test_freed_in_callback);
	fixture_each_backend("B208 context freed", test_context_freed);
	fixture_run("B1201-B1205 getters", test_getters);
	fixture_each_backend("B701 kept", test_kept);
	fixture_run("B1208 tags", test_null_tags);
	fixture_run("B1208 tag set early", test_tag_in_attach);
	return done();
}
