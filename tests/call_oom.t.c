/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Call oom: each allocation and eventfd on the way of a call fails once. See
 * sweep.h for what must hold; beside that each function runs at most once, and
 * each block is freed exactly once.
 */
#include "tests/calltest.h"
#include "tests/sweep.h"

#define CALLS 4

static unsigned runs;      /* of the function in this scenario */
static unsigned too_often; /* scenarios in which more ran than were answered */
static unsigned lost;      /* scenarios that left a block */

static void call_done(struct tevent_req *req)
{
	struct sweep *sweep = tevent_req_callback_data_void(req);
	struct parcel *parcel = NULL;
	int ret = weft_call_recv(req, sweep->mem, &parcel);

	TALLOC_FREE(req);
	if (ret == 0 && parcel != NULL && parcel->value == 1) {
		sweep->ran++;
	} else if (ret != 0 && parcel != NULL) {
		sweep->refused++;
		sweep->accepted--;
	}
	TALLOC_FREE(parcel);
}

static void call_answer(struct weft_mailbox *mailbox, struct weft_call *call,
			void *block)
{
	struct parcel *parcel = talloc_get_type_abort(block, struct parcel);

	(void)mailbox;
	runs++;
	parcel->value++;
	weft_call_reply(call, 0);
}

static void send_one(struct sweep *sweep, struct weft_mailbox *home,
		     weft_addr_t to)
{
	/* So that an end time has to be set as well. */
	struct weft_call_options options = {
		.deadline_ns = weft_deadline_ms(60000),
	};
	struct parcel *parcel = sweep_made(sweep, parcel_new(0));
	struct tevent_req *req = NULL;

	if (parcel == NULL) {
		return;
	}
	if (home != NULL) {
		req = weft_mailbox_call_send(sweep->mem, home, to, call_answer,
					     &parcel, NULL);
	} else {
		req = weft_call_send(sweep->mem, sweep->ev, to, call_answer,
				     &parcel, &options);
	}
	if (sweep_got(sweep, req) == NULL) {
		TALLOC_FREE(parcel);
		return;
	}
	tevent_req_set_callback(req, call_done, sweep);
}

/* Calls from @home, or where that is NULL from the loop, to the loop's own
 * mailbox. */
static void play(struct sweep *sweep, struct weft_mailbox *home)
{
	weft_addr_t addr = { 0 };

	runs = 0;
	if (weft_context_addr(sweep->ev, &addr) != 0) {
		sweep->refused++;
	}
	for (int i = 0; i < CALLS && addr.id != 0; i++) {
		send_one(sweep, home, addr);
	}
	while (sweep->ran < sweep->accepted) {
		if (home != NULL && runs > sweep->ran) {
			(void)weft_mailbox_dispatch(home, 0);
		} else if (tevent_loop_once(sweep->ev) != 0) {
			sweep->refused++;
		}
	}
	too_often += runs != sweep->ran ? 1 : 0;
}

static void count_lost(void)
{
	lost += parcels_alive() != 0 ? 1 : 0;
	atomic_store_explicit(&parcels, 0, memory_order_relaxed);
}

static void play_calls(struct sweep *sweep)
{
	play(sweep, NULL);
	count_lost();
}

static void play_foreign_calls(struct sweep *sweep)
{
	struct weft_mailbox *home = NULL;

	if (weft_mailbox_create(sweep->mem, NULL, NULL, &home) != 0) {
		sweep->refused++;
		return;
	}
	play(sweep, home);
	TALLOC_FREE(home);
	count_lost();
}

/* A running call is cancelled where the loop is not tevent's: that alone needs
 * memory to be cancelled. */
static void play_cancelled(struct sweep *sweep)
{
	struct weft_mailbox *home = NULL;
	struct weft_call *kept = NULL;
	struct parcel *parcel = NULL;
	struct tevent_req *req = NULL;
	struct outcome outcome = { .mem = sweep->mem };
	weft_addr_t addr = { 0 };

	if (weft_context_addr(sweep->ev, &addr) != 0 ||
	    weft_mailbox_create(sweep->mem, NULL, NULL, &home) != 0) {
		sweep->refused++;
		return;
	}
	parcel = sweep_made(sweep, parcel_new(0));
	if (parcel != NULL) {
		parcel->kept = &kept;
		req = sweep_made(sweep, weft_mailbox_call_send(sweep->mem, home,
							       addr, kept_run,
							       &parcel, NULL));
		TALLOC_FREE(parcel);
	}
	if (req != NULL) {
		tevent_req_set_callback(req, outcome_done, &outcome);
		while (kept == NULL) {
			(void)tevent_loop_once(sweep->ev);
		}
		sweep->accepted++;
		if (!tevent_req_cancel(req)) {
			/* Nothing has happened: it is as it was. */
			sweep->refused++;
			sweep->accepted--;
		}
		weft_call_reply(held(&kept), 0);
		(void)weft_mailbox_dispatch(home, 0);
		sweep->ran += outcome.calls == 1 && outcome.ret == ECANCELED
				      ? 1
				      : 0;
		too_often += outcome.calls != 1 ? 1 : 0;
		talloc_free(outcome.block);
	}
	TALLOC_FREE(home);
	count_lost();
}

/* A thread waits for a mailbox that has gone, so no thread is needed. */
static void play_wait(struct sweep *sweep)
{
	struct weft_mailbox *mailbox = NULL;
	struct parcel *parcel = sweep_made(sweep, parcel_new(0));
	weft_addr_t addr = { 0 };
	int ret = 0;

	if (weft_mailbox_create(sweep->mem, NULL, NULL, &mailbox) != 0) {
		sweep->refused++;
		talloc_free(parcel);
		return;
	}
	addr = weft_mailbox_addr(mailbox);
	talloc_free(mailbox);
	ret = weft_call_wait(addr, call_answer, &parcel, UINT_MAX);
	if (ret == ECANCELED) {
		sweep->accepted++;
		sweep->ran++;
	} else {
		sweep->refused++;
	}
	talloc_free(parcel);
	count_lost();
}

int main(int argc, char **argv)
{
	(void)argc;
	if (TEST_ON_STOCK) {
		skip_all("stock aborts or crashes when memory runs out");
	}
	sweep_begin(argv);
	sweep_run("malloc fails: calls", play_calls, "standard", SHIM_MALLOC,
		  SWEEP_THREADS);
	sweep_run("eventfd fails: calls", play_calls, "standard", SHIM_EVENTFD,
		  SWEEP_THREADS);
	sweep_run("malloc fails: calls without a tevent loop",
		  play_foreign_calls, "standard", SHIM_MALLOC, SWEEP_THREADS);
	sweep_run("eventfd fails: calls without a tevent loop",
		  play_foreign_calls, "standard", SHIM_EVENTFD, SWEEP_THREADS);
	sweep_run("malloc fails: a cancelled call", play_cancelled, "standard",
		  SHIM_MALLOC, SWEEP_THREADS);
	sweep_run("malloc fails: a wait", play_wait, "standard", SHIM_MALLOC,
		  SWEEP_THREADS);
	is_uint(too_often, 0, "what ran is what succeeded");
	is_uint(lost, 0, "each block is freed once");
	return done();
}
