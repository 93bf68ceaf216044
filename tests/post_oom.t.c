/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Post oom: each allocation and eventfd on the way to and through a mailbox
 * fails once. See sweep.h for what must hold; beside that each block is freed
 * once, also one that was refused.
 */
#include <weft.h>

#include "tests/sweep.h"

#define POSTS 5

static unsigned blocks;  /* alive */
static unsigned lost;    /* scenarios that left one */
static unsigned changed; /* refusals that changed what was the sender's */

struct block {
	struct sweep *sweep;
};

static int block_destructor(struct block *block)
{
	(void)block;
	blocks--;
	return 0;
}

static void block_run(struct weft_mailbox *mailbox, void *ptr)
{
	struct block *block = talloc_get_type_abort(ptr, struct block);

	(void)mailbox;
	block->sweep->ran++;
}

static void post_one(struct sweep *sweep, weft_addr_t to)
{
	struct block *block = talloc(sweep->mem, struct block);
	struct block *before = block;
	int ret = 0;

	if (sweep_made(sweep, block) == NULL) {
		return;
	}
	*block = (struct block){ sweep };
	blocks++;
	talloc_set_destructor(block, block_destructor);
	ret = weft_post(to, block_run, &block);
	if (ret == 0) {
		changed += block != NULL;
		sweep->accepted++;
		return;
	}
	sweep->refused++;
	changed += block != before || talloc_parent(block) != sweep->mem;
	talloc_free(block);
}

/* Return: nobody's if it could not be made. */
static struct weft_mailbox *open_one(struct sweep *sweep,
				     struct tevent_context *ev,
				     const struct weft_mailbox_options *options,
				     weft_addr_t *to)
{
	struct weft_mailbox *mailbox = NULL;
	int ret = weft_mailbox_create(sweep->mem, ev, options, &mailbox);

	*to = (weft_addr_t){ 0 };
	if (ret != 0) {
		sweep->refused++;
		changed += mailbox != NULL;
		return NULL;
	}
	*to = weft_mailbox_addr(mailbox);
	return mailbox;
}

static void end_scenario(void)
{
	lost += blocks != 0;
	blocks = 0;
}

static void post_some(struct sweep *sweep, weft_addr_t to)
{
	int i = 0;

	for (i = 0; i < POSTS && to.id != 0; i++) {
		post_one(sweep, to);
	}
}

static void play_posts(struct sweep *sweep)
{
	struct weft_mailbox_options limited = { .limit = 2 * POSTS };
	struct weft_mailbox *plain = NULL;
	struct weft_mailbox *counted = NULL;
	weft_addr_t to[2];

	plain = open_one(sweep, sweep->ev, NULL, &to[0]);
	counted = open_one(sweep, sweep->ev, &limited, &to[1]);
	post_some(sweep, to[0]);
	post_some(sweep, to[1]);
	sweep_turn(sweep, sweep->ev);
	talloc_free(plain);
	talloc_free(counted);
	end_scenario();
}

/* Of those that wait at the same time one runs. */
static void play_latest(struct sweep *sweep)
{
	struct weft_mailbox_options latest = { .latest = true };
	struct weft_mailbox *mailbox = NULL;
	weft_addr_t to;
	int i = 0;

	mailbox = open_one(sweep, sweep->ev, &latest, &to);
	for (i = 0; i < POSTS && to.id != 0; i++) {
		post_one(sweep, to);
		sweep_turn(sweep, sweep->ev);
	}
	talloc_free(mailbox);
	end_scenario();
}

static void play_foreign(struct sweep *sweep)
{
	struct weft_mailbox *mailbox = NULL;
	weft_addr_t to;

	mailbox = open_one(sweep, NULL, NULL, &to);
	post_some(sweep, to);
	while (sweep->ran < sweep->accepted) {
		(void)weft_mailbox_dispatch(mailbox, 2);
	}
	talloc_free(mailbox);
	end_scenario();
}

static void play_context(struct sweep *sweep)
{
	weft_addr_t to = { 0 };
	int ret = weft_context_addr(sweep->ev, &to);

	if (ret != 0) {
		sweep->refused++;
		changed += to.id != 0;
	}
	post_some(sweep, to);
	sweep_turn(sweep, sweep->ev);
	end_scenario();
}

int main(int argc, char **argv)
{
	(void)argc;
	if (TEST_ON_STOCK) {
		skip_all("stock aborts or crashes when memory runs out");
	}
	sweep_begin(argv);
	sweep_run("malloc fails: posts", play_posts, "standard", SHIM_MALLOC,
		  SWEEP_THREADS);
	sweep_run("eventfd fails: posts", play_posts, "standard", SHIM_EVENTFD,
		  SWEEP_THREADS);
	sweep_run("malloc fails: latest", play_latest, "standard", SHIM_MALLOC,
		  SWEEP_THREADS);
	sweep_run("malloc fails: foreign", play_foreign, NULL, SHIM_MALLOC,
		  SWEEP_THREADS);
	sweep_run("eventfd fails: foreign", play_foreign, NULL, SHIM_EVENTFD,
		  SWEEP_THREADS);
	sweep_run("malloc fails: context", play_context, "standard",
		  SHIM_MALLOC, SWEEP_THREADS);
	sweep_run("eventfd fails: context", play_context, "standard",
		  SHIM_EVENTFD, SWEEP_THREADS);
	is_uint(lost, 0, "each block is freed once");
	is_uint(changed, 0, "what is refused is as it was");
	return done();
}
