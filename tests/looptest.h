/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Looptest: what the tests of threads that own a loop have in common.
 *
 * What a test wants to know of a loop is looked at on the loop, by a visit: a
 * post that runs there while the test waits at a gate.
 */
#pragma once

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <tevent.h>
#include <weft.h>

#include "tests/fixture.h"

/* Runs one test function; talloc goes through threads here. */
#define LOOPTEST(fn) fixture_run_flags(#fn, fn, FIXTURE_THREADS)

static inline void looptest_nothing(unsigned index, void *arg)
{
	(void)index;
	(void)arg;
}

/* First thing in main(): what a sanitizer starts beside the first thread is
 * there before anybody counts threads. */
static inline void looptest_begin(void)
{
	fixture_threads_join(fixture_threads_start(1, looptest_nothing, NULL));
}

static inline struct weft_loop *looptest_start(
	struct fixture *fx, const struct weft_loop_options *options)
{
	struct weft_loop *loop = NULL;
	int ret = weft_loop_start(fx->mem, options, &loop);

	if (ret != 0) {
		bail_out("weft_loop_start: %d", ret);
	}
	return loop;
}

struct visit {
	void (*look)(struct weft_mailbox *mailbox, void *arg);
	void *arg;
	struct fixture_gate over;
};

struct visitor {
	struct visit *visit;
};

static inline void visit_run(struct weft_mailbox *mailbox, void *block)
{
	struct visitor *visitor = talloc_get_type_abort(block, struct visitor);
	struct visit *visit = visitor->visit;

	visit->look(mailbox, visit->arg);
	fixture_gate_add(&visit->over, 1);
}

/* Runs @look on the loop at @addr and waits until it has. */
static inline void looptest_visit(weft_addr_t addr,
				  void (*look)(struct weft_mailbox *mailbox,
					       void *arg),
				  void *arg)
{
	struct visit visit = { .look = look, .arg = arg };
	struct visitor *visitor = talloc_zero(NULL, struct visitor);
	int ret = 0;

	visitor->visit = &visit;
	ret = weft_post(addr, visit_run, &visitor);
	if (ret != 0) {
		bail_out("weft_post: %d", ret);
	}
	fixture_gate_wait(&visit.over, 1);
}

struct ending {
	bool done;
	int ret;
};

static inline void ending_done(struct tevent_req *req)
{
	struct ending *ending = tevent_req_callback_data_void(req);

	ending->ret = weft_loop_stop_recv(req);
	ending->done = true;
	talloc_free(req);
}

static inline struct tevent_req *looptest_stop_send(struct fixture *fx,
						    struct weft_loop *loop,
						    struct ending *ending)
{
	struct tevent_req *req = weft_loop_stop_send(fx->mem, fx->ev, loop);

	if (req == NULL) {
		bail_out("weft_loop_stop_send: no memory");
	}
	tevent_req_set_callback(req, ending_done, ending);
	return req;
}

/* Stops the loop and waits for its end.
 * Return: what weft_loop_stop_recv() says. */
static inline int looptest_stop(struct fixture *fx, struct weft_loop *loop)
{
	struct ending ending = { .done = false };

	(void)looptest_stop_send(fx, loop, &ending);
	if (!fixture_turn_until(fx->ev, &ending.done)) {
		bail_out("the loop of the test fails");
	}
	return ending.ret;
}

/* Messages that say what became of them. */
struct note {
	struct weft_msg msg;
	struct fixture_gate *ran;
	struct fixture_gate *cancelled;
	struct fixture_gate *go; /* waits there while it runs, or NULL */
};

static inline void note_run(struct weft_mailbox *mailbox, struct weft_msg *msg)
{
	struct note *note = (struct note *)(void *)msg;
	struct fixture_gate *go = note->go;

	(void)mailbox;
	fixture_gate_add(note->ran, 1);
	free(note);
	if (go != NULL) {
		fixture_gate_wait(go, 1);
	}
}

static inline void note_cancel(struct weft_msg *msg)
{
	struct note *note = (struct note *)(void *)msg;

	fixture_gate_add(note->cancelled, 1);
	free(note);
}

/* Posts one. Return: what weft_post_msg() says. */
static inline int note_post(weft_addr_t addr, struct fixture_gate *ran,
			    struct fixture_gate *cancelled,
			    struct fixture_gate *go)
{
	struct note *note = calloc(1, sizeof(*note));
	int ret = ENOMEM;

	if (note == NULL) {
		return ret;
	}
	*note = (struct note){
		.msg = { .run = note_run, .cancel = note_cancel },
		.ran = ran,
		.cancelled = cancelled,
		.go = go,
	};
	ret = weft_post_msg(addr, &note->msg);
	if (ret != 0) {
		free(note);
	}
	return ret;
}
