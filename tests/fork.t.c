/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Fork: contexts in a child, with and without re-initialise, and the parent
 * beside it. A child tells by its exit code; 0 is right.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "tests/trail.h"

#if TEST_TSAN
/* A child knows its parent's threads as finished and never joined. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
	return "report_thread_leaks=0";
}
#endif

struct family {
	struct fixture *fx;
	struct trail trail;
	struct step step;
	struct step fresh;
	struct tevent_fd *fde;
	struct tevent_signal *se;
	struct tevent_threaded_context *tctx;
	int fds[2];
};

static void family_open(struct family *family, struct fixture *fx)
{
	*family = (struct family){ .fx = fx };
	family->step = (struct step){ &family->trail, "f" };
	family->fresh = (struct step){ &family->trail, "new" };
	fixture_pipe(family->fds);
	(void)!write(family->fds[1], "x", 1);
	family->fde = tevent_add_fd(fx->ev, fx->mem, family->fds[0],
				    TEVENT_FD_READ, step_fd, &family->step);
	trail_passes(&family->trail, fx->ev, 1);
	trail_clear(&family->trail);
}

/* The parent still hears its descriptor. */
static void family_close(struct family *family, const char *name)
{
	trail_clear(&family->trail);
	trail_passes(&family->trail, family->fx->ev, 2);
	is_str(family->trail.text, "fR | fR |", "%s: the parent goes on", name);
	TALLOC_FREE(family->tctx);
	TALLOC_FREE(family->fde);
	TALLOC_FREE(family->se);
	(void)close(family->fds[0]);
	(void)close(family->fds[1]);
}

static int says(struct family *family, const char *want)
{
	if (strcmp(family->trail.text, want) != 0) {
		diag("trail \"%s\", want \"%s\"", family->trail.text, want);
		return 1;
	}
	return 0;
}

/* Whatever the child does first, it has its own kernel state from then on. */
static int child_loop(void *arg)
{
	struct family *family = arg;

	trail_passes(&family->trail, family->fx->ev, 2);
	return says(family, "fR | fR |");
}

static int child_free(void *arg)
{
	struct family *family = arg;

	TALLOC_FREE(family->fde);
	settle(family->fx->ev, 3);
	return says(family, "");
}

static int child_change(void *arg)
{
	struct family *family = arg;

	tevent_fd_set_flags(family->fde, 0);
	settle(family->fx->ev, 3);
	if (says(family, "") != 0) {
		return 1;
	}
	tevent_fd_set_flags(family->fde, TEVENT_FD_READ);
	trail_passes(&family->trail, family->fx->ev, 1);
	return says(family, "fR |");
}

static int child_add(void *arg)
{
	struct family *family = arg;
	int fds[2] = { -1, -1 };
	unsigned turns[2] = { 0 };

	fixture_pipe(fds);
	(void)tevent_add_fd(family->fx->ev, family->fx->ev, fds[1],
			    TEVENT_FD_WRITE, step_fd, &family->fresh);
	for (int i = 0; i < 6; i++) {
		trail_clear(&family->trail);
		trail_passes(&family->trail, family->fx->ev, 1);
		turns[strcmp(family->trail.text, "newW |") == 0 ? 0 : 1]++;
	}
	return turns[0] == 3 && turns[1] == 3 ? 0 : 1;
}

static int child_free_context(void *arg)
{
	struct family *family = arg;

	TALLOC_FREE(family->fx->ev);
	TALLOC_FREE(family->fde);
	return says(family, "");
}

static int child_re_initialise(void *arg)
{
	struct family *family = arg;

	if (tevent_re_initialise(family->fx->ev) != 0 ||
	    tevent_fd_get_flags(family->fde) != 0 ||
	    tevent_loop_wait(family->fx->ev) != 0) {
		return 2;
	}
	TALLOC_FREE(family->fde);
	family->fde = tevent_add_fd(family->fx->ev, family->fx->mem,
				    family->fds[0], TEVENT_FD_READ, step_fd,
				    &family->fresh);
	trail_passes(&family->trail, family->fx->ev, 2);
	return says(family, "newR | newR |");
}

static int child_grandchild(void *arg)
{
	struct fixture_child child = fixture_child(child_add, arg);

	if (child.status != 0) {
		diag("%s", child.text);
		return 2;
	}
	return child_loop(arg);
}

static void test_first_use(struct fixture *fx)
{
	static const struct {
		fixture_child_fn fn;
		const char *name;
	} rows[] = {
		{ child_loop, "B703 the child loops" },
		{ child_free, "B703 the child frees an event" },
		{ child_change, "B703 the child changes flags" },
		{ child_add, "B703 the child adds an event" },
		{ child_free_context, "B703 the child frees the context" },
		{ child_re_initialise, "B701 the child re-initialises" },
		{ child_grandchild, "B703 a grandchild before the child" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fixture_child child;
		struct family family;

		family_open(&family, fx);
		child = fixture_child(rows[i].fn, &family);
		child_exited(&child, 0, rows[i].name);
		family_close(&family, rows[i].name);
	}
}

static int child_timers(void *arg)
{
	struct family *family = arg;

	trail_passes(&family->trail, family->fx->ev, 3);
	return says(family, "new | new | fR |");
}

static void test_queued(struct fixture *fx)
{
	struct family family;
	struct fixture_child child;
	struct tevent_immediate *im = tevent_create_immediate(fx->mem);

	family_open(&family, fx);
	tevent_schedule_immediate(im, fx->ev, step_immediate, &family.fresh);
	(void)tevent_add_timer(fx->ev, fx->mem, tevent_timeval_zero(),
			       step_timer, &family.fresh);
	child = fixture_child(child_timers, &family);
	child_exited(&child, 0, "B703 immediates and timers run in the child");
	trail_passes(&family.trail, fx->ev, 2);
	is_str(family.trail.text, "new | new |", "B703 and in the parent");
	family_close(&family, "B703 queued");
	TALLOC_FREE(im);
}

static int child_signal(void *arg)
{
	struct family *family = arg;
	struct sigaction action;

	if (tevent_re_initialise(family->fx->ev) != 0) {
		return 2;
	}
	(void)sigaction(SIGUSR1, NULL, &action);
	if (action.sa_handler != SIG_DFL) {
		return 3;
	}
	settle(family->fx->ev, 3);
	TALLOC_FREE(family->se);
	family->se = tevent_add_signal(family->fx->ev, family->fx->mem, SIGUSR2,
				       0, step_signal, &family->fresh);
	(void)raise(SIGUSR2);
	trail_passes(&family->trail, family->fx->ev, 1);
	return says(family, "new1 |");
}

static void test_signal(struct fixture *fx)
{
	struct family family;
	struct fixture_child child;

	family_open(&family, fx);
	family.se = tevent_add_signal(fx->ev, fx->mem, SIGUSR1, 0, step_signal,
				      &family.fresh);
	(void)raise(SIGUSR1);
	child = fixture_child(child_signal, &family);
	child_exited(
		&child, 0,
		"B513 re-initialised child: old events gone, new ones work");
	trail_passes(&family.trail, fx->ev, 1);
	is_str(family.trail.text, "new1 |",
	       "B513 the parent's signal is its own");
	(void)raise(SIGUSR1);
	trail_clear(&family.trail);
	while (strstr(family.trail.text, "new1") == NULL) {
		turn(fx->ev);
	}
	family_close(&family, "B513 signal");
}

static int child_threaded(void *arg)
{
	struct family *family = arg;
	struct tevent_threaded_context *fresh = NULL;
	struct tevent_immediate *im = tevent_create_immediate(NULL);

	tevent_fd_set_flags(family->fde, 0);
	tevent_threaded_schedule_immediate(family->tctx, im, step_immediate,
					   &family->step);
	settle(family->fx->ev, 3);
	if (says(family, "") != 0) {
		return 1;
	}
	if (tevent_re_initialise(family->fx->ev) != 0) {
		return 2;
	}
	fresh = tevent_threaded_context_create(NULL, family->fx->ev);
	tevent_threaded_schedule_immediate(fresh, im, step_immediate,
					   &family->fresh);
	trail_passes(&family->trail, family->fx->ev, 1);
	TALLOC_FREE(family->tctx);
	TALLOC_FREE(fresh);
	TALLOC_FREE(im);
	return says(family, "new |");
}

static void test_threaded(struct fixture *fx)
{
	struct tevent_immediate *im = tevent_create_immediate(NULL);
	struct family family;
	struct fixture_child child;

	family_open(&family, fx);
	family.tctx = tevent_threaded_context_create(fx->mem, fx->ev);
	child = fixture_child(child_threaded, &family);
	child_exited(
		&child, 0,
		"B705 B1106 in a child a threaded context is cut off, a new "
		"one works");
	tevent_threaded_schedule_immediate(family.tctx, im, step_immediate,
					   &family.fresh);
	trail_passes(&family.trail, fx->ev, 1);
	is_str(family.trail.text, "new |", "B705 the parent's is not");
	TALLOC_FREE(im);
	family_close(&family, "B705 threaded");
}

/* With all that a context can have, the child's first use is its end, or the
 * end of a part of it. */
static int child_free_parts(void *arg)
{
	struct family *family = arg;

	TALLOC_FREE(family->tctx);
	TALLOC_FREE(family->se);
	TALLOC_FREE(family->fde);
	settle(family->fx->ev, 3);
	return says(family, "");
}

static int child_free_all(void *arg)
{
	struct family *family = arg;

	TALLOC_FREE(family->fx->ev);
	TALLOC_FREE(family->tctx);
	TALLOC_FREE(family->se);
	TALLOC_FREE(family->fde);
	return says(family, "");
}

static void test_end_in_child(struct fixture *fx)
{
	static const struct {
		fixture_child_fn fn;
		const char *name;
	} rows[] = {
		{ child_free_parts, "B703 the child frees event after event" },
		{ child_free_all, "B703 the child frees context and events" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fixture_child child;
		struct family family;

		family_open(&family, fx);
		family.tctx = tevent_threaded_context_create(fx->mem, fx->ev);
		family.se = tevent_add_signal(fx->ev, fx->mem, SIGUSR1, 0,
					      step_signal, &family.fresh);
		child = fixture_child(rows[i].fn, &family);
		child_exited(&child, 0, rows[i].name);
		(void)raise(SIGUSR1);
		trail_passes(&family.trail, fx->ev, 1);
		ok(strstr(family.trail.text, "new1") != NULL,
		   "B513 the parent's signal event goes on");
		family_close(&family, rows[i].name);
	}
}

#define POSTERS  2
#define POSTS    3000
#define CHILDREN (TEST_ASAN || TEST_TSAN ? 10 : 30)

struct crowd {
	struct family *family;
	unsigned received; /* the loop's own */
};

static void crowd_came(struct tevent_context *ev, struct tevent_immediate *im,
		       void *private_data)
{
	struct crowd *crowd = private_data;

	(void)ev;
	crowd->received++;
	TALLOC_FREE(im);
}

static void crowd_post(unsigned index, void *arg)
{
	struct crowd *crowd = arg;

	(void)index;
	for (int i = 0; i < POSTS; i++) {
		tevent_threaded_schedule_immediate(
			crowd->family->tctx, tevent_create_immediate(NULL),
			crowd_came, crowd);
	}
}

/* The parent's threads may have been anywhere, also inside the library. */
static int child_of_crowd(void *arg)
{
	struct crowd *crowd = arg;

	return child_threaded(crowd->family);
}

static void test_fork_among_posts(struct fixture *fx)
{
	struct family family;
	struct crowd crowd = { .family = &family };
	struct fixture_threads *threads = NULL;
	unsigned good = 0;

	if (TEST_TSAN || TEST_ASAN) {
		skip("B706 a sanitizer's own locks do not survive a fork "
		     "among threads: its malloc hangs in the child");
		return;
	}
	family_open(&family, fx);
	tevent_fd_set_flags(family.fde, 0);
	family.tctx = tevent_threaded_context_create(fx->mem, fx->ev);
	threads = fixture_threads_start(POSTERS, crowd_post, &crowd);
	for (int i = 0; i < CHILDREN; i++) {
		struct fixture_child child = fixture_child(child_of_crowd,
							   &crowd);

		good += child.status == 0 ? 1 : 0;
		if (child.status != 0) {
			diag("child: status %d, %s", child.status, child.text);
		}
		for (int j = 0; j < 50 && crowd.received < 100; j++) {
			turn(fx->ev);
		}
	}
	is_uint(good, CHILDREN, "B706 forked while others post: children work");
	while (crowd.received < POSTERS * POSTS) {
		turn(fx->ev);
	}
	fixture_threads_join(threads);
	is_uint(crowd.received, POSTERS * POSTS,
		"B706 and the parent gets every post");
	tevent_fd_set_flags(family.fde, TEVENT_FD_READ);
	family_close(&family, "B706 among posts");
}

static void pid_in_thread(unsigned index, void *arg)
{
	bool *same = arg;

	same[index] = tevent_cached_getpid() == getpid();
}

static int pid_in_child(void *arg)
{
	pid_t *parent = arg;

	return tevent_cached_getpid() == getpid() && getpid() != *parent ? 0
									 : 1;
}

static void test_pid(struct fixture *fx)
{
	bool same[2] = { false, false };
	pid_t parent = getpid();
	struct fixture_child child;

	(void)fx;
	is_int(tevent_cached_getpid(), parent, "B707 the process id");
	fixture_threads_join(fixture_threads_start(2, pid_in_thread, same));
	ok(same[0] && same[1], "B707 in threads");
	child = fixture_child(pid_in_child, &parent);
	child_exited(&child, 0, "B707 in a child");
	is_int(tevent_cached_getpid(), parent, "B707 and in the parent still");
}

int main(void)
{
	warm_up();
	fixture_each_backend("B703 first use", test_first_use);
	fixture_each_backend("B703 queued", test_queued);
	fixture_each_backend("B513 signal", test_signal);
	fixture_each_backend("B705 threaded", test_threaded);
	fixture_each_backend("B703 end in child", test_end_in_child);
	fixture_each_backend_flags("B706 among posts", test_fork_among_posts,
				   FIXTURE_THREADS);
	fixture_run_flags("B707 pid", test_pid, FIXTURE_THREADS);
	return done();
}
