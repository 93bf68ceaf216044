/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Calltest: what the tests of calls have in common.
 *
 * The other side is a second context in the same thread, turned when the test
 * says so, or a thread of its own. Blocks are counted.
 */
#pragma once

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>

#include <tevent.h>
#include <weft.h>

#include "tests/trail.h"

/* Runs one test function; talloc goes through threads here. */
#define CALLTEST(fn) fixture_run_flags(#fn, fn, FIXTURE_THREADS)

/* ---- blocks ---- */

static atomic_int parcels; /* A: alive */

struct parcel {
	int value;
	struct weft_call **kept; /* where kept_run() leaves the call */
	unsigned *runs;          /* counted by each function here */
};

static inline int parcel_destructor(struct parcel *parcel)
{
	(void)parcel;
	/* Relaxed: a count, looked at when all is still. */
	(void)atomic_fetch_sub_explicit(&parcels, 1, memory_order_relaxed);
	return 0;
}

static inline struct parcel *parcel_new(int value)
{
	struct parcel *parcel = talloc_zero(NULL, struct parcel);

	if (parcel != NULL) {
		parcel->value = value;
		(void)atomic_fetch_add_explicit(&parcels, 1,
						memory_order_relaxed);
		talloc_set_destructor(parcel, parcel_destructor);
	}
	return parcel;
}

static inline int parcels_alive(void)
{
	return atomic_load_explicit(&parcels, memory_order_relaxed);
}

static inline void parcel_count_run(void *block)
{
	struct parcel *parcel = block;

	if (parcel != NULL && parcel->runs != NULL) {
		++*parcel->runs;
	}
}

/* ---- functions that are called ---- */

/* Answers at once: 0, the value one higher. */
static inline void next_run(struct weft_mailbox *mailbox,
			    struct weft_call *call, void *block)
{
	struct parcel *parcel = block;

	(void)mailbox;
	parcel_count_run(block);
	if (parcel != NULL) {
		parcel->value++;
	}
	weft_call_reply(call, 0);
}

/* Keeps the call for the test to go on with. */
static inline void kept_run(struct weft_mailbox *mailbox,
			    struct weft_call *call, void *block)
{
	struct parcel *parcel = talloc_get_type_abort(block, struct parcel);

	(void)mailbox;
	parcel_count_run(block);
	*parcel->kept = call;
}

/* The call that is kept there; a test without it cannot go on. */
static inline struct weft_call *held(struct weft_call *const *kept)
{
	if (*kept == NULL) {
		bail_out("the function has not run");
	}
	return *kept;
}

static inline void dropped_run(struct weft_mailbox *mailbox,
			       struct weft_call *call, void *block)
{
	(void)mailbox;
	parcel_count_run(block);
	talloc_free(call);
}

/* ---- the caller ---- */

struct outcome {
	unsigned calls; /* of the callback */
	int ret;
	struct parcel *block;
	TALLOC_CTX *mem; /* where the block goes */
};

static inline void outcome_done(struct tevent_req *req)
{
	struct outcome *outcome = tevent_req_callback_data_void(req);

	outcome->ret = weft_call_recv(req, outcome->mem, &outcome->block);
	outcome->calls++;
	talloc_free(req);
}

/* ---- the other side, in this thread ---- */

struct there {
	struct tevent_context *ev;
	struct weft_mailbox *mailbox;
	weft_addr_t addr;
};

static inline struct there there_open(
	TALLOC_CTX *mem_ctx, const struct weft_mailbox_options *options)
{
	struct there there = { .ev = tevent_context_init(mem_ctx) };
	int ret = weft_mailbox_create(there.ev, there.ev, options,
				      &there.mailbox);

	if (ret != 0) {
		bail_out("weft_mailbox_create: %d", ret);
	}
	there.addr = weft_mailbox_addr(there.mailbox);
	return there;
}

/* Turns until all that has come has run. */
static inline void turn_all(struct tevent_context *ev)
{
	settle(ev, 5);
}

/* Sends, with outcome_done() for the end. */
static inline struct tevent_req *outcome_send(struct fixture *fx,
					      weft_addr_t to, weft_call_fn_t fn,
					      struct parcel *block,
					      struct outcome *outcome)
{
	struct tevent_req *req = weft_call_send(fx->mem, fx->ev, to, fn, &block,
						NULL);

	if (req == NULL) {
		bail_out("weft_call_send: no memory");
	}
	if (outcome->mem == NULL) {
		outcome->mem = fx->mem;
	}
	tevent_req_set_callback(req, outcome_done, outcome);
	return req;
}

/* ---- the other side, a thread ---- */

struct server {
	struct fixture_threads *threads;
	struct fixture_gate open;
	weft_addr_t addr; /* once it is open */
	bool stop;        /* the thread's own */
};

static inline void server_stop_run(struct weft_mailbox *mailbox,
				   struct weft_call *call, void *block)
{
	struct server *server = weft_mailbox_private(mailbox);

	(void)block;
	server->stop = true;
	weft_call_reply(call, 0);
}

static inline void server_thread(unsigned index, void *arg)
{
	struct server *server = arg;
	struct tevent_context *ev = tevent_context_init(NULL);
	struct weft_mailbox_options options = { .private_data = server };
	struct weft_mailbox *mailbox = NULL;
	int ret = weft_mailbox_create(ev, ev, &options, &mailbox);

	(void)index;
	if (ret != 0) {
		bail_out("weft_mailbox_create: %d", ret);
	}
	server->addr = weft_mailbox_addr(mailbox);
	fixture_gate_add(&server->open, 1);
	while (!server->stop) {
		(void)tevent_loop_once(ev);
	}
	talloc_free(ev);
}

static inline void server_start(struct server *server)
{
	*server = (struct server){ .threads = NULL };
	server->threads = fixture_threads_start(1, server_thread, server);
	fixture_gate_wait(&server->open, 1);
}

static inline void server_stop(struct server *server)
{
	int ret = weft_call_wait(server->addr, server_stop_run, NULL, UINT_MAX);

	is_int(ret, 0, "the server takes its leave");
	fixture_threads_join(server->threads);
}
