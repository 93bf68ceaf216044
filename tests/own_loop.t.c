/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Own loop: a backend of the program's own that waits by itself, with nothing
 * but the functions for authors (author.h).
 *
 * Its add_fd keeps a row for each event, whose destructor gives it up again;
 * its loop_once looks at all sources in the order of B101 and waits in a
 * poll(2) of its own. The library's wake-up descriptor is one of its rows: what
 * other threads and signals do has to end that poll, and nothing else may.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>

#include "tests/author.h"
#include "tests/trail.h"

#define ROWS_MAX 64

struct row {
	struct tevent_fd *fde; /* NULL: free */
	int fd;
};

/* One loop a test is enough. */
static struct row rows[ROWS_MAX];
static unsigned next_row; /* where the search for ready ones begins */
static unsigned waits;
static unsigned inits;

static int row_destructor(struct tevent_fd *fde)
{
	for (unsigned i = 0; i < ROWS_MAX; i++) {
		if (rows[i].fde == fde) {
			rows[i].fde = NULL;
		}
	}
	return tevent_common_fd_destructor(fde);
}

static int own_context_init(struct tevent_context *ev)
{
	(void)ev;
	memset(rows, 0, sizeof(rows));
	inits++;
	return 0;
}

static struct tevent_fd *own_add_fd(struct tevent_context *ev,
				    TALLOC_CTX *mem_ctx, int fd, uint16_t flags,
				    tevent_fd_handler_t handler,
				    void *private_data, const char *name,
				    const char *location)
{
	struct tevent_fd *fde = tevent_common_add_fd(
		ev, mem_ctx, fd, flags, handler, private_data, name, location);
	unsigned i = 0;

	if (fde == NULL) {
		return NULL;
	}
	while (rows[i].fde != NULL) {
		i++;
	}
	rows[i].fde = fde;
	rows[i].fd = fd;
	talloc_set_destructor(fde, row_destructor);
	return fde;
}

static short poll_events(uint16_t flags)
{
	int events = (flags & TEVENT_FD_READ) != 0 ? POLLIN : 0;

	return (short)(events | ((flags & TEVENT_FD_WRITE) != 0 ? POLLOUT : 0));
}

static uint16_t ready_flags(const struct pollfd *pollfd, struct tevent_fd *fde)
{
	uint16_t flags = 0;

	if ((pollfd->revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
		flags |= TEVENT_FD_READ;
	}
	if ((pollfd->revents & (POLLOUT | POLLERR)) != 0) {
		flags |= TEVENT_FD_WRITE;
	}
	return flags & tevent_common_fd_get_flags(fde);
}

/* Waits and runs one handler. Return: what poll() returned. */
static int wait_and_serve(struct tevent_context *ev, int timeout_ms)
{
	struct pollfd pollfds[ROWS_MAX];
	int count = 0;

	for (unsigned i = 0; i < ROWS_MAX; i++) {
		uint16_t flags = rows[i].fde != NULL
					 ? tevent_common_fd_get_flags(
						   rows[i].fde)
					 : 0;

		pollfds[i].fd = flags != 0 ? rows[i].fd : -1;
		pollfds[i].events = poll_events(flags);
		pollfds[i].revents = 0;
	}
	waits++;
	tevent_trace_point_callback(ev, TEVENT_TRACE_BEFORE_WAIT);
	count = poll(pollfds, ROWS_MAX, timeout_ms);
	tevent_trace_point_callback(ev, TEVENT_TRACE_AFTER_WAIT);
	for (unsigned turns = 0; count > 0 && turns < ROWS_MAX; turns++) {
		unsigned i = next_row++ % ROWS_MAX;
		struct tevent_fd *fde = rows[i].fde;

		if (pollfds[i].fd >= 0 && pollfds[i].revents != 0 &&
		    ready_flags(&pollfds[i], fde) != 0) {
			(void)tevent_common_invoke_fd_handler(
				fde, ready_flags(&pollfds[i], fde), NULL);
			break;
		}
	}
	return count;
}

static int own_loop_once(struct tevent_context *ev, const char *location)
{
	struct timeval delay;
	int timeout_ms = 0;

	(void)location;
	if (tevent_common_check_signal(ev) != 0) {
		return 0;
	}
	tevent_common_threaded_activate_immediate(ev);
	if (tevent_common_loop_immediate(ev)) {
		return 0;
	}
	delay = tevent_common_loop_timer_delay(ev);
	if (tevent_timeval_is_zero(&delay)) {
		return 0;
	}
	timeout_ms = (int)(delay.tv_sec * 1000 + (delay.tv_usec + 999) / 1000);
	switch (wait_and_serve(ev, timeout_ms)) {
	case -1:
		(void)tevent_common_check_signal(ev);
		break;
	case 0:
		(void)tevent_common_loop_timer_delay(ev);
		break;
	default:
		break;
	}
	return 0;
}

static const struct tevent_ops own_ops = {
	.context_init = own_context_init,
	.add_fd = own_add_fd,
	.set_fd_close_fn = tevent_common_fd_set_close_fn,
	.get_fd_flags = tevent_common_fd_get_flags,
	.set_fd_flags = tevent_common_fd_set_flags,
	.add_timer = tevent_common_add_timer_v2,
	.schedule_immediate = tevent_common_schedule_immediate,
	.add_signal = tevent_common_add_signal,
	.loop_once = own_loop_once,
	.loop_wait = tevent_common_loop_wait,
};

static void own_open(struct fixture *fx)
{
	fx->ev = tevent_context_init_ops(fx->mem, &own_ops, NULL);
	if (fx->ev == NULL) {
		bail_out("no context");
	}
	waits = 0;
}

static unsigned rows_used(void)
{
	unsigned used = 0;

	for (unsigned i = 0; i < ROWS_MAX; i++) {
		used += rows[i].fde != NULL ? 1 : 0;
	}
	return used;
}

static void until(struct trail *trail, struct tevent_context *ev,
		  const char *want, const char *name)
{
	while (strlen(trail->text) < strlen(want)) {
		turn(ev);
	}
	is_str(trail->text, want, "%s", name);
	trail_clear(trail);
}

static void test_order(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step f = { &trail, "f" };
	struct step t = { &trail, "t" };
	struct step i = { &trail, "i" };
	struct step s = { &trail, "s" };
	struct tevent_immediate *im = tevent_create_immediate(fx->mem);
	struct tevent_signal *se = NULL;
	int fds[2] = { -1, -1 };

	own_open(fx);
	fixture_pipe(fds);
	(void)tevent_add_fd(fx->ev, fx->ev, fds[1], TEVENT_FD_WRITE, step_fd,
			    &f);
	(void)tevent_add_timer(fx->ev, fx->ev, tevent_timeval_zero(),
			       step_timer, &t);
	tevent_schedule_immediate(im, fx->ev, step_immediate, &i);
	se = tevent_add_signal(fx->ev, fx->ev, SIGUSR1, 0, step_signal, &s);
	ok(se != NULL, "B501 a signal event");
	(void)raise(SIGUSR1);
	for (int n = 0; n < 3; n++) {
		trail_pass(&trail, fx->ev);
	}
	is_str(trail.text, "s1 | i | t |", "B101 B102 one after another");
	trail_clear(&trail);
	until(&trail, fx->ev, "fW", "B101 descriptors come last");
	TALLOC_FREE(im);
	TALLOC_FREE(fx->ev);
	is_uint(rows_used(), 0, "B207 every descriptor was given up");
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void close_fd(struct tevent_context *ev TRAIL_UNUSED,
		     struct tevent_fd *fde TRAIL_UNUSED, int fd,
		     void *private_data)
{
	struct step *step = private_data;

	trail_add(step->trail, "close");
	(void)close(fd);
}

static void free_fd(struct tevent_context *ev TRAIL_UNUSED,
		    struct tevent_fd *fde, uint16_t flags TRAIL_UNUSED,
		    void *private_data)
{
	struct step *step = private_data;

	trail_add(step->trail, "free");
	talloc_free(fde);
	trail_add(step->trail, "done");
}

static void test_fds(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "f" };
	struct tevent_fd *fde = NULL;
	int fds[2] = { -1, -1 };

	own_open(fx);
	fixture_socketpair(fds);
	fde = tevent_add_fd(fx->ev, fx->ev, fds[0],
			    TEVENT_FD_READ | TEVENT_FD_WRITE, step_fd, &step);
	until(&trail, fx->ev, "fW", "B301 an fd event");
	tevent_fd_set_flags(fde, TEVENT_FD_READ);
	is_uint(tevent_fd_get_flags(fde), TEVENT_FD_READ, "B301 other flags");
	is_int(write(fds[1], "x", 1), 1, "something to read");
	until(&trail, fx->ev, "fR", "B301 an fd event with other flags");
	tevent_fd_set_close_fn(fde, close_fd);
	TALLOC_FREE(fde);
	is_str(trail.text, "close", "B330 its close function");
	trail_clear(&trail);
	fde = tevent_add_fd(fx->ev, fx->ev, fds[1], TEVENT_FD_WRITE, free_fd,
			    &step);
	tevent_fd_set_close_fn(fde, close_fd);
	until(&trail, fx->ev, "free close done",
	      "B201 B330 freed in its handler");
	is_uint(rows_used(), 0, "B201 its row was given up");
}

/* ---- other threads ---- */

enum { POSTS = 200, POSTERS = 2 };

struct posting {
	struct tevent_threaded_context *tctx;
	struct tevent_immediate *im[POSTERS][POSTS];
	struct fixture_gate delivered; /* one each, of all posters */
	unsigned got;
	bool all;
};

static void post_delivered(struct tevent_context *ev TRAIL_UNUSED,
			   struct tevent_immediate *im TRAIL_UNUSED,
			   void *private_data)
{
	struct posting *posting = private_data;

	posting->got++;
	posting->all = posting->got == POSTERS * POSTS;
	fixture_gate_add(&posting->delivered, 1);
}

/* Each post is made when the last one has arrived: the loop sleeps, or is
 * about to. */
static void post_singly(unsigned index TRAIL_UNUSED, void *arg)
{
	struct posting *posting = arg;

	for (int i = 0; i < POSTS; i++) {
		tevent_threaded_schedule_immediate(posting->tctx,
						   posting->im[0][i],
						   post_delivered, posting);
		fixture_gate_wait(&posting->delivered, i + 1);
	}
}

static void post_all(unsigned index, void *arg)
{
	struct posting *posting = arg;

	for (int i = 0; i < POSTS; i++) {
		tevent_threaded_schedule_immediate(posting->tctx,
						   posting->im[index][i],
						   post_delivered, posting);
	}
}

static struct posting *posting_make(struct fixture *fx)
{
	struct posting *posting = talloc_zero(fx->mem, struct posting);

	posting->tctx = tevent_threaded_context_create(fx->mem, fx->ev);
	for (int p = 0; p < POSTERS; p++) {
		for (int i = 0; i < POSTS; i++) {
			posting->im[p][i] = tevent_create_immediate(fx->mem);
		}
	}
	return posting;
}

static void test_posts(struct fixture *fx)
{
	struct posting *posting = NULL;
	struct fixture_threads *threads = NULL;

	own_open(fx);
	posting = posting_make(fx);
	is_uint(rows_used(), 1, "B1101 the wake-up descriptor has a row");
	threads = fixture_threads_start(1, post_singly, posting);
	while (posting->got < POSTS) {
		turn(fx->ev);
	}
	fixture_threads_join(threads);
	is_uint(posting->got, POSTS, "B1101 posts one by one all arrive");
	ok(waits <= 2 * POSTS + 2, "B107 with at most two waits each: %u",
	   waits);
	TALLOC_FREE(posting->tctx);
}

static void test_storm(struct fixture *fx)
{
	struct posting *posting = NULL;
	struct fixture_threads *threads = NULL;

	own_open(fx);
	posting = posting_make(fx);
	threads = fixture_threads_start(POSTERS, post_all, posting);
	ok(fixture_turn_until(fx->ev, &posting->all), "B1101 the loop turns");
	fixture_threads_join(threads);
	is_uint(posting->got, POSTERS * POSTS, "B1101 posts at will arrive");
	TALLOC_FREE(posting->tctx);
}

static void kill_process(unsigned index TRAIL_UNUSED, void *arg)
{
	fixture_gate_wait(arg, 1);
	(void)kill(getpid(), SIGUSR1);
}

static void tell_gate(enum tevent_trace_point point, void *private_data)
{
	if (point == TEVENT_TRACE_BEFORE_WAIT) {
		fixture_gate_add(private_data, 1);
	}
}

/* Whichever thread is interrupted. */
static void test_signal(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "s" };

	own_open(fx);
	(void)tevent_add_signal(fx->ev, fx->ev, SIGUSR1, 0, step_signal, &step);
	for (int i = 0; i < 3; i++) {
		struct fixture_gate asleep = { 0 };
		struct fixture_threads *threads = NULL;

		tevent_set_trace_callback(fx->ev, tell_gate, &asleep);
		threads = fixture_threads_start(1, kill_process, &asleep);
		until(&trail, fx->ev, "s1", "B501 a signal ends the wait");
		fixture_threads_join(threads);
	}
}

/* ---- the rest ---- */

struct part {
	int number;
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

	own_open(fx);
	req = tevent_req_create(fx->mem, &part, struct part);
	tevent_req_done(req);
	tevent_req_set_callback(req, part_done, &step);
	(void)tevent_req_post(req, fx->ev);
	until(&trail, fx->ev, "done", "B820 a request posted");
	TALLOC_FREE(req);
	req = tevent_wakeup_send(fx->mem, fx->ev,
				 tevent_timeval_current_ofs(0, 2000));
	ok(tevent_req_poll(req, fx->ev), "B870 a wake-up, after a wait");
	ok(tevent_wakeup_recv(req), "B870 its result");
	TALLOC_FREE(req);
}

static void test_wait(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "t" };
	struct tevent_threaded_context *tctx = NULL;

	own_open(fx);
	ok(!tevent_common_have_events(fx->ev), "B130 nothing to wait for");
	tctx = tevent_threaded_context_create(fx->mem, fx->ev);
	ok(!tevent_common_have_events(fx->ev),
	   "B131 the wake-up descriptor is nothing to wait for");
	is_int(tevent_loop_wait(fx->ev), 0, "B130 returns at once");
	is_uint(waits, 0, "B130 without a wait");
	(void)tevent_add_timer(fx->ev, fx->ev, tevent_timeval_zero(),
			       step_timer, &step);
	ok(tevent_common_have_events(fx->ev), "B130 a timer is");
	is_int(tevent_loop_wait(fx->ev), 0, "B130 until it has fired");
	is_str(trail.text, "t", "B130 it has");
	TALLOC_FREE(tctx);
}

struct forked {
	struct tevent_context *ev;
	struct tevent_threaded_context *tctx;
	struct trail *trail;
	struct step *step;
	bool anew;
};

/* In the child the context has a wake-up descriptor of its own. */
static int in_child(void *arg)
{
	struct forked *forked = arg;
	struct tevent_context *ev = forked->ev;
	struct tevent_immediate *im = tevent_create_immediate(NULL);
	struct tevent_threaded_context *tctx = NULL;

	if (forked->anew) {
		inits = 0;
		if (tevent_re_initialise(ev) != 0 || inits != 1 ||
		    tevent_add_signal(ev, ev, SIGUSR1, 0, step_signal,
				      forked->step) == NULL) {
			return 1;
		}
	}
	(void)raise(SIGUSR1);
	until(forked->trail, ev, "s1", "a signal");
	tctx = tevent_threaded_context_create(ev, ev);
	tevent_threaded_schedule_immediate(tctx, im, step_immediate,
					   forked->step);
	until(forked->trail, ev, "s", "a post");
	return tap_failed() == 0 ? 0 : 2;
}

static void test_fork(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "s" };
	struct forked forked = { .trail = &trail, .step = &step };
	struct fixture_child child;

	own_open(fx);
	forked.ev = fx->ev;
	(void)tevent_add_signal(fx->ev, fx->ev, SIGUSR1, 0, step_signal, &step);
	child = fixture_child(in_child, &forked);
	child_exited(&child, 0, "B703 a forked child goes on");
	forked.anew = true;
	child = fixture_child(in_child, &forked);
	child_exited(&child, 0, "B701 or starts anew, by the table");
	(void)raise(SIGUSR1);
	until(&trail, fx->ev, "s1", "B703 its parent goes on");
}

static int turn_in_child(void *arg)
{
	settle(arg, 3);
	return 0;
}

/* The child looks at all its descriptors: the parent's wake-up is none. */
static void test_fork_wakeup(struct fixture *fx)
{
	struct pollfd pollfd = { .events = POLLIN };
	struct fixture_child child;

	if (TEST_ON_STOCK) {
		skip("B708 stock's child reads the parent's descriptor");
		return;
	}
	own_open(fx);
	is_int(tevent_common_wakeup_init(fx->ev), 0, "a wake-up descriptor");
	is_int(tevent_common_wakeup(fx->ev), 0, "and a wake-up");
	pollfd.fd = rows[0].fd;
	child = fixture_child(turn_in_child, fx->ev);
	child_exited(&child, 0, "B703 passes in the child");
	is_int(poll(&pollfd, 1, 0), 1, "B703 the parent's wake-up is there");
}

static void free_context(struct tevent_context *ev,
			 struct tevent_immediate *im TRAIL_UNUSED,
			 void *private_data)
{
	bool *freed = private_data;

	*freed = true;
	talloc_free(ev);
}

static void test_freed(struct fixture *fx)
{
	struct tevent_immediate *im = tevent_create_immediate(fx->mem);
	bool freed = false;

	own_open(fx);
	(void)tevent_add_signal(fx->ev, fx->mem, SIGUSR1, 0, step_signal, NULL);
	tevent_schedule_immediate(im, fx->ev, free_context, &freed);
	is_int(tevent_loop_once(fx->ev), 0, "B206 freed in a handler");
	fx->ev = NULL;
	ok(freed, "B206 it was");
	is_uint(rows_used(), 0, "B206 the wake-up descriptor was given up");
}

int main(void)
{
	warm_up();
	fixture_run_flags("B101 order", test_order, FIXTURE_NO_CONTEXT);
	fixture_run_flags("B301 fds", test_fds, FIXTURE_NO_CONTEXT);
	fixture_run_flags("B820 requests", test_requests, FIXTURE_NO_CONTEXT);
	fixture_run_flags("B130 wait", test_wait, FIXTURE_NO_CONTEXT);
	fixture_run_flags("B703 fork", test_fork, FIXTURE_NO_CONTEXT);
	fixture_run_flags("B703 wake-up", test_fork_wakeup, FIXTURE_NO_CONTEXT);
	fixture_run_flags("B206 freed", test_freed, FIXTURE_NO_CONTEXT);
	fixture_run_flags("B1101 posts", test_posts,
			  FIXTURE_NO_CONTEXT | FIXTURE_THREADS);
	fixture_run_flags("B1101 storm", test_storm,
			  FIXTURE_NO_CONTEXT | FIXTURE_THREADS);
	fixture_run_flags("B501 signal", test_signal,
			  FIXTURE_NO_CONTEXT | FIXTURE_THREADS);
	return done();
}
