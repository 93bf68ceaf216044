/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Loops foreign: a program whose own loop is not tevent's ends its loops.
 *
 * The program's loop is poll(2) on the mailbox's descriptor.
 */
#include <poll.h>

#include "tests/looptest.h"

static struct weft_mailbox *home_create(struct fixture *fx)
{
	struct weft_mailbox *home = NULL;

	if (weft_mailbox_create(fx->mem, NULL, NULL, &home) != 0) {
		bail_out("weft_mailbox_create");
	}
	return home;
}

static void home_turn_until(struct weft_mailbox *home, const bool *flag)
{
	while (!*flag) {
		struct pollfd fd = {
			.fd = weft_mailbox_fd(home),
			.events = POLLIN,
		};

		(void)poll(&fd, 1, -1);
		(void)weft_mailbox_dispatch(home, 0);
	}
}

static struct tevent_req *home_stop(struct fixture *fx,
				    struct weft_mailbox *home,
				    struct weft_loop *loop,
				    struct ending *ending)
{
	struct tevent_req *req = weft_mailbox_loop_stop_send(fx->mem, home,
							     loop);

	if (req != NULL) {
		tevent_req_set_callback(req, ending_done, ending);
	}
	return req;
}

static void ends(struct fixture *fx)
{
	struct weft_mailbox *home = home_create(fx);
	struct weft_loop *loop = looptest_start(fx, NULL);
	struct ending ending = { .done = false };
	struct ending again = { .done = false };

	(void)home_stop(fx, home, loop, &ending);
	home_turn_until(home, &ending.done);
	is_int(ending.ret, 0, "the answer comes with a dispatch");
	fixture_wait_threads(1);
	(void)home_stop(fx, home, loop, &again);
	ok(!again.done, "after the end it comes");
	home_turn_until(home, &again.done);
	is_int(again.ret, 0, "with the next dispatch");
}

static void leaves(struct fixture *fx)
{
	struct weft_mailbox *home = home_create(fx);
	struct weft_loop *loop = looptest_start(fx, NULL);
	struct ending ending = { .done = false };
	struct tevent_req *req = home_stop(fx, home, loop, &ending);

	ok(!tevent_req_cancel(req), "it cannot be cancelled");
	talloc_free(req);
	fixture_wait_threads(1);
	(void)weft_mailbox_dispatch(home, 0);
	ok(!ending.done, "nobody is told who has left");
}

static void home_goes(struct fixture *fx)
{
	struct weft_mailbox *home = home_create(fx);
	struct weft_loop *loop = looptest_start(fx, NULL);
	struct ending ending = { .done = false };
	struct tevent_req *req = home_stop(fx, home, loop, &ending);

	talloc_free(home);
	fixture_wait_threads(1);
	ok(tevent_req_is_in_progress(req),
	   "an answer that cannot come home does not come");
	talloc_free(req);
}

static void wrong_home(struct fixture *fx)
{
	struct weft_mailbox *home = NULL;
	struct weft_loop *loop = looptest_start(fx, NULL);
	struct ending ending = { .done = false };

	if (weft_mailbox_create(fx->mem, fx->ev, NULL, &home) != 0) {
		bail_out("weft_mailbox_create");
	}
	ok(home_stop(fx, home, loop, &ending) == NULL,
	   "a mailbox of a tevent context is no such home");
	is_int(looptest_stop(fx, loop), 0, "and the loop has gone on");
}

int main(void)
{
	looptest_begin();
	LOOPTEST(ends);
	LOOPTEST(leaves);
	LOOPTEST(home_goes);
	LOOPTEST(wrong_home);
	return done();
}
