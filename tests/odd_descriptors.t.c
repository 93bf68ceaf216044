/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Odd descriptors: numbers that change hands between a program that closed a
 * descriptor it still watches and the library that opens one of its own, and
 * states that are always ready although nobody may be told of them.
 */
#include <fcntl.h>

#include "tests/trail.h"

#define R TEVENT_FD_READ
#define W TEVENT_FD_WRITE

/* More passes than these until a timer of 20 ms is a loop that spins. */
#define PASSES_MAX 20

/* Passes until a timer of 20 ms has fired. */
static unsigned count_passes(struct fixture *fx, struct trail *trail)
{
	struct step end = { trail, "end" };
	unsigned passes = 0;

	(void)tevent_add_timer(fx->ev, fx->ev,
			       tevent_timeval_current_ofs(0, 20000), step_timer,
			       &end);
	while (strstr(trail->text, "end") == NULL) {
		turn(fx->ev);
		passes++;
	}
	return passes;
}

struct post {
	struct tevent_threaded_context *tctx;
	struct tevent_immediate *im;
	struct step *step;
};

static void post_from_thread(unsigned index, void *arg)
{
	struct post *post = arg;

	(void)index;
	tevent_threaded_schedule_immediate(post->tctx, post->im, step_immediate,
					   post->step);
}

/* Posts to a loop that has nothing else to do, time and again, so that it
 * sleeps when most of them come. */
static void check_wakes(struct fixture *fx, struct trail *trail,
			struct tevent_threaded_context *tctx, const char *name)
{
	struct step step = { trail, "post" };
	struct step late = { trail, "late" };
	struct post post = { tctx, tevent_create_immediate(NULL), &step };
	struct tevent_timer *te = NULL;

	te = tevent_add_timer(fx->ev, fx->mem, seconds_from_now(10), step_timer,
			      &late);
	for (int i = 0; i < 20; i++) {
		struct fixture_threads *thread = fixture_threads_start(
			1, post_from_thread, &post);

		trail_clear(trail);
		trail_passes(trail, fx->ev, 1);
		fixture_threads_join(thread);
		if (strcmp(trail->text, "post |") != 0) {
			break;
		}
	}
	if (is_str(trail->text, "post |", "%s", name)) {
		TALLOC_FREE(te);
	}
	TALLOC_FREE(post.im);
}

/* From the first moment on, as other threads may change its events. */
static bool has_eventfd(const struct fixture *fx)
{
	return strcmp(fx->backend, "poll_mt") == 0;
}

/* The number is free again when the library opens its eventfd. */
static void test_eventfd_takes_number(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "old" };
	struct tevent_threaded_context *tctx = NULL;
	struct tevent_fd *fde = NULL;
	int fds[2] = { -1, -1 };

	if (TEST_ON_STOCK || has_eventfd(fx)) {
		skip("B314 stock silences the new owner of a reused number, "
		     "and poll_mt has its eventfd already");
		return;
	}
	fixture_pipe(fds);
	fde = tevent_add_fd(fx->ev, fx->mem, fds[0], R, step_fd, &step);
	(void)close(fds[0]);
	tctx = tevent_threaded_context_create(fx->mem, fx->ev);
	ok(fcntl(fds[0], F_GETFD) >= 0, "B314 the wake-up descriptor has the "
					"number of a closed, watched one");
	check_wakes(fx, &trail, tctx, "B314 B1101 4.3 and is heard");
	TALLOC_FREE(fde);
	check_wakes(fx, &trail, tctx,
		    "B314 B1101 4.3 also after the old event's end");
	TALLOC_FREE(tctx);
	(void)close(fds[1]);
}

/* As above, but the old event is switched off, so nothing is known of it to
 * the kernel, and on again when the number is the library's. */
static void test_eventfd_takes_silent_number(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "old" };
	struct tevent_threaded_context *tctx = NULL;
	struct tevent_fd *fde = NULL;
	int fds[2] = { -1, -1 };

	if (TEST_ON_STOCK || has_eventfd(fx)) {
		skip("B314 stock lets the old event have the new number, "
		     "and poll_mt has its eventfd already");
		return;
	}
	fixture_pipe(fds);
	fde = tevent_add_fd(fx->ev, fx->mem, fds[0], 0, step_fd, &step);
	(void)close(fds[0]);
	tctx = tevent_threaded_context_create(fx->mem, fx->ev);
	tevent_fd_set_flags(fde, R | W);
	is_uint(tevent_fd_get_flags(fde), 0,
		"B313 4.3 the old event is disabled");
	check_wakes(fx, &trail, tctx,
		    "B314 B1101 4.3 it neither hears nor steals a wake-up");
	TALLOC_FREE(fde);
	TALLOC_FREE(tctx);
	(void)close(fds[1]);
}

/* A high number, so that nothing opened meanwhile takes it. */
static void test_invalid_spins(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "gone" };
	struct step other = { &trail, "f" };
	struct tevent_fd *fde = NULL;
	struct tevent_fd *other_fde = NULL;
	int gone_fds[2] = { -1, -1 };
	int fds[2] = { -1, -1 };
	unsigned passes = 0;
	int high = -1;

	fixture_pipe(gone_fds);
	fixture_pipe(fds);
	high = fcntl(gone_fds[0], F_DUPFD_CLOEXEC, 200);
	(void)close(gone_fds[0]);
	fde = tevent_add_fd(fx->ev, fx->mem, high, R, step_fd, &step);
	other_fde = tevent_add_fd(fx->ev, fx->mem, fds[0], R, step_fd, &other);
	settle(fx->ev, 2);
	(void)close(high);
	passes = count_passes(fx, &trail);
	ok(passes < PASSES_MAX,
	   "B313 closed behind the back, it does not keep the loop awake: "
	   "%u passes",
	   passes);
	is_str(trail.text, "end", "B313 and is not reported");
	trail_clear(&trail);
	(void)!write(fds[1], "x", 1);
	trail_passes(&trail, fx->ev, 2);
	is_str(trail.text, "fR | fR |", "B313 others are heard");
	TALLOC_FREE(fde);
	TALLOC_FREE(other_fde);
	(void)close(gone_fds[1]);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

/* The kernel reports a hang-up to whoever watches for anything at all. */
static void test_unknown_flags_spin(struct fixture *fx)
{
	static const uint16_t flags[] = { 8, 0x100, 0x8000 };

	if (TEST_ON_STOCK && fixture_polls(fx)) {
		skip("B304 stock spins");
		return;
	}
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		struct trail trail = { "" };
		struct step step = { &trail, "f" };
		struct tevent_fd *fde = NULL;
		int fds[2] = { -1, -1 };
		unsigned passes = 0;

		fixture_pipe(fds);
		fde = tevent_add_fd(fx->ev, fx->mem, fds[0], flags[i], step_fd,
				    &step);
		(void)close(fds[1]);
		passes = count_passes(fx, &trail);
		ok(passes < PASSES_MAX,
		   "B304 hung up, watched for flags 0x%x: %u passes", flags[i],
		   passes);
		is_str(trail.text, "end", "B304 nobody is called");
		trail_clear(&trail);
		tevent_fd_set_flags(fde, flags[i] | R);
		trail_passes(&trail, fx->ev, 1);
		is_str(trail.text, "fR |", "B308 with read interest somebody");
		TALLOC_FREE(fde);
		(void)close(fds[0]);
	}
}

struct heir {
	struct tevent_context *ev;
	struct trail trail;
	struct tevent_fd *fde;
	int closed;
};

/* The lowest free number is what the child's own epoll set is given. */
static int child_rebuilds(void *arg)
{
	struct heir *heir = arg;

	(void)close(heir->closed);
	trail_passes(&heir->trail, heir->ev, 2);
	if (strcmp(heir->trail.text, "fR | fR |") != 0) {
		diag("trail \"%s\"", heir->trail.text);
		return 1;
	}
	tevent_fd_set_flags(heir->fde, R | W);
	trail_passes(&heir->trail, heir->ev, 1);
	return tevent_fd_get_flags(heir->fde) == 0 ? 0 : 2;
}

static void test_epoll_takes_number(struct fixture *fx)
{
	struct heir heir = { .trail = { "" } };
	struct step step = { &heir.trail, "f" };
	struct step old = { &heir.trail, "old" };
	struct fixture_child child;
	int old_fds[2] = { -1, -1 };
	int fds[2] = { -1, -1 };

	if (TEST_ON_STOCK && strcmp(fx->backend, "epoll") == 0) {
		skip("B703 stock's epoll aborts over its own descriptor");
		return;
	}
	/* Before the context, so that its number is lower. */
	fixture_pipe(old_fds);
	fixture_pipe(fds);
	heir.ev = tevent_context_init_byname(fx->mem, fx->backend);
	heir.closed = old_fds[0];
	heir.fde = tevent_add_fd(heir.ev, fx->mem, old_fds[0], R, step_fd,
				 &old);
	(void)tevent_add_fd(heir.ev, heir.ev, fds[0], R, step_fd, &step);
	(void)!write(fds[1], "x", 1);
	child = fixture_child(child_rebuilds, &heir);
	child_exited(&child, 0,
		     "B703 B313 a child's epoll set gets the number of a "
		     "closed, watched descriptor");
	trail_passes(&heir.trail, heir.ev, 2);
	is_str(heir.trail.text, "fR | fR |", "B703 the parent goes on");
	TALLOC_FREE(heir.ev);
	TALLOC_FREE(heir.fde);
	(void)close(old_fds[0]);
	(void)close(old_fds[1]);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

int main(void)
{
	warm_up();
	fixture_each_backend_flags("B314 an eventfd takes a watched number",
				   test_eventfd_takes_number, FIXTURE_THREADS);
	fixture_each_backend_flags("B314 an eventfd takes a silent number",
				   test_eventfd_takes_silent_number,
				   FIXTURE_THREADS);
	fixture_each_backend("B313 an invalid descriptor spins",
			     test_invalid_spins);
	fixture_each_backend("B304 unknown flags spin",
			     test_unknown_flags_spin);
	fixture_each_backend("B703 an epoll set takes a watched number",
			     test_epoll_takes_number);
	return done();
}
