/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Loops: threads that own a loop come and go under those who post to them and
 * call them. A keeper replaces them, and ends the old ones in every way there
 * is: asked and awaited, asked and dropped, dropped, handed their own handle.
 *
 * What must hold:
 *  1. Each message that was accepted is run or cancelled.
 *  2. What one thread posted to one loop runs in its order.
 *  3. Calls that are waited for are answered or cancelled; nobody hangs.
 *  4. Each stop request is answered; init and fini come in pairs.
 *  5. Afterwards no descriptor is left.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "tools/stress/stress.h"

#define POSTERS_MAX 8
#define SLOTS       4
#define POSTS_MAX   2000
#define TURNS_MIN   20
#define TURNS_MAX   100

/* Relaxed, all: sums, and addresses, which are good or refused. */
static struct {
	atomic_uint accepted;
	atomic_uint ran;
	atomic_uint cancelled;
	atomic_uint inits;
	atomic_uint finis;
	_Atomic(uint64_t) addrs[SLOTS];
} world;

struct poster {
	struct stress_dice dice;
	unsigned index;
	unsigned posts;
};

struct note {
	struct weft_msg msg;
	unsigned from;
	unsigned number;
};

/* A loop's own. */
struct desk {
	unsigned next[POSTERS_MAX + 1]; /* the keeper posts, too */
};

struct keeper {
	struct stress_dice *dice;
	struct poster poster;
	weft_addr_t addrs[SLOTS + TURNS_MAX];
	unsigned opened;
	struct tevent_context *ev;
	struct weft_loop *loops[SLOTS];
	unsigned asked;
	unsigned answered;
};

/* ---- on the loops ---- */

static int desk_init(struct tevent_context *ev, unsigned index,
		     void **ret_state, void *private_data)
{
	(void)ev;
	(void)index;
	(void)private_data;
	*ret_state = calloc(1, sizeof(struct desk));
	if (*ret_state == NULL) {
		stress_give_up("no memory");
	}
	stress_add(&world.inits, 1);
	return 0;
}

static void desk_fini(struct tevent_context *ev, void *state,
		      void *private_data)
{
	(void)ev;
	(void)private_data;
	free(state);
	stress_add(&world.finis, 1);
}

static void note_run(struct weft_mailbox *mailbox, struct weft_msg *msg)
{
	struct note *note = (struct note *)(void *)msg;
	struct desk *desk = weft_mailbox_private(mailbox);

	if (note->number < desk->next[note->from]) {
		stress_fail("post %u of %u came after %u", note->number,
			    note->from, desk->next[note->from] - 1);
	}
	desk->next[note->from] = note->number + 1;
	stress_add(&world.ran, 1);
	free(note);
}

static void note_cancel(struct weft_msg *msg)
{
	stress_add(&world.cancelled, 1);
	free(msg);
}

static void answer(struct weft_mailbox *mailbox, struct weft_call *call,
		   void *block)
{
	(void)mailbox;
	(void)block;
	weft_call_reply(call, 0);
}

/* The loop has its own handle as the block, which goes after this. */
static void let_go(struct weft_mailbox *mailbox, void *block)
{
	(void)mailbox;
	(void)block;
}

/* ---- those who post ---- */

/* Return: whether it was accepted. */
static bool post_one(struct poster *poster, weft_addr_t to, unsigned number)
{
	struct note *note = calloc(1, sizeof(*note));
	int ret = 0;

	if (note == NULL) {
		stress_give_up("no memory");
	}
	*note = (struct note){
		.msg = { .run = note_run, .cancel = note_cancel },
		.from = poster->index,
		.number = number,
	};
	stress_add(&world.accepted, 1);
	ret = weft_post_msg(to, &note->msg);
	if (ret == 0) {
		return true;
	}
	stress_add(&world.accepted, -1);
	free(note);
	if (ret != ECANCELED) {
		stress_fail("a post said %d", ret);
	}
	return false;
}

static void *poster_run(void *arg)
{
	struct poster *poster = arg;

	for (unsigned i = 0; i < poster->posts; i++) {
		weft_addr_t to = { atomic_load_explicit(
			&world.addrs[stress_below(&poster->dice, SLOTS)],
			memory_order_relaxed) };

		(void)post_one(poster, to, i);
		if (stress_once_in(&poster->dice, 50)) {
			int ret = weft_call_wait(to, answer, NULL, UINT_MAX);

			if (ret != 0 && ret != ECANCELED) {
				stress_fail("a call said %d", ret);
			}
		}
		if (stress_once_in(&poster->dice, 8)) {
			stress_dawdle(&poster->dice);
		}
	}
	return NULL;
}

/* ---- the keeper ---- */

static void loop_open(struct keeper *keeper, unsigned slot)
{
	struct weft_loop_options options = {
		.init = desk_init,
		.fini = desk_fini,
	};
	int ret = weft_loop_start(keeper->ev, &options, &keeper->loops[slot]);

	if (ret != 0) {
		stress_give_up("no loop");
	}
	keeper->addrs[keeper->opened] = weft_loop_addr(keeper->loops[slot]);
	atomic_store_explicit(&world.addrs[slot],
			      keeper->addrs[keeper->opened].id,
			      memory_order_relaxed);
	keeper->opened++;
}

static void loop_stopped(struct tevent_req *req)
{
	struct keeper *keeper = tevent_req_callback_data_void(req);
	int ret = weft_loop_stop_recv(req);

	talloc_free(req);
	if (ret != 0) {
		stress_fail("a stop said %d", ret);
	}
	keeper->answered++;
}

static void loop_ask(struct keeper *keeper, struct weft_loop *loop)
{
	struct tevent_req *req = weft_loop_stop_send(keeper->ev, keeper->ev,
						     loop);

	if (req == NULL) {
		stress_give_up("no memory");
	}
	tevent_req_set_callback(req, loop_stopped, keeper);
	keeper->asked++;
}

static void keeper_await_all(struct keeper *keeper)
{
	while (keeper->answered < keeper->asked) {
		(void)tevent_loop_once(keeper->ev);
	}
}

static void loop_close(struct keeper *keeper, unsigned slot)
{
	struct weft_loop *loop = keeper->loops[slot];
	weft_addr_t addr = weft_loop_addr(loop);

	keeper->loops[slot] = NULL;
	switch (stress_below(keeper->dice, 4)) {
	case 0:
		loop_ask(keeper, loop);
		keeper_await_all(keeper);
		talloc_free(loop);
		break;
	case 1:
		loop_ask(keeper, loop);
		loop_ask(keeper, loop);
		talloc_free(loop);
		break;
	case 2:
		if (weft_post(addr, let_go, &loop) != 0) {
			stress_fail("a loop refused its own handle");
		}
		break;
	default:
		talloc_free(loop);
		break;
	}
}

static void keeper_run(struct keeper *keeper)
{
	unsigned turns = TURNS_MIN +
			 stress_below(keeper->dice, TURNS_MAX - TURNS_MIN);

	for (unsigned i = 0; i < turns; i++) {
		unsigned slot = stress_below(keeper->dice, SLOTS);

		loop_close(keeper, slot);
		loop_open(keeper, slot);
		stress_dawdle(keeper->dice);
	}
	keeper_await_all(keeper);
}

/* ---- the round ---- */

/* Nobody says that a loop has gone that was just dropped. Once its address is
 * refused its fini is through, and what it still has to cancel is counted. What
 * never comes is ended by the round's alarm. */
static void keeper_await_end(struct keeper *keeper, unsigned fds)
{
	unsigned i = 0;

	for (i = 0; i < keeper->opened; i++) {
		while (post_one(&keeper->poster, keeper->addrs[i],
				keeper->poster.posts++)) {
			stress_nap(200);
		}
	}
	while (stress_sum(&world.accepted) !=
		       stress_sum(&world.ran) + stress_sum(&world.cancelled) ||
	       stress_fds() > fds) {
		stress_nap(200);
	}
	if (stress_sum(&world.inits) != stress_sum(&world.finis)) {
		stress_fail("init ran %u times, fini %u times",
			    stress_sum(&world.inits), stress_sum(&world.finis));
	}
}

static bool loops_round(struct stress_dice *dice, unsigned threads)
{
	struct stress_crew crew = { .count = 0 };
	struct poster posters[POSTERS_MAX];
	struct keeper keeper = {
		.dice = dice,
		.poster = { .index = POSTERS_MAX },
	};
	unsigned most = threads < POSTERS_MAX ? threads : POSTERS_MAX;
	unsigned posters_count = 1 + stress_below(dice, most);
	unsigned fds = stress_fds();
	unsigned i = 0;

	memset(&world, 0, sizeof(world));
	keeper.ev = stress_context();
	for (i = 0; i < SLOTS; i++) {
		loop_open(&keeper, i);
	}
	for (i = 0; i < posters_count; i++) {
		posters[i] = (struct poster){
			.dice = stress_split(dice),
			.index = i,
			.posts = stress_below(dice, POSTS_MAX),
		};
	}
	stress_crew_start(&crew, poster_run, posters, sizeof(posters[0]),
			  posters_count);
	keeper_run(&keeper);
	stress_crew_join(&crew);
	/* The last ones go with the keeper's context. */
	talloc_free(keeper.ev);
	keeper_await_end(&keeper, fds);
	return !stress_failed();
}

const struct stress_protocol stress_loops = {
	.name = "loops",
	.what = "loops that come and go under posts and calls",
	.round = loops_round,
};
