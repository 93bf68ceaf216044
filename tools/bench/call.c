/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Call: a request to another thread's loop, and its reply.
 *
 * Both threads share one CPU, so what is seen is the work of a round trip and
 * not the time that an idle CPU takes to wake: each side sleeps, is woken by
 * the other, answers.
 *
 * Beside weft_call_send() stands "raw", which runs where the other library's
 * figures come from: two threads with nothing but an epoll set and an eventfd
 * each, which they wait for, read and write.
 *
 * Threads: main calls; answer_main answers.
 */
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tools/bench/engine.h"

#if BENCH_ON_STOCK

struct end {
	int set;
	int bell;
};

struct raw {
	const struct bench *bench;
	struct end caller;
	struct end answerer;
	unsigned rounds;
};

static struct end end_open(const struct bench *bench)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct end end = {
		.set = epoll_create1(EPOLL_CLOEXEC),
		.bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
	};

	bench_check(bench,
		    epoll_ctl(end.set, EPOLL_CTL_ADD, end.bell, &event) == 0,
		    "no descriptor");
	return end;
}

static void end_close(struct end *end)
{
	(void)close(end->set);
	(void)close(end->bell);
}

static void end_wait(const struct bench *bench, const struct end *end)
{
	struct epoll_event event;
	eventfd_t count = 0;

	bench_check(bench, epoll_wait(end->set, &event, 1, -1) == 1,
		    "no event");
	bench_check(bench, eventfd_read(end->bell, &count) == 0, "no wake-up");
}

static void *answer_main(void *arg)
{
	struct raw *raw = arg;
	unsigned i = 0;

	bench_pin(true);
	for (i = 0; i < raw->rounds; i++) {
		end_wait(raw->bench, &raw->answerer);
		(void)eventfd_write(raw->caller.bell, 1);
	}
	return NULL;
}

static void run_call(struct bench *bench)
{
	struct raw raw = { .bench = bench };

	while (bench_again(bench)) {
		pthread_t thread;
		unsigned i = 0;

		raw.caller = end_open(bench);
		raw.answerer = end_open(bench);
		raw.rounds = bench->ops;
		bench_check(bench,
			    pthread_create(&thread, NULL, answer_main, &raw) ==
				    0,
			    "no thread");
		bench_start(bench);
		for (i = 0; i < bench->ops; i++) {
			(void)eventfd_write(raw.answerer.bell, 1);
			end_wait(bench, &raw.caller);
		}
		bench_stop(bench, bench->ops);
		(void)pthread_join(thread, NULL);
		end_close(&raw.caller);
		end_close(&raw.answerer);
	}
}

#else

#include <weft.h>

struct calling {
	struct bench *bench;
	struct tevent_context *ev;
	weft_addr_t to;
	unsigned left;
};

static int answerer_init(struct tevent_context *ev, unsigned index,
			 void **ret_state, void *private_data)
{
	(void)ev;
	(void)index;
	(void)ret_state;
	(void)private_data;
	bench_pin(true);
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

	bench_check(calling->bench, req != NULL, "no memory");
	tevent_req_set_callback(req, answered, calling);
}

static void answered(struct tevent_req *req)
{
	struct calling *calling = tevent_req_callback_data_void(req);
	int ret = weft_call_recv(req, NULL, NULL);

	bench_check(calling->bench, ret == 0, "the call has failed");
	talloc_free(req);
	calling->left--;
	if (calling->left > 0) {
		call_once(calling);
	}
}

static void run_call(struct bench *bench)
{
	struct tevent_context *ev = bench_context(bench);
	struct weft_loop_options options = { .init = answerer_init };
	struct calling calling = { .bench = bench, .ev = ev };
	struct weft_loop *loop = NULL;

	bench_check(bench, weft_loop_start(ev, &options, &loop) == 0,
		    "no thread");
	calling.to = weft_loop_addr(loop);
	while (bench_again(bench)) {
		calling.left = bench->ops;
		bench_start(bench);
		call_once(&calling);
		while (calling.left > 0) {
			bench_turn(bench, ev);
		}
		bench_stop(bench, bench->ops);
	}
	talloc_free(ev);
}

#endif

const struct bench_row bench_call_rows[] = {
	{
		.name = "call-one-cpu",
		.what = "a call to a loop on the same CPU, and its reply",
		.run = run_call,
		.ops = 2000,
	},
	{ .name = NULL },
};
