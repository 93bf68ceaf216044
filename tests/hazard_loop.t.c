/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Hazards of the loop: contexts freed by their own handlers, loops inside
 * handlers, timers that are updated when stock does not expect it.
 */
#define TEVENT_DEPRECATED 1
#define _DEPRECATED_

#include "tests/hazard.h"

#include <signal.h>

/* ---- B206: the context is freed by one of its own handlers ---- */

static void free_context(struct fixture *fx, void *event)
{
	(void)hazard_expect(event != NULL, "no event");
	TALLOC_FREE(fx->ev);
}

static void free_in_immediate(struct tevent_context *ev,
			      struct tevent_immediate *im, void *private_data)
{
	(void)ev;
	free_context(private_data, im);
}

static void free_in_timer(struct tevent_context *ev, struct tevent_timer *te,
			  struct timeval now, void *private_data)
{
	(void)ev;
	(void)now;
	free_context(private_data, te);
}

static void free_in_fd(struct tevent_context *ev, struct tevent_fd *fde,
		       uint16_t flags, void *private_data)
{
	(void)ev;
	(void)flags;
	free_context(private_data, fde);
}

static void free_in_signal(struct tevent_context *ev, struct tevent_signal *se,
			   int signum, int count, void *siginfo,
			   void *private_data)
{
	(void)ev;
	(void)signum;
	(void)count;
	(void)siginfo;
	free_context(private_data, se);
}

static void expect_freed(struct fixture *fx)
{
	int ret = tevent_loop_once(fx->ev);

	(void)hazard_expect(ret == 0, "the pass returned %d", ret);
	(void)hazard_expect(fx->ev == NULL, "the handler did not run");
}

static void context_in_immediate(struct fixture *fx)
{
	struct tevent_immediate *im = tevent_create_immediate(fx->mem);

	tevent_schedule_immediate(im, fx->ev, free_in_immediate, fx);
	expect_freed(fx);
}

/* A program whose loop, and what its trace callback writes to, end together. */
struct server {
	struct tevent_context *ev;
	struct trail *trail;
};

static void server_pass(enum tevent_trace_point point, void *private_data)
{
	struct server *server = talloc_get_type_abort(private_data,
						      struct server);

	if (point == TEVENT_TRACE_AFTER_LOOP_ONCE) {
		trail_add(server->trail, "told");
	}
}

static void server_end(struct tevent_context *ev, struct tevent_immediate *im,
		       void *private_data)
{
	struct server *server = private_data;

	(void)ev;
	(void)im;
	trail_add(server->trail, "end");
	talloc_free(server);
}

static void context_and_trace(struct fixture *fx)
{
	struct trail trail = { "" };
	struct server *server = talloc_zero(fx->mem, struct server);
	struct tevent_immediate *im = tevent_create_immediate(fx->mem);

	server->trail = &trail;
	server->ev = tevent_context_init_byname(server, fx->backend);
	tevent_set_trace_callback(server->ev, server_pass, server);
	tevent_schedule_immediate(im, server->ev, server_end, server);
	(void)tevent_loop_once(server->ev);
	hazard_expect_trail(&trail, "end");
}

static void context_in_timer(struct fixture *fx)
{
	(void)tevent_add_timer(fx->ev, fx->ev, tevent_timeval_zero(),
			       free_in_timer, fx);
	expect_freed(fx);
}

static void context_in_fd(struct fixture *fx)
{
	int fds[2] = { -1, -1 };

	fixture_pipe(fds);
	(void)!write(fds[1], "x", 1);
	(void)tevent_add_fd(fx->ev, fx->ev, fds[0], TEVENT_FD_READ, free_in_fd,
			    fx);
	expect_freed(fx);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void context_in_signal(struct fixture *fx)
{
	(void)tevent_add_signal(fx->ev, fx->ev, SIGUSR1, 0, free_in_signal, fx);
	(void)raise(SIGUSR1);
	expect_freed(fx);
}

static void context_in_siginfo(struct fixture *fx)
{
	(void)tevent_add_signal(fx->ev, fx->ev, SIGUSR1, SA_SIGINFO,
				free_in_signal, fx);
	(void)raise(SIGUSR1);
	(void)raise(SIGUSR1);
	expect_freed(fx);
}

/* The usual way for a daemon to end: loop_wait, and a timer that stops all. */
static void context_in_loop_wait(struct fixture *fx)
{
	(void)tevent_add_timer(fx->ev, fx->ev, tevent_timeval_zero(),
			       free_in_timer, fx);
	(void)hazard_expect(tevent_loop_wait(fx->ev) == 0, "loop_wait failed");
	(void)hazard_expect(fx->ev == NULL, "the handler did not run");
}

/* ---- loops inside handlers ---- */

static void nest(struct tevent_context *ev, struct tevent_immediate *im,
		 void *private_data)
{
	(void)im;
	(void)private_data;
	(void)tevent_loop_once(ev);
}

/* The inner pass frees the context of both. */
static void context_in_nested_pass(struct fixture *fx)
{
	struct tevent_immediate *im = tevent_create_immediate(fx->mem);

	tevent_loop_allow_nesting(fx->ev);
	tevent_schedule_immediate(im, fx->ev, nest, NULL);
	(void)tevent_add_timer(fx->ev, fx->ev, tevent_timeval_zero(),
			       free_in_timer, fx);
	expect_freed(fx);
}

struct nested_fd {
	struct tevent_fd *fde;
	unsigned calls;
};

/* Still readable, so the inner pass calls it again; that call frees it. */
static void nest_in_fd(struct tevent_context *ev, struct tevent_fd *fde,
		       uint16_t flags, void *private_data)
{
	struct nested_fd *nested = private_data;

	(void)fde;
	(void)flags;
	if (++nested->calls == 1) {
		(void)tevent_loop_once(ev);
	} else {
		TALLOC_FREE(nested->fde);
	}
}

static void nested_fd_freed(struct fixture *fx)
{
	struct nested_fd nested = { .calls = 0 };
	int fds[2] = { -1, -1 };

	tevent_loop_allow_nesting(fx->ev);
	fixture_pipe(fds);
	(void)!write(fds[1], "x", 1);
	nested.fde = tevent_add_fd(fx->ev, fx->mem, fds[0], TEVENT_FD_READ,
				   nest_in_fd, &nested);
	turn(fx->ev);
	settle(fx->ev, 3);
	(void)hazard_expect(nested.calls == 2, "%u calls", nested.calls);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void ignore_abort(const char *reason)
{
	(void)reason;
}

/* A pass is refused; the program lives on, and so must the context. */
static void nested_refused(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "x" };
	struct tevent_immediate *im = tevent_create_immediate(fx->mem);

	tevent_set_abort_fn(ignore_abort);
	tevent_schedule_immediate(im, fx->ev, nest, NULL);
	(void)tevent_loop_once(fx->ev);
	tevent_schedule_immediate(im, fx->ev, step_immediate, &step);
	(void)hazard_expect(tevent_loop_once(fx->ev) == 0,
			    "every later pass fails");
	tevent_set_abort_fn(NULL);
	hazard_expect_trail(&trail, "x");
	TALLOC_FREE(im);
}

/* ---- B411: tevent_update_timer ---- */

struct rearm {
	struct trail trail;
	bool armed;
};

static void rearm_once(struct tevent_context *ev, struct tevent_timer *te,
		       struct timeval now, void *private_data)
{
	struct rearm *rearm = private_data;

	(void)ev;
	(void)now;
	trail_add(&rearm->trail, "t");
	if (!rearm->armed) {
		rearm->armed = true;
		tevent_update_timer(te, tevent_timeval_zero());
	}
}

static void timer_updates_itself(struct fixture *fx)
{
	struct rearm rearm = { .armed = false };
	struct step step = { &rearm.trail, "other" };

	(void)tevent_add_timer(fx->ev, fx->mem, tevent_timeval_zero(),
			       rearm_once, &rearm);
	trail_passes(&rearm.trail, fx->ev, 1);
	(void)tevent_add_timer(fx->ev, fx->mem, seconds_from_now(-1),
			       step_timer, &step);
	(void)tevent_loop_wait(fx->ev);
	hazard_expect_trail(&rearm.trail, "t | t other");
}

/* The context has gone, the timer is still the program's. */
static void timer_updated_detached(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "t" };
	struct tevent_timer *te = tevent_add_timer(
		fx->ev, fx->mem, tevent_timeval_zero(), step_timer, &step);

	TALLOC_FREE(fx->ev);
	tevent_update_timer(te, seconds_from_now(1));
	hazard_expect_trail(&trail, "");
	TALLOC_FREE(te);
}

static const struct hazard hazards[] = {
	{ HAZARD(context_in_immediate, "B206", HAZARD_KILLED) },
	{ HAZARD(context_and_trace, "B206", HAZARD_KILLED) },
	{ HAZARD(context_in_timer, "B206", HAZARD_KILLED) },
	{ HAZARD(context_in_fd, "B206", HAZARD_KILLED) },
	{ HAZARD(context_in_signal, "B206", HAZARD_KILLED) },
	{ HAZARD(context_in_siginfo, "B206", HAZARD_KILLED) },
	{ HAZARD(context_in_loop_wait, "B206", HAZARD_KILLED) },
	{ HAZARD(context_in_nested_pass, "B206 B145", HAZARD_KILLED) },
	{ HAZARD(nested_fd_freed, "B145", HAZARD_KILLED) },
	{ HAZARD(nested_refused, "B141", HAZARD_WRONG) },
	{ HAZARD(timer_updates_itself, "B411", HAZARD_KILLED) },
	{ HAZARD(timer_updated_detached, "B411", HAZARD_KILLED) },
	{ .name = NULL },
};

int main(int argc, char **argv)
{
	return hazard_main(argc, argv, hazards);
}
