/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Call wait: threads without a loop call and wait. */
#include "tests/calltest.h"

static void answered(struct fixture *fx)
{
	struct server server;
	struct parcel *parcel = talloc_steal(fx->mem, parcel_new(1));
	struct parcel *same = parcel;
	int ret = 0;

	server_start(&server);
	ret = weft_call_wait(server.addr, next_run, &parcel, UINT_MAX);
	is_int(ret, 0, "the answer");
	is_ptr(parcel, same, "the block is back");
	is_int(parcel->value, 2, "as the function left it");
	is_ptr(talloc_parent(parcel), NULL, "without a parent");
	ret = weft_call_wait(server.addr, next_run, NULL, 60000);
	is_int(ret, 0, "no block is fine");
	ret = weft_call_wait(server.addr, dropped_run, &parcel, UINT_MAX);
	is_int(ret, ECANCELED, "a dropped call");
	is_ptr(parcel, same, "gives the block back");
	server_stop(&server);
	talloc_free(parcel);
}

static void refused(weft_addr_t to, int error, const char *what)
{
	struct parcel *parcel = parcel_new(1);
	struct parcel *same = parcel;

	is_int(weft_call_wait(to, next_run, &parcel, UINT_MAX), error,
	       "%s: errno", what);
	is_ptr(parcel, same, "%s: the block is back", what);
	talloc_free(parcel);
}

/* Threads of their own, because a loop of this thread is not waited for. */
static void refusals_thread(unsigned index, void *arg)
{
	struct there *there = arg;
	weft_addr_t nobody = { 0 };
	struct parcel *parcel = parcel_new(1);
	TALLOC_CTX *other = talloc_new(NULL);
	struct there gone = there_open(NULL, NULL);

	(void)index;
	TALLOC_FREE(gone.ev);
	refused(nobody, EINVAL, "nobody");
	refused(gone.addr, ECANCELED, "a mailbox that has gone");
	refused(there[0].addr, EAGAIN, "a full mailbox");
	refused(there[1].addr, EINVAL, "a latest-value mailbox");
	(void)talloc_reference(other, parcel);
	is_int(weft_call_wait(there[0].addr, next_run, &parcel, UINT_MAX),
	       EINVAL, "a block with references");
	ok(parcel != NULL, "stays");
	(void)talloc_unlink(NULL, parcel);
	talloc_free(other);
}

static void refusals(struct fixture *fx)
{
	struct weft_mailbox_options one = { .limit = 1 };
	struct weft_mailbox_options latest = { .latest = true };
	struct there there[2] = { there_open(fx->mem, &one),
				  there_open(fx->mem, &latest) };
	struct outcome outcome = { .calls = 0 };

	(void)outcome_send(fx, there[0].addr, next_run, NULL, &outcome);
	fixture_threads_join(fixture_threads_start(1, refusals_thread, there));
	turn_all(there[0].ev);
	turn_all(fx->ev);
	is_uint(outcome.calls, 1, "what filled it is answered");
}

static void own_loop(struct fixture *fx)
{
	weft_addr_t addr = { 0 };
	struct parcel *parcel = parcel_new(1);

	(void)weft_context_addr(fx->ev, &addr);
	is_int(weft_call_wait(addr, next_run, &parcel, UINT_MAX), EDEADLK,
	       "nobody waits for himself");
	ok(parcel != NULL, "the block has not left");
	talloc_free(parcel);
}

static void two_loops_run(struct weft_mailbox *mailbox, struct weft_call *call,
			  void *block)
{
	weft_addr_t *other = talloc_get_type_abort(block, weft_addr_t);

	(void)mailbox;
	weft_call_reply(call, weft_call_wait(*other, next_run, NULL, UINT_MAX));
}

/* A thread that serves has another loop of its own. */
static void another_loop_of_mine(struct fixture *fx)
{
	struct there there = there_open(fx->mem, NULL);
	weft_addr_t *addr = talloc(NULL, weft_addr_t);
	struct tevent_req *req = NULL;
	int ret = 0;

	(void)weft_context_addr(fx->ev, addr);
	req = weft_call_send(fx->mem, fx->ev, there.addr, two_loops_run, &addr,
			     NULL);
	turn_all(there.ev);
	turn_all(fx->ev);
	ret = weft_call_recv(req, fx->mem, NULL);
	is_int(ret, EDEADLK, "nor for another loop of its own");
	talloc_free(req);
}

/* ---- time ---- */

struct impatient {
	weft_addr_t to;
	struct parcel *parcel;
	unsigned timeout_ms;
	int ret;
};

static void impatient_thread(unsigned index, void *arg)
{
	struct impatient *impatient = arg;

	(void)index;
	impatient->ret = weft_call_wait(impatient->to, kept_run,
					&impatient->parcel,
					impatient->timeout_ms);
}

static void late_while_queued(struct fixture *fx)
{
	struct there there = there_open(fx->mem, NULL);
	struct parcel *parcel = parcel_new(1);
	struct impatient impatient = { there.addr, parcel, 10, 0 };
	unsigned runs = 0;

	parcel->runs = &runs;
	fixture_threads_join(
		fixture_threads_start(1, impatient_thread, &impatient));
	is_int(impatient.ret, ETIMEDOUT, "nobody has come to it");
	is_ptr(impatient.parcel, parcel, "the block is back");
	turn_all(there.ev);
	is_uint(runs, 0, "it never runs");

	impatient.timeout_ms = 0;
	fixture_threads_join(
		fixture_threads_start(1, impatient_thread, &impatient));
	is_int(impatient.ret, ETIMEDOUT, "no time at all");
	is_ptr(impatient.parcel, parcel, "the block is back");
	TALLOC_FREE(there.ev);
	is_uint(runs, 0, "it never runs");
	talloc_free(parcel);
}

static void late_while_it_runs(struct fixture *fx)
{
	struct there there = there_open(fx->mem, NULL);
	struct weft_call *kept = NULL;
	struct parcel *parcel = parcel_new(1);
	/* Long enough for this thread to begin with it. */
	struct impatient impatient = { there.addr, parcel, 1000, 0 };
	struct fixture_threads *threads = NULL;

	parcel->kept = &kept;
	threads = fixture_threads_start(1, impatient_thread, &impatient);
	while (kept == NULL) {
		turn(there.ev);
	}
	fixture_threads_join(threads);
	is_int(impatient.ret, ETIMEDOUT, "it takes too long");
	is_ptr(impatient.parcel, NULL, "the block is still there");
	ok(!weft_call_wanted(held(&kept)), "nobody wants it");
	is_int(parcels_alive(), 1, "it lives as long as the call");
	weft_call_reply(held(&kept), 0);
	is_int(parcels_alive(), 0, "and is freed with the answer");
}

static void mailbox_goes(struct fixture *fx)
{
	struct there there = there_open(fx->mem, NULL);
	struct weft_call *kept = NULL;
	struct parcel *parcel = parcel_new(1);
	struct impatient impatient = { there.addr, parcel, UINT_MAX, 0 };
	struct fixture_threads *threads = NULL;

	parcel->kept = &kept;
	threads = fixture_threads_start(1, impatient_thread, &impatient);
	while (kept == NULL) {
		turn(there.ev);
	}
	TALLOC_FREE(there.mailbox);
	fixture_threads_join(threads);
	is_int(impatient.ret, ECANCELED, "the mailbox goes with the call");
	is_ptr(impatient.parcel, parcel, "the block is back");
	talloc_free(parcel);
}

/* ---- many ---- */

#define WAITERS     4
#define WAITS_EACH  500
#define WAITS_TOTAL (WAITERS * WAITS_EACH)

struct crowd {
	weft_addr_t to;
	atomic_int wrong; /* A: relaxed, a count */
};

static void crowd_thread(unsigned index, void *arg)
{
	struct crowd *crowd = arg;

	for (int i = 0; i < WAITS_EACH; i++) {
		struct parcel *parcel = parcel_new((int)index + i);
		int ret = weft_call_wait(crowd->to, next_run, &parcel,
					 UINT_MAX);

		if (ret != 0 || parcel->value != (int)index + i + 1) {
			(void)atomic_fetch_add_explicit(&crowd->wrong, 1,
							memory_order_relaxed);
		}
		talloc_free(parcel);
	}
}

static void crowd(struct fixture *fx)
{
	struct server server;
	struct crowd crowd = { .wrong = 0 };

	(void)fx;
	server_start(&server);
	crowd.to = server.addr;
	fixture_threads_join(
		fixture_threads_start(WAITERS, crowd_thread, &crowd));
	is_int(atomic_load_explicit(&crowd.wrong, memory_order_relaxed), 0,
	       "%d waits of %d threads, each with its own answer", WAITS_TOTAL,
	       WAITERS);
	server_stop(&server);
	is_int(parcels_alive(), 0, "each block once");
}

/* As short as the answer takes, so that either comes first. */
static void close_call_thread(unsigned index, void *arg)
{
	struct crowd *crowd = arg;

	(void)index;
	for (int i = 0; i < WAITS_EACH; i++) {
		struct parcel *parcel = parcel_new(i);
		int ret = weft_call_wait(crowd->to, next_run, &parcel,
					 (unsigned)i % 2);

		if (ret != 0 && ret != ETIMEDOUT) {
			(void)atomic_fetch_add_explicit(&crowd->wrong, 1,
							memory_order_relaxed);
		}
		if (ret == 0 && (parcel == NULL || parcel->value != i + 1)) {
			(void)atomic_fetch_add_explicit(&crowd->wrong, 1,
							memory_order_relaxed);
		}
		talloc_free(parcel);
	}
}

static void close_calls(struct fixture *fx)
{
	struct server server;
	struct crowd crowd = { .wrong = 0 };

	(void)fx;
	server_start(&server);
	crowd.to = server.addr;
	fixture_threads_join(
		fixture_threads_start(WAITERS, close_call_thread, &crowd));
	is_int(atomic_load_explicit(&crowd.wrong, memory_order_relaxed), 0,
	       "time and answer at once: one of the two");
	server_stop(&server);
	is_int(parcels_alive(), 0, "each block once");
}

int main(void)
{
	CALLTEST(answered);
	CALLTEST(refusals);
	CALLTEST(own_loop);
	CALLTEST(another_loop_of_mine);
	CALLTEST(late_while_queued);
	CALLTEST(late_while_it_runs);
	CALLTEST(mailbox_goes);
	CALLTEST(crowd);
	CALLTEST(close_calls);
	return done();
}
