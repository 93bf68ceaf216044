/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Calls: threads with a loop each call each other, and end at any moment.
 *
 * Whoever is called answers at once, later, not at all, with an error, or lays
 * the call on a table from which somebody else takes and answers it; or his
 * mailbox goes, from within. Whoever calls waits, cancels, gives up, or goes
 * with his loop. Threads without a loop wait for theirs. What must hold:
 *  1. Each request that is kept, on a loop that stays, ends once, with a result
 *     that fits; its function has run once at most.
 *  2. Each block is freed once, whoever had it at the end.
 *  3. Nobody hangs: what nobody answers is answered for him when he goes.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "tools/stress/stress.h"

#define PEERS_MAX   4
#define WAITERS_MAX 2
#define HELD_MAX    16
#define STEPS_MAX   400

struct question {
	struct stress_sums *sums;
	unsigned runs;
};

struct peer;

struct held {
	struct peer *peer;
	struct tevent_req *req; /* NULL: the place is free */
	bool cancelled;
	bool late; /* it has a deadline */
};

struct peer {
	unsigned index;
	struct stress_dice dice;
	struct tevent_context *ev; /* NULL: it has freed its loop */
	struct weft_mailbox *box;
	struct held held[HELD_MAX];
	struct weft_call *kept[HELD_MAX]; /* below the mailbox */
	unsigned steps;
};

static struct {
	struct stress_sums sums;
	/* A: relaxed: addresses are numbers, nothing travels by them */
	_Atomic(uint64_t) known[PEERS_MAX];
	unsigned peers;
	pthread_mutex_t lock;
	struct weft_call *table; /* L(lock): whoever takes it answers */
} world = { .lock = PTHREAD_MUTEX_INITIALIZER };

static _Thread_local struct peer *self;

static int question_destructor(struct question *question)
{
	stress_freed(question->sums);
	return 0;
}

static struct question *question_new(void)
{
	struct question *question = talloc(NULL, struct question);

	if (question == NULL) {
		stress_give_up("no memory");
	}
	*question = (struct question){ .sums = &world.sums };
	stress_made(&world.sums);
	talloc_set_destructor(question, question_destructor);
	return question;
}

/* ---- who is called ---- */

static void box_close(struct peer *peer)
{
	memset(peer->kept, 0, sizeof(peer->kept));
	TALLOC_FREE(peer->box);
}

static void box_open(struct peer *peer)
{
	struct weft_mailbox_options options = {
		.limit = stress_once_in(&peer->dice, 8)
				 ? 1 + stress_below(&peer->dice, 4)
				 : 0,
	};

	if (weft_mailbox_create(peer->ev, peer->ev, &options, &peer->box) !=
	    0) {
		stress_give_up("no mailbox");
	}
	atomic_store_explicit(&world.known[peer->index],
			      weft_mailbox_addr(peer->box).id,
			      memory_order_relaxed);
}

/* Lays a call on the table, or nothing, and answers the one that lay there. */
static void table_swap(struct weft_call *call)
{
	struct weft_call *before = NULL;

	if (call != NULL) {
		(void)talloc_steal(NULL, call);
	}
	(void)pthread_mutex_lock(&world.lock);
	before = world.table;
	world.table = call;
	(void)pthread_mutex_unlock(&world.lock);
	if (before != NULL) {
		weft_call_reply(before, 0);
	}
}

static void keep(struct peer *peer, struct weft_call *call)
{
	unsigned place = stress_below(&peer->dice, HELD_MAX);

	if (peer->kept[place] != NULL) {
		weft_call_reply(peer->kept[place], 0);
	}
	peer->kept[place] = call;
}

static void asked(struct weft_mailbox *mailbox, struct weft_call *call,
		  void *block)
{
	struct question *question = talloc_get_type_abort(block,
							  struct question);

	(void)mailbox;
	question->runs++;
	switch (stress_below(&self->dice, 16)) {
	case 0:
		talloc_free(call);
		break;
	case 1:
		weft_call_reply(call, EIO);
		break;
	case 2:
	case 3:
		table_swap(call);
		break;
	case 4:
	case 5:
	case 6:
		keep(self, call);
		break;
	case 7:
		box_close(self);
		if (stress_once_in(&self->dice, 2)) {
			TALLOC_FREE(self->ev);
		} else {
			box_open(self);
		}
		break;
	default:
		weft_call_reply(call, 0);
		break;
	}
}

/* ---- who calls ---- */

static void check(int ret, const struct question *question, bool cancelled,
		  bool late)
{
	if (cancelled ? ret != ECANCELED && !(late && ret == ETIMEDOUT)
		      : ret != 0 && ret != EIO && ret != ECANCELED &&
				ret != EAGAIN && !(late && ret == ETIMEDOUT)) {
		stress_fail("a call says %d%s", ret,
			    cancelled ? ", cancelled" : "");
	}
	if (ret == 0 && (question == NULL || question->runs != 1)) {
		stress_fail("answered, but not run exactly once");
	}
}

static void answered(struct tevent_req *req)
{
	struct held *held = tevent_req_callback_data_void(req);
	struct question *question = NULL;
	int ret = 0;

	if (held->req != req) {
		stress_fail("a request that was given up called back");
		return;
	}
	ret = weft_call_recv(req, NULL, &question);
	check(ret, question, held->cancelled, held->late);
	talloc_free(question);
	TALLOC_FREE(held->req);
	if (stress_once_in(&held->peer->dice, 200)) {
		box_close(held->peer);
		TALLOC_FREE(held->peer->ev);
	}
}

static weft_addr_t somebody(struct stress_dice *dice)
{
	weft_addr_t addr = { atomic_load_explicit(
		&world.known[stress_below(dice, world.peers)],
		memory_order_relaxed) };

	return addr;
}

static void call_one(struct peer *peer, struct held *held)
{
	struct question *question = question_new();
	struct weft_call_options options = { .name = "question" };

	*held = (struct held){
		.peer = peer,
		.late = stress_once_in(&peer->dice, 8),
	};
	if (held->late) {
		options.deadline_ns = weft_deadline_ms(
			stress_below(&peer->dice, 2));
	}
	held->req = weft_call_send(peer->ev, peer->ev, somebody(&peer->dice),
				   asked, &question, &options);
	if (held->req == NULL) {
		stress_give_up("no memory");
	}
	tevent_req_set_callback(held->req, answered, held);
}

/* ---- peers ---- */

static void kept_answer(struct peer *peer)
{
	unsigned i = 0;

	for (i = 0; i < HELD_MAX; i++) {
		struct weft_call *call = peer->kept[i];

		peer->kept[i] = NULL;
		if (call != NULL) {
			weft_call_reply(call, 0);
		}
	}
}

/* The loop has gone, and its requests with it: a new one. */
static void begin_anew(struct peer *peer)
{
	memset(peer->held, 0, sizeof(peer->held));
	peer->ev = stress_context();
	box_open(peer);
}

static void step(struct peer *peer)
{
	struct held *held = &peer->held[stress_below(&peer->dice, HELD_MAX)];

	if (held->req == NULL) {
		call_one(peer, held);
		return;
	}
	if (stress_bother(&peer->dice, 8, &held->req, &held->cancelled)) {
		return;
	}
	switch (stress_below(&peer->dice, 6)) {
	case 0:
		kept_answer(peer);
		break;
	case 1:
		table_swap(NULL);
		break;
	default:
		stress_turn(&peer->ev, stress_below(&peer->dice, 50));
		break;
	}
}

/* Whoever laid a call on the table comes by here after that. */
static void finish(struct peer *peer)
{
	unsigned i = 0;

	kept_answer(peer);
	box_close(peer);
	table_swap(NULL);
	for (i = 0; i < HELD_MAX && peer->ev != NULL; i++) {
		while (peer->ev != NULL && peer->held[i].req != NULL) {
			(void)tevent_loop_once(peer->ev);
		}
	}
	TALLOC_FREE(peer->ev);
}

static void *peer_run(void *arg)
{
	struct peer *peer = arg;

	self = peer;
	while (peer->steps-- > 0) {
		step(peer);
		if (peer->ev == NULL) {
			begin_anew(peer);
		}
		stress_dawdle(&peer->dice);
	}
	finish(peer);
	return NULL;
}

static void *waiter_run(void *arg)
{
	struct peer *peer = arg;

	while (peer->steps-- > 0) {
		struct question *question = question_new();
		bool late = stress_once_in(&peer->dice, 4);
		int ret = weft_call_wait(
			somebody(&peer->dice), asked, &question,
			late ? stress_below(&peer->dice, 2) : UINT_MAX);

		check(ret, question, false, late);
		talloc_free(question);
	}
	return NULL;
}

static bool calls_round(struct stress_dice *dice, unsigned threads)
{
	struct stress_crew crew = { .count = 0 };
	struct peer peers[PEERS_MAX + WAITERS_MAX] = { { .index = 0 } };
	unsigned most = threads < PEERS_MAX ? threads : PEERS_MAX;
	unsigned waiters = stress_below(dice, WAITERS_MAX + 1);
	unsigned i = 0;

	world.sums = (struct stress_sums){ .made = 0 };
	world.peers = 1 + stress_below(dice, most);
	for (i = 0; i < world.peers + waiters; i++) {
		peers[i].index = i;
		peers[i].dice = stress_split(dice);
		peers[i].steps = stress_below(dice, STEPS_MAX);
		if (i < world.peers) {
			begin_anew(&peers[i]);
		}
	}
	stress_crew_start(&crew, peer_run, peers, sizeof(peers[0]),
			  world.peers);
	stress_crew_start(&crew, waiter_run, &peers[world.peers],
			  sizeof(peers[0]), waiters);
	stress_crew_join(&crew);
	stress_sums_wait(&world.sums);
	return !stress_failed();
}

const struct stress_protocol stress_calls = {
	.name = "calls",
	.what = "calls between loops, ended by either side at any moment",
	.round = calls_round,
};
