/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Oom: each allocation, eventfd and epoll_create1 of the engine fails once.
 *
 * See sweep.h for what must hold. Not for other libraries than ours.
 */
#include <signal.h>

#include "tests/sweep.h"

static void ran_fd(struct tevent_context *ev, struct tevent_fd *fde,
		   uint16_t flags, void *private_data)
{
	struct sweep *sweep = private_data;

	(void)ev;
	(void)flags;
	sweep->ran++;
	TALLOC_FREE(fde);
}

static void ran_timer(struct tevent_context *ev, struct tevent_timer *te,
		      struct timeval now, void *private_data)
{
	struct sweep *sweep = private_data;

	(void)ev;
	(void)te;
	(void)now;
	sweep->ran++;
}

static void ran_immediate(struct tevent_context *ev,
			  struct tevent_immediate *im, void *private_data)
{
	struct sweep *sweep = private_data;

	(void)ev;
	(void)im;
	sweep->ran++;
}

static void ran_signal(struct tevent_context *ev, struct tevent_signal *se,
		       int signum, int count, void *siginfo, void *private_data)
{
	struct sweep *sweep = private_data;

	(void)ev;
	(void)signum;
	(void)count;
	(void)siginfo;
	sweep->ran++;
	TALLOC_FREE(se);
}

static void close_pipe(int fds[2])
{
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void play_contexts(struct sweep *sweep)
{
	static const char *const names[] = { "standard", "epoll", "poll",
					     "poll_mt", NULL };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct tevent_context *ev = sweep_made(
			sweep,
			tevent_context_init_byname(sweep->mem, names[i]));

		if (ev == NULL) {
			continue;
		}
		(void)sweep_got(sweep,
				tevent_add_timer(ev, ev, tevent_timeval_zero(),
						 ran_timer, sweep));
		sweep_turn(sweep, ev);
		TALLOC_FREE(ev);
	}
}

/* One at a time, so that a refused one does not stop those after it. */
static void play_fds(struct sweep *sweep)
{
	int fds[2] = { -1, -1 };

	fixture_socketpair(fds);
	for (int i = 0; i < 12; i++) {
		(void)sweep_got(sweep,
				tevent_add_fd(sweep->ev, sweep->ev, fds[i % 2],
					      TEVENT_FD_WRITE, ran_fd, sweep));
	}
	sweep_turn(sweep, sweep->ev);
	close_pipe(fds);
}

static void play_timers(struct sweep *sweep)
{
	struct tevent_timer *te = NULL;

	for (int i = 0; i < 100; i++) {
		struct timeval when = { 1000 - i, 0 };

		te = sweep_got(sweep, tevent_add_timer(sweep->ev, sweep->ev,
						       when, ran_timer, sweep));
		if (te != NULL && i % 3 == 0) {
			when.tv_sec += 3;
			tevent_update_timer(te, when);
		}
	}
	sweep_turn(sweep, sweep->ev);
}

static void play_immediates(struct sweep *sweep)
{
	struct tevent_immediate *im[4] = { NULL };

	for (int i = 0; i < 4; i++) {
		im[i] = sweep_got(sweep, tevent_create_immediate(sweep->mem));
		if (im[i] != NULL) {
			tevent_schedule_immediate(im[i], sweep->ev,
						  ran_immediate, sweep);
		}
	}
	sweep_turn(sweep, sweep->ev);
}

static void play_signals(struct sweep *sweep)
{
	static const int flags[] = { 0, SA_SIGINFO, 0 };
	unsigned before = 0;

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		(void)sweep_got(sweep,
				tevent_add_signal(sweep->ev, sweep->ev, SIGUSR1,
						  flags[i], ran_signal, sweep));
	}
	before = sweep->accepted;
	if (before > 0) {
		(void)raise(SIGUSR1);
	}
	sweep_turn(sweep, sweep->ev);
}

struct play_state {
	char bytes[100];
};

/* Every request that exists calls back, however it ends. */
static void ended(struct tevent_req *req)
{
	struct sweep *sweep = tevent_req_callback_data_void(req);
	enum tevent_req_state state = TEVENT_REQ_DONE;
	uint64_t error = 0;

	(void)tevent_req_is_error(req, &state, &error);
	sweep->ran++;
	if (state == TEVENT_REQ_NO_MEMORY) {
		sweep->refused++;
	}
	TALLOC_FREE(req);
}

static void play_requests(struct sweep *sweep)
{
	for (int i = 0; i < 4; i++) {
		struct play_state *state = NULL;
		struct tevent_req *req = NULL;

		if (i == 3) {
			req = sweep_got(sweep, tevent_wakeup_send(
						       sweep->mem, sweep->ev,
						       tevent_timeval_zero()));
		} else {
			req = sweep_got(sweep,
					tevent_req_create(sweep->mem, &state,
							  struct play_state));
		}
		if (req == NULL) {
			continue;
		}
		tevent_req_set_callback(req, ended, sweep);
		if (i == 0) {
			tevent_req_defer_callback(req, sweep->ev);
			tevent_req_done(req);
		} else if (i == 1) {
			(void)tevent_req_set_endtime(req, sweep->ev,
						     tevent_timeval_zero());
		} else if (i == 2) {
			tevent_req_oom(req);
			sweep->refused--;
		} else if (!tevent_req_is_in_progress(req)) {
			/* Ended before the callback was set. */
			(void)tevent_req_post(req, sweep->ev);
		}
	}
	sweep_turn(sweep, sweep->ev);
}

static void play_print(struct sweep *sweep)
{
	struct play_state *state = NULL;
	struct tevent_req *req = tevent_req_create(sweep->mem, &state,
						   struct play_state);

	(void)sweep_made(sweep, req);
	if (req != NULL) {
		(void)sweep_made(sweep, tevent_req_print(sweep->mem, req));
	}
	(void)sweep_made(sweep, tevent_req_print(sweep->mem, NULL));
	(void)sweep_made(sweep, tevent_backend_list(sweep->mem));
	sweep->accepted++;
	sweep->ran++;
}

static void play_threaded(struct sweep *sweep)
{
	struct tevent_threaded_context *tctx = NULL;
	struct tevent_immediate *im = NULL;

	tctx = sweep_made(
		sweep, tevent_threaded_context_create(sweep->mem, sweep->ev));
	if (tctx == NULL) {
		return;
	}
	im = sweep_got(sweep, tevent_create_immediate(sweep->mem));
	if (im != NULL) {
		tevent_threaded_schedule_immediate(tctx, im, ran_immediate,
						   sweep);
	}
	sweep_turn(sweep, sweep->ev);
	TALLOC_FREE(tctx);
}

static void play_re_initialise(struct sweep *sweep)
{
	int fds[2] = { -1, -1 };

	fixture_socketpair(fds);
	(void)sweep_made(sweep, tevent_add_fd(sweep->ev, sweep->ev, fds[0],
					      TEVENT_FD_WRITE, ran_fd, sweep));
	(void)sweep_made(sweep, tevent_add_signal(sweep->ev, sweep->ev, SIGUSR1,
						  0, ran_signal, sweep));
	(void)sweep_made(sweep,
			 tevent_threaded_context_create(sweep->ev, sweep->ev));
	if (tevent_re_initialise(sweep->ev) != 0) {
		sweep->refused++;
		TALLOC_FREE(sweep->ev);
	} else {
		(void)sweep_got(sweep,
				tevent_add_fd(sweep->ev, sweep->ev, fds[0],
					      TEVENT_FD_WRITE, ran_fd, sweep));
		sweep_turn(sweep, sweep->ev);
		TALLOC_FREE(sweep->ev);
	}
	close_pipe(fds);
}

#define CALL(call) (1U << (call))

/* What is played with which calls failing: those it makes. */
static const struct {
	const char *name;
	sweep_fn fn;
	unsigned calls;
} plays[] = {
	{ "fd events", play_fds, CALL(SHIM_MALLOC) },
	{ "timers", play_timers, CALL(SHIM_MALLOC) },
	{ "immediates", play_immediates, CALL(SHIM_MALLOC) },
	{ "signals", play_signals, CALL(SHIM_MALLOC) | CALL(SHIM_EVENTFD) },
	{ "requests", play_requests, CALL(SHIM_MALLOC) },
	{ "print", play_print, CALL(SHIM_MALLOC) },
	{ "threaded", play_threaded, CALL(SHIM_MALLOC) | CALL(SHIM_EVENTFD) },
	{ "re-initialise", play_re_initialise,
	  CALL(SHIM_MALLOC) | CALL(SHIM_EVENTFD) },
};

static void sweep_all(enum shim_call call, const char *what)
{
	static const char *const backends[] = { "standard", "epoll", "poll",
						"poll_mt" };
	/* poll_mt has its eventfd from the start. */
	const size_t count = call == SHIM_EVENTFD ? 3 : 4;
	char name[128];

	(void)snprintf(name, sizeof(name), "%s: contexts", what);
	sweep_run(name, play_contexts, NULL, call, 0);
	for (size_t i = 0; i < sizeof(plays) / sizeof(plays[0]); i++) {
		for (size_t j = 0; j < count; j++) {
			if ((plays[i].calls & CALL(call)) == 0) {
				continue;
			}
			(void)snprintf(name, sizeof(name), "%s: %s", what,
				       plays[i].name);
			sweep_run(name, plays[i].fn, backends[j], call, 0);
		}
	}
}

static void test_no_epoll(struct fixture *fx)
{
	struct sweep sweep = { .mem = fx->mem };
	struct tevent_context *ev = NULL;

	shim_arm(SHIM_EPOLL_CREATE, 1);
	ev = tevent_context_init_byname(fx->mem, "epoll");
	ok(shim_disarm(SHIM_EPOLL_CREATE), "B613 epoll needs epoll_create1");
	is_ptr(ev, NULL, "B611 strict epoll: no context without it");

	shim_arm(SHIM_EPOLL_CREATE, 1);
	ev = tevent_context_init_byname(fx->mem, "standard");
	ok(shim_disarm(SHIM_EPOLL_CREATE), "B610 standard tries epoll");
	if (!ok(ev != NULL, "B610 and falls back to poll")) {
		return;
	}
	sweep.ev = ev;
	play_fds(&sweep);
	is_uint(sweep.ran, 12, "B610 which works");
	TALLOC_FREE(ev);
}

int main(int argc, char **argv)
{
	(void)argc;
	if (TEST_ON_STOCK) {
		skip_all("stock aborts or crashes when memory runs out");
	}
	sweep_begin(argv);
	sweep_all(SHIM_MALLOC, "malloc fails");
	sweep_all(SHIM_EVENTFD, "eventfd fails");
	sweep_all(SHIM_EPOLL_CREATE, "epoll_create1 fails");
	sweep_run("epoll_create1 fails: re-initialise", play_re_initialise,
		  "epoll", SHIM_EPOLL_CREATE, 0);
	fixture_run_flags("B610 no epoll", test_no_epoll, FIXTURE_NO_CONTEXT);
	return done();
}
