/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Address: posts to mailboxes that come and go, with their loops.
 *
 * Owners live one life after the other: a loop, or a foreign one, with a few
 * mailboxes of all kinds, whose addresses they publish; they run what arrives
 * and end in every way there is, also in a handler. Posters send messages and
 * blocks to whatever was published, however old. Now and then the main thread,
 * which is an owner too, forks in the middle. What must hold:
 *  1. Each accepted message is run or cancelled, once, by its owner's thread;
 *     each accepted block is freed once.
 *  2. What one poster sends to the mailboxes of one loop is run or cancelled in
 *     its order. In a latest-value mailbox newer values come after older ones.
 *  3. A child finds its mailboxes empty, and can post to them.
 *
 * No sanitizer's own locks survive a fork (fork.c), so under one the
 * fork comes before the posters do.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <weft.h>

#include "tools/stress/stress.h"

#define OWNERS_MAX        4
#define BOXES             4 /* of one owner */
#define POSTERS_MAX       16
#define MESSAGES          2000 /* of each poster */
#define LIFE_MAX          600  /* messages */
#define CHILD_SECONDS_MAX 30

struct owner {
	pthread_t thread;
	unsigned index;
	struct stress_dice dice;
	struct tevent_context *ev; /* NULL: foreign, or freed in a handler */
	struct weft_mailbox *boxes[BOXES];
	struct tevent_timer *tick;
	unsigned handled;             /* in this life */
	unsigned ends_in_handler;     /* of message number; 0: does not */
	unsigned last[POSTERS_MAX];   /* of each poster, in this life */
	unsigned latest[POSTERS_MAX]; /* of the latest-value mailbox */
	unsigned run;                 /* messages, in all lives */
	unsigned cancelled;
};

struct poster {
	pthread_t thread;
	unsigned index;
	struct stress_dice dice;
	unsigned accepted; /* messages */
	unsigned refused;
	unsigned blocks; /* accepted */
};

struct message {
	struct weft_msg msg;
	unsigned owner;
	unsigned poster;
	unsigned number; /* from 1 */
};

struct block {
	unsigned owner;
	unsigned poster;
	unsigned number;
};

static struct {
	pthread_barrier_t start;
	/* A: relaxed: addresses are numbers, nothing travels by them */
	_Atomic(uint64_t) known[OWNERS_MAX * BOXES];
	unsigned owners;
	atomic_uint posters_left; /* A: relaxed: looked at now and then */
	atomic_uint blocks_freed; /* A: relaxed: read when all have joined */
} world;

static _Thread_local struct owner *self; /* NULL: a poster */

static bool posters_are_at_it(void)
{
	return atomic_load_explicit(&world.posters_left, memory_order_relaxed) >
	       0;
}

/* ---- what arrives ---- */

static void owner_end(struct owner *owner);

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
	if (self == NULL || self->index != message->owner) {
		stress_fail("a message came to another thread than its own");
		return;
	}
	check_order(self->last, message->poster, message->number);
}

static void handled(void)
{
	self->handled++;
	if (self->handled == self->ends_in_handler) {
		owner_end(self);
	}
}

static void message_run(struct weft_mailbox *mailbox, struct weft_msg *msg)
{
	struct message *message = (struct message *)(void *)msg;

	(void)mailbox;
	check_message(message);
	self->run++;
	free(message);
	handled();
}

static void message_cancel(struct weft_msg *msg)
{
	struct message *message = (struct message *)(void *)msg;

	check_message(message);
	self->cancelled++;
	free(message);
}

static int block_destructor(struct block *block)
{
	(void)block;
	(void)atomic_fetch_add_explicit(&world.blocks_freed, 1,
					memory_order_relaxed);
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

	if (self == NULL || self->index != block->owner) {
		stress_fail("a block came to another thread than its own");
		return;
	}
	check_order(mailbox == self->boxes[BOXES - 1] ? self->latest
						      : self->last,
		    block->poster, block->number);
	handled();
}

/* ---- owners ---- */

static void publish(const struct owner *owner, unsigned box,
		    const struct weft_mailbox *mailbox)
{
	atomic_store_explicit(&world.known[owner->index * BOXES + box],
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

/* Also in a handler. */
static void owner_end(struct owner *owner)
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

	owner->ev = tevent_context_init(NULL);
	if (owner->ev == NULL) {
		stress_give_up("no context");
	}
	for (box = 0; box < BOXES; box++) {
		box_open(owner, box);
	}
	while (owner->ev != NULL && owner->handled < enough &&
	       posters_are_at_it()) {
		owner_turn(owner);
	}
	if (owner->ev != NULL) {
		owner_end(owner);
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
	}
	boxes_free(owner);
}

static void owner_live(struct owner *owner)
{
	begin_life(owner);
	if (stress_once_in(&owner->dice, 5)) {
		live_without(owner);
	} else {
		live_on_a_loop(owner);
	}
}

static void *owner_run(void *arg)
{
	self = arg;
	(void)pthread_barrier_wait(&world.start);
	while (posters_are_at_it()) {
		owner_live(self);
	}
	return NULL;
}

/* ---- posters ---- */

static void send_message(struct poster *poster, weft_addr_t to, unsigned owner,
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
		.poster = poster->index,
		.number = number,
	};
	ret = weft_post_msg(to, &message->msg);
	if (ret == 0) {
		poster->accepted++;
		return;
	}
	if (ret != ECANCELED && ret != EAGAIN && ret != EINVAL) {
		stress_fail("a message was refused with %d", ret);
	}
	poster->refused++;
	free(message);
}

static void send_block(struct poster *poster, weft_addr_t to, unsigned owner,
		       unsigned number)
{
	struct block *block = talloc(NULL, struct block);
	int ret = 0;

	if (block == NULL) {
		stress_give_up("no memory");
	}
	*block = (struct block){ owner, poster->index, number };
	talloc_set_destructor(block, block_destructor);
	ret = weft_post(to, block_run, &block);
	if (ret == 0) {
		poster->blocks++;
		return;
	}
	if (ret != ECANCELED && ret != EAGAIN && ret != EINVAL) {
		stress_fail("a block was refused with %d", ret);
	}
	poster->refused++;
	talloc_set_destructor(block, NULL);
	talloc_free(block);
}

static void *poster_run(void *arg)
{
	struct poster *poster = arg;
	unsigned number = 0;

	(void)pthread_barrier_wait(&world.start);
	for (number = 1; number <= MESSAGES; number++) {
		unsigned which = stress_below(&poster->dice,
					      world.owners * BOXES);
		weft_addr_t to = { atomic_load_explicit(&world.known[which],
							memory_order_relaxed) };

		if (number % 64 == 0) {
			stress_dawdle(&poster->dice);
		}
		if (stress_once_in(&poster->dice, 4)) {
			send_block(poster, to, which / BOXES, number);
		} else {
			send_message(poster, to, which / BOXES, number);
		}
	}
	(void)atomic_fetch_sub_explicit(&world.posters_left, 1,
					memory_order_relaxed);
	return NULL;
}

/* ---- forks ---- */

static void child_message_run(struct weft_mailbox *mailbox,
			      struct weft_msg *msg)
{
	(void)mailbox;
	(void)msg;
	self->handled++;
}

static void child_message_cancel(struct weft_msg *msg)
{
	(void)msg;
}

/* The main thread's own mailbox takes what the child posts, and nothing else.
 * Return: the child's exit code. */
static int child(struct owner *owner)
{
	struct weft_msg msg = { .run = child_message_run,
				.cancel = child_message_cancel };
	weft_addr_t to = weft_mailbox_addr(owner->boxes[0]);
	unsigned before = owner->run + owner->cancelled;
	int ret = 0;

	owner->handled = 0;
	owner->ends_in_handler = 0;
	if (stress_once_in(&owner->dice, 3)) {
		TALLOC_FREE(owner->ev);
		return owner->run + owner->cancelled == before ? 0 : 3;
	}
	ret = tevent_re_initialise(owner->ev);
	if (ret == 0) {
		ret = weft_post_msg(to, &msg);
	}
	while (ret == 0 && owner->handled == 0) {
		ret = tevent_loop_once(owner->ev);
	}
	owner_end(owner);
	return ret == 0 && owner->run + owner->cancelled == before &&
			       owner->handled == 1 && !stress_failed()
		       ? 0
		       : 4;
}

static void fork_once(struct owner *owner)
{
	int status = 0;
	pid_t pid = fork();

	if (pid < 0) {
		stress_give_up("no process");
	}
	if (pid == 0) {
		(void)alarm(CHILD_SECONDS_MAX);
		_exit(child(owner));
	}
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
	    WEXITSTATUS(status) != 0) {
		stress_fail("a child ended with status 0x%x", (unsigned)status);
	}
}

/* One life of the main thread, with a fork in the middle of it. */
static void live_and_fork(struct owner *owner, bool forks)
{
	unsigned box = 0;

	begin_life(owner);
	owner->ends_in_handler = 0;
	owner->ev = tevent_context_init(NULL);
	if (owner->ev == NULL) {
		stress_give_up("no context");
	}
	for (box = 0; box < BOXES; box++) {
		box_open(owner, box);
	}
	if (STRESS_FORKS_AT_REST && forks) {
		fork_once(owner);
	}
	(void)pthread_barrier_wait(&world.start);
	while (posters_are_at_it()) {
		owner_turn(owner);
		if (!STRESS_FORKS_AT_REST && forks &&
		    owner->handled > LIFE_MAX) {
			fork_once(owner);
			forks = false;
		}
	}
	owner_end(owner);
}

/* ---- rounds ---- */

static void start(pthread_t *thread, void *(*fn)(void *), void *arg)
{
	int ret = pthread_create(thread, NULL, fn, arg);

	if (ret != 0) {
		stress_give_up("no thread");
	}
}

static void check_sums(const struct owner *owners, const struct poster *posters,
		       unsigned count)
{
	unsigned accepted = 0;
	unsigned came = 0;
	unsigned blocks = 0;
	unsigned freed = atomic_load_explicit(&world.blocks_freed,
					      memory_order_relaxed);
	unsigned i = 0;

	for (i = 0; i < count; i++) {
		accepted += posters[i].accepted;
		blocks += posters[i].blocks;
		if (posters[i].accepted + posters[i].blocks +
			    posters[i].refused !=
		    MESSAGES) {
			stress_fail("poster %u has lost count", i);
		}
	}
	for (i = 0; i < world.owners; i++) {
		came += owners[i].run + owners[i].cancelled;
	}
	if (came != accepted) {
		stress_fail("%u messages were accepted, %u came", accepted,
			    came);
	}
	if (blocks != freed) {
		stress_fail("%u blocks were accepted, %u freed", blocks, freed);
	}
}

static bool address_round(struct stress_dice *dice, unsigned threads)
{
	struct owner owners[OWNERS_MAX] = { { .index = 0 } };
	struct poster posters[POSTERS_MAX] = { { .index = 0 } };
	unsigned count = 2 * threads < POSTERS_MAX ? 2 * threads : POSTERS_MAX;
	unsigned i = 0;

	world.owners = 1 + stress_below(dice, OWNERS_MAX);
	atomic_store_explicit(&world.posters_left, count, memory_order_relaxed);
	atomic_store_explicit(&world.blocks_freed, 0, memory_order_relaxed);
	(void)pthread_barrier_init(&world.start, NULL, world.owners + count);
	for (i = 0; i < world.owners; i++) {
		owners[i].index = i;
		owners[i].dice = stress_split(dice);
	}
	for (i = 1; i < world.owners; i++) {
		start(&owners[i].thread, owner_run, &owners[i]);
	}
	for (i = 0; i < count; i++) {
		posters[i].index = i;
		posters[i].dice = stress_split(dice);
		start(&posters[i].thread, poster_run, &posters[i]);
	}
	self = &owners[0];
	live_and_fork(self, stress_once_in(dice, 4));
	for (i = 0; i < count; i++) {
		(void)pthread_join(posters[i].thread, NULL);
	}
	for (i = 1; i < world.owners; i++) {
		(void)pthread_join(owners[i].thread, NULL);
	}
	(void)pthread_barrier_destroy(&world.start);
	check_sums(owners, posters, count);
	return !stress_failed();
}

const struct stress_protocol stress_address = {
	.name = "address",
	.what = "posts to mailboxes that come and go, with their loops",
	.round = address_round,
};
