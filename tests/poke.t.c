/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Poke: how a job that runs learns that it is to stop: a descriptor becomes
 * readable, a system call is interrupted.
 */
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "tests/pooltest.h"

/* A block of a job that waits to be told; what is pointed to is the test's. */
struct told {
	struct fixture_gate *started;
	struct fixture_gate *go;    /* before it looks for the descriptor */
	struct fixture_gate *ended; /* with one added for each EINTR wanted */
	int fd;                     /* to read from */
	int interruptions;          /* so many are wanted */
	bool *same;                 /* the descriptor is the same twice */
	int *revents;
	int *result; /* of read() */
};

static struct told *told_new(struct fixture_gate *started,
			     struct fixture_gate *ended)
{
	struct told *told = talloc_zero(NULL, struct told);

	told->started = started;
	told->ended = ended;
	told->interruptions = 1;
	told->fd = -1;
	return told;
}

static struct tevent_req *told_send(struct fixture *fx, struct weft_pool *pool,
				    weft_job_fn_t fn, struct told *told,
				    bool interruptible)
{
	struct weft_job_options options = { .interruptible = interruptible };
	struct tevent_req *req = weft_job_send(fx->mem, fx->ev, pool, fn, &told,
					       &options);

	if (req == NULL) {
		bail_out("weft_job_send: no memory");
	}
	return req;
}

static int stop_fd_run(struct weft_job *job, void *block)
{
	struct told *told = talloc_get_type_abort(block, struct told);
	struct pollfd poll_fd = { .events = POLLIN };
	struct fixture_gate *ended = told->ended;

	if (told->go != NULL) {
		fixture_gate_add(told->started, 1);
		fixture_gate_wait(told->go, 1);
	}
	poll_fd.fd = weft_job_stop_fd(job);
	*told->same = poll_fd.fd >= 0 && weft_job_stop_fd(job) == poll_fd.fd;
	if (told->go == NULL) {
		fixture_gate_add(told->started, 1);
	}
	(void)poll(&poll_fd, 1, -1);
	*told->revents = poll_fd.revents;
	fixture_gate_add(ended, 1);
	return 0;
}

enum way { BY_CANCEL, BY_FREE, BY_STOP };

static void tell(struct tevent_req *req, struct weft_pool *pool, enum way way)
{
	switch (way) {
	case BY_CANCEL:
		ok(tevent_req_cancel(req), "the request is cancelled");
		break;
	case BY_FREE:
		talloc_free(req);
		break;
	case BY_STOP:
		weft_pool_stop(pool);
		break;
	}
}

static void stop_fd(struct fixture *fx, enum way way, bool before)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct fixture_gate ended = { 0 };
	struct told *told = told_new(&started, &ended);
	bool same = false;
	int revents = 0;
	struct tevent_req *req = NULL;

	told->go = before ? &go : NULL;
	told->same = &same;
	told->revents = &revents;
	req = told_send(fx, pool, stop_fd_run, told, false);
	fixture_gate_wait(&started, 1);
	tell(req, pool, way);
	fixture_gate_add(&go, 1);
	fixture_gate_wait(&ended, 1);
	ok(same, "there is one descriptor for the job");
	is_int(revents, POLLIN, "it becomes readable");
	fixture_wait_until(pooltest_at_rest, pool);
	(void)tevent_loop_wait(fx->ev);
}

static void stop_fd_cancel(struct fixture *fx)
{
	stop_fd(fx, BY_CANCEL, false);
}

static void stop_fd_free(struct fixture *fx)
{
	stop_fd(fx, BY_FREE, false);
}

static void stop_fd_stop(struct fixture *fx)
{
	stop_fd(fx, BY_STOP, false);
}

static void stop_fd_told_before(struct fixture *fx)
{
	stop_fd(fx, BY_CANCEL, true);
}

static void stop_fd_stopped_before(struct fixture *fx)
{
	stop_fd(fx, BY_STOP, true);
}

static int unused_fd_run(struct weft_job *job, void *block)
{
	(void)block;
	return weft_job_stop_fd(job) >= 0 ? 0 : EIO;
}

static void stop_fd_goes(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct outcome outcome = { .done = false };
	unsigned before = 0;

	(void)outcome_send(fx, pool, unused_fd_run, NULL, &outcome);
	(void)tevent_loop_wait(fx->ev);
	is_int(outcome.ret, 0, "a job that nobody tells has one as well");
	before = fixture_fd_count();
	(void)outcome_send(fx, pool, unused_fd_run, NULL, &outcome);
	(void)tevent_loop_wait(fx->ev);
	is_uint(fixture_fd_count(), before, "it is closed with the job");
}

/* Reads until it was interrupted often enough or there is something. */
static int read_run(struct weft_job *job, void *block)
{
	struct told *told = talloc_get_type_abort(block, struct told);
	struct fixture_gate *ended = told->ended;
	ssize_t ret = 0;
	int count = 0;
	char byte = 0;

	(void)job;
	fixture_gate_add(told->started, 1);
	while (count < told->interruptions) {
		ret = read(told->fd, &byte, 1);
		if (ret != -1 || errno != EINTR) {
			break;
		}
		count++;
	}
	*told->result = ret == -1 ? -count : (int)ret;
	fixture_gate_add(ended, 1);
	return 0;
}

static void blocking_pipe(int fds[2])
{
	if (pipe(fds) != 0) {
		bail_out("pipe: %s", strerror(errno));
	}
}

static void interrupt(struct fixture *fx, enum way way, int times)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct fixture_gate started = { 0 };
	struct fixture_gate ended = { 0 };
	struct told *told = told_new(&started, &ended);
	struct tevent_req *req = NULL;
	int result = 0;
	int fds[2] = { -1, -1 };

	blocking_pipe(fds);
	told->fd = fds[0];
	told->result = &result;
	told->interruptions = times;
	req = told_send(fx, pool, read_run, told, true);
	fixture_gate_wait(&started, 1);
	tell(req, pool, way);
	fixture_gate_wait(&ended, 1);
	is_int(result, -times, "interrupted as often as it takes (%d)", times);
	fixture_wait_until(pooltest_at_rest, pool);
	(void)tevent_loop_wait(fx->ev);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void interrupt_cancel(struct fixture *fx)
{
	interrupt(fx, BY_CANCEL, 1);
}

static void interrupt_stop(struct fixture *fx)
{
	interrupt(fx, BY_STOP, 1);
}

static void interrupt_again(struct fixture *fx)
{
	interrupt(fx, BY_CANCEL, 5);
}

static void not_interruptible(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct fixture_gate started = { 0 };
	struct fixture_gate ended = { 0 };
	struct told *told = told_new(&started, &ended);
	struct tevent_req *req = NULL;
	int result = 0;
	int fds[2] = { -1, -1 };

	blocking_pipe(fds);
	told->fd = fds[0];
	told->result = &result;
	req = told_send(fx, pool, read_run, told, false);
	fixture_gate_wait(&started, 1);
	(void)tevent_req_cancel(req);
	ok(write(fds[1], "x", 1) == 1, "something to read");
	fixture_gate_wait(&ended, 1);
	is_int(result, 1, "a job that did not ask for it is left alone");
	fixture_wait_until(pooltest_at_rest, pool);
	(void)tevent_loop_wait(fx->ev);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

/* It has the signal open, and ends at once. */
static int open_run(struct weft_job *job, void *block)
{
	sigset_t mask;

	(void)job;
	(void)block;
	(void)pthread_sigmask(SIG_SETMASK, NULL, &mask);
	return sigismember(&mask, SIGURG) == 0 ? 0 : EIO;
}

/* Whether the signal is blocked, and none waits. */
static int closed_run(struct weft_job *job, void *block)
{
	sigset_t mask;
	sigset_t waiting;

	(void)job;
	(void)block;
	(void)pthread_sigmask(SIG_SETMASK, NULL, &mask);
	(void)sigpending(&waiting);
	if (sigismember(&mask, SIGURG) != 1) {
		return EIO;
	}
	return sigismember(&waiting, SIGURG) == 0 ? 0 : EPROTO;
}

#define LATE_ROUNDS 300

static void late_interruption(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct outcome open = { .done = false };
	unsigned failed = 0;
	unsigned i = 0;

	for (i = 0; i < LATE_ROUNDS; i++) {
		struct outcome outcome = { .done = false };
		struct weft_job_options options = { .interruptible = true };
		struct tevent_req *req = weft_job_send(
			fx->mem, fx->ev, pool, open_run, NULL, &options);

		open.mem = fx->mem;
		tevent_req_set_callback(req, outcome_done, &open);
		(void)outcome_send(fx, pool, closed_run, NULL, &outcome);
		if (i % 3 != 0) {
			(void)tevent_req_cancel(req);
		}
		(void)tevent_loop_wait(fx->ev);
		failed += outcome.ret != 0;
		failed += i % 3 == 0 && open.ret != 0;
	}
	is_uint(failed, 0, "the job after an interruptible one hears nothing");
}

/* A parent that waits for a child in a lane with workers of its own. */
struct parent {
	struct weft_lane *lane;
	struct told *child;
	int ret;
};

static int parent_run(struct weft_job *job, void *block)
{
	struct parent *parent = talloc_get_type_abort(block, struct parent);
	struct weft_job_options options = { .lane = parent->lane };
	struct told *told = parent->child;
	struct weft_child *child = NULL;

	parent->ret = weft_job_spawn(job, stop_fd_run, &told, &options, &child);
	return parent->ret == 0 ? weft_child_wait(child, NULL, NULL)
				: parent->ret;
}

static void told_in_another_lane(struct fixture *fx)
{
	struct weft_lane_options lane_options = { .nice = 1 };
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct parent *parent = talloc_zero(NULL, struct parent);
	struct fixture_gate started = { 0 };
	struct fixture_gate ended = { 0 };
	struct tevent_req *req = NULL;
	bool same = false;
	int revents = 0;

	is_int(weft_lane_create(fx->mem, pool, &lane_options, &parent->lane), 0,
	       "a lane with workers of its own");
	parent->child = told_new(&started, &ended);
	parent->child->same = &same;
	parent->child->revents = &revents;
	req = weft_job_send(fx->mem, fx->ev, pool, parent_run, &parent, NULL);
	fixture_gate_wait(&started, 1);
	(void)tevent_req_cancel(req);
	fixture_gate_wait(&ended, 1);
	is_int(revents, POLLIN, "a child there is told with its parent");
	(void)tevent_loop_wait(fx->ev);
	fixture_wait_until(pooltest_at_rest, pool);
}

static struct fixture_gate handled;

static void own_handler(int signum)
{
	(void)signum;
	fixture_gate_add(&handled, 1);
}

/* In a child: the handler stays. */
static int own_handler_child(void *arg)
{
	struct weft_pool_options options = { .max = 1,
					     .interrupt_signal = SIGUSR1 };
	struct weft_job_options job_options = { .interruptible = true };
	struct sigaction action = { .sa_handler = own_handler };
	struct sigaction now;
	struct tevent_context *ev = tevent_context_init(NULL);
	struct weft_pool *pool = NULL;
	struct fixture_gate started = { 0 };
	struct fixture_gate ended = { 0 };
	struct told *told = told_new(&started, &ended);
	struct tevent_req *req = NULL;
	int result = 0;
	int fds[2] = { -1, -1 };

	(void)arg;
	(void)sigaction(SIGUSR1, &action, NULL);
	blocking_pipe(fds);
	told->fd = fds[0];
	told->result = &result;
	if (weft_pool_create(ev, &options, &pool) != 0) {
		return 1;
	}
	req = weft_job_send(ev, ev, pool, read_run, &told, &job_options);
	if (req == NULL) {
		return 1;
	}
	fixture_gate_wait(&started, 1);
	(void)tevent_req_cancel(req);
	fixture_gate_wait(&ended, 1);
	(void)sigaction(SIGUSR1, NULL, &now);
	return result == -1 && now.sa_handler == own_handler &&
			       fixture_gate_value(&handled) > 0
		       ? 0
		       : 2;
}

static void program_has_a_handler(struct fixture *fx)
{
	struct fixture_child child = fixture_child(own_handler_child, NULL);

	(void)fx;
	(void)child_exited(&child, 0,
			   "a handler of the program's stays, and serves");
}

int main(void)
{
	POOLTEST(stop_fd_cancel);
	POOLTEST(stop_fd_free);
	POOLTEST(stop_fd_stop);
	POOLTEST(stop_fd_told_before);
	POOLTEST(stop_fd_stopped_before);
	POOLTEST(stop_fd_goes);
	POOLTEST(interrupt_cancel);
	POOLTEST(interrupt_stop);
	POOLTEST(interrupt_again);
	POOLTEST(not_interruptible);
	POOLTEST(late_interruption);
	POOLTEST(told_in_another_lane);
	POOLTEST(program_has_a_handler);
	return done();
}
