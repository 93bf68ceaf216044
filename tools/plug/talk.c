/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Talk: what the programs of this folder and a weft loop have to say.
 *
 *      the program                        peer: a weft loop
 *      -----------                        -----------------
 *      post hello ---------------------->  learns the program's address
 *      call triple(n) ------------------>  to triple, it calls the program:
 *      double(n) <-----------------------  call double(n)
 *                ----------------------->  2n, and n is 3n
 *      note <----------------------------  post note
 *      3n; the next call <---------------  reply
 *      ...
 *      stop ---------------------------->  fini
 *      farewell <------------------------  post farewell
 *
 * Both sides do something else besides: each has a clock of its own that ticks.
 * Neither sees what kind of loop the other one has: it has an address. The
 * programs beside this file differ in nothing but their loops.
 *
 * Threads: program_*, talk_*: the program's; peer_*: the weft loop's.
 */
#include "tools/plug/talk.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the calls are about, and the notes. */
struct number {
	unsigned long value;
};

struct talk {
	const char *name;
	struct weft_mailbox *mailbox;
	struct weft_loop *loop;
	unsigned long count;      /* calls to make */
	unsigned long at_once;    /* so many of them at a time */
	unsigned long idle_ticks; /* to wait for when they are made */
	unsigned long called;
	unsigned long answered; /* of these */
	unsigned long doubled;  /* calls of the peer's */
	unsigned long noted;
	bool farewell;
	bool stopping;
	unsigned long messages;
	unsigned long wakeups;
	unsigned long empty; /* of these, with nothing there */
	unsigned long ticks;
};

struct peer {
	weft_addr_t program;
	struct tevent_context *ev;
	unsigned long tripled;
	unsigned long ticks;
};

/* One call of the program's, while the peer needs to ask back. */
struct triple {
	struct peer *peer;
	struct weft_call *call;
	struct number *number;
};

void talk_fail(const char *what, int error)
{
	fprintf(stderr, "%s: %s\n", what, strerror(error));
	exit(1);
}

/* ---- what the peer asks of the program ---- */

static void program_double(struct weft_mailbox *mailbox, struct weft_call *call,
			   void *block)
{
	struct talk *talk = weft_mailbox_private(mailbox);
	struct number *number = talloc_get_type_abort(block, struct number);

	number->value *= 2;
	talk->doubled++;
	weft_call_reply(call, 0);
}

static void program_note(struct weft_mailbox *mailbox, void *block)
{
	struct talk *talk = weft_mailbox_private(mailbox);
	struct number *number = talloc_get_type_abort(block, struct number);

	talk->noted++;
	if (number->value != talk->noted) {
		talk_fail("notes in another order", EPROTO);
	}
}

static void program_farewell(struct weft_mailbox *mailbox, void *block)
{
	struct talk *talk = weft_mailbox_private(mailbox);

	(void)block;
	talk->farewell = true;
}

/* ---- the peer: on the weft loop ---- */

static void peer_ticked(struct tevent_context *ev, struct tevent_timer *timer,
			struct timeval now, void *private_data)
{
	struct peer *peer = talloc_get_type_abort(private_data, struct peer);
	struct timeval next = tevent_timeval_add(&now, 0, TALK_TICK_MS * 1000);

	talloc_free(timer);
	peer->ticks++;
	timer = tevent_add_timer(ev, peer, next, peer_ticked, peer);
	if (timer == NULL) {
		talk_fail("peer", ENOMEM);
	}
}

static int peer_init(struct tevent_context *ev, unsigned index,
		     void **ret_state, void *private_data)
{
	struct peer *peer = talloc_zero(ev, struct peer);
	struct tevent_timer *timer = NULL;

	(void)index;
	(void)private_data;
	if (peer == NULL) {
		return ENOMEM;
	}
	timer = tevent_add_timer(ev, peer, tevent_timeval_zero(), peer_ticked,
				 peer);
	if (timer == NULL) {
		return ENOMEM;
	}
	peer->ev = ev;
	*ret_state = peer;
	return 0;
}

static void peer_fini(struct tevent_context *ev, void *state,
		      void *private_data)
{
	struct peer *peer = talloc_get_type_abort(state, struct peer);

	(void)ev;
	(void)private_data;
	printf("weft: %lu calls\n", peer->tripled);
	printf("weft: %lu ticks\n", peer->ticks);
	(void)weft_post(peer->program, program_farewell, NULL);
}

static void peer_hello(struct weft_mailbox *mailbox, void *block)
{
	struct peer *peer = weft_mailbox_private(mailbox);
	weft_addr_t *program = talloc_get_type_abort(block, weft_addr_t);

	peer->program = *program;
}

static int peer_note(struct peer *peer)
{
	struct number *number = talloc(peer, struct number);
	int error = ENOMEM;

	if (number != NULL) {
		number->value = peer->tripled;
		error = weft_post(peer->program, program_note, &number);
	}
	talloc_free(number);
	return error;
}

static void peer_doubled(struct tevent_req *req)
{
	struct triple *triple = tevent_req_callback_data(req, struct triple);
	struct number *twice = NULL;
	int error = weft_call_recv(req, triple, &twice);

	if (error == 0) {
		triple->number->value += twice->value;
		triple->peer->tripled++;
		error = peer_note(triple->peer);
	}
	/* Frees the call, and with it all that hangs below. */
	weft_call_reply(triple->call, error);
}

static void peer_triple(struct weft_mailbox *mailbox, struct weft_call *call,
			void *block)
{
	struct peer *peer = weft_mailbox_private(mailbox);
	struct triple *triple = talloc(call, struct triple);
	struct number *twice = talloc(call, struct number);
	struct tevent_req *req = NULL;

	if (triple != NULL && twice != NULL) {
		triple->peer = peer;
		triple->call = call;
		triple->number = talloc_get_type_abort(block, struct number);
		*twice = *triple->number;
		req = weft_call_send(triple, peer->ev, peer->program,
				     program_double, &twice, NULL);
	}
	if (req == NULL) {
		weft_call_reply(call, ENOMEM);
		return;
	}
	tevent_req_set_callback(req, peer_doubled, triple);
}

/* ---- the program ---- */

static void talk_answered(struct tevent_req *req);

static void talk_call(struct talk *talk)
{
	struct number *number = talloc(talk, struct number);
	struct tevent_req *req = NULL;

	if (number == NULL) {
		talk_fail("call", ENOMEM);
	}
	talk->called++;
	number->value = talk->called;
	req = weft_mailbox_call_send(talk, talk->mailbox,
				     weft_loop_addr(talk->loop), peer_triple,
				     &number, NULL);
	if (req == NULL) {
		talk_fail("call", ENOMEM);
	}
	tevent_req_set_callback(req, talk_answered, talk);
}

static void talk_answered(struct tevent_req *req)
{
	struct talk *talk = tevent_req_callback_data(req, struct talk);
	struct number *number = NULL;
	int error = weft_call_recv(req, talk, &number);

	talloc_free(req);
	talk->answered++;
	if (error != 0) {
		talk_fail("answer", error);
	}
	if (number->value != 3 * talk->answered) {
		talk_fail("wrong answer", EPROTO);
	}
	talloc_free(number);
	if (talk->called < talk->count) {
		talk_call(talk);
	}
}

static void talk_hello(struct talk *talk)
{
	weft_addr_t *program = talloc(talk, weft_addr_t);
	int error = ENOMEM;

	if (program != NULL) {
		*program = weft_mailbox_addr(talk->mailbox);
		error = weft_post(weft_loop_addr(talk->loop), peer_hello,
				  &program);
	}
	if (error != 0) {
		talk_fail("hello", error);
	}
}

void talk_begin(struct talk *talk, struct weft_mailbox *mailbox)
{
	const struct weft_loop_options options = {
		.name = "peer",
		.init = peer_init,
		.fini = peer_fini,
	};
	int error = weft_loop_start(talk, &options, &talk->loop);

	if (error != 0) {
		talk_fail("weft_loop_start", error);
	}
	talk->mailbox = mailbox;
	talk_hello(talk);
	while (talk->called < talk->at_once && talk->called < talk->count) {
		talk_call(talk);
	}
}

void talk_woken(struct talk *talk, int ran)
{
	talk->wakeups++;
	talk->messages += (unsigned long)ran;
	talk->empty += ran == 0;
}

/* The peer's thread has ended; what it posted before has been dispatched. */
static void peer_ended(struct tevent_req *req)
{
	struct talk *talk = tevent_req_callback_data(req, struct talk);
	int error = weft_loop_stop_recv(req);

	if (error != 0) {
		talk_fail("weft_loop_stop", error);
	}
	talloc_free(req);
	TALLOC_FREE(talk->loop);
}

static void talk_stop(struct talk *talk)
{
	struct tevent_req *req = weft_mailbox_loop_stop_send(
		talk, talk->mailbox, talk->loop);

	if (req == NULL) {
		talk_fail("weft_mailbox_loop_stop_send", ENOMEM);
	}
	tevent_req_set_callback(req, peer_ended, talk);
	talk->stopping = true;
}

bool talk_tick(struct talk *talk)
{
	talk->ticks++;
	if (talk->answered < talk->count) {
		return true;
	}
	if (talk->idle_ticks > 0) {
		talk->idle_ticks--;
	} else if (!talk->stopping) {
		talk_stop(talk);
	}
	return talk->loop != NULL;
}

void talk_end(struct talk *talk)
{
	printf("%s: %lu calls answered, %lu calls served, %lu notes%s\n",
	       talk->name, talk->answered, talk->doubled, talk->noted,
	       talk->farewell ? ", a farewell" : "");
	printf("%s: %lu messages in %lu wake-ups, %lu for nothing\n",
	       talk->name, talk->messages, talk->wakeups, talk->empty);
	printf("%s: %lu ticks\n", talk->name, talk->ticks);
}

static void usage(FILE *to, const char *name)
{
	fprintf(to,
		"usage: plug-%s [--count N] [--at-once M] [--idle-ms MS]\n"
		"Calls a weft loop and is called by it N times (1000), M of\n"
		"them under way at once (1), waits for MS milliseconds (0),\n"
		"and says what has happened.\n",
		name);
}

struct talk *talk_open(const char *name, int argc, char **argv)
{
	static const struct option options[] = {
		{ "at-once", required_argument, NULL, 'a' },
		{ "count", required_argument, NULL, 'c' },
		{ "idle-ms", required_argument, NULL, 'i' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct talk *talk = talloc_zero(NULL, struct talk);
	int option = 0;

	if (talk == NULL) {
		talk_fail(name, ENOMEM);
	}
	talk->name = name;
	talk->count = 1000;
	talk->at_once = 1;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'a':
			talk->at_once = strtoul(optarg, NULL, 10);
			break;
		case 'c':
			talk->count = strtoul(optarg, NULL, 10);
			break;
		case 'i':
			talk->idle_ticks = strtoul(optarg, NULL, 10) /
					   TALK_TICK_MS;
			break;
		case 'h':
			usage(stdout, name);
			exit(0);
		default:
			usage(stderr, name);
			exit(2);
		}
	}
	return talk;
}
