/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Scale: what one of n mailboxes, and one of n threads with loops, costs.
 *
 *   mailbox-make   made, so that it has an address
 *   mailbox-post   a message to a random one, which arrives
 *   mailbox-free   freed, so that its address is nobody's
 *   loop-start     a thread with a loop: started, called once, stopped
 *   loop-hop       a message goes from one of n loops to the next
 *
 * All mailboxes belong to one loop. Nobody else has these: there is no peer.
 */
#include <stdlib.h>

#include <weft.h>

#include "tools/bench/scale/scale.h"

#define BATCH 1000 /* messages that are on their way at once, and hops */

static const struct bench *running;

static inline void check(bool held, const char *text)
{
	bench_check(running, held, text);
}

static struct tevent_context *open_context(const struct bench *bench)
{
	struct tevent_context *ev = tevent_context_init(NULL);

	running = bench;
	check(ev != NULL, "no loop");
	return ev;
}

static void turn(struct tevent_context *ev)
{
	check(tevent_loop_once(ev) == 0, "the loop has failed");
}

/* ---- mailboxes ---- */

static struct weft_mailbox **make_mailboxes(struct tevent_context *ev,
					    unsigned count)
{
	struct weft_mailbox **boxes = calloc(count,
					     sizeof(struct weft_mailbox *));
	unsigned i = 0;

	check(boxes != NULL, "no memory");
	for (i = 0; i < count; i++) {
		check(weft_mailbox_create(ev, ev, NULL, &boxes[i]) == 0,
		      "no mailbox");
	}
	return boxes;
}

static void free_mailboxes(struct weft_mailbox **boxes, unsigned count)
{
	unsigned i = 0;

	for (i = 0; i < count; i++) {
		talloc_free(boxes[i]);
	}
	free(boxes);
}

static void run_make(struct bench *bench)
{
	struct tevent_context *ev = open_context(bench);

	while (bench_again(bench)) {
		struct weft_mailbox **boxes = NULL;

		bench_start(bench);
		boxes = make_mailboxes(ev, bench->size);
		bench_stop(bench, bench->size);
		free_mailboxes(boxes, bench->size);
	}
	talloc_free(ev);
}

static void run_free(struct bench *bench)
{
	struct tevent_context *ev = open_context(bench);

	while (bench_again(bench)) {
		struct weft_mailbox **boxes = make_mailboxes(ev, bench->size);

		bench_start(bench);
		free_mailboxes(boxes, bench->size);
		bench_stop(bench, bench->size);
	}
	talloc_free(ev);
}

static unsigned arrived; /* of the messages under way */

static void note_runs(struct weft_mailbox *mailbox, struct weft_msg *msg)
{
	(void)mailbox;
	(void)msg;
	arrived++;
}

static void note_lost(struct weft_msg *msg)
{
	(void)msg;
	check(false, "a message is cancelled");
}

static void run_post(struct bench *bench)
{
	struct tevent_context *ev = open_context(bench);
	struct weft_mailbox **boxes = make_mailboxes(ev, bench->size);
	static struct weft_msg notes[BATCH];
	uint64_t dice = bench->size;
	unsigned i = 0;

	while (bench_again(bench)) {
		arrived = 0;
		bench_start(bench);
		for (i = 0; i < bench->ops; i++) {
			uint32_t which = bench_below(&dice, bench->size);
			weft_addr_t to = weft_mailbox_addr(boxes[which]);

			notes[i].run = note_runs;
			notes[i].cancel = note_lost;
			check(weft_post_msg(to, &notes[i]) == 0,
			      "a message is refused");
		}
		while (arrived < bench->ops) {
			turn(ev);
		}
		bench_stop(bench, bench->ops);
	}
	free_mailboxes(boxes, bench->size);
	talloc_free(ev);
}

/* ---- loops ---- */

static void answer(struct weft_mailbox *mailbox, struct weft_call *call,
		   void *block)
{
	(void)mailbox;
	(void)block;
	weft_call_reply(call, 0);
}

static void answered(struct tevent_req *req)
{
	unsigned *left = tevent_req_callback_data_void(req);

	check(weft_call_recv(req, NULL, NULL) == 0, "a call has failed");
	talloc_free(req);
	--*left;
}

static void stopped(struct tevent_req *req)
{
	unsigned *left = tevent_req_callback_data_void(req);

	check(weft_loop_stop_recv(req) == 0, "a loop does not stop");
	talloc_free(req);
	--*left;
}

static struct weft_loop **start_loops(struct tevent_context *ev, unsigned count)
{
	struct weft_loop **loops = calloc(count, sizeof(struct weft_loop *));
	unsigned left = count;
	unsigned i = 0;

	check(loops != NULL, "no memory");
	for (i = 0; i < count; i++) {
		int ret = weft_loop_start(ev, NULL, &loops[i]);
		struct tevent_req *req = NULL;

		if (ret != 0) {
			bench_cannot(running, "so many threads cannot be had");
		}
		req = weft_call_send(ev, ev, weft_loop_addr(loops[i]), answer,
				     NULL, NULL);
		check(req != NULL, "no memory");
		tevent_req_set_callback(req, answered, &left);
	}
	while (left > 0) {
		turn(ev);
	}
	return loops;
}

static void stop_loops(struct tevent_context *ev, struct weft_loop **loops,
		       unsigned count)
{
	unsigned left = count;
	unsigned i = 0;

	for (i = 0; i < count; i++) {
		struct tevent_req *req = weft_loop_stop_send(ev, ev, loops[i]);

		check(req != NULL, "no memory");
		tevent_req_set_callback(req, stopped, &left);
	}
	while (left > 0) {
		turn(ev);
	}
	for (i = 0; i < count; i++) {
		talloc_free(loops[i]);
	}
	free(loops);
}

static void run_start(struct bench *bench)
{
	struct tevent_context *ev = open_context(bench);

	while (bench_again(bench)) {
		struct weft_loop **loops = NULL;

		bench_start(bench);
		loops = start_loops(ev, bench->size);
		stop_loops(ev, loops, bench->size);
		bench_stop(bench, bench->size);
	}
	talloc_free(ev);
}

/* A message that goes round. Whoever has it owns it. */
static struct {
	struct weft_msg msg;
	struct weft_loop **loops;
	unsigned count;
	unsigned left;
	weft_addr_t home;
} token;

static void token_runs(struct weft_mailbox *mailbox, struct weft_msg *msg)
{
	weft_addr_t to = token.home;

	(void)mailbox;
	if (token.left > 0) {
		to = weft_loop_addr(token.loops[token.left % token.count]);
		token.left--;
	} else {
		msg->run = note_runs;
	}
	check(weft_post_msg(to, msg) == 0, "a message is refused");
}

static void run_hop(struct bench *bench)
{
	struct tevent_context *ev = open_context(bench);

	token.loops = start_loops(ev, bench->size);
	token.count = bench->size;
	check(weft_context_addr(ev, &token.home) == 0, "no mailbox");
	while (bench_again(bench)) {
		arrived = 0;
		token.left = bench->ops;
		token.msg.run = token_runs;
		token.msg.cancel = note_lost;
		bench_start(bench);
		check(weft_post_msg(weft_loop_addr(token.loops[0]),
				    &token.msg) == 0,
		      "a message is refused");
		while (arrived == 0) {
			turn(ev);
		}
		bench_stop(bench, bench->ops);
	}
	stop_loops(ev, token.loops, token.count);
	talloc_free(ev);
}

#define BOXES(kind, text, count, words)                                        \
	{                                                                      \
		.name = "mailbox-" #kind "/" text, .group = "scale-mailbox",   \
		.what = words " of " text, .run = run_##kind, .size = (count), \
		.ops = BATCH,                                                  \
	}
#define LOOPS(kind, text, count, words)                                        \
	{                                                                      \
		.name = "loop-" #kind "/" text, .group = "scale-loop",         \
		.what = words " of " text, .run = run_##kind, .size = (count), \
		.ops = BATCH, .samples = 5,                                    \
	}

static const struct bench_row rows[] = {
	BOXES(make, "100", 100, "a mailbox is made, one"),
	BOXES(make, "1000", 1000, "a mailbox is made, one"),
	BOXES(make, "10000", 10000, "a mailbox is made, one"),
	BOXES(make, "100000", 100000, "a mailbox is made, one"),
	BOXES(post, "100", 100, "a message to a mailbox"),
	BOXES(post, "1000", 1000, "a message to a mailbox"),
	BOXES(post, "10000", 10000, "a message to a mailbox"),
	BOXES(post, "100000", 100000, "a message to a mailbox"),
	BOXES(free, "100", 100, "a mailbox is freed, one"),
	BOXES(free, "1000", 1000, "a mailbox is freed, one"),
	BOXES(free, "10000", 10000, "a mailbox is freed, one"),
	BOXES(free, "100000", 100000, "a mailbox is freed, one"),
	LOOPS(start, "10", 10, "a thread with a loop starts and stops, one"),
	LOOPS(start, "100", 100, "a thread with a loop starts and stops, one"),
	LOOPS(start, "1000", 1000,
	      "a thread with a loop starts and stops, one"),
	LOOPS(hop, "10", 10, "a message goes from one loop to the next,"),
	LOOPS(hop, "100", 100, "a message goes from one loop to the next,"),
	LOOPS(hop, "1000", 1000, "a message goes from one loop to the next,"),
	{ .name = NULL },
};

const struct bench_row *const bench_groups[] = { rows, scale_machine_rows,
						 NULL };
const char *const bench_symbol = "weft_version";
const bool bench_pins = false;
