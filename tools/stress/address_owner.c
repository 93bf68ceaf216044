/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Address owners: who lives at the addresses, and what comes there.
 *
 * An owner lives one life after the other: a loop, or a foreign one, with a few
 * mailboxes of all kinds, whose addresses it publishes. It runs what arrives
 * and ends in every way there is, also in a handler. A message knows for whom
 * it was meant, who sent it and its number there; so the handlers see whether
 * each comes to its owner's thread, and in its sender's order.
 *
 * Threads: each owner's own.
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "tools/stress/address.h"

struct message {
	struct weft_msg msg;
	unsigned owner;
	unsigned poster;
	unsigned number;
};

struct block {
	unsigned owner;
	unsigned poster;
	unsigned number;
};

struct address_world address_world;
_Thread_local struct owner *address_self;

static bool posters_are_at_it(void)
{
	return atomic_load_explicit(&address_world.posters_left,
				    memory_order_relaxed) > 0;
}

/* ---- what arrives ---- */

static void check_order(unsigned *last, unsigned poster, unsigned number)
{
	if (last[poster] >= number) {
		stress_fail("poster %u: message %u came after %u", poster,
			    number, last[poster]);
	}
	last[poster] = number;
}

static void check_message(const struct message *message)
{
	if (address_self == NULL || address_self->index != message->owner) {
		stress_fail("a message came to another thread than its own");
		return;
	}
	check_order(address_self->last, message->poster, message->number);
}

static void handled(void)
{
	struct owner *self = address_self;

	self->handled++;
	if (self->handled == self->ends_in_handler) {
		address_owner_end(self);
	}
}

static void message_run(struct weft_mailbox *mailbox, struct weft_msg *msg)
{
	struct message *message = (struct message *)(void *)msg;

	(void)mailbox;
	check_message(message);
	address_self->run++;
	free(message);
	handled();
}

static void message_cancel(struct weft_msg *msg)
{
	struct message *message = (struct message *)(void *)msg;

	check_message(message);
	address_self->cancelled++;
	free(message);
}

static int block_destructor(struct block *block)
{
	(void)block;
	stress_add(&address_world.blocks_freed, 1);
	return 0;
}

static void block_merge(void *newer, void *older)
{
	const struct block *to = talloc_get_type_abort(newer, struct block);
	const struct block *from = talloc_get_type_abort(older, struct block);

	if (to->poster == from->poster && to->number < from->number) {
		stress_fail("poster %u: %u is merged into %u", to->poster,
			    from->number, to->number);
	}
}

static void block_run(struct weft_mailbox *mailbox, void *ptr)
{
	struct block *block = talloc_get_type_abort(ptr, struct block);

	if (address_self == NULL || address_self->index != block->owner) {
		stress_fail("a block came to another thread than its own");
		return;
	}
	check_order(mailbox == address_self->boxes[BOXES - 1]
			    ? address_self->latest
			    : address_self->last,
		    block->poster, block->number);
	handled();
}

int address_send_message(weft_addr_t to, unsigned owner, unsigned poster,
			 unsigned number)
{
	struct message *message = malloc(sizeof(*message));
	int ret = 0;

	if (message == NULL) {
		stress_give_up("no memory");
	}
	*message = (struct message){
		.msg = { .run = message_run, .cancel = message_cancel },
		.owner = owner,
		.poster = poster,
		.number = number,
	};
	ret = weft_post_msg(to, &message->msg);
	if (ret != 0) {
		free(message);
	}
	return ret;
}

int address_send_block(weft_addr_t to, unsigned owner, unsigned poster,
		       unsigned number)
{
	struct block *block = talloc(NULL, struct block);
	int ret = 0;

	if (block == NULL) {
		stress_give_up("no memory");
	}
	*block = (struct block){ owner, poster, number };
	talloc_set_destructor(block, block_destructor);
	ret = weft_post(to, block_run, &block);
	if (ret != 0) {
		talloc_set_destructor(block, NULL);
		talloc_free(block);
	}
	return ret;
}

/* ---- lives ---- */

static void publish(const struct owner *owner, unsigned box,
		    const struct weft_mailbox *mailbox)
{
	atomic_store_explicit(&address_world.known[owner->index * BOXES + box],
			      weft_mailbox_addr(mailbox).id,
			      memory_order_relaxed);
}

/* The last one is a latest-value mailbox. */
static void box_open(struct owner *owner, unsigned box)
{
	struct weft_mailbox_options options = {
		.limit = box == 1 ? 1 + stress_below(&owner->dice, 50) : 0,
		.latest = box == BOXES - 1 && owner->ev != NULL,
	};
	TALLOC_CTX *parent = stress_once_in(&owner->dice, 2) ? owner->ev : NULL;
	int ret = 0;

	if (options.latest && stress_once_in(&owner->dice, 2)) {
		options.merge = block_merge;
	}
	ret = weft_mailbox_create(parent, owner->ev, &options,
				  &owner->boxes[box]);

	if (ret != 0) {
		stress_give_up("no mailbox");
	}
	if (options.latest) {
		memset(owner->latest, 0, sizeof(owner->latest));
	}
	publish(owner, box, owner->boxes[box]);
}

static void boxes_free(struct owner *owner)
{
	unsigned box = 0;

	for (box = 0; box < BOXES; box++) {
		TALLOC_FREE(owner->boxes[box]);
	}
}

/* Those that hang below the context go with it; the others are only freed. */
static void boxes_keep(struct owner *owner)
{
	unsigned box = 0;

	for (box = 0; box < BOXES; box++) {
		if (talloc_parent(owner->boxes[box]) == owner->ev) {
			owner->boxes[box] = NULL;
		}
	}
}

void address_owner_end(struct owner *owner)
{
	if (owner->ev == NULL || stress_once_in(&owner->dice, 2)) {
		boxes_free(owner);
		TALLOC_FREE(owner->ev);
		return;
	}
	boxes_keep(owner);
	TALLOC_FREE(owner->ev);
	boxes_free(owner);
}

static void ticked(struct tevent_context *ev, struct tevent_timer *te,
		   struct timeval now, void *private_data)
{
	struct owner *owner = private_data;

	(void)ev;
	(void)te;
	(void)now;
	owner->tick = NULL;
}

/* Between two passes. */
static void owner_pause(struct owner *owner)
{
	if (owner->pause != NULL) {
		owner->pause(owner);
	}
	stress_rest_point();
}

/* One pass, which ends also when nobody posts. */
static void owner_turn(struct owner *owner)
{
	struct tevent_context *ev = owner->ev;

	if (owner->tick == NULL) {
		owner->tick = tevent_add_timer(
			ev, ev, tevent_timeval_current_ofs(0, 1000), ticked,
			owner);
	}
	(void)tevent_loop_once(ev);
	/* A handler may have ended it. */
	if (owner->ev != NULL && stress_once_in(&owner->dice, 100)) {
		unsigned box = stress_below(&owner->dice, BOXES);

		TALLOC_FREE(owner->boxes[box]);
		box_open(owner, box);
	}
}

static void begin_life(struct owner *owner)
{
	owner->handled = 0;
	owner->tick = NULL;
	owner->ends_in_handler = stress_once_in(&owner->dice, 2)
					 ? 1 + stress_below(&owner->dice,
							    LIFE_MAX)
					 : 0;
	memset(owner->last, 0, sizeof(owner->last));
}

static void live_on_a_loop(struct owner *owner)
{
	unsigned enough = stress_below(&owner->dice, LIFE_MAX);
	unsigned box = 0;

	owner->ev = stress_context();
	for (box = 0; box < BOXES; box++) {
		box_open(owner, box);
	}
	while (owner->ev != NULL && owner->handled < enough &&
	       posters_are_at_it()) {
		owner_turn(owner);
		owner_pause(owner);
	}
	if (owner->ev != NULL) {
		address_owner_end(owner);
	}
}

/* One mailbox without a context; the other addresses grow old. */
static void live_without(struct owner *owner)
{
	unsigned enough = stress_below(&owner->dice, LIFE_MAX);
	struct pollfd pollfd = { .events = POLLIN };

	owner->ev = NULL;
	box_open(owner, 0);
	pollfd.fd = weft_mailbox_fd(owner->boxes[0]);
	while (owner->boxes[0] != NULL && owner->handled < enough &&
	       posters_are_at_it()) {
		if (poll(&pollfd, 1, 1) == 1) {
			(void)weft_mailbox_dispatch(
				owner->boxes[0],
				stress_below(&owner->dice, 64));
		}
		owner_pause(owner);
	}
	boxes_free(owner);
}

static void owner_live(struct owner *owner)
{
	begin_life(owner);
	owner->lives++;
	if (stress_once_in(&owner->dice, 5)) {
		live_without(owner);
	} else {
		live_on_a_loop(owner);
	}
}

void *address_owner_run(void *arg)
{
	address_self = arg;
	(void)pthread_barrier_wait(&address_world.start);
	while (posters_are_at_it()) {
		owner_live(address_self);
	}
	stress_rest_leave();
	(void)pthread_barrier_wait(&address_world.end);
	return NULL;
}
