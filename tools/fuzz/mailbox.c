/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Mailbox: bytes choose what one thread does with loops, mailboxes and calls.
 *
 * There are two loops of tevent and mailboxes of other loops, which are
 * dispatched by hand. Messages and calls go to any of them, living or dead;
 * whoever receives one may answer, keep, drop or free what it likes. What must
 * hold whatever is done, and is looked at after each step or at the end:
 *
 *  1. An address takes what is sent as long as its mailbox lives and is not
 *     full, and refuses it with ECANCELED from then on.
 *  2. What was accepted runs once or is cancelled once; nothing else does.
 *  3. What was sent to the mailboxes of one loop runs in this order.
 *  4. While something waits the descriptor of a mailbox is readable, and a loop
 *     that turns gets to it.
 *  5. A request ends once, unless it is freed, and its block comes back unless
 *     the other side still has it.
 *  6. At the end no block is left.
 *
 * Threads: one. Not here: what threads do to each other (tools/stress).
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <talloc.h>

#include <weft.h>

#include "tools/fuzz/bytes.h"

#define LOOPS     2
#define BOXES     6
#define CALLS     8
#define REQUESTS  8
#define SENT_MAX  512
#define TURNS_MAX 2000

#define MUST(holds)                                                   \
	do {                                                          \
		if (!(holds)) {                                       \
			fprintf(stderr, "%s:%d: does not hold: %s\n", \
				__FILE__, __LINE__, #holds);          \
			abort();                                      \
		}                                                     \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum fate { FATE_NONE, FATE_WAITS, FATE_RAN, FATE_CANCELLED };

struct box {
	struct weft_mailbox *mailbox;
	weft_addr_t addr;
	unsigned home; /* the loop, or LOOPS + its own index */
	unsigned limit;
	unsigned waiting;
	bool called;   /* so calls may wait, too */
	unsigned life; /* of how many in this place it is the last */
};

/* One that was sent: a block, a message, or a call's block. */
struct sent {
	unsigned box;
	unsigned life;
	unsigned number; /* in the order of sending */
	enum fate fate;
	bool is_call;
};

struct parcel {
	struct sent *sent;
};

struct letter {
	struct weft_msg msg;
	struct sent *sent;
};

static struct {
	struct bytes in;
	TALLOC_CTX *mem;
	struct tevent_context *ev[LOOPS];
	int beacon;
	struct box boxes[BOXES];
	struct weft_call *calls[CALLS];
	struct tevent_req *reqs[REQUESTS];
	struct sent sent[SENT_MAX];
	unsigned sent_count;
	unsigned parcels;             /* alive */
	unsigned last[LOOPS + BOXES]; /* the number that ran there */
	unsigned depth;
	bool quiet; /* handlers only take */
} world;

static void act(void);

/* ---- what is sent ---- */

static void cancelled(struct sent *sent)
{
	struct box *box = &world.boxes[sent->box];

	MUST(sent->fate == FATE_WAITS);
	sent->fate = FATE_CANCELLED;
	if (box->life == sent->life) {
		MUST(box->mailbox == NULL);
		box->waiting--;
	}
}

static int parcel_destructor(struct parcel *parcel)
{
	struct sent *sent = parcel->sent;

	world.parcels--;
	if (sent->fate == FATE_WAITS && !sent->is_call) {
		cancelled(sent);
	}
	return 0;
}

static struct sent *sent_new(unsigned box, bool is_call)
{
	struct sent *sent = &world.sent[world.sent_count];

	if (world.sent_count == SENT_MAX) {
		return NULL;
	}
	sent->box = box;
	sent->life = world.boxes[box].life;
	sent->number = ++world.sent_count;
	sent->is_call = is_call;
	return sent;
}

static struct parcel *parcel_new(struct sent *sent)
{
	struct parcel *parcel = talloc_zero(NULL, struct parcel);

	MUST(parcel != NULL);
	parcel->sent = sent;
	world.parcels++;
	talloc_set_destructor(parcel, parcel_destructor);
	return parcel;
}

static void arrived(struct weft_mailbox *mailbox, struct sent *sent)
{
	struct box *box = &world.boxes[sent->box];

	MUST(sent->fate == FATE_WAITS);
	MUST(box->mailbox == mailbox);
	MUST(sent->number > world.last[box->home]);
	world.last[box->home] = sent->number;
	sent->fate = FATE_RAN;
	box->waiting--;
}

static void parcel_arrived(struct weft_mailbox *mailbox, void *block)
{
	struct parcel *parcel = talloc_get_type_abort(block, struct parcel);

	arrived(mailbox, parcel->sent);
	act();
}

static void letter_arrived(struct weft_mailbox *mailbox, struct weft_msg *msg)
{
	struct letter *letter = (struct letter *)msg;

	arrived(mailbox, letter->sent);
	free(letter);
	act();
}

static void letter_cancelled(struct weft_msg *msg)
{
	struct letter *letter = (struct letter *)msg;

	cancelled(letter->sent);
	free(letter);
}

/* What a post must have returned. */
static void accepted(struct sent *sent, int ret)
{
	struct box *box = &world.boxes[sent->box];

	if (box->mailbox == NULL) {
		MUST(ret == ECANCELED || ret == EINVAL);
	} else if (box->limit != 0 && box->waiting >= box->limit) {
		MUST(ret == EAGAIN);
	} else {
		MUST(ret == 0 ||
		     (ret == EAGAIN && box->limit != 0 && box->called));
	}
	if (ret == 0) {
		sent->fate = FATE_WAITS;
		box->waiting++;
	}
}

static void step_post(void)
{
	unsigned to = bytes_choose(&world.in, BOXES);
	struct sent *sent = sent_new(to, false);
	struct parcel *parcel = NULL;
	int ret = 0;

	if (sent == NULL) {
		return;
	}
	parcel = parcel_new(sent);
	ret = weft_post(world.boxes[to].addr, parcel_arrived, &parcel);
	accepted(sent, ret);
	MUST((ret == 0) == (parcel == NULL));
	talloc_free(parcel);
}

static void step_letter(void)
{
	unsigned to = bytes_choose(&world.in, BOXES);
	struct sent *sent = sent_new(to, false);
	struct letter *letter = NULL;
	int ret = 0;

	if (sent == NULL) {
		return;
	}
	letter = calloc(1, sizeof(*letter));
	MUST(letter != NULL);
	letter->msg.run = letter_arrived;
	letter->msg.cancel = letter_cancelled;
	letter->sent = sent;
	ret = weft_post_msg(world.boxes[to].addr, &letter->msg);
	accepted(sent, ret);
	if (ret != 0) {
		free(letter);
	}
}

/* ---- calls ---- */

static int call_gone(struct weft_call **mark)
{
	for (unsigned i = 0; i < CALLS; i++) {
		if (world.calls[i] == *mark) {
			world.calls[i] = NULL;
		}
	}
	return 0;
}

/* Keeps it for later, if there is a place. */
static void keep(struct weft_call *call)
{
	for (unsigned i = 0; i < CALLS; i++) {
		if (world.calls[i] == NULL) {
			struct weft_call **mark = talloc(call,
							 struct weft_call *);

			MUST(mark != NULL);
			*mark = call;
			talloc_set_destructor(mark, call_gone);
			world.calls[i] = call;
			return;
		}
	}
	talloc_free(call);
}

static void call_arrived(struct weft_mailbox *mailbox, struct weft_call *call,
			 void *block)
{
	struct parcel *parcel = talloc_get_type_abort(block, struct parcel);
	unsigned how = world.quiet ? 0 : bytes_choose(&world.in, 4);

	MUST(world.boxes[parcel->sent->box].mailbox == mailbox);
	MUST(parcel->sent->number >
	     world.last[world.boxes[parcel->sent->box].home]);
	world.last[world.boxes[parcel->sent->box].home] = parcel->sent->number;
	MUST(weft_call_block(call) == parcel);
	parcel->sent->fate = FATE_RAN;
	switch (how) {
	case 0:
		weft_call_reply(call, 0);
		break;
	case 1:
		weft_call_reply(call, EIO);
		break;
	case 2:
		talloc_free(call);
		break;
	default:
		keep(call);
		break;
	}
	act();
}

static void step_answer(void)
{
	struct weft_call *call = world.calls[bytes_choose(&world.in, CALLS)];

	if (call == NULL) {
		return;
	}
	(void)weft_call_wanted(call);
	if (bytes_choose(&world.in, 2) == 0) {
		weft_call_reply(call, 0);
	} else {
		talloc_free(call);
	}
}

static void forget(const struct tevent_req *req)
{
	for (unsigned i = 0; i < REQUESTS; i++) {
		if (world.reqs[i] == req) {
			world.reqs[i] = NULL;
		}
	}
}

static void call_ended(struct tevent_req *req)
{
	struct parcel *parcel = NULL;
	int ret = 0;

	forget(req);
	ret = weft_call_recv(req, NULL, &parcel);
	MUST(ret == 0 || ret == EIO || ret == ECANCELED || ret == EAGAIN ||
	     ret == EINVAL);
	MUST(ret != 0 || parcel != NULL);
	talloc_free(parcel);
	talloc_free(req);
	act();
}

static void step_call(void)
{
	unsigned to = bytes_choose(&world.in, BOXES);
	unsigned from = bytes_choose(&world.in, LOOPS + BOXES);
	unsigned place = bytes_choose(&world.in, REQUESTS);
	struct tevent_context *ev = from < LOOPS ? world.ev[from] : NULL;
	struct weft_mailbox *home = from < LOOPS
					    ? NULL
					    : world.boxes[from - LOOPS].mailbox;
	struct sent *sent = NULL;
	struct parcel *parcel = NULL;
	struct tevent_req *req = NULL;

	if (world.reqs[place] != NULL || (ev == NULL && home == NULL)) {
		return;
	}
	sent = sent_new(to, true);
	if (sent == NULL) {
		return;
	}
	world.boxes[to].called = true;
	parcel = parcel_new(sent);
	if (ev != NULL) {
		req = weft_call_send(world.mem, ev, world.boxes[to].addr,
				     call_arrived, &parcel, NULL);
	} else {
		req = weft_mailbox_call_send(world.mem, home,
					     world.boxes[to].addr, call_arrived,
					     &parcel, NULL);
	}
	MUST((req == NULL) == (parcel != NULL));
	talloc_free(parcel);
	if (req != NULL) {
		tevent_req_set_callback(req, call_ended, NULL);
		world.reqs[place] = req;
	}
}

static void step_give_up(void)
{
	struct tevent_req *req = world.reqs[bytes_choose(&world.in, REQUESTS)];

	if (req == NULL) {
		return;
	}
	if (bytes_choose(&world.in, 2) == 0) {
		(void)tevent_req_cancel(req);
	} else {
		forget(req);
		talloc_free(req);
	}
}

/* ---- loops and mailboxes ---- */

static void box_new(unsigned index)
{
	struct box *box = &world.boxes[index];
	unsigned home = bytes_choose(&world.in, LOOPS + 1);
	struct weft_mailbox_options options = {
		.limit = bytes_choose(&world.in, 4),
	};

	if (home < LOOPS && world.ev[home] == NULL) {
		return;
	}
	MUST(weft_mailbox_create(world.mem,
				 home < LOOPS ? world.ev[home] : NULL, &options,
				 &box->mailbox) == 0);
	box->addr = weft_mailbox_addr(box->mailbox);
	box->home = home < LOOPS ? home : LOOPS + index;
	box->limit = options.limit;
	box->waiting = 0;
	box->called = false;
	box->life++;
}

static void step_box(void)
{
	unsigned index = bytes_choose(&world.in, BOXES);
	struct weft_mailbox *mailbox = world.boxes[index].mailbox;

	if (mailbox == NULL) {
		box_new(index);
	} else {
		/* Nobody has the address from now on. */
		world.boxes[index].mailbox = NULL;
		talloc_free(mailbox);
	}
}

static void beacon_ran(struct tevent_context *ev, struct tevent_fd *fde,
		       uint16_t flags, void *private_data)
{
	(void)ev;
	(void)fde;
	(void)flags;
	(void)private_data;
}

/* A descriptor that is always readable keeps a pass from waiting. */
static void loop_new(unsigned index)
{
	world.ev[index] = tevent_context_init(NULL);
	MUST(world.ev[index] != NULL);
	MUST(tevent_add_fd(world.ev[index], world.ev[index], world.beacon,
			   TEVENT_FD_READ, beacon_ran, NULL) != NULL);
}

/* What waits for it never comes to an end. */
static void loop_free(unsigned index)
{
	struct tevent_context *ev = world.ev[index];

	world.ev[index] = NULL;
	for (unsigned i = 0; i < BOXES; i++) {
		struct box *box = &world.boxes[i];

		if (box->mailbox != NULL && box->home == index) {
			TALLOC_FREE(box->mailbox);
		}
	}
	talloc_free(ev);
}

static void step_loop(void)
{
	unsigned index = bytes_choose(&world.in, LOOPS);

	if (world.ev[index] == NULL) {
		loop_new(index);
	} else {
		loop_free(index);
	}
}

static void turn(unsigned index, unsigned times)
{
	while (times-- > 0 && world.ev[index] != NULL) {
		MUST(tevent_loop_once(world.ev[index]) == 0 ||
		     world.ev[index] == NULL);
	}
}

static void dispatch(unsigned index, unsigned max)
{
	const struct box *box = &world.boxes[index];
	int ran = 0;

	if (box->mailbox != NULL && box->home >= LOOPS) {
		ran = weft_mailbox_dispatch(box->mailbox, max);
		MUST(ran >= 0 && (max == 0 || (unsigned)ran <= max));
	}
}

static void step_turn(void)
{
	unsigned which = bytes_choose(&world.in, LOOPS + BOXES);

	if (world.depth > 0) {
		return;
	}
	if (which < LOOPS) {
		turn(which, 1 + bytes_choose(&world.in, 8));
	} else {
		dispatch(which - LOOPS, bytes_choose(&world.in, 4));
	}
}

/* ---- the whole ---- */

static void step(void)
{
	static void (*const steps[])(void) = {
		step_post, step_post,   step_letter,  step_letter, step_call,
		step_call, step_answer, step_give_up, step_box,    step_turn,
		step_turn, step_turn,   step_turn,    step_loop,
	};

	steps[bytes_choose(&world.in, sizeof(steps) / sizeof(steps[0]))]();
}

/* What a handler does besides. */
static void act(void)
{
	if (world.quiet || world.depth > 2) {
		return;
	}
	world.depth++;
	for (unsigned left = bytes_choose(&world.in, 3); left > 0; left--) {
		step();
	}
	world.depth--;
}

static void look(void)
{
	for (unsigned i = 0; i < BOXES; i++) {
		const struct box *box = &world.boxes[i];
		struct pollfd pollfd = { .events = POLLIN };

		if (box->mailbox == NULL || box->home < LOOPS) {
			continue;
		}
		pollfd.fd = weft_mailbox_fd(box->mailbox);
		MUST(pollfd.fd >= 0);
		if (box->waiting > 0) {
			MUST(poll(&pollfd, 1, 0) == 1);
		}
	}
}

/* Whether something that a loop or a dispatch has to run is left. */
static bool waits(void)
{
	for (unsigned i = 0; i < BOXES; i++) {
		if (world.boxes[i].mailbox != NULL &&
		    world.boxes[i].waiting > 0) {
			return true;
		}
	}
	return false;
}

static void settle(void)
{
	world.quiet = true;
	for (unsigned turns = 0; waits(); turns++) {
		MUST(turns < TURNS_MAX);
		for (unsigned i = 0; i < LOOPS; i++) {
			turn(i, 1);
		}
		for (unsigned i = 0; i < BOXES; i++) {
			dispatch(i, 0);
		}
	}
}

static void finish(void)
{
	for (unsigned i = 0; i < REQUESTS; i++) {
		TALLOC_FREE(world.reqs[i]);
	}
	for (unsigned i = 0; i < CALLS; i++) {
		talloc_free(world.calls[i]);
	}
	for (unsigned i = 0; i < BOXES; i++) {
		TALLOC_FREE(world.boxes[i].mailbox);
	}
	for (unsigned i = 0; i < LOOPS; i++) {
		TALLOC_FREE(world.ev[i]);
	}
	talloc_free(world.mem);
	(void)close(world.beacon);
	MUST(world.parcels == 0);
	for (unsigned i = 0; i < world.sent_count; i++) {
		MUST(world.sent[i].fate != FATE_WAITS);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	memset(&world, 0, sizeof(world));
	world.in = (struct bytes){ data, size };
	world.mem = talloc_named_const(NULL, 0, "fuzz");
	world.beacon = eventfd(1, EFD_CLOEXEC);
	MUST(world.mem != NULL && world.beacon >= 0);
	loop_new(0);
	while (world.in.left > 0) {
		step();
		look();
	}
	settle();
	finish();
	return 0;
}
