/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Call: a function on another loop, and its answer. */
#include <stdlib.h>
#include <unistd.h>

#include "tests/calltest.h"

static void answered_at_once(struct fixture *fx)
{
	struct there there = there_open(fx->mem, NULL);
	struct outcome outcome = { .calls = 0 };
	struct parcel *parcel = parcel_new(1);

	(void)outcome_send(fx, there.addr, next_run, parcel, &outcome);
	turn_all(fx->ev);
	is_uint(outcome.calls, 0, "no answer before the other loop has turned");
	turn_all(there.ev);
	is_uint(outcome.calls, 0, "nor before this one has");
	is_int(tevent_loop_wait(fx->ev), 0, "the loop stays for the answer");
	is_uint(outcome.calls, 1, "and no longer");
	is_int(outcome.ret, 0, "the answer");
	is_ptr(outcome.block, parcel, "the block is back");
	is_int(parcel->value, 2, "as the function left it");
	is_ptr(talloc_parent(parcel), fx->mem, "below the receiver's parent");
	talloc_free(parcel);
	is_int(parcels_alive(), 0, "it was the only one");
}

static void answer_run(struct weft_mailbox *mailbox, struct weft_call *call,
		       void *block)
{
	struct parcel *parcel = talloc_get_type_abort(block, struct parcel);
	struct fixture *fx = weft_mailbox_private(mailbox);

	ok(weft_mailbox_context(mailbox) != fx->ev, "on the other loop");
	is_ptr(talloc_parent(block), call, "the block hangs below the call");
	ok(weft_call_wanted(call), "somebody waits");
	(void)talloc_strdup(block, "allocated there");
	weft_call_reply(call, parcel->value);
}

static void answered_with_an_error(struct fixture *fx)
{
	struct weft_mailbox_options options = { .private_data = fx };
	struct there there = there_open(fx->mem, &options);
	struct outcome outcome = { .calls = 0 };

	(void)outcome_send(fx, there.addr, answer_run, parcel_new(EDOM),
			   &outcome);
	turn_all(there.ev);
	turn_all(fx->ev);
	is_int(outcome.ret, EDOM, "the errno of the answer");
	ok(outcome.block != NULL && talloc_total_blocks(outcome.block) == 2,
	   "the block comes with what was allocated below it");
	talloc_free(outcome.block);
}

static void answered_later(struct fixture *fx)
{
	struct there there = there_open(fx->mem, NULL);
	struct outcome outcome = { .calls = 0 };
	struct weft_call *kept = NULL;
	struct parcel *parcel = parcel_new(0);

	parcel->kept = &kept;
	(void)outcome_send(fx, there.addr, kept_run, parcel, &outcome);
	turn_all(there.ev);
	turn_all(fx->ev);
	ok(kept != NULL, "the function has run, without an answer");
	is_uint(outcome.calls, 0, "so none has come");
	weft_call_reply(held(&kept), ERANGE);
	turn_all(fx->ev);
	is_int(outcome.ret, ERANGE, "what is said later counts");
	talloc_free(outcome.block);
}

static void replier(unsigned index, void *arg)
{
	struct weft_call *call = arg;

	(void)index;
	weft_call_reply(call, ENOSPC);
}

static void answered_by_another_thread(struct fixture *fx)
{
	struct there there = there_open(fx->mem, NULL);
	struct outcome outcome = { .calls = 0 };
	struct weft_call *kept = NULL;
	struct parcel *parcel = parcel_new(0);
	struct fixture_threads *threads = NULL;

	parcel->kept = &kept;
	(void)outcome_send(fx, there.addr, kept_run, parcel, &outcome);
	turn_all(there.ev);
	(void)talloc_steal(NULL, held(&kept));
	TALLOC_FREE(there.ev);
	threads = fixture_threads_start(1, replier, held(&kept));
	is_int(tevent_loop_wait(fx->ev), 0, "waits for a thread");
	fixture_threads_join(threads);
	is_int(outcome.ret, ENOSPC, "its answer, though the loop has gone");
	is_ptr(outcome.block, parcel, "and the block");
	talloc_free(parcel);
}

static void without_a_block(struct fixture *fx)
{
	struct there there = there_open(fx->mem, NULL);
	struct tevent_req *req = weft_call_send(fx->mem, fx->ev, there.addr,
						next_run, NULL, NULL);
	struct parcel *parcel = (struct parcel *)fx;
	int ret = 0;

	ret = weft_call_recv(req, fx->mem, &parcel);
	is_int(ret, EINPROGRESS, "not finished yet");
	is_ptr(parcel, fx, "nothing has happened");
	turn_all(there.ev);
	turn_all(fx->ev);
	ret = weft_call_recv(req, fx->mem, &parcel);
	is_int(ret, 0, "no block is fine");
	is_ptr(parcel, NULL, "and none comes back");
	is_int(weft_call_recv(req, fx->mem, &parcel), EINVAL, "received once");
	talloc_free(req);
}

static void block_not_wanted_back(struct fixture *fx)
{
	struct there there = there_open(fx->mem, NULL);
	struct parcel *parcel = parcel_new(1);
	struct tevent_req *req = weft_call_send(fx->mem, fx->ev, there.addr,
						next_run, &parcel, NULL);

	is_ptr(parcel, NULL, "the caller's pointer is cleared");
	turn_all(there.ev);
	turn_all(fx->ev);
	is_int(parcels_alive(), 1, "the request keeps the block");
	is_int(weft_call_recv(req, fx->mem, NULL), 0, "received without it");
	is_int(parcels_alive(), 0, "which frees it");
	talloc_free(req);
}

/* ---- what goes wrong ---- */

static void refused(struct fixture *fx, weft_addr_t to, int error,
		    const char *what)
{
	struct outcome outcome = { .calls = 0 };
	struct parcel *parcel = parcel_new(7);

	(void)outcome_send(fx, to, next_run, parcel, &outcome);
	is_uint(outcome.calls, 0, "%s: told in a later pass", what);
	turn_all(fx->ev);
	is_uint(outcome.calls, 1, "%s: told once", what);
	is_int(outcome.ret, error, "%s: errno", what);
	is_ptr(outcome.block, parcel, "%s: the block is back", what);
	talloc_free(outcome.block);
}

static void refusals(struct fixture *fx)
{
	struct weft_mailbox_options one = { .limit = 1 };
	struct weft_mailbox_options latest = { .latest = true };
	struct there there = there_open(fx->mem, &one);
	struct there states = there_open(fx->mem, &latest);
	struct outcome first = { .calls = 0 };
	weft_addr_t nobody = { 0 };

	refused(fx, nobody, EINVAL, "nobody");
	refused(fx, states.addr, EINVAL, "a latest-value mailbox");
	(void)outcome_send(fx, there.addr, next_run, NULL, &first);
	refused(fx, there.addr, EAGAIN, "a full mailbox");
	turn_all(there.ev);
	turn_all(fx->ev);
	is_uint(first.calls, 1, "what fitted in is answered");
	TALLOC_FREE(there.ev);
	refused(fx, there.addr, ECANCELED, "a mailbox that has gone");
}

static void refused_then_cancelled(struct fixture *fx)
{
	weft_addr_t nobody = { 0 };
	struct outcome outcome = { .calls = 0 };
	struct parcel *parcel = parcel_new(7);
	struct tevent_req *req = outcome_send(fx, nobody, next_run, parcel,
					      &outcome);

	ok(tevent_req_cancel(req), "cancelled before it is told");
	turn_all(fx->ev);
	is_int(outcome.ret, ECANCELED, "then that is the result");
	is_ptr(outcome.block, parcel, "the block never left");
	talloc_free(outcome.block);

	req = outcome_send(fx, nobody, next_run, parcel_new(8), &outcome);
	talloc_free(req);
	is_int(parcels_alive(), 0, "nor does it from a freed one");
	turn_all(fx->ev);
	is_uint(outcome.calls, 1, "which tells nobody");
}

static void block_with_references(struct fixture *fx)
{
	struct there there = there_open(fx->mem, NULL);
	TALLOC_CTX *other = talloc_new(fx->mem);
	struct parcel *parcel = parcel_new(1);
	struct outcome outcome = { .calls = 0 };
	struct tevent_req *req = NULL;

	(void)talloc_steal(fx->mem, parcel);
	(void)talloc_reference(other, parcel);
	(void)outcome_send(fx, there.addr, next_run, parcel, &outcome);
	turn_all(there.ev);
	turn_all(fx->ev);
	is_int(outcome.ret, EINVAL, "a block with references is refused");
	is_ptr(outcome.block, parcel, "and told where it is");
	is_ptr(talloc_parent(parcel), fx->mem, "which is where it was");

	req = outcome_send(fx, there.addr, next_run, parcel, &outcome);
	ok(tevent_req_cancel(req), "the same, cancelled");
	turn_all(fx->ev);
	is_int(outcome.ret, ECANCELED, "is cancelled");
	is_ptr(talloc_parent(parcel), fx->mem, "the block has not moved");
	req = outcome_send(fx, there.addr, next_run, parcel, &outcome);
	talloc_free(req);
	turn_all(fx->ev);
	is_int(parcels_alive(), 1, "nor is it freed with its request");
	talloc_free(other);
	talloc_free(parcel);
}

static void referring_run(struct weft_mailbox *mailbox, struct weft_call *call,
			  void *block)
{
	(void)talloc_reference(weft_mailbox_private(mailbox), block);
	weft_call_reply(call, 0);
}

static void references_left_there(struct fixture *fx)
{
	TALLOC_CTX *theirs = talloc_new(fx->mem);
	struct weft_mailbox_options options = { .private_data = theirs };
	struct there there = there_open(fx->mem, &options);
	struct outcome outcome = { .calls = 0 };

	(void)outcome_send(fx, there.addr, referring_run, parcel_new(1),
			   &outcome);
	turn_all(there.ev);
	turn_all(fx->ev);
	is_int(outcome.ret, EINVAL, "a block that is referred to cannot leave");
	is_ptr(outcome.block, NULL, "so it does not come");
	is_int(parcels_alive(), 1, "but stays with who refers to it");
	talloc_free(theirs);
	is_int(parcels_alive(), 0, "as long as that");
}

static void dropped(struct fixture *fx)
{
	struct there there = there_open(fx->mem, NULL);
	struct outcome outcome = { .calls = 0 };
	struct parcel *parcel = parcel_new(1);

	(void)outcome_send(fx, there.addr, dropped_run, parcel, &outcome);
	turn_all(there.ev);
	turn_all(fx->ev);
	is_int(outcome.ret, ECANCELED, "a call that is freed is an answer");
	is_ptr(outcome.block, parcel, "and gives the block back");
	talloc_free(parcel);
}

/* ---- who calls whom ---- */

static void to_oneself(struct fixture *fx)
{
	struct outcome outcome = { .calls = 0 };
	weft_addr_t addr = { 0 };
	struct parcel *parcel = parcel_new(3);

	is_int(weft_context_addr(fx->ev, &addr), 0, "the loop's own address");
	(void)outcome_send(fx, addr, next_run, parcel, &outcome);
	while (outcome.calls == 0) {
		turn(fx->ev);
	}
	is_int(outcome.ret, 0, "a loop may call itself");
	is_int(parcel->value, 4, "the function has run");
	talloc_free(parcel);
}

struct relay {
	struct weft_call *call;
	struct outcome outcome;
};

static void relay_done(struct tevent_req *req)
{
	struct relay *relay = tevent_req_callback_data(req, struct relay);
	int ret = weft_call_recv(req, relay, NULL);

	weft_call_reply(relay->call, ret + 1);
}

/* Asks the one at the address in the block before it answers. */
static void relay_run(struct weft_mailbox *mailbox, struct weft_call *call,
		      void *block)
{
	struct relay *relay = talloc_zero(call, struct relay);
	weft_addr_t *to = talloc_get_type_abort(block, weft_addr_t);
	struct tevent_req *req = NULL;

	relay->call = call;
	req = weft_call_send(relay, weft_mailbox_context(mailbox), *to,
			     next_run, NULL, NULL);
	tevent_req_set_callback(req, relay_done, relay);
}

static void there_and_back(struct fixture *fx)
{
	struct there there = there_open(fx->mem, NULL);
	weft_addr_t *here = talloc(NULL, weft_addr_t);
	struct outcome outcome = { .mem = fx->mem };
	struct tevent_req *req = NULL;

	(void)weft_context_addr(fx->ev, here);
	req = weft_call_send(fx->mem, fx->ev, there.addr, relay_run, &here,
			     NULL);
	tevent_req_set_callback(req, outcome_done, &outcome);
	turn_all(there.ev);
	turn_all(fx->ev);
	is_uint(outcome.calls, 0, "the other side asks back first");
	turn_all(there.ev);
	turn_all(fx->ev);
	is_int(outcome.ret, 1, "then it answers");
	talloc_free(outcome.block);
}

static void word_run(struct weft_mailbox *mailbox, struct weft_call *call,
		     void *block)
{
	struct step *step = block;

	(void)mailbox;
	trail_add(step->trail, step->word);
	weft_call_reply(call, 0);
}

static void word_handler(struct weft_mailbox *mailbox, void *block)
{
	struct step *step = block;

	(void)mailbox;
	trail_add(step->trail, step->word);
}

static struct step *step_new(struct trail *trail, const char *word)
{
	struct step *step = talloc(NULL, struct step);

	*step = (struct step){ trail, word };
	return step;
}

static void in_order(struct fixture *fx)
{
	struct there there = there_open(fx->mem, NULL);
	struct trail trail = { "" };
	struct step *step = NULL;
	struct tevent_req *reqs[2];

	step = step_new(&trail, "call");
	reqs[0] = weft_call_send(fx->mem, fx->ev, there.addr, word_run, &step,
				 NULL);
	step = step_new(&trail, "post");
	(void)weft_post(there.addr, word_handler, &step);
	step = step_new(&trail, "call");
	reqs[1] = weft_call_send(fx->mem, fx->ev, there.addr, word_run, &step,
				 NULL);
	turn_all(there.ev);
	is_str(trail.text, "call post call", "calls and posts in their order");
	turn_all(fx->ev);
	talloc_free(reqs[0]);
	talloc_free(reqs[1]);
}

static int trail_destructor(struct step *step)
{
	trail_add(step->trail, step->word);
	return 0;
}

static void below_run(struct weft_mailbox *mailbox, struct weft_call *call,
		      void *block)
{
	struct step *step = weft_mailbox_private(mailbox);
	struct step *below = talloc(call, struct step);

	(void)block;
	*below = *step;
	talloc_set_destructor(below, trail_destructor);
	weft_call_reply(call, 0);
	trail_add(step->trail, "returned");
}

static void below_the_call(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "freed" };
	struct weft_mailbox_options options = { .private_data = &step };
	struct there there = there_open(fx->mem, &options);
	struct outcome outcome = { .calls = 0 };

	(void)outcome_send(fx, there.addr, below_run, NULL, &outcome);
	turn_all(there.ev);
	is_str(trail.text, "freed returned",
	       "what hangs below a call is freed with it, over there");
	turn_all(fx->ev);
	is_uint(outcome.calls, 1, "and the answer comes");
}

static void named(struct fixture *fx)
{
	struct there there = there_open(fx->mem, NULL);
	struct weft_call_options options = { .name = "a name" };
	struct tevent_req *plain = weft_call_send(fx->mem, fx->ev, there.addr,
						  next_run, NULL, NULL);
	struct tevent_req *given = weft_call_send(fx->mem, fx->ev, there.addr,
						  next_run, NULL, &options);
	char *text = tevent_req_print(fx->mem, plain);

	ok(strncmp(text, "next_run: ", 10) == 0, "named as the function");
	talloc_free(text);
	text = tevent_req_print(fx->mem, given);
	ok(strncmp(text, "a name: ", 8) == 0, "or by the options");
	ok(strstr(text, "tests/call.t.c") != NULL, "with its line");
	talloc_free(text);
	talloc_free(plain);
	talloc_free(given);
}

/* ---- threads ---- */

#define MANY 1000

struct many {
	struct fixture *fx;
	weft_addr_t to;
	unsigned sent;
	unsigned back;
	unsigned wrong;
};

static void many_send(struct many *many);

static void many_done(struct tevent_req *req)
{
	struct many *many = tevent_req_callback_data(req, struct many);
	struct parcel *parcel = NULL;
	int ret = weft_call_recv(req, many, &parcel);

	talloc_free(req);
	if (ret != 0 || parcel == NULL || parcel->value % 2 != 1) {
		many->wrong++;
	}
	talloc_free(parcel);
	many->back++;
	if (many->sent < MANY) {
		many_send(many);
	}
}

static void many_send(struct many *many)
{
	struct parcel *parcel = parcel_new((int)many->sent * 2);
	struct tevent_req *req = weft_call_send(many, many->fx->ev, many->to,
						next_run, &parcel, NULL);

	many->sent++;
	tevent_req_set_callback(req, many_done, many);
}

static void between_threads(struct fixture *fx)
{
	struct server server;
	struct many *many = talloc_zero(fx->mem, struct many);

	server_start(&server);
	many->fx = fx;
	many->to = server.addr;
	for (int i = 0; i < 10; i++) {
		many_send(many);
	}
	is_int(tevent_loop_wait(fx->ev), 0, "%d calls, ten at a time", MANY);
	is_uint(many->back, MANY, "all come back");
	is_uint(many->wrong, 0, "with what was asked for");
	server_stop(&server);
	is_int(parcels_alive(), 0, "each block once");
}

int main(void)
{
	CALLTEST(answered_at_once);
	CALLTEST(answered_with_an_error);
	CALLTEST(answered_later);
	CALLTEST(answered_by_another_thread);
	CALLTEST(without_a_block);
	CALLTEST(block_not_wanted_back);
	CALLTEST(refusals);
	CALLTEST(refused_then_cancelled);
	CALLTEST(block_with_references);
	CALLTEST(references_left_there);
	CALLTEST(dropped);
	CALLTEST(to_oneself);
	CALLTEST(there_and_back);
	CALLTEST(in_order);
	CALLTEST(below_the_call);
	CALLTEST(named);
	CALLTEST(between_threads);
	return done();
}
