/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Kill's jobs: they do all that a job can do while others end it.
 *
 * A block says by its number what its job does: it looks whether it is to stop,
 * makes children and leaves some of them, sends parts, sleeps.
 *
 * Threads: workers, but for what makes and submits.
 */
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "tools/stress/kill.h"

#define DEEP 3

/* ---- blocks ---- */

static int block_destructor(struct block *block)
{
	stress_freed(block->sums);
	return 0;
}

struct block *kill_block_new(struct stress_sums *sums, struct stress_dice *dice,
			     unsigned depth)
{
	struct block *block = talloc(NULL, struct block);

	if (block == NULL) {
		stress_give_up("no memory");
	}
	*block = (struct block){
		.sums = sums,
		.kind = stress_below(dice, 12),
		.seed = stress_below(dice, 1000000),
		.depth = depth,
	};
	stress_made(sums);
	talloc_set_destructor(block, block_destructor);
	return block;
}

/* ---- jobs ---- */

static void until_told(struct weft_job *job, unsigned most)
{
	while (most-- > 0 && !weft_job_should_stop(job)) {
		(void)sched_yield();
	}
}

/* Some are waited for, some are left, some run for themselves. */
static void make_children(struct weft_job *job, struct block *block)
{
	struct stress_dice dice = { block->seed };
	struct weft_child *children[3] = { NULL };
	unsigned made = 0;
	unsigned i = 0;

	for (i = 0; i < 3; i++) {
		struct block *one = kill_block_new(block->sums, &dice,
						   block->depth + 1);
		int ret = weft_job_spawn(job, kill_work, &one, NULL,
					 i == 2 ? NULL : &children[made]);

		if (ret != 0) {
			talloc_free(one);
		} else if (i != 2) {
			made++;
		}
	}
	for (i = 0; i < made && !stress_once_in(&dice, 3); i++) {
		struct block *one = NULL;

		(void)weft_child_wait(children[i], block, &one);
		if (stress_once_in(&dice, 2)) {
			talloc_free(one);
		}
	}
}

static int emit_parts(struct weft_job *job, struct block *block)
{
	struct stress_dice dice = { block->seed };
	unsigned count = stress_below(&dice, 40);

	while (count-- > 0) {
		struct block *part = kill_block_new(block->sums, &dice, DEEP);
		int ret = weft_job_emit(job, &part);

		if (ret != 0) {
			talloc_free(part);
			return ret;
		}
		weft_job_set_progress(job, count, 40);
	}
	return 0;
}

int kill_work(struct weft_job *job, void *ptr)
{
	struct block *block = talloc_get_type_abort(ptr, struct block);

	switch (block->kind) {
	case 0:
		until_told(job, 100);
		break;
	case 1:
		(void)sched_yield();
		break;
	case 2:
		(void)talloc_strdup(block, "allocated on the worker");
		break;
	case 3:
		if (block->depth < DEEP) {
			make_children(job, block);
		}
		break;
	case 4:
		if (block->depth == 0) {
			return emit_parts(job, block);
		}
		break;
	case 5:
		weft_blocking_begin();
		(void)usleep(block->seed % 200);
		weft_blocking_end();
		break;
	case 6:
		(void)weft_job_stop_fd(job);
		until_told(job, 20);
		break;
	default:
		break;
	}
	return (int)(block->seed % 3);
}

/* A work of ours that carries no block. */
struct own {
	struct weft_work work;
	struct block *block;
};

static int own_run(struct weft_job *job, struct weft_work *ptr)
{
	struct own *own = (struct own *)ptr;
	int ret = kill_work(job, own->block);

	(void)talloc_steal(NULL, own->block);
	return ret;
}

static void own_done(struct weft_mailbox *home, struct weft_work *ptr,
		     int error)
{
	struct own *own = (struct own *)ptr;

	(void)home;
	(void)error;
	talloc_free(own->block);
	free(own);
}

void kill_submit(struct stress_sums *sums, struct stress_dice *dice,
		 struct weft_pool *pool, struct weft_lane *lane,
		 struct weft_mailbox *home)
{
	struct own *own = calloc(1, sizeof(*own));
	int ret = 0;

	if (own == NULL) {
		stress_give_up("no memory");
	}
	weft_work_init(&own->work, own_run, own_done);
	own->block = kill_block_new(sums, dice, 1);
	/* Lets go of it, as the worker does: weft_talloc(7). */
	(void)talloc_steal(NULL, own->block);
	ret = weft_work_submit(&own->work, pool, lane, home);
	if (ret != 0) {
		own_done(NULL, &own->work, ret);
	} else if (stress_once_in(dice, 4)) {
		(void)weft_work_cancel(&own->work);
	}
}
