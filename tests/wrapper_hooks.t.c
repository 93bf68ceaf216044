/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Wrapper hooks: what they are given, and where they stand among the words of
 * trace callbacks ("im!" is about to be called, "im-" is gone).
 */
#include "tests/wrappertest.h"

#include <signal.h>

/* What one hook was given, or the handler between two. */
struct seen {
	unsigned count;
	struct tevent_context *ev;
	struct tevent_context *main;
	void *state;
	void *event;
	uint16_t flags;
	struct timeval requested;
	struct timeval trigger;
	int signum;
	int signals;
	void *info;
	const char *name;
	const char *location;
};

static struct seen before;
static struct seen handled;
static struct seen after;

static void see(struct seen *seen, struct tevent_context *ev, void *state,
		struct tevent_context *main_ev, void *event)
{
	unsigned count = seen->count + 1;

	*seen = (struct seen){
		.count = count,
		.ev = ev,
		.state = state,
		.main = main_ev,
		.event = event,
	};
}

static void see_names(struct seen *seen, const char *name, const char *location)
{
	seen->name = name;
	seen->location = location;
}

static bool before_use(struct tevent_context *ev, void *state,
		       struct tevent_context *main_ev, const char *location)
{
	see(&before, ev, state, main_ev, NULL);
	see_names(&before, NULL, location);
	return true;
}

static void after_use(struct tevent_context *ev, void *state,
		      struct tevent_context *main_ev, const char *location)
{
	see(&after, ev, state, main_ev, NULL);
	see_names(&after, NULL, location);
}

#define SEE_FD(when)                                                         \
	static void when##_fd(struct tevent_context *ev, void *state,        \
			      struct tevent_context *main_ev,                \
			      struct tevent_fd *fde, uint16_t flags,         \
			      const char *name, const char *location)        \
	{                                                                    \
		see(&when, ev, state, main_ev, fde);                         \
		see_names(&when, name, location);                            \
		when.flags = flags;                                          \
	}                                                                    \
	static void when##_timer(                                            \
		struct tevent_context *ev, void *state,                      \
		struct tevent_context *main_ev, struct tevent_timer *te,     \
		struct timeval requested, struct timeval trigger,            \
		const char *name, const char *location)                      \
	{                                                                    \
		see(&when, ev, state, main_ev, te);                          \
		see_names(&when, name, location);                            \
		when.requested = requested;                                  \
		when.trigger = trigger;                                      \
	}                                                                    \
	static void when##_immediate(struct tevent_context *ev, void *state, \
				     struct tevent_context *main_ev,         \
				     struct tevent_immediate *im,            \
				     const char *name, const char *location) \
	{                                                                    \
		see(&when, ev, state, main_ev, im);                          \
		see_names(&when, name, location);                            \
	}                                                                    \
	static void when##_signal(struct tevent_context *ev, void *state,    \
				  struct tevent_context *main_ev,            \
				  struct tevent_signal *se, int signum,      \
				  int count, void *info, const char *name,   \
				  const char *location)                      \
	{                                                                    \
		see(&when, ev, state, main_ev, se);                          \
		see_names(&when, name, location);                            \
		when.signum = signum;                                        \
		when.signals = count;                                        \
		when.info = info;                                            \
	}

SEE_FD(before)
SEE_FD(after)

static const struct tevent_wrapper_ops see_ops = {
	.name = "see",
	.before_use = before_use,
	.after_use = after_use,
	.before_fd_handler = before_fd,
	.after_fd_handler = after_fd,
	.before_timer_handler = before_timer,
	.after_timer_handler = after_timer,
	.before_immediate_handler = before_immediate,
	.after_immediate_handler = after_immediate,
	.before_signal_handler = before_signal,
	.after_signal_handler = after_signal,
};

static void on_immediate(struct tevent_context *ev, struct tevent_immediate *im,
			 void *private_data)
{
	see(&handled, ev, private_data, NULL, im);
}

static void on_timer(struct tevent_context *ev, struct tevent_timer *te,
		     struct timeval now, void *private_data)
{
	see(&handled, ev, private_data, NULL, te);
	handled.trigger = now;
}

static void on_fd(struct tevent_context *ev, struct tevent_fd *fde,
		  uint16_t flags, void *private_data)
{
	see(&handled, ev, private_data, NULL, fde);
	handled.flags = flags;
}

static void on_signal(struct tevent_context *ev, struct tevent_signal *se,
		      int signum, int count, void *info, void *private_data)
{
	see(&handled, ev, private_data, NULL, se);
	handled.signum = signum;
	handled.signals = count;
	handled.info = info;
}

struct seeing {
	struct tevent_context *ev;
	struct tevent_context *main;
	int *state;
};

static struct seeing seeing_open(struct fixture *fx)
{
	struct seeing seeing = { .main = fx->ev };

	before = (struct seen){ .count = 0 };
	handled = before;
	after = before;
	seeing.ev = tevent_context_wrapper_create(fx->ev, fx->mem, &see_ops,
						  &seeing.state, int);
	if (seeing.ev == NULL) {
		bail_out("no wrapper");
	}
	return seeing;
}

/* One hook was given all that it should know of the event. */
static void sees(const struct seen *seen, const struct seeing *seeing,
		 const void *event, const char *handler, const char *what)
{
	is_uint(seen->count, 1, "%s once", what);
	is_ptr(seen->ev, seeing->ev, "%s: the wrapper", what);
	is_ptr(seen->main, seeing->main, "%s: the main context", what);
	is_ptr(seen->state, seeing->state, "%s: the state", what);
	is_ptr(seen->event, event, "%s: the event", what);
	if (handler != NULL) {
		is_str(seen->name, handler, "%s: the handler's name", what);
	}
	ok(seen->location != NULL &&
		   strstr(seen->location, "wrapper_hooks.t.c:") != NULL,
	   "%s: the place: %s", what, seen->location);
}

/* Turns the main loop until the handler was called. */
static void handle(struct seeing *seeing, void *event, const char *handler)
{
	while (handled.count == 0) {
		turn(seeing->main);
	}
	sees(&before, seeing, event, handler, "B1501 the hook before");
	sees(&after, seeing, event, handler, "B1501 the hook after");
	is_uint(handled.count, 1, "B1501 the handler once");
	is_ptr(handled.ev, seeing->ev, "B1501 the handler: the wrapper");
	is_ptr(handled.event, event, "B1501 the handler: the event");
}

static void test_immediate(struct fixture *fx)
{
	struct seeing seeing = seeing_open(fx);
	struct tevent_immediate *im = tevent_create_immediate(fx->mem);

	tevent_schedule_immediate(im, seeing.ev, on_immediate, NULL);
	handle(&seeing, im, "on_immediate");
	TALLOC_FREE(im);
	TALLOC_FREE(seeing.ev);
}

static bool same_time(struct timeval a, struct timeval b)
{
	return tevent_timeval_compare(&a, &b) == 0;
}

static void test_timer(struct fixture *fx)
{
	struct timeval when[] = { { 0, 0 }, { 17, 4 } };

	for (int i = 0; i < 2; i++) {
		struct seeing seeing = seeing_open(fx);
		struct tevent_timer *te = NULL;

		te = tevent_add_timer(seeing.ev, fx->mem, when[i], on_timer,
				      NULL);
		handle(&seeing, te, "on_timer");
		ok(same_time(before.requested, when[i]) &&
			   same_time(after.requested, when[i]),
		   "B1501 the hooks: the time it was asked for");
		ok(same_time(before.trigger, handled.trigger) &&
			   same_time(after.trigger, handled.trigger),
		   "B1501 and the one that the handler gets");
		TALLOC_FREE(seeing.ev);
	}
}

static void test_fd(struct fixture *fx)
{
	struct seeing seeing = seeing_open(fx);
	struct tevent_fd *fde = NULL;
	int fds[2] = { -1, -1 };

	fixture_pipe(fds);
	fde = tevent_add_fd(seeing.ev, fx->mem, fds[1], TEVENT_FD_WRITE, on_fd,
			    NULL);
	handle(&seeing, fde, "on_fd");
	is_uint(before.flags, TEVENT_FD_WRITE, "B1501 the hook before: flags");
	is_uint(after.flags, TEVENT_FD_WRITE, "B1501 the hook after: flags");
	is_uint(handled.flags, TEVENT_FD_WRITE, "B1501 the handler: flags");
	TALLOC_FREE(fde);
	TALLOC_FREE(seeing.ev);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void test_signal(struct fixture *fx)
{
	int sa_flags[] = { 0, SA_SIGINFO };

	for (int i = 0; i < 2; i++) {
		struct seeing seeing = seeing_open(fx);
		struct tevent_signal *se = NULL;

		se = tevent_add_signal(seeing.ev, fx->mem, SIGUSR1, sa_flags[i],
				       on_signal, NULL);
		(void)raise(SIGUSR1);
		handle(&seeing, se, "on_signal");
		ok(before.signum == SIGUSR1 && after.signum == SIGUSR1,
		   "B1501 the hooks: the number");
		ok(before.signals == handled.signals &&
			   after.signals == handled.signals &&
			   handled.signals == 1,
		   "B1501 the hooks: how many came");
		ok(before.info == handled.info && after.info == handled.info &&
			   (handled.info != NULL) == (i == 1),
		   "B1501 the hooks: the information");
		TALLOC_FREE(se);
		TALLOC_FREE(seeing.ev);
	}
}

static void test_use(struct fixture *fx)
{
	struct seeing seeing = seeing_open(fx);

	ok(tevent_context_push_use(seeing.ev), "B1504 use begins");
	tevent_context_pop_use(seeing.ev);
	sees(&before, &seeing, NULL, NULL, "B1504 before use");
	sees(&after, &seeing, NULL, NULL, "B1504 after use");
	TALLOC_FREE(seeing.ev);
}

/* Requests and queues have events of their own, with names of their own. */
struct part {
	int number;
};

static struct tevent_req *part_make(struct fixture *fx)
{
	struct part *part = NULL;

	return tevent_req_create(fx->mem, &part, struct part);
}

static void part_end(struct tevent_req *req)
{
	struct seeing *seeing = tevent_req_callback_data_void(req);

	see(&handled, seeing->ev, NULL, NULL, before.event);
}

static void part_begin(struct tevent_req *req TRAIL_UNUSED, void *private_data)
{
	struct seeing *seeing = private_data;

	see(&handled, seeing->ev, NULL, NULL, before.event);
}

static void handle_part(struct seeing *seeing, const char *what)
{
	while (handled.count == 0) {
		turn(seeing->main);
	}
	ok(before.count == 1 && after.count == 1 && before.ev == seeing->ev &&
		   after.ev == seeing->ev && before.main == seeing->main &&
		   after.main == seeing->main && before.state == seeing->state,
	   "B1501 %s: between the hooks", what);
	ok(before.name != NULL && after.name != NULL &&
		   strcmp(before.name, after.name) == 0 &&
		   before.location != NULL && after.location != NULL,
	   "B1501 %s: with a name: %s", what, before.name);
}

static void test_requests(struct fixture *fx)
{
	static const char *const names[] = { "a request posted",
					     "a request timed out", "a wake-up",
					     "a queue's trigger" };
	struct tevent_queue *queue = tevent_queue_create(fx->mem, "queue");

	for (int i = 0; i < 4; i++) {
		struct seeing seeing = seeing_open(fx);
		struct tevent_req *req = NULL;

		req = i == 2 ? tevent_wakeup_send(fx->mem, seeing.ev,
						  tevent_timeval_zero())
			     : part_make(fx);
		tevent_req_set_callback(req, part_end, &seeing);
		if (i == 0) {
			tevent_req_done(req);
			handled.count = 0;
			(void)tevent_req_post(req, seeing.ev);
		} else if (i == 1) {
			(void)tevent_req_set_endtime(req, seeing.ev,
						     tevent_timeval_zero());
		} else if (i == 3) {
			ok(tevent_queue_add(queue, seeing.ev, req, part_begin,
					    &seeing),
			   "B1501 a wrapper's place in a queue");
		}
		handle_part(&seeing, names[i]);
		TALLOC_FREE(req);
		TALLOC_FREE(seeing.ev);
	}
	TALLOC_FREE(queue);
}

/* ---- among trace callbacks ---- */

static void test_order(struct fixture *fx)
{
	struct wrapped wrapped;
	struct trail *trail = &wrapped.trail;
	struct step step = { trail, "run" };
	struct tevent_immediate *im = tevent_create_immediate(fx->mem);
	struct tevent_fd *fde = NULL;
	int fds[2] = { -1, -1 };

	wrapped_open(&wrapped, fx);
	fixture_pipe(fds);
	trace_events(fx->ev, trail);
	tevent_schedule_immediate(im, wrapped.ev, step_immediate, &step);
	turn_until(trail, fx->ev, "run");
	trail_is(trail, "im+ <im im! run >im im-", "B1201 B1501 an immediate");
	(void)tevent_add_timer(wrapped.ev, fx->mem, tevent_timeval_zero(),
			       step_timer, &step);
	turn_until(trail, fx->ev, "run");
	trail_is(trail, "te+ <te te! run >te te-", "B1202 B1501 a timer");
	fde = tevent_add_fd(wrapped.ev, fx->mem, fds[1], TEVENT_FD_WRITE,
			    step_fd, &step);
	tevent_fd_set_tag(fde, 1);
	turn_until(trail, fx->ev, "run");
	trail_is(trail, "<fd fd! runW >fd", "B1203 B1501 an fd event");
	TALLOC_FREE(fde);
	trail_is(trail, "fd-", "B1203 B1501 freed: no hook");
	TALLOC_FREE(im);
	wrapped_close(&wrapped);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

/* An SA_RESETHAND event goes after the second hook. */
static void test_order_signal(struct fixture *fx)
{
	struct wrapped wrapped;
	struct trail *trail = &wrapped.trail;
	struct step step = { trail, "run" };

	wrapped_open(&wrapped, fx);
	trace_events(fx->ev, trail);
	(void)tevent_add_signal(wrapped.ev, fx->mem, SIGUSR1, SA_RESETHAND,
				step_signal, &step);
	(void)raise(SIGUSR1);
	turn_until(trail, fx->ev, "run");
	trail_is(trail, "se+ <se se! run1 >se se-",
		 "B1204 B507 B1501 a signal event that is called once");
	wrapped_close(&wrapped);
}

static struct tevent_fd *the_fde;

static void free_fd(struct tevent_context *ev TRAIL_UNUSED,
		    struct tevent_fd *fde TRAIL_UNUSED,
		    uint16_t flags TRAIL_UNUSED, void *private_data)
{
	trail_add(private_data, "free");
	TALLOC_FREE(the_fde);
	trail_add(private_data, "done");
}

static void free_immediate(struct tevent_context *ev TRAIL_UNUSED,
			   struct tevent_immediate *im, void *private_data)
{
	trail_add(private_data, "free");
	TALLOC_FREE(im);
	trail_add(private_data, "done");
}

static void test_order_freed(struct fixture *fx)
{
	struct wrapped wrapped;
	struct trail *trail = &wrapped.trail;
	struct tevent_immediate *im = tevent_create_immediate(fx->mem);
	int fds[2] = { -1, -1 };

	wrapped_open(&wrapped, fx);
	fixture_pipe(fds);
	trace_events(fx->ev, trail);
	the_fde = tevent_add_fd(wrapped.ev, fx->mem, fds[1], TEVENT_FD_WRITE,
				free_fd, trail);
	tevent_fd_set_tag(the_fde, 1);
	turn_until(trail, fx->ev, "done");
	trail_is(trail, "<fd fd! free fd- done >fd",
		 "B201 B1203 B1501 an fd event freed in its handler");
	tevent_schedule_immediate(im, wrapped.ev, free_immediate, trail);
	turn_until(trail, fx->ev, "done");
	trail_is(trail, "im+ <im im! free im- done >im",
		 "B201 B1201 B1501 an immediate freed in its handler");
	wrapped_close(&wrapped);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

int main(void)
{
	warm_up();
	fixture_each_backend("B1501 immediate", test_immediate);
	fixture_each_backend("B1501 timer", test_timer);
	fixture_each_backend("B1501 fd", test_fd);
	fixture_each_backend("B1501 signal", test_signal);
	fixture_run("B1504 use", test_use);
	fixture_each_backend("B1501 requests", test_requests);
	fixture_each_backend("B1501 order", test_order);
	fixture_each_backend("B1501 order, signal", test_order_signal);
	fixture_each_backend("B1501 order, freed", test_order_freed);
	return done();
}
