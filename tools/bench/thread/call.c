/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Calls: a request to another thread's loop, and its reply, one at a time.
 *
 * With both threads on one CPU what is seen is the work of a round trip: each
 * side sleeps, is woken by the other, answers. With two it is the time that an
 * idle CPU takes to wake, and little else.
 *
 *      reply   a message there and one back, the leanest way of each peer
 *      call    weft_call_send() and its answer; with others what they have,
 *              which is the same as in reply
 *
 * Threads: main asks; answer_main, or a loop of libweft's, answers.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

#include "tools/bench/thread/peer.h"
#include "tools/bench/thread/thread.h"

struct end {
	struct peer_message peer; /* what goes to the other end */
	struct peer_loop loop;
	struct end *other;
	unsigned runs;  /* messages that have arrived here */
	unsigned limit; /* so many are answered */
	bool last_cpu;
};

static struct {
	struct end asker;
	struct end answerer;
	pthread_barrier_t open;
} pair;

/* The message lies in the end that has sent it. */
static void message_runs(struct peer_message *peer)
{
	struct end *from = (struct end *)(void *)((char *)peer -
						  offsetof(struct end, peer));
	struct end *here = from->other;

	here->runs++;
	if (here->runs < here->limit || here == &pair.answerer) {
		peer_post(&from->loop, &here->peer);
	}
}

static void number_runs(uint64_t number)
{
	(void)number;
	peer_check(false, "nobody has sent a number");
}

static void *answer_main(void *arg)
{
	struct end *here = arg;

	bench_pin(here->last_cpu);
	peer_loop_open(&here->loop);
	(void)pthread_barrier_wait(&pair.open);
	while (here->runs < here->limit) {
		peer_loop_turn(&here->loop);
	}
	(void)pthread_barrier_wait(&pair.open);
	peer_loop_close(&here->loop);
	return NULL;
}

static void reply_once(struct bench *bench)
{
	struct end *asker = &pair.asker;

	asker->runs = 0;
	bench_start(bench);
	peer_post(&pair.answerer.loop, &asker->peer);
	while (asker->runs < asker->limit) {
		peer_loop_turn(&asker->loop);
	}
	bench_stop(bench, bench->ops);
}

/* Each sample has a thread of its own, which knows how much it answers. */
static void reply(struct bench *bench, bool last_cpu)
{
	running = bench;
	peer_message_init(&pair.asker.peer, WAY_LEAN);
	peer_message_init(&pair.answerer.peer, WAY_LEAN);
	pair.asker.other = &pair.answerer;
	pair.answerer.other = &pair.asker;
	pair.asker.limit = bench->ops;
	pair.answerer.limit = bench->ops;
	pair.answerer.last_cpu = last_cpu;
	(void)pthread_barrier_init(&pair.open, NULL, 2);
	peer_loop_open(&pair.asker.loop);
	while (bench_again(bench)) {
		pthread_t thread;

		pair.answerer.runs = 0;
		peer_check(pthread_create(&thread, NULL, answer_main,
					  &pair.answerer) == 0,
			   "no thread");
		(void)pthread_barrier_wait(&pair.open);
		reply_once(bench);
		(void)pthread_barrier_wait(&pair.open);
		(void)pthread_join(thread, NULL);
	}
	peer_loop_close(&pair.asker.loop);
	peer_message_fini(&pair.asker.peer, WAY_LEAN);
	peer_message_fini(&pair.answerer.peer, WAY_LEAN);
	(void)pthread_barrier_destroy(&pair.open);
}

static void run_reply_one(struct bench *bench)
{
	reply(bench, true);
}

static void run_reply_two(struct bench *bench)
{
	reply(bench, false);
}

/* ---- calls ---- */

#ifdef PEER_CALLS

struct calling {
	struct tevent_context *ev;
	weft_addr_t to;
	unsigned left;
};

static int answerer_init(struct tevent_context *ev, unsigned index,
			 void **ret_state, void *private_data)
{
	bool *last_cpu = private_data;

	(void)ev;
	(void)index;
	(void)ret_state;
	bench_pin(*last_cpu);
	return 0;
}

static void answer(struct weft_mailbox *mailbox, struct weft_call *call,
		   void *block)
{
	(void)mailbox;
	(void)block;
	weft_call_reply(call, 0);
}

static void answered(struct tevent_req *req);

static void call_once(struct calling *calling)
{
	struct tevent_req *req = weft_call_send(
		calling->ev, calling->ev, calling->to, answer, NULL, NULL);

	peer_check(req != NULL, "no memory");
	tevent_req_set_callback(req, answered, calling);
}

static void answered(struct tevent_req *req)
{
	struct calling *calling = tevent_req_callback_data_void(req);
	int ret = weft_call_recv(req, NULL, NULL);

	peer_check(ret == 0, "the call has failed");
	talloc_free(req);
	calling->left--;
	if (calling->left > 0) {
		call_once(calling);
	}
}

static void call(struct bench *bench, bool last_cpu)
{
	struct weft_loop_options options = {
		.init = answerer_init,
		.private_data = &last_cpu,
	};
	struct calling calling = { .ev = tevent_context_init(NULL) };
	struct weft_loop *loop = NULL;

	running = bench;
	peer_check(calling.ev != NULL &&
			   weft_loop_start(calling.ev, &options, &loop) == 0,
		   "no thread");
	calling.to = weft_loop_addr(loop);
	while (bench_again(bench)) {
		calling.left = bench->ops;
		bench_start(bench);
		call_once(&calling);
		while (calling.left > 0) {
			peer_check(tevent_loop_once(calling.ev) == 0,
				   "the loop has failed");
		}
		bench_stop(bench, bench->ops);
	}
	talloc_free(calling.ev);
}

#else

static void call(struct bench *bench, bool last_cpu)
{
	reply(bench, last_cpu);
}

#endif

static void run_call_one(struct bench *bench)
{
	call(bench, true);
}

static void run_call_two(struct bench *bench)
{
	call(bench, false);
}

const struct bench_row thread_call_rows[] = {
	{
		.name = "reply-one-cpu",
		.group = "calls",
		.what = "a message to a loop on the same CPU, and one back",
		.run = run_reply_one,
		.ops = 2000,
	},
	{
		.name = "reply-two-cpus",
		.group = "calls",
		.what = "the same with a loop on another CPU",
		.run = run_reply_two,
		.ops = 500,
	},
	{
		.name = "call-one-cpu",
		.group = "calls",
		.what = "a call to a loop on the same CPU, and its answer",
		.run = run_call_one,
		.ops = 2000,
	},
	{
		.name = "call-two-cpus",
		.group = "calls",
		.what = "the same with a loop on another CPU",
		.run = run_call_two,
		.ops = 500,
	},
	{ .name = NULL },
};
