/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Own backend: a table of operations of the program's own that copies one of
 * the library's and passes every call on, counting it: all works as with the
 * original, and everything goes through the table.
 *
 * Not here: where tables are found by name (own_names.t.c).
 */
#include "tests/wrappertest.h"

#include <signal.h>

enum call {
	CONTEXT_INIT,
	ADD_FD,
	SET_CLOSE,
	GET_FLAGS,
	SET_FLAGS,
	ADD_TIMER,
	SCHEDULE,
	ADD_SIGNAL,
	LOOP_ONCE,
	LOOP_WAIT,
	CALLS
};

static const struct tevent_ops *theirs;
static unsigned calls[CALLS];

static int own_context_init(struct tevent_context *ev)
{
	calls[CONTEXT_INIT]++;
	return theirs->context_init(ev);
}

static struct tevent_fd *own_add_fd(struct tevent_context *ev,
				    TALLOC_CTX *mem_ctx, int fd, uint16_t flags,
				    tevent_fd_handler_t handler,
				    void *private_data, const char *name,
				    const char *location)
{
	calls[ADD_FD]++;
	return theirs->add_fd(ev, mem_ctx, fd, flags, handler, private_data,
			      name, location);
}

static void own_set_close(struct tevent_fd *fde, tevent_fd_close_fn_t close_fn)
{
	calls[SET_CLOSE]++;
	theirs->set_fd_close_fn(fde, close_fn);
}

static uint16_t own_get_flags(struct tevent_fd *fde)
{
	calls[GET_FLAGS]++;
	return theirs->get_fd_flags(fde);
}

static void own_set_flags(struct tevent_fd *fde, uint16_t flags)
{
	calls[SET_FLAGS]++;
	theirs->set_fd_flags(fde, flags);
}

static struct tevent_timer *own_add_timer(struct tevent_context *ev,
					  TALLOC_CTX *mem_ctx,
					  struct timeval when,
					  tevent_timer_handler_t handler,
					  void *private_data, const char *name,
					  const char *location)
{
	calls[ADD_TIMER]++;
	return theirs->add_timer(ev, mem_ctx, when, handler, private_data, name,
				 location);
}

static void own_schedule(struct tevent_immediate *im, struct tevent_context *ev,
			 tevent_immediate_handler_t handler, void *private_data,
			 const char *name, const char *location)
{
	calls[SCHEDULE]++;
	theirs->schedule_immediate(im, ev, handler, private_data, name,
				   location);
}

static struct tevent_signal *own_add_signal(
	struct tevent_context *ev, TALLOC_CTX *mem_ctx, int signum,
	int sa_flags, tevent_signal_handler_t handler, void *private_data,
	const char *name, const char *location)
{
	calls[ADD_SIGNAL]++;
	return theirs->add_signal(ev, mem_ctx, signum, sa_flags, handler,
				  private_data, name, location);
}

static int own_loop_once(struct tevent_context *ev, const char *location)
{
	calls[LOOP_ONCE]++;
	return theirs->loop_once(ev, location);
}

static int own_loop_wait(struct tevent_context *ev, const char *location)
{
	calls[LOOP_WAIT]++;
	return theirs->loop_wait(ev, location);
}

static const struct tevent_ops own_ops = {
	.context_init = own_context_init,
	.add_fd = own_add_fd,
	.set_fd_close_fn = own_set_close,
	.get_fd_flags = own_get_flags,
	.set_fd_flags = own_set_flags,
	.add_timer = own_add_timer,
	.schedule_immediate = own_schedule,
	.add_signal = own_add_signal,
	.loop_once = own_loop_once,
	.loop_wait = own_loop_wait,
};

/* A context of the table that passes on to the fixture's backend. */
static bool own_open(struct fixture *fx)
{
	if (TEST_ON_STOCK && strcmp(fx->backend, "standard") == 0) {
		skip("B602 stock's standard has no table to copy");
		return false;
	}
	theirs = tevent_find_ops_byname(fx->backend);
	memset(calls, 0, sizeof(calls));
	fx->ev = tevent_context_init_byname(fx->mem, "counting");
	return ok(fx->ev != NULL, "B602 a context by the registered name");
}

static void called(enum call call, unsigned want, const char *name)
{
	is_uint(calls[call], want, "B602 through the table: %s", name);
	calls[call] = 0;
}

static void close_fd(struct tevent_context *ev, struct tevent_fd *fde, int fd,
		     void *private_data)
{
	struct step *step = private_data;

	(void)ev;
	(void)fde;
	trail_add(step->trail, "close");
	(void)close(fd);
}

static void until(struct trail *trail, struct tevent_context *ev,
		  const char *want, const char *name)
{
	while (strcmp(trail->text, want) != 0 && strlen(trail->text) < 100) {
		turn(ev);
	}
	is_str(trail->text, want, "%s", name);
	trail_clear(trail);
}

static void test_fd(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "f" };
	struct tevent_fd *fde = NULL;
	int fds[2] = { -1, -1 };

	if (!own_open(fx)) {
		return;
	}
	called(CONTEXT_INIT, 1, "context_init");
	/* poll_mt has a wake-up descriptor from the start. */
	calls[ADD_FD] = 0;
	fixture_socketpair(fds);
	fde = tevent_add_fd(fx->ev, fx->ev, fds[0], TEVENT_FD_WRITE, step_fd,
			    &step);
	called(ADD_FD, 1, "add_fd");
	until(&trail, fx->ev, "fW", "B301 an fd event");
	is_uint(tevent_fd_get_flags(fde), TEVENT_FD_WRITE, "B301 its flags");
	called(GET_FLAGS, 1, "get_fd_flags");
	tevent_fd_set_flags(fde, TEVENT_FD_READ);
	called(SET_FLAGS, 1, "set_fd_flags");
	is_int(write(fds[1], "x", 1), 1, "something to read");
	until(&trail, fx->ev, "fR", "B301 its flags were changed");
	tevent_fd_set_close_fn(fde, close_fd);
	called(SET_CLOSE, 1, "set_fd_close_fn");
	TALLOC_FREE(fde);
	is_str(trail.text, "close", "B330 the close function is called");
	fde = tevent_add_fd(fx->ev, fx->ev, fds[1], TEVENT_FD_READ, step_fd,
			    &step);
	tevent_fd_set_auto_close(fde);
	called(SET_CLOSE, 1, "tevent_fd_set_auto_close");
	TALLOC_FREE(fde);
	ok(calls[LOOP_ONCE] >= 2, "B602 through the table: loop_once");
}

static void test_timers(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "t" };
	struct tevent_immediate *im = tevent_create_immediate(fx->mem);

	if (!own_open(fx)) {
		return;
	}
	(void)tevent_add_timer(fx->ev, fx->ev, tevent_timeval_zero(),
			       step_timer, &step);
	called(ADD_TIMER, 1, "add_timer");
	tevent_schedule_immediate(im, fx->ev, step_immediate, &step);
	called(SCHEDULE, 1, "schedule_immediate");
	is_int(tevent_loop_wait(fx->ev), 0, "B130 loop_wait");
	called(LOOP_WAIT, 1, "loop_wait");
	is_str(trail.text, "t t", "B401 B451 both ran");
	called(LOOP_ONCE, 2, "loop_once by loop_wait");
	TALLOC_FREE(im);
}

static void test_signal(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "s" };
	struct tevent_signal *se = NULL;

	if (!own_open(fx)) {
		return;
	}
	ok(tevent_signal_support(fx->ev), "B602 it supports signals");
	se = tevent_add_signal(fx->ev, fx->ev, SIGUSR1, 0, step_signal, &step);
	called(ADD_SIGNAL, 1, "add_signal");
	ok(strcmp(fx->backend, "poll_mt") == 0 || calls[ADD_FD] == 1,
	   "B511 B602 through the table: the wake-up descriptor");
	(void)raise(SIGUSR1);
	until(&trail, fx->ev, "s1", "B501 a signal");
	TALLOC_FREE(se);
}

struct part {
	struct step step;
};

static void part_done(struct tevent_req *req)
{
	struct step *step = tevent_req_callback_data_void(req);

	trail_add(step->trail, step->word);
}

static void test_requests(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "done" };
	struct part *part = NULL;
	struct tevent_req *req = NULL;

	if (!own_open(fx)) {
		return;
	}
	req = tevent_req_create(fx->mem, &part, struct part);
	tevent_req_done(req);
	tevent_req_set_callback(req, part_done, &step);
	(void)tevent_req_post(req, fx->ev);
	called(SCHEDULE, 1, "a request posted");
	until(&trail, fx->ev, "done", "B820 a request posted");
	TALLOC_FREE(req);
	req = tevent_wakeup_send(fx->mem, fx->ev, tevent_timeval_zero());
	/* The end time is a part of our request, not an event (B801). */
	called(ADD_TIMER, TEST_ON_STOCK ? 1 : 0, "an end time");
	tevent_req_set_callback(req, part_done, &step);
	until(&trail, fx->ev, "done", "B870 a wake-up");
	TALLOC_FREE(req);
}

/* ---- below a wrapper ---- */

static void test_wrapper(struct fixture *fx)
{
	struct wrapped wrapped;
	struct trail *trail = &wrapped.trail;
	struct step step = { trail, "run" };
	struct tevent_immediate *im = tevent_create_immediate(fx->mem);
	struct tevent_fd *fde = NULL;
	int fds[2] = { -1, -1 };

	if (!own_open(fx)) {
		return;
	}
	fixture_pipe(fds);
	wrapped_open(&wrapped, fx);
	calls[ADD_FD] = 0;
	fde = tevent_add_fd(wrapped.ev, fx->mem, fds[1], TEVENT_FD_WRITE,
			    step_fd, &step);
	called(ADD_FD, 1, "add_fd of a wrapper");
	turn_until(trail, fx->ev, ">fd");
	trail_is(trail, "<fd runW >fd", "B1501 a wrapper's fd event");
	tevent_fd_set_flags(fde, 0);
	called(SET_FLAGS, 1, "set_fd_flags of a wrapper's");
	(void)tevent_add_timer(wrapped.ev, fx->mem, tevent_timeval_zero(),
			       step_timer, &step);
	called(ADD_TIMER, 1, "add_timer of a wrapper");
	turn_until(trail, fx->ev, ">te");
	trail_is(trail, "<te run >te", "B1501 a wrapper's timer");
	tevent_schedule_immediate(im, wrapped.ev, step_immediate, &step);
	called(SCHEDULE, 1, "schedule_immediate of a wrapper");
	turn_until(trail, fx->ev, ">im");
	trail_is(trail, "<im run >im", "B1501 a wrapper's immediate");
	TALLOC_FREE(im);
	TALLOC_FREE(fde);
	wrapped_close(&wrapped);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

/* ---- threads and forks ---- */

struct poster {
	struct tevent_threaded_context *tctx;
	struct tevent_immediate *im;
	struct step *step;
};

static void post_one(unsigned index TRAIL_UNUSED, void *arg)
{
	struct poster *poster = arg;

	tevent_threaded_schedule_immediate(poster->tctx, poster->im,
					   step_immediate, poster->step);
}

static void test_posts(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "post" };
	struct poster poster = { .step = &step };

	if (!own_open(fx)) {
		return;
	}
	poster.im = tevent_create_immediate(fx->mem);
	poster.tctx = tevent_threaded_context_create(fx->mem, fx->ev);
	for (int i = 0; i < 3; i++) {
		struct fixture_threads *threads = fixture_threads_start(
			1, post_one, &poster);

		until(&trail, fx->ev, "post", "B1101 a post");
		fixture_threads_join(threads);
	}
	TALLOC_FREE(poster.tctx);
	TALLOC_FREE(poster.im);
}

struct forked {
	struct fixture *fx;
	struct trail *trail;
	bool anew;
};

static int in_child(void *arg)
{
	struct forked *forked = arg;
	struct tevent_context *ev = forked->fx->ev;
	struct step step = { forked->trail, "t" };

	if (forked->anew) {
		calls[CONTEXT_INIT] = 0;
		if (tevent_re_initialise(ev) != 0 || calls[CONTEXT_INIT] != 1) {
			return 1;
		}
		(void)tevent_add_timer(ev, ev, tevent_timeval_zero(),
				       step_timer, &step);
		turn(ev);
		return strcmp(forked->trail->text, "t") == 0 ? 0 : 2;
	}
	turn(ev);
	return strcmp(forked->trail->text, "fW") == 0 ? 0 : 3;
}

static void test_fork(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "f" };
	struct forked forked = { .fx = fx, .trail = &trail };
	struct tevent_fd *fde = NULL;
	struct fixture_child child;
	int fds[2] = { -1, -1 };

	if (!own_open(fx)) {
		return;
	}
	fixture_pipe(fds);
	fde = tevent_add_fd(fx->ev, fx->ev, fds[1], TEVENT_FD_WRITE, step_fd,
			    &step);
	if (strcmp(fx->backend, "poll_mt") == 0) {
		settle(fx->ev, 2); /* the wake-up that adding caused (B612) */
		trail_clear(&trail);
	}
	child = fixture_child(in_child, &forked);
	child_exited(&child, 0, "B703 a forked child goes on");
	forked.anew = true;
	child = fixture_child(in_child, &forked);
	child_exited(&child, 0, "B701 or starts anew, by the table");
	until(&trail, fx->ev, "fW", "B703 and its parent goes on");
	is_int(tevent_re_initialise(fx->ev), 0, "B701 so does it");
	is_uint(tevent_fd_get_flags(fde), 0, "B701 nothing is left");
	(void)close(fds[0]);
	(void)close(fds[1]);
}

/* ---- tables that are used without a name ---- */

static int init_refuses(struct tevent_context *ev)
{
	(void)ev;
	calls[CONTEXT_INIT]++;
	return -1;
}

static void test_init_ops(struct fixture *fx)
{
	struct tevent_ops ops = own_ops;
	struct tevent_context *ev = NULL;
	int *data = talloc_zero(fx->mem, int);

	theirs = tevent_find_ops_byname("poll");
	memset(calls, 0, sizeof(calls));
	/* Stock's backends free what they find as data. */
	ev = tevent_context_init_ops(fx->mem, &ops, data);
	ok(ev != NULL, "B602 a context of a table with data of its own");
	called(CONTEXT_INIT, 1, "context_init");
	TALLOC_FREE(ev);
	ops.context_init = init_refuses;
	is_ptr(tevent_context_init_ops(fx->mem, &ops, NULL), NULL,
	       "B602 none when context_init refuses");
	called(CONTEXT_INIT, 1, "context_init");
	ops = own_ops;
	ops.add_signal = NULL;
	ev = tevent_context_init_ops(fx->mem, &ops, NULL);
	ok(ev != NULL && !tevent_signal_support(ev),
	   "B602 without add_signal there is no support for signals");
	TALLOC_FREE(ev);
}

static void test_default(struct fixture *fx)
{
	struct tevent_context *ev = NULL;

	theirs = tevent_find_ops_byname("epoll");
	memset(calls, 0, sizeof(calls));
	tevent_set_default_backend("counting");
	ev = tevent_context_init(fx->mem);
	ok(ev != NULL, "B604 a registered table as the default");
	called(CONTEXT_INIT, 1, "context_init");
	TALLOC_FREE(ev);
	tevent_set_default_backend(NULL);
	ev = tevent_context_init(fx->mem);
	ok(ev != NULL, "B604 and no longer");
	called(CONTEXT_INIT, 0, "context_init");
	TALLOC_FREE(ev);
}

int main(void)
{
	warm_up();
	(void)tevent_find_ops_byname(NULL);
	if (!tevent_register_backend("counting", &own_ops)) {
		bail_out("no memory for a name");
	}
	fixture_each_backend_flags("B602 fd", test_fd, FIXTURE_NO_CONTEXT);
	fixture_each_backend_flags("B602 timers", test_timers,
				   FIXTURE_NO_CONTEXT);
	fixture_each_backend_flags("B602 signal", test_signal,
				   FIXTURE_NO_CONTEXT);
	fixture_each_backend_flags("B602 requests", test_requests,
				   FIXTURE_NO_CONTEXT);
	fixture_each_backend_flags("B602 B1501 wrapper", test_wrapper,
				   FIXTURE_NO_CONTEXT);
	fixture_each_backend_flags("B602 posts", test_posts,
				   FIXTURE_NO_CONTEXT | FIXTURE_THREADS);
	fixture_each_backend_flags("B602 fork", test_fork, FIXTURE_NO_CONTEXT);
	fixture_run_flags("B602 tables", test_init_ops, FIXTURE_NO_CONTEXT);
	fixture_run_flags("B604 default", test_default, FIXTURE_NO_CONTEXT);
	return done();
}
