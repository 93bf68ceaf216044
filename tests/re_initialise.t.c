/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Re-initialise: what its return value says, on every backend, also where it
 * fails for want of a descriptor, and that the context can be had back. What
 * becomes of the context's events is in context.t.c, children of a context
 * that works are in fork.t.c.
 */
#include <errno.h>
#include <sys/resource.h>

#include "tests/trail.h"

static struct rlimit limit_before;

/* From here on nothing can be opened. */
static void starve(void)
{
	struct rlimit limit = { .rlim_cur = 0 };

	if (getrlimit(RLIMIT_NOFILE, &limit_before) != 0) {
		bail_out("getrlimit: %s", strerror(errno));
	}
	limit = limit_before;
	limit.rlim_cur = 0;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
		bail_out("setrlimit: %s", strerror(errno));
	}
}

static void feed(void)
{
	if (setrlimit(RLIMIT_NOFILE, &limit_before) != 0) {
		bail_out("setrlimit: %s", strerror(errno));
	}
}

/* Poll needs no descriptor, and standard can do without. */
static bool needs_descriptor(const struct fixture *fx)
{
	return strcmp(fx->backend, "epoll") == 0 ||
	       strcmp(fx->backend, "poll_mt") == 0;
}

/* A descriptor, a timer and a post: @ev is whole. */
static bool works(struct tevent_context *ev)
{
	struct trail trail = { "" };
	struct step steps[] = { { &trail, "f" },
				{ &trail, "t" },
				{ &trail, "post" } };
	struct tevent_threaded_context *tctx = NULL;
	struct tevent_immediate *im = tevent_create_immediate(NULL);
	struct tevent_fd *fde = NULL;
	int fds[2] = { -1, -1 };

	fixture_pipe(fds);
	fde = tevent_add_fd(ev, ev, fds[1], TEVENT_FD_WRITE, step_fd,
			    &steps[0]);
	(void)tevent_add_timer(ev, ev, tevent_timeval_zero(), step_timer,
			       &steps[1]);
	tctx = tevent_threaded_context_create(NULL, ev);
	if (tctx != NULL) {
		tevent_threaded_schedule_immediate(tctx, im, step_immediate,
						   &steps[2]);
	}
	if (fde != NULL) {
		trail_passes(&trail, ev, 3);
	}
	TALLOC_FREE(fde);
	TALLOC_FREE(tctx);
	TALLOC_FREE(im);
	(void)close(fds[0]);
	(void)close(fds[1]);
	if (strcmp(trail.text, "post | t | fW |") != 0) {
		diag("trail \"%s\"", trail.text);
		return false;
	}
	return true;
}

static void test_succeeds(struct fixture *fx)
{
	for (int i = 0; i < 3; i++) {
		is_int(tevent_re_initialise(fx->ev), 0, "B701 returns 0");
		ok(works(fx->ev), "B701 and the context works");
	}
}

static void test_fails(struct fixture *fx)
{
	int ret = 0;
	int error = 0;

	starve();
	ret = tevent_re_initialise(fx->ev);
	error = errno;
	feed();
	if (!needs_descriptor(fx)) {
		is_int(ret, 0, "B610 B701 without descriptors: returns 0");
	} else if (TEST_ON_STOCK) {
		ok(ret != 0, "B701 without descriptors: fails");
	} else {
		struct tevent_timer *te = NULL;

		is_int(ret, -1, "B701 without descriptors: -1");
		is_int(error, EMFILE, "B701 and the reason");
		te = tevent_add_timer(fx->ev, fx->ev, tevent_timeval_zero(),
				      step_timer, NULL);
		is_ptr(te, NULL, "B701 the context takes no event");
		is_int(tevent_loop_once(fx->ev), -1, "B701 and no pass");
	}
	is_int(tevent_re_initialise(fx->ev), 0, "B701 once more: returns 0");
	ok(works(fx->ev), "B701 and the context works");
}

static int child_again(void *arg)
{
	struct fixture *fx = arg;

	if (tevent_re_initialise(fx->ev) != 0) {
		return 2;
	}
	return works(fx->ev) ? 0 : 3;
}

static int child_frees(void *arg)
{
	struct fixture *fx = arg;

	TALLOC_FREE(fx->ev);
	return 0;
}

static int child_turns(void *arg)
{
	struct fixture *fx = arg;
	struct tevent_threaded_context *tctx = NULL;

	if (!needs_descriptor(fx)) {
		return 0;
	}
	tctx = tevent_threaded_context_create(NULL, fx->ev);
	return tctx == NULL && tevent_loop_once(fx->ev) == -1 ? 0 : 4;
}

/* There is no backend that a child could make its own. */
static void test_fails_and_forks(struct fixture *fx)
{
	static const struct {
		fixture_child_fn fn;
		bool stock;
		const char *name;
	} rows[] = {
		{ child_again, true, "B701 the child re-initialises again" },
		{ child_frees, true, "B207 the child frees the context" },
		{ child_turns, false, "B701 the child takes no pass" },
	};

	starve();
	(void)tevent_re_initialise(fx->ev);
	feed();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fixture_child child;

		if (TEST_ON_STOCK && !rows[i].stock) {
			skip("%s: stock uses the backend that failed",
			     rows[i].name);
			continue;
		}
		child = fixture_child(rows[i].fn, fx);
		child_exited(&child, 0, rows[i].name);
	}
	is_int(tevent_re_initialise(fx->ev), 0, "B701 and so does the parent");
	ok(works(fx->ev), "B701 and the context works");
}

int main(void)
{
	warm_up();
	fixture_each_backend("B701 succeeds", test_succeeds);
	fixture_each_backend("B701 fails and works again", test_fails);
	fixture_each_backend("B701 fails and forks", test_fails_and_forks);
	return done();
}
