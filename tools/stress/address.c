/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Address: posts to mailboxes that come and go, with their loops.
 *
 * Posters send messages and blocks to whatever address was published, however
 * old, of owners who live and die meanwhile (address_owner.c); the main thread
 * is one of these. In rounds of the second protocol it forks in the middle, a
 * few times. What must hold:
 *  1. Each accepted message is run or cancelled, once, by its owner's thread;
 *     each accepted block is freed once.
 *  2. What one poster sends to the mailboxes of one loop is run or cancelled in
 *     its order. In a latest-value mailbox newer values come after older ones.
 *  3. A child finds its mailboxes empty, and can post to them.
 *
 * Under a sanitizer the others rest while the main thread forks (stress.h);
 * what they have posted lies in the mailboxes all the same.
 */
#include <errno.h>

#include "tools/stress/address.h"

#define MESSAGES 1000 /* of each poster, that are accepted */
#define FORKS    3    /* in a round of address-fork */

static struct {
	unsigned forks; /* so many are left */
	unsigned done;
	unsigned last; /* how much was posted when the last one was */
} plan;

/* ---- posters ---- */

static void *poster_run(void *arg)
{
	struct poster *poster = arg;
	unsigned number = 0;

	(void)pthread_barrier_wait(&address_world.start);
	for (number = 1;
	     poster->accepted + poster->blocks < address_world.messages;
	     number++) {
		unsigned which = stress_below(&poster->dice,
					      address_world.owners * BOXES);
		unsigned owner = which / BOXES;
		weft_addr_t to = { atomic_load_explicit(
			&address_world.known[which], memory_order_relaxed) };
		bool block = stress_once_in(&poster->dice, 4);
		int ret = 0;

		if (number % 64 == 0) {
			stress_dawdle(&poster->dice);
		}
		stress_rest_point();
		ret = block ? address_send_block(to, owner, poster->index,
						 number)
			    : address_send_message(to, owner, poster->index,
						   number);
		if (ret == 0) {
			stress_add(&address_world.posted, 1);
			poster->blocks += block;
			poster->accepted += !block;
		} else if (ret == ECANCELED || ret == EAGAIN || ret == EINVAL) {
			poster->refused++;
		} else {
			stress_fail("a post was refused with %d", ret);
		}
	}
	stress_add(&address_world.posters_left, -1);
	stress_rest_leave();
	(void)pthread_barrier_wait(&address_world.end);
	return NULL;
}

/* ---- forks ---- */

static void child_message_run(struct weft_mailbox *mailbox,
			      struct weft_msg *msg)
{
	(void)mailbox;
	(void)msg;
	address_self->handled++;
}

static void child_message_cancel(struct weft_msg *msg)
{
	(void)msg;
}

/* The main thread's own mailbox takes what the child posts, and nothing else.
 * Return: the child's exit code. */
static int child(void *arg)
{
	struct owner *owner = arg;
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
	address_owner_end(owner);
	return ret == 0 && owner->run + owner->cancelled == before &&
			       owner->handled == 1 && !stress_failed()
		       ? 0
		       : 4;
}

/* The main thread, between two passes: the forks part what is to be posted. */
static void main_pause(struct owner *owner)
{
	unsigned posted = stress_sum(&address_world.posted);
	unsigned all = address_world.messages *
		       stress_sum(&address_world.posters_left);

	stress_alive(posted);
	if (plan.forks == 0 || owner->ev == NULL ||
	    posted - plan.last < all / (FORKS + 1)) {
		return;
	}
	plan.forks--;
	plan.done++;
	plan.last = posted;
	if (STRESS_FORKS_AT_REST) {
		stress_rest_begin();
	}
	/* Each child does something else. */
	(void)stress_roll(&owner->dice);
	stress_child(child, owner);
	if (STRESS_FORKS_AT_REST) {
		stress_rest_end();
	}
}

/* ---- rounds ---- */

static void check_sums(const struct owner *owners, const struct poster *posters,
		       unsigned count)
{
	unsigned accepted = 0;
	unsigned came = 0;
	unsigned run = 0;
	unsigned refused = 0;
	unsigned lives = 0;
	unsigned blocks = 0;
	unsigned freed = stress_sum(&address_world.blocks_freed);
	unsigned i = 0;

	for (i = 0; i < count; i++) {
		accepted += posters[i].accepted;
		blocks += posters[i].blocks;
		refused += posters[i].refused;
	}
	for (i = 0; i < address_world.owners; i++) {
		came += owners[i].run + owners[i].cancelled;
		run += owners[i].run;
		lives += owners[i].lives;
	}
	if (came != accepted) {
		stress_fail("%u messages were accepted, %u came", accepted,
			    came);
	}
	if (blocks != freed) {
		stress_fail("%u blocks were accepted, %u freed", blocks, freed);
	}
	stress_note("%u messages accepted = %u run + %u cancelled; %u blocks "
		    "accepted = %u freed; %u refused; %u lives of %u owners, "
		    "%u forks",
		    accepted, run, came - run, blocks, freed, refused, lives,
		    address_world.owners, plan.done);
}

static void world_open(struct stress_dice *dice, unsigned posters)
{
	address_world.owners = 1 + stress_below(dice, OWNERS_MAX);
	address_world.messages = stress_count(MESSAGES);
	atomic_store_explicit(&address_world.posters_left, posters,
			      memory_order_relaxed);
	atomic_store_explicit(&address_world.posted, 0, memory_order_relaxed);
	atomic_store_explicit(&address_world.blocks_freed, 0,
			      memory_order_relaxed);
	stress_rest_reset(address_world.owners - 1 + posters);
	(void)pthread_barrier_init(&address_world.start, NULL,
				   address_world.owners + posters);
	(void)pthread_barrier_init(&address_world.end, NULL,
				   address_world.owners + posters);
}

static bool round_with(struct stress_dice *dice, unsigned threads,
		       unsigned forks)
{
	struct stress_crew crew = { .count = 0 };
	struct owner owners[OWNERS_MAX] = { { .pause = main_pause } };
	struct poster posters[POSTERS_MAX] = { { .index = 0 } };
	unsigned count = threads < POSTERS_MAX ? threads : POSTERS_MAX;
	unsigned i = 0;

	plan.forks = forks;
	plan.done = 0;
	plan.last = 0;
	world_open(dice, count);
	for (i = 0; i < address_world.owners; i++) {
		owners[i].index = i;
		owners[i].dice = stress_split(dice);
	}
	stress_crew_start(&crew, address_owner_run, &owners[1],
			  sizeof(owners[0]), address_world.owners - 1);
	for (i = 0; i < count; i++) {
		posters[i].index = i;
		posters[i].dice = stress_split(dice);
	}
	stress_crew_start(&crew, poster_run, posters, sizeof(posters[0]),
			  count);
	(void)address_owner_run(&owners[0]);
	stress_crew_join(&crew);
	(void)pthread_barrier_destroy(&address_world.start);
	(void)pthread_barrier_destroy(&address_world.end);
	check_sums(owners, posters, count);
	return !stress_failed();
}

static bool address_round(struct stress_dice *dice, unsigned threads)
{
	return round_with(dice, threads, 0);
}

static bool address_fork_round(struct stress_dice *dice, unsigned threads)
{
	return round_with(dice, threads, FORKS);
}

const struct stress_protocol stress_address = {
	.name = "address",
	.what = "posts to mailboxes that come and go, with their loops",
	.round = address_round,
};

const struct stress_protocol stress_address_fork = {
	.name = "address-fork",
	.what = "the same, while children split off",
	.round = address_fork_round,
};
