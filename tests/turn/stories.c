/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Stories: what is played with the threads' turns chosen by a seed.
 *
 *      posts    messages to a loop that goes while they come
 *      latest   blocks of which only the newest counts, to such a loop
 *      foreign  messages to a loop of another kind
 *      wakes    immediates to a loop through threaded contexts, which go too
 *      proxies  the same through thread proxies
 *      calls    loops that call each other, and one that is freed meanwhile
 *      jobs     a pool of two, with more jobs than that, cancelled and not
 *      parts    a job that gives parts of its result, and is left at times
 *      drain    a pool that ends in order while another loop sends
 *      serial   jobs of one key, one after the other
 *      family   a job that makes jobs, and waits for some of them
 *      told     a job that is told to stop, whose child waits for that
 *      all      mailboxes, calls, jobs, and loops that are freed under posters
 *
 * What must hold: nothing is lost or doubled, each sender's order is kept,
 * nobody waits for ever, no memory is touched that was freed, no descriptor is
 * left.
 */
#include <errno.h>
#include <limits.h>

#include "tests/turn/story.h"

/* ---- calls ---- */

static void answer(struct weft_mailbox *mailbox, struct weft_call *call,
		   void *block)
{
	int *value = block;

	(void)mailbox;
	++*value;
	weft_call_reply(call, 0);
}

/* Return: whether it was answered. */
static bool ask_and_wait(weft_addr_t to)
{
	int *value = talloc_zero(NULL, int);
	int ret = weft_call_wait(to, answer, &value, UINT_MAX);

	TURN_CHECK(ret == 0 || ret == ECANCELED);
	TURN_CHECK(ret != 0 || *value == 1);
	talloc_free(value);
	return ret == 0;
}

static void *asker_main(void *arg)
{
	weft_addr_t *to = arg;

	while (ask_and_wait(*to) && turn_choose(2) == 0) {
	}
	return NULL;
}

static void call_done(struct tevent_req *req)
{
	unsigned *done = tevent_req_callback_data_void(req);
	int *value = NULL;
	int ret = weft_call_recv(req, NULL, &value);

	TURN_CHECK(ret == 0 || ret == ECANCELED);
	talloc_free(value);
	talloc_free(req);
	++*done;
}

static void call_send(struct tevent_context *ev, weft_addr_t to, unsigned *done)
{
	int *value = talloc_zero(NULL, int);
	struct tevent_req *req = weft_call_send(ev, ev, to, answer, &value,
						NULL);

	TURN_CHECK(req != NULL);
	tevent_req_set_callback(req, call_done, done);
}

static void stop_done(struct tevent_req *req)
{
	unsigned *done = tevent_req_callback_data_void(req);

	TURN_CHECK(weft_loop_stop_recv(req) == 0);
	talloc_free(req);
	++*done;
}

/* In order, or by freeing it. */
static void loop_end(struct tevent_context *ev, struct weft_loop *loop)
{
	unsigned done = 0;
	struct tevent_req *req = NULL;

	if (turn_choose(2) == 0) {
		req = weft_loop_stop_send(ev, ev, loop);
		TURN_CHECK(req != NULL);
		tevent_req_set_callback(req, stop_done, &done);
		story_until(ev, &done, 1);
	}
	talloc_free(loop);
}

static void story_calls(void)
{
	struct tevent_context *ev = tevent_context_init(NULL);
	struct weft_loop *loop = NULL;
	weft_addr_t to = { 0 };
	pthread_t asker;
	unsigned done = 0;

	TURN_CHECK(weft_loop_start(NULL, NULL, &loop) == 0);
	to = weft_loop_addr(loop);
	TURN_CHECK(pthread_create(&asker, NULL, asker_main, &to) == 0);
	call_send(ev, to, &done);
	call_send(ev, to, &done);
	story_until(ev, &done, turn_choose(3));
	loop_end(ev, loop);
	story_until(ev, &done, 2);
	TURN_CHECK(pthread_join(asker, NULL) == 0);
	TALLOC_FREE(ev);
}

/* ---- all at once ---- */

static void story_all(void)
{
	struct story_poster posters[STORY_SENDERS];
	struct tevent_context *ev = tevent_context_init(NULL);
	struct weft_pool *pool = story_pool();
	struct weft_mailbox *mailbox = NULL;
	struct weft_loop *loop = NULL;
	unsigned done = 0;

	TURN_CHECK(weft_mailbox_create(ev, ev, NULL, &mailbox) == 0);
	TURN_CHECK(weft_loop_start(NULL, NULL, &loop) == 0);
	story_posters_start(posters, weft_mailbox_addr(mailbox));
	call_send(ev, weft_loop_addr(loop), &done);
	(void)story_job_send(ev, pool, &done);
	(void)story_job_send(ev, pool, &done);
	story_until(ev, &done, turn_choose(3));
	loop_end(ev, loop);
	story_until(ev, &done, 3);
	if (turn_choose(2) == 0) {
		story_until(ev, &story_box.came,
			    STORY_SENDERS * STORY_MESSAGES);
		TALLOC_FREE(mailbox);
	}
	TALLOC_FREE(pool);
	TALLOC_FREE(ev);
	TURN_CHECK(story_posters_join(posters) == story_box.came);
}

/* ---- blocks ---- */

atomic_int story_blocks;

static int block_freed(struct story_block *block)
{
	(void)block;
	(void)atomic_fetch_sub_explicit(&story_blocks, 1, memory_order_relaxed);
	return 0;
}

struct story_block *story_block(unsigned sender, unsigned number)
{
	struct story_block *block = talloc(NULL, struct story_block);

	TURN_CHECK(block != NULL);
	block->sender = sender;
	block->number = number;
	(void)atomic_fetch_add_explicit(&story_blocks, 1, memory_order_relaxed);
	talloc_set_destructor(block, block_freed);
	return block;
}

int main(int argc, char **argv)
{
	static const struct turn_story stories[] = {
		{ "posts", story_posts },     { "latest", story_latest },
		{ "foreign", story_foreign }, { "wakes", story_wakes },
		{ "proxies", story_proxies }, { "calls", story_calls },
		{ "jobs", story_jobs },       { "parts", story_parts },
		{ "drain", story_drain },     { "serial", story_serial },
		{ "family", story_family },   { "told", story_told },
		{ "all", story_all },         { NULL, NULL },
	};

	return turn_main(stories, argc, argv);
}
