/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Port again: what once went wrong where a port begins anew or ends.
 */
#include <fcntl.h>
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

int main(void)
{
	POOLTEST(last_one_forks);
	POOLTEST(destructor_frees_mailbox);
	POOLTEST(heard_again);
	return done();
}
