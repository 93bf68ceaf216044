/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Port again: what once went wrong where a port begins anew or ends.
 */
#define TEVENT_DEPRECATED 1
#define _DEPRECATED_

#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/pooltest.h"

static struct weft_mailbox *mailbox_new(TALLOC_CTX *mem_ctx,
					struct tevent_context *ev)
{
	struct weft_mailbox *mailbox = NULL;

	if (weft_mailbox_create(mem_ctx, ev, NULL, &mailbox) != 0) {
		bail_out("weft_mailbox_create");
	}
	return mailbox;
}

/* ---- the last message of a dispatch forks ---- */

static pid_t child;

static void forks(struct weft_mailbox *mailbox, void *block)
{
	(void)mailbox;
	(void)block;
	child = fork();
}

static struct weft_call *kept;

static void keeps(struct weft_mailbox *mailbox, struct weft_call *call,
		  void *block)
{
	(void)mailbox;
	(void)block;
	kept = talloc_steal(NULL, call);
}

/* Return: the child's exit code: the mailbox's bell is there as long as an
 * answer is owed to it, and no longer. */
static int child_looks(struct fixture *fx, struct weft_mailbox *mailbox)
{
	struct weft_mailbox *callee = mailbox_new(fx->mem, NULL);
	int bell = weft_mailbox_fd(mailbox);
	struct tevent_req *req = weft_mailbox_call_send(
		fx->mem, mailbox, weft_mailbox_addr(callee), keeps, NULL, NULL);

	(void)weft_mailbox_dispatch(callee, 0);
	talloc_free(mailbox);
	talloc_free(req);
	if (fcntl(bell, F_GETFD) < 0) {
		return 1;
	}
	weft_call_reply(kept, 0);
	return fcntl(bell, F_GETFD) < 0 ? 0 : 2;
}

static void last_one_forks(struct fixture *fx)
{
	struct weft_mailbox *mailbox = mailbox_new(fx->mem, NULL);
	int status = 0;

	(void)weft_post(weft_mailbox_addr(mailbox), forks, NULL);
	(void)weft_mailbox_dispatch(mailbox, 1);
	if (child == 0) {
		_exit(child_looks(fx, mailbox));
	}
	(void)waitpid(child, &status, 0);
	is_int(status, 0, "the child counts its own shares from the start");
}

/* ---- a destructor frees the mailbox when the loop ends ---- */

struct last_act {
	struct weft_mailbox **mailbox;
};

static int last_act_destructor(struct last_act *act)
{
	TALLOC_FREE(*act->mailbox);
	return 0;
}

static struct weft_mailbox *freed_below;

static void hangs(struct weft_mailbox *mailbox, struct weft_call *call,
		  void *block)
{
	struct last_act *act = talloc(call, struct last_act);

	(void)mailbox;
	(void)block;
	act->mailbox = &freed_below;
	talloc_set_destructor(act, last_act_destructor);
}

static void call_done(struct tevent_req *req)
{
	struct outcome *outcome = tevent_req_callback_data_void(req);

	outcome->ret = weft_call_recv(req, NULL, NULL);
	outcome->done = true;
}

static void destructor_frees_mailbox(struct fixture *fx)
{
	struct tevent_context *other = tevent_context_init(fx->mem);
	struct outcome outcome = { .ret = 0 };
	struct tevent_req *req = NULL;

	freed_below = mailbox_new(fx->mem, other);
	req = weft_call_send(fx->mem, fx->ev, weft_mailbox_addr(freed_below),
			     hangs, NULL, NULL);
	tevent_req_set_callback(req, call_done, &outcome);
	(void)tevent_loop_once(other);
	(void)tevent_loop_once(other);
	talloc_free(other);
	ok(freed_below == NULL,
	   "the end of the loop frees the call's children");
	(void)fixture_turn_until(fx->ev, &outcome.done);
	is_int(outcome.ret, ECANCELED, "and the call is cancelled");
}

/* ---- tevent_re_initialise() without a fork ---- */

static void arrives(struct weft_mailbox *mailbox, void *block)
{
	bool *arrived = weft_mailbox_private(mailbox);

	(void)block;
	*arrived = true;
}

static void posts(unsigned index, void *arg)
{
	const weft_addr_t *to = arg;

	(void)index;
	(void)weft_post(*to, arrives, NULL);
}

static void heard_again(struct fixture *fx)
{
	bool arrived = false;
	struct weft_mailbox_options options = { .private_data = &arrived };
	struct weft_mailbox *mailbox = NULL;
	weft_addr_t to;
	weft_addr_t own;

	(void)weft_mailbox_create(fx->mem, fx->ev, &options, &mailbox);
	to = weft_mailbox_addr(mailbox);
	is_int(tevent_re_initialise(fx->ev), 0, "the context begins anew");
	is_int(weft_context_addr(fx->ev, &own), 0, "its owner uses it again");
	fixture_threads_join(fixture_threads_start(1, posts, &to));
	(void)fixture_turn_until(fx->ev, &arrived);
	ok(arrived, "what others post is heard");
}

/* ---- a callback turns the loop, and nobody waits any more ---- */

struct inside {
	struct tevent_context *ev;
	struct weft_pool *pool;
	struct fixture_gate go;
	struct tevent_req *queued;
	struct tevent_req *running;
	bool through;
};

static void drops(struct tevent_context *ev, struct tevent_timer *te,
		  struct timeval now, void *private_data)
{
	struct inside *inside = private_data;

	(void)ev;
	(void)te;
	(void)now;
	TALLOC_FREE(inside->queued);
	TALLOC_FREE(inside->running);
}

static void waits_inside(struct tevent_req *req)
{
	struct inside *inside = tevent_req_callback_data_void(req);
	struct fixture_gate started = { 0 };
	struct held *held = held_new(&started, &inside->go, NULL);
	struct timeval soon = tevent_timeval_current_ofs(0, 1000);

	talloc_free(req);
	inside->running = weft_job_send(inside->ev, inside->ev, inside->pool,
					held_run, &held, NULL);
	fixture_gate_wait(&started, 1);
	inside->queued = weft_job_send(inside->ev, inside->ev, inside->pool,
				       quick_run, NULL, NULL);
	(void)tevent_add_timer(inside->ev, inside->ev, soon, drops, inside);
	is_int(tevent_loop_wait(inside->ev), 0, "it returns");
	inside->through = true;
}

static void wait_inside_ends(struct fixture *fx)
{
	struct inside inside = { .ev = fx->ev, .pool = pooltest_pool(fx, 1) };
	struct tevent_req *req = weft_job_send(fx->mem, fx->ev, inside.pool,
					       quick_run, NULL, NULL);

	tevent_loop_allow_nesting(fx->ev);
	tevent_req_set_callback(req, waits_inside, &inside);
	(void)fixture_turn_until(fx->ev, &inside.through);
	ok(inside.through, "a wait inside of a callback ends with the last job "
			   "that is waited for");
	fixture_gate_add(&inside.go, 1);
	fixture_wait_until(pooltest_at_rest, inside.pool);
}

/* ---- a report of the bell that is late ---- */

/* More than one pass delivers. */
#define LATE_POSTS 100

struct late {
	struct weft_mailbox *mailbox;
	int bell;
	int pipe[2];
	unsigned arrived;
	bool all;
};

static struct late *late_one;

static void late_arrives(struct weft_mailbox *mailbox, void *block)
{
	(void)mailbox;
	(void)block;
	late_one->arrived++;
	late_one->all = late_one->arrived == LATE_POSTS;
}

/* Of two that were reported by one wait this is the first. When it is through
 * there are posts, and nobody will ring for them: as if the bell had been
 * heard and silenced by another way. */
static void late_hides(struct tevent_context *ev, struct tevent_fd *fde,
		       uint16_t flags, void *private_data)
{
	struct late *late = private_data;
	uint64_t rings = 0;
	unsigned i = 0;

	(void)ev;
	(void)flags;
	TALLOC_FREE(fde);
	for (i = 0; i < LATE_POSTS; i++) {
		(void)weft_post(weft_mailbox_addr(late->mailbox), late_arrives,
				NULL);
	}
	(void)read(late->bell, &rings, sizeof(rings));
}

static void late_begins(struct tevent_context *ev, struct tevent_timer *te,
			struct timeval now, void *private_data)
{
	struct late *late = private_data;
	const uint64_t one = 1;

	(void)ev;
	(void)te;
	(void)now;
	(void)write(late->pipe[1], "x", 1);
	(void)write(late->bell, &one, sizeof(one));
}

/* The eventfd that came with the mailbox. */
static int late_bell(void)
{
	char path[32];
	char name[32];
	int fd = 0;

	for (fd = 255; fd > 2; fd--) {
		ssize_t length = 0;

		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		length = readlink(path, name, sizeof(name) - 1);
		if (length > 0 && strncmp(name, "anon_inode:[eventfd]",
					  (size_t)length) == 0) {
			return fd;
		}
	}
	return -1;
}

static void late_report(struct fixture *fx)
{
	struct late late = { .bell = -1 };
	struct tevent_context *ev = NULL;

	if (TEST_ON_STOCK) {
		skip("no report is late here");
		return;
	}
	ev = tevent_context_init_byname(fx->mem, "epoll_batch");
	late_one = &late;
	late.mailbox = mailbox_new(ev, ev);
	late.bell = late_bell();
	(void)pipe2(late.pipe, O_CLOEXEC | O_NONBLOCK);
	(void)tevent_add_fd(ev, ev, late.pipe[0], TEVENT_FD_READ, late_hides,
			    &late);
	/* What it is told at first has been heard, and a wait after that has
	 * found nothing: ready from now on are the pipe, then the bell. */
	(void)tevent_add_timer(ev, ev, tevent_timeval_current_ofs(0, 20000),
			       late_begins, &late);
	(void)fixture_turn_until(ev, &late.all);
	ok(late.all, "what is left is not left to a bell that is silent");
	talloc_free(ev);
	(void)close(late.pipe[0]);
	(void)close(late.pipe[1]);
}

int main(void)
{
	POOLTEST(last_one_forks);
	POOLTEST(destructor_frees_mailbox);
	POOLTEST(heard_again);
	POOLTEST(wait_inside_ends);
	POOLTEST(late_report);
	return done();
}
