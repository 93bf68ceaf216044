/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Proxy threads: many threads and proxies at once. What was taken is delivered
 * or freed, each once; on ours in the order of each sender.
 *
 * Stock is no measure of cleanliness here: its handlers' runners look at an
 * immediate after it was given away, and order is not kept within a burst.
 */
#include <sched.h>
#include <stdatomic.h>

#include "tests/trail.h"

#define SENDERS 4
#define EACH    (TEST_TSAN ? 500 : 3000)

/* ---- one loop, several senders ---- */

struct hammer {
	struct tevent_thread_proxy *proxies[SENDERS];
	unsigned proxy_count;
	unsigned next[SENDERS]; /* of the loop: what is due from each */
	unsigned came;          /* of the loop */
	unsigned out_of_order;  /* of the loop */
	atomic_uint made;
	atomic_uint freed;
};

struct nail {
	struct hammer *hammer;
	unsigned sender;
	unsigned number;
	struct tevent_immediate *im; /* until it is sent, or NULL */
};

static int nail_freed(struct nail *nail)
{
	(void)atomic_fetch_add(&nail->hammer->freed, 1);
	return 0;
}

static void nail_came(struct tevent_context *ev TRAIL_UNUSED,
		      struct tevent_immediate *im TRAIL_UNUSED,
		      void *private_data)
{
	struct nail *nail = private_data;
	struct hammer *hammer = nail->hammer;

	if (hammer->next[nail->sender] != nail->number) {
		hammer->out_of_order++;
	}
	hammer->next[nail->sender] = nail->number + 1;
	hammer->came++;
}

static struct nail *nail_make(struct hammer *hammer, unsigned sender,
			      unsigned number)
{
	struct nail *nail = talloc(NULL, struct nail);

	*nail = (struct nail){ hammer, sender, number, NULL };
	talloc_set_destructor(nail, nail_freed);
	(void)atomic_fetch_add(&hammer->made, 1);
	return nail;
}

/* Return: whether it was taken. */
static bool nail_send(struct hammer *hammer, struct tevent_thread_proxy *proxy,
		      unsigned sender, unsigned number)
{
	struct tevent_immediate *im = tevent_create_immediate(NULL);
	struct nail *nail = nail_make(hammer, sender, number);

	tevent_thread_proxy_schedule(proxy, &im, nail_came, &nail);
	if (im == NULL) {
		return true;
	}
	talloc_free(im);
	talloc_free(nail);
	return false;
}

static void hammer_sender(unsigned index, void *arg)
{
	struct hammer *hammer = arg;

	for (unsigned i = 0; i < EACH; i++) {
		(void)nail_send(hammer,
				hammer->proxies[i % hammer->proxy_count], index,
				i);
	}
}

static void hammer_run(struct fixture *fx, unsigned proxy_count)
{
	struct hammer hammer = { .proxy_count = proxy_count };
	struct fixture_threads *threads = NULL;

	for (unsigned i = 0; i < proxy_count; i++) {
		hammer.proxies[i] = tevent_thread_proxy_create(fx->ev);
	}
	threads = fixture_threads_start(SENDERS, hammer_sender, &hammer);
	while (hammer.came < SENDERS * EACH) {
		turn(fx->ev);
	}
	fixture_threads_join(threads);
	is_uint(hammer.came, SENDERS * EACH, "B1001 each comes once");
	if (TEST_ON_STOCK) {
		skip("B1002 stock turns bursts round");
	} else {
		is_uint(hammer.out_of_order, 0,
			"B1002 in the order of each sender, %u proxies",
			proxy_count);
	}
	for (unsigned i = 0; i < proxy_count; i++) {
		TALLOC_FREE(hammer.proxies[i]);
	}
	is_uint(hammer.freed, hammer.made, "B1003 each is freed once");
}

static void test_hammer_one(struct fixture *fx)
{
	hammer_run(fx, 1);
}

static void test_hammer_many(struct fixture *fx)
{
	hammer_run(fx, SENDERS);
}

/* ---- request and reply ---- */

#define ROUNDS (TEST_TSAN ? 200U : 2000U)

struct master {
	struct tevent_thread_proxy *proxy;
	unsigned requests; /* of the master's loop */
};

/* Goes back and forth, with its immediate. */
struct request {
	struct tevent_thread_proxy *reply;
	struct tevent_thread_proxy *master;
	unsigned *requests;
	unsigned *rounds;              /* of the one who asks */
	struct fixture_gate *answered; /* so often has the master replied */
	unsigned left;
};

/* Stock looks at an immediate after its handler has given it away. */
static struct tevent_immediate *to_give(struct tevent_immediate *im)
{
	return TEST_ON_STOCK ? tevent_create_immediate(NULL) : im;
}

static void request_came(struct tevent_context *ev, struct tevent_immediate *im,
			 void *private_data);

/* In the thread that asks. */
static void reply_came(struct tevent_context *ev, struct tevent_immediate *im,
		       void *private_data)
{
	struct request *request = private_data;
	struct tevent_thread_proxy *master = request->master;

	(*request->rounds)++;
	if (--request->left == 0) {
		(void)talloc_steal(ev, request);
		return;
	}
	im = to_give(im);
	tevent_thread_proxy_schedule(master, &im, request_came, &request);
}

/* On ours the one who asks need not wait, and may be gone. */
static void tell_answered(struct fixture_gate *answered)
{
	if (TEST_ON_STOCK) {
		fixture_gate_add(answered, 1);
	}
}

/* In the master's. */
static void request_came(struct tevent_context *ev TRAIL_UNUSED,
			 struct tevent_immediate *im, void *private_data)
{
	struct request *request = private_data;
	struct tevent_thread_proxy *reply = request->reply;
	struct fixture_gate *answered = request->answered;

	(*request->requests)++;
	im = to_give(im);
	tevent_thread_proxy_schedule(reply, &im, reply_came, &request);
	tell_answered(answered);
}

/* Ends as soon as it has its last reply, with its context and its proxy: the
 * master may still be in the call that sent it (B1007). */
static void ask(unsigned index, void *arg)
{
	struct master *master = arg;
	struct tevent_context *ev = tevent_context_init(NULL);
	struct tevent_immediate *im = tevent_create_immediate(ev);
	struct request *request = talloc(ev, struct request);
	struct fixture_gate answered = { 0 };
	unsigned rounds = 0;

	(void)index;
	*request = (struct request){
		.reply = tevent_thread_proxy_create(ev),
		.master = master->proxy,
		.requests = &master->requests,
		.rounds = &rounds,
		.answered = &answered,
		.left = ROUNDS,
	};
	tevent_thread_proxy_schedule(master->proxy, &im, request_came,
				     &request);
	while (rounds < ROUNDS) {
		turn(ev);
	}
	if (TEST_ON_STOCK) {
		fixture_gate_wait(&answered, (int)ROUNDS);
	}
	talloc_free(ev);
}

static void test_request_reply(struct fixture *fx)
{
	struct master master = { .proxy = tevent_thread_proxy_create(fx->ev) };
	struct fixture_threads *threads = fixture_threads_start(2, ask,
								&master);

	while (master.requests < 2 * ROUNDS) {
		turn(fx->ev);
	}
	fixture_threads_join(threads);
	is_uint(master.requests, 2 * ROUNDS, "B1001 requests and replies");
	settle(fx->ev, 4);
	TALLOC_FREE(master.proxy);
}

/* ---- an immediate given away by its own handler ---- */

struct shuttle {
	struct tevent_thread_proxy *to;
	atomic_uint came;
	unsigned given; /* of the thread that gives */
};

static void shuttle_came(struct tevent_context *ev TRAIL_UNUSED,
			 struct tevent_immediate *im, void *private_data)
{
	struct shuttle *shuttle = *(struct shuttle **)private_data;

	talloc_free(im);
	(void)atomic_fetch_add(&shuttle->came, 1);
}

/* Now and then it has been run and freed when the handler returns; else that
 * happens at the same time. */
static void shuttle_give(struct tevent_context *ev TRAIL_UNUSED,
			 struct tevent_immediate *im, void *private_data)
{
	struct shuttle *shuttle = private_data;
	struct shuttle **data = talloc(NULL, struct shuttle *);

	*data = shuttle;
	shuttle->given++;
	tevent_thread_proxy_schedule(shuttle->to, &im, shuttle_came, &data);
	while (shuttle->given % 4 == 0 &&
	       atomic_load(&shuttle->came) < shuttle->given) {
		(void)sched_yield();
	}
}

static void shuttle_sender(unsigned index, void *arg)
{
	struct shuttle *shuttle = arg;
	struct tevent_context *ev = tevent_context_init(NULL);

	(void)index;
	while (shuttle->given < EACH) {
		struct tevent_immediate *im = tevent_create_immediate(ev);

		tevent_schedule_immediate(im, ev, shuttle_give, shuttle);
		turn(ev);
	}
	talloc_free(ev);
}

static void test_given(struct fixture *fx)
{
	struct shuttle shuttle = { .to = tevent_thread_proxy_create(fx->ev) };
	struct fixture_threads *thread = NULL;

	if (TEST_ON_STOCK) {
		skip("B454 stock touches what it has given away");
		TALLOC_FREE(shuttle.to);
		return;
	}
	thread = fixture_threads_start(1, shuttle_sender, &shuttle);
	while (atomic_load(&shuttle.came) < EACH) {
		turn(fx->ev);
	}
	fixture_threads_join(thread);
	is_uint(shuttle.given, EACH,
		"B454 B1004 handlers give their own immediates to a thread");
	TALLOC_FREE(shuttle.to);
}

/* ---- a loop that sleeps, a loop that ends ---- */

static void send_one(unsigned index, void *arg)
{
	struct hammer *hammer = arg;

	(void)nail_send(hammer, hammer->proxies[0], index, hammer->came);
}

/* The loop has nothing else to wake up for. */
static void test_wakes(struct fixture *fx)
{
	struct hammer hammer = { .proxy_count = 1 };
	struct trail trail = { "" };
	struct step late = { &trail, "late" };

	hammer.proxies[0] = tevent_thread_proxy_create(fx->ev);
	(void)tevent_add_timer(fx->ev, fx->ev, seconds_from_now(60), step_timer,
			       &late);
	for (unsigned i = 0; i < 20; i++) {
		struct fixture_threads *thread = fixture_threads_start(
			1, send_one, &hammer);

		while (hammer.came == i && trail.text[0] == '\0') {
			turn(fx->ev);
		}
		fixture_threads_join(thread);
	}
	is_uint(hammer.came, 20, "B1001 a post wakes a loop that sleeps");
	is_str(trail.text, "", "B1001 long before anything else does");
	TALLOC_FREE(hammer.proxies[0]);
}

struct closing {
	struct hammer hammer;
	struct fixture_gate started;
	atomic_uint refused;
};

static void closing_sender(unsigned index, void *arg)
{
	struct closing *closing = arg;
	struct hammer *hammer = &closing->hammer;

	for (unsigned i = 0; i < EACH; i++) {
		if (!nail_send(hammer, hammer->proxies[0], index, i)) {
			(void)atomic_fetch_add(&closing->refused, 1);
		}
		if (i == EACH / 8) {
			fixture_gate_add(&closing->started, 1);
		}
	}
}

/* The proxy outlives its context, which ends in the midst of posts. */
static void test_closing(struct fixture *fx)
{
	struct closing closing = { .hammer = { .proxy_count = 1 } };
	struct hammer *hammer = &closing.hammer;
	struct fixture_threads *threads = NULL;

	hammer->proxies[0] = tevent_thread_proxy_create(fx->ev);
	(void)talloc_steal(fx->mem, hammer->proxies[0]);
	threads = fixture_threads_start(SENDERS, closing_sender, &closing);
	while (fixture_gate_value(&closing.started) < SENDERS ||
	       hammer->came == 0) {
		turn(fx->ev);
	}
	TALLOC_FREE(fx->ev);
	fixture_threads_join(threads);
	is_uint(hammer->made, SENDERS * EACH, "B1006 all were sent");
	if (TEST_ON_STOCK) {
		TALLOC_FREE(hammer->proxies[0]);
	}
	is_uint(hammer->freed, hammer->made,
		"B1006 4.3 run, dropped or refused: each is freed once");
	ok(hammer->came + closing.refused <= hammer->made && hammer->came > 0,
	   "B1006 none is run that was refused");
	ok(hammer->out_of_order == 0 || TEST_ON_STOCK,
	   "B1002 in order to the end");
	TALLOC_FREE(hammer->proxies[0]);
}

/* ---- a fork while others post ---- */

struct forking {
	struct hammer hammer;
	struct nail *ready[SENDERS][EACH];
};

/* Nobody allocates while others fork, which an allocator, a sanitizer's above
 * all, may not survive: what is sent is there already. */
static struct forking *forking_open(struct fixture *fx)
{
	struct forking *forking = talloc_zero(fx->mem, struct forking);
	struct hammer *hammer = &forking->hammer;

	hammer->proxies[0] = tevent_thread_proxy_create(fx->ev);
	for (unsigned i = 0; i < SENDERS * EACH; i++) {
		struct nail *nail = nail_make(hammer, i / EACH, i % EACH);

		nail->im = tevent_create_immediate(nail);
		forking->ready[i / EACH][i % EACH] = nail;
	}
	return forking;
}

static void forking_sender(unsigned index, void *arg)
{
	struct forking *forking = arg;
	struct tevent_thread_proxy *proxy = forking->hammer.proxies[0];

	for (unsigned i = 0; i < EACH; i++) {
		struct nail *nail = forking->ready[index][i];
		struct tevent_immediate *im = nail->im;

		tevent_thread_proxy_schedule(proxy, &im, nail_came, &nail);
		(void)sched_yield();
	}
}

/* Only this thread is left: whatever the others were at, it can post, in vain,
 * and free the proxy. */
static int child_ends(void *arg)
{
	struct hammer *hammer = &((struct forking *)arg)->hammer;
	unsigned came = hammer->came;

	if (nail_send(hammer, hammer->proxies[0], 0, 0)) {
		return 1;
	}
	TALLOC_FREE(hammer->proxies[0]);
	return hammer->came == came ? 0 : 2;
}

static void test_fork(struct fixture *fx)
{
	struct forking *forking = NULL;
	struct fixture_threads *threads = NULL;

	if (TEST_ON_STOCK) {
		skip("B706 stock's proxy may be locked in a child");
		return;
	}
	if (TEST_TSAN) {
		skip("B706 tsan wants a child to join its parent's threads");
		return;
	}
	forking = forking_open(fx);
	threads = fixture_threads_start(SENDERS, forking_sender, forking);
	for (unsigned i = 0; i < 8; i++) {
		struct fixture_child child;

		while (forking->hammer.came < i * EACH / 2) {
			turn(fx->ev);
		}
		child = fixture_child(child_ends, forking);
		child_exited(&child, 0, "B706 B1008 a child amid posts");
	}
	while (forking->hammer.came < SENDERS * EACH) {
		turn(fx->ev);
	}
	fixture_threads_join(threads);
	is_uint(forking->hammer.out_of_order, 0,
		"B1008 the parent gets all, in order");
	TALLOC_FREE(forking->hammer.proxies[0]);
}

int main(void)
{
	warm_up();
	fixture_each_backend_flags("B1001 hammer one", test_hammer_one,
				   FIXTURE_THREADS);
	fixture_each_backend_flags("B1001 hammer many", test_hammer_many,
				   FIXTURE_THREADS);
	fixture_each_backend_flags("B1001 request and reply",
				   test_request_reply, FIXTURE_THREADS);
	fixture_each_backend_flags("B454 given", test_given, FIXTURE_THREADS);
	fixture_each_backend_flags("B1001 wakes", test_wakes, FIXTURE_THREADS);
	fixture_each_backend_flags("B1006 closing", test_closing,
				   FIXTURE_THREADS);
	fixture_run_flags("B706 fork", test_fork, FIXTURE_THREADS);
	return done();
}
