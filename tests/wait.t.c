/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Wait: how long the library asks the kernel to wait, what it makes of the
 * clock, and of a wait that fails.
 *
 * The program has its own clock, epoll_wait and poll, which the library finds
 * before those of libc. While the stage is set, no call waits: it notes the
 * time-out, moves the clock on by that much and says that nothing is ready.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#include "tests/trail.h"

#define NOT_ASKED (-2)

static struct {
	bool set;
	int64_t now_us;
	int asked_ms; /* by the last wait */
	unsigned waits;
	int epoll_error; /* != 0: what the waits fail with */
	int poll_error;
} stage;

static int stage_wait(int timeout_ms, int error)
{
	stage.asked_ms = timeout_ms;
	stage.waits++;
	if (error != 0) {
		errno = error;
		return -1;
	}
	stage.now_us += timeout_ms > 0 ? (int64_t)timeout_ms * 1000 : 0;
	return 0;
}

int epoll_wait(int epfd, struct epoll_event *events, int maxevents, int timeout)
{
	if (stage.set) {
		return stage_wait(timeout, stage.epoll_error);
	}
	return (int)syscall(SYS_epoll_pwait, epfd, events, maxevents, timeout,
			    NULL, 8);
}

int poll(struct pollfd *fds, nfds_t nfds, int timeout)
{
	struct timespec limit = { timeout / 1000, timeout % 1000 * 1000000L };

	if (stage.set) {
		return stage_wait(timeout, stage.poll_error);
	}
	return (int)syscall(SYS_ppoll, fds, nfds, timeout < 0 ? NULL : &limit,
			    NULL, 8);
}

int clock_gettime(clockid_t clock_id, struct timespec *tp)
{
	if (stage.set && clock_id == CLOCK_REALTIME) {
		tp->tv_sec = stage.now_us / 1000000;
		tp->tv_nsec = stage.now_us % 1000000 * 1000;
		return 0;
	}
	return (int)syscall(SYS_clock_gettime, clock_id, tp);
}

int gettimeofday(struct timeval *tv, void *tz)
{
	struct timespec now = { 0, 0 };

	(void)tz;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	tv->tv_sec = now.tv_sec;
	tv->tv_usec = now.tv_nsec / 1000;
	return 0;
}

/* At a whole second, so that what is asked for can be told exactly. */
static void stage_set(void)
{
	memset(&stage, 0, sizeof(stage));
	stage.now_us = INT64_C(1000000000) * 1000000;
	stage.asked_ms = NOT_ASKED;
	stage.set = true;
}

static struct timeval stage_time(int64_t delay_us)
{
	int64_t when = stage.now_us + delay_us;

	return (struct timeval){ when / 1000000, when % 1000000 };
}

static void test_rounding(struct fixture *fx)
{
	static const struct {
		int64_t delay_us;
		int want_ms;
	} rows[] = {
		{ 1, 1 },          { 999, 1 },          { 1000, 1 },
		{ 1001, 2 },       { 999999, 1000 },    { 1000000, 1000 },
		{ 1000001, 1001 }, { 59999001, 60000 }, { 100000000, 100000 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct trail trail = { "" };
		struct step step = { &trail, "t" };

		stage_set();
		(void)tevent_add_timer(fx->ev, fx->ev,
				       stage_time(rows[i].delay_us), step_timer,
				       &step);
		trail_pass(&trail, fx->ev);
		stage.set = false;
		is_int(stage.asked_ms, rows[i].want_ms,
		       "B108 B120 a timer in %ld us", (long)rows[i].delay_us);
		is_str(trail.text, "t |", "B105 it runs in the same pass");
		is_uint(stage.waits, 1, "B105 after one wait");
	}
}

static void test_limit(struct fixture *fx)
{
	stage_set();
	is_int(tevent_loop_once(fx->ev), 0,
	       "B109 B120 a pass that reaches the limit succeeds");
	is_int(stage.asked_ms, 30000, "B120 by default it is 30 s");
#if TEST_ON_STOCK
	skip("B120 B121 B122 the wait timeout cannot be set before 0.17");
#else
	(void)tevent_context_set_wait_timeout(fx->ev, 7);
	turn(fx->ev);
	is_int(stage.asked_ms, 7000, "B120 the limit that was set");
	(void)tevent_context_set_wait_timeout(fx->ev, INT32_MAX);
	turn(fx->ev);
	is_int(stage.asked_ms, -1, "B122 no limit");
	(void)tevent_context_set_wait_timeout(fx->ev, UINT32_MAX);
	turn(fx->ev);
	is_int(stage.asked_ms, -1, "B122 nor with any higher value");
	(void)tevent_context_set_wait_timeout(fx->ev, 0);
	is_int(tevent_loop_once(fx->ev), -1, "B121 a limit of 0");
	is_int(stage.asked_ms, 0, "B121 is a look without waiting");
#endif
	stage.set = false;
}

static void test_due(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "t" };

	stage_set();
	(void)tevent_add_timer(fx->ev, fx->ev, stage_time(0), step_timer,
			       &step);
	trail_pass(&trail, fx->ev);
	stage.set = false;
	is_str(trail.text, "t |", "B101 a timer that is due now");
	is_uint(stage.waits, 0, "B101 runs without a look at descriptors");
}

/* Somebody sets the system's clock. */
static void test_clock_jumps(struct fixture *fx)
{
	const int64_t hour_us = INT64_C(3600) * 1000000;
	struct trail trail = { "" };
	struct step step = { &trail, "t" };

	stage_set();
	(void)tevent_add_timer(fx->ev, fx->ev, stage_time(hour_us), step_timer,
			       &step);
	stage.now_us += 2 * hour_us;
	trail_pass(&trail, fx->ev);
	is_str(trail.text, "t |",
	       "B405 the clock jumps ahead: a later timer is due");
	is_uint(stage.waits, 0, "B405 at once");

	trail_clear(&trail);
	(void)tevent_add_timer(fx->ev, fx->ev, stage_time(hour_us), step_timer,
			       &step);
	stage.now_us -= hour_us;
	trail_pass(&trail, fx->ev);
	stage.set = false;
	is_int(stage.asked_ms, 2 * 3600 * 1000,
	       "B405 the clock jumps back: a timer is that much later");
	is_str(trail.text, "t |", "B405 and due by then");
}

static void test_interrupted(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "t" };

	stage_set();
	stage.epoll_error = EINTR;
	stage.poll_error = EINTR;
	(void)tevent_add_timer(fx->ev, fx->ev, stage_time(5000), step_timer,
			       &step);
	is_int(tevent_loop_once(fx->ev), 0,
	       "B106 B109 a wait that is interrupted is no failure");
	stage.set = false;
	is_str(trail.text, "", "B106 and nothing ran");
	is_uint(stage.waits, 1, "B106 after one wait");
}

static void test_poll_fails(struct fixture *fx)
{
	static const int errors[] = { EINVAL, ENOMEM, EFAULT };
	struct trail trail = { "" };
	struct step step = { &trail, "t" };

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		stage_set();
		stage.poll_error = errors[i];
		is_int(tevent_loop_once(fx->ev), 0,
		       "B109 B620 poll fails with %s: the pass succeeds",
		       strerror(errors[i]));
		stage.poll_error = 0;
		(void)tevent_add_timer(fx->ev, fx->ev, stage_time(1),
				       step_timer, &step);
		trail_clear(&trail);
		trail_pass(&trail, fx->ev);
		stage.set = false;
		is_str(trail.text, "t |", "B620 and the next one is whole");
	}
}

/* Whatever epoll could fail with here, there is still poll. */
static void test_epoll_fails(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step fd = { &trail, "f" };
	struct step late = { &trail, "t" };
	int fds[2] = { -1, -1 };

	fixture_pipe(fds);
	(void)!write(fds[1], "x", 1);
	(void)tevent_add_fd(fx->ev, fx->ev, fds[0], TEVENT_FD_READ, step_fd,
			    &fd);
	stage_set();
	stage.epoll_error = EINVAL;
	(void)tevent_add_timer(fx->ev, fx->ev, stage_time(20000), step_timer,
			       &late);
	is_int(tevent_loop_once(fx->ev), 0, "B610 epoll_wait fails");
	is_uint(stage.waits, 2, "B610 the same pass goes on with poll");
	is_str(trail.text, "t", "B105 B610 and is a whole one");
	stage.set = false;
	trail_clear(&trail);
	trail_passes(&trail, fx->ev, 2);
	is_str(trail.text, "fR | fR |",
	       "B610 what was watched before is watched on");
	TALLOC_FREE(fx->ev);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static int strict_epoll_fails(void *arg)
{
	struct fixture *fx = arg;

	stage_set();
	stage.epoll_error = EINVAL;
	return tevent_loop_once(fx->ev);
}

static void test_strict_epoll_fails(struct fixture *fx)
{
	struct fixture_child child = fixture_child(strict_epoll_fails, fx);

	child_killed(&child, SIGABRT,
		     "B611 strict epoll aborts when epoll_wait fails");
}

int main(void)
{
	warm_up();
	fixture_each_backend("B108 rounding", test_rounding);
	fixture_each_backend("B120 limit", test_limit);
	fixture_each_backend("B101 due", test_due);
	fixture_each_backend("B405 clock jumps", test_clock_jumps);
	fixture_each_backend("B106 interrupted", test_interrupted);
	fixture_run_backend("poll", "B620 poll fails", test_poll_fails, 0);
	fixture_run_backend("poll_mt", "B620 poll fails", test_poll_fails, 0);
	fixture_run_backend("standard", "B610 epoll fails", test_epoll_fails,
			    0);
	fixture_run_backend("epoll", "B611 epoll fails",
			    test_strict_epoll_fails, 0);
	return done();
}
