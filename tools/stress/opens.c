/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Opens: loops that are opened and closed, one after the other, for ever.
 *
 * Threads with a loop, and loops of this thread with mailboxes, an address of
 * their own, a pool, a proxy; each is used once, or not at all. What must hold:
 * now and then, when all that was opened has gone, there are no more threads
 * and descriptors than before, and no more memory than after the first
 * thousand. The slot of an address (16 bytes) is memory like the rest: with
 * --count 100000 it shows if loops lose theirs.
 */
#include <limits.h>

#include "tools/stress/stress.h"

#define OPENS       200    /* in a round */
#define LOOK_AFTER  1000   /* loops, over all rounds */
#define MEMORY_MORE 524288 /* bytes: what waits to be freed comes and goes */
#define LOOKS       5 /* a loss stays, what only waits to be freed does not */

static struct {
	unsigned opened;
	unsigned fds;     /* before the first one */
	unsigned threads; /* the same */
	size_t memory;    /* after so many; 0: not yet */
	unsigned above;   /* so many looks one after the other: too much */
} books;

static void let_go(struct weft_mailbox *mailbox, void *block)
{
	(void)mailbox;
	(void)block;
}

static void answer(struct weft_mailbox *mailbox, struct weft_call *call,
		   void *block)
{
	(void)mailbox;
	(void)block;
	weft_call_reply(call, 0);
}

static int work(struct weft_job *job, void *block)
{
	(void)job;
	(void)block;
	return 0;
}

/* ---- one loop each ---- */

static void open_thread(struct stress_dice *dice, struct tevent_context *ev)
{
	struct weft_loop *loop = NULL;
	weft_addr_t addr = { 0 };

	if (weft_loop_start(ev, NULL, &loop) != 0) {
		stress_give_up("no loop");
	}
	addr = weft_loop_addr(loop);
	switch (stress_below(dice, 4)) {
	case 0:
		if (weft_call_wait(addr, answer, NULL, UINT_MAX) != 0) {
			stress_fail("a loop does not answer");
		}
		talloc_free(loop);
		break;
	case 1:
		if (weft_post(addr, let_go, &loop) != 0) {
			stress_fail("a loop refuses its own handle");
		}
		break;
	default:
		talloc_free(loop);
		break;
	}
}

static void post_one(weft_addr_t to)
{
	TALLOC_CTX *block = talloc_new(NULL);
	int ret = weft_post(to, let_go, &block);

	if (ret != 0) {
		stress_fail("a post is refused with %d", ret);
		talloc_free(block);
	}
}

/* With some of what a loop can have, which goes with it or before. */
static void open_here(struct stress_dice *dice)
{
	struct tevent_context *ev = stress_context();
	struct weft_mailbox *mailbox = NULL;
	struct tevent_req *req = NULL;
	weft_addr_t addr = { 0 };
	int ret = 0;

	if (stress_once_in(dice, 2)) {
		ret = weft_mailbox_create(ev, ev, NULL, &mailbox);
		if (ret != 0) {
			stress_give_up("no mailbox");
		}
		post_one(weft_mailbox_addr(mailbox));
	}
	if (stress_once_in(dice, 4)) {
		ret = weft_context_addr(ev, &addr);
		if (ret != 0) {
			stress_give_up("no address");
		}
		post_one(addr);
	}
	if (stress_once_in(dice, 4)) {
		(void)tevent_thread_proxy_create(ev);
	}
	if (stress_once_in(dice, 16)) {
		struct weft_pool *pool = NULL;

		if (weft_pool_create(ev, NULL, &pool) != 0) {
			stress_give_up("no pool");
		}
		req = weft_job_send(ev, ev, pool, work, NULL, NULL);
	}
	if (stress_once_in(dice, 2)) {
		stress_turn(&ev, 0);
	}
	if (stress_once_in(dice, 4)) {
		talloc_free(mailbox);
	}
	if (stress_once_in(dice, 4)) {
		talloc_free(req);
	}
	talloc_free(ev);
}

/* ---- the books ---- */

/* Threads that were only dropped, and what they have, go by and by; what never
 * goes is ended by the alarm. */
static void look(struct tevent_context *ev)
{
	size_t memory = 0;

	/* Ours is open, too. */
	while (stress_threads() > books.threads) {
		stress_nap(200);
	}
	stress_turn(&ev, 0);
	memory = stress_memory();
	if (books.memory == 0) {
		books.memory = memory;
	}
	books.above = memory > books.memory + MEMORY_MORE ? books.above + 1 : 0;
	if (books.above == LOOKS) {
		stress_fail("after %u loops %zu bytes more are in use",
			    books.opened, memory - books.memory);
	}
}

static bool opens_round(struct stress_dice *dice, unsigned threads)
{
	unsigned count = stress_count(OPENS);
	unsigned i = 0;
	struct tevent_context *ev = NULL;

	(void)threads;
	if (books.threads == 0) {
		books.threads = stress_threads();
		books.fds = stress_fds();
	}
	ev = stress_context();
	for (i = 0; i < count && !stress_failed(); i++) {
		if (stress_once_in(dice, 2)) {
			open_thread(dice, ev);
		} else {
			open_here(dice);
		}
		books.opened++;
		if (books.opened % LOOK_AFTER == 0) {
			look(ev);
			stress_alive(books.opened);
		}
	}
	talloc_free(ev);
	while (stress_threads() > books.threads || stress_fds() > books.fds) {
		stress_nap(200);
	}
	stress_note("%u loops; descriptors: %u before, %u after; threads: %u, "
		    "%u; bytes: %zu after %u loops, %zu in the end",
		    books.opened, books.fds, stress_fds(), books.threads,
		    stress_threads(), books.memory, LOOK_AFTER,
		    stress_memory());
	return !stress_failed();
}

const struct stress_protocol stress_opens = {
	.name = "opens",
	.what = "loops are opened and closed, and nothing is left of them",
	.round = opens_round,
};
