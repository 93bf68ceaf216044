/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Groups: many requests of all kinds, one answer, over and over.
 *
 * Several loops share a pool. Each makes groups of jobs, some of which fail, of
 * wake-ups, and of jobs that end only when they are told to; then it waits, is
 * cancelled, or takes the group away from under who waits. What must hold:
 *  1. The answer fits: the first error, or 0 if there was none.
 *  2. When the answer is there, each request of the group has ended; after an
 *     error that is so because the others were cancelled, else it hangs.
 *  3. Each block is freed once; when all is quiet the books are balanced.
 */
#include <errno.h>
#include <sched.h>

#include "tools/stress/stress.h"

#define LOOPS_MAX   3
#define GROUPS      12
#define MEMBERS_MAX 24

struct block {
	struct stress_sums *sums;
	int ret;
	bool endless;
};

struct loop {
	struct stress_dice dice;
	struct stress_sums *sums;
	struct weft_pool *pool;
	struct weft_pool *own; /* its handle */
	struct tevent_context *ev;
	TALLOC_CTX *mem;
	struct weft_group *group;
	struct tevent_req *members[MEMBERS_MAX];
	unsigned count;
	bool fails;   /* some member does */
	bool collect; /* no error ends the others */
	bool called_off;
	bool through;
	int ret;
};

static int block_destructor(struct block *block)
{
	stress_freed(block->sums);
	return 0;
}

static int work(struct weft_job *job, void *ptr)
{
	struct block *block = talloc_get_type_abort(ptr, struct block);

	while (block->endless && !weft_job_should_stop(job)) {
		(void)sched_yield();
	}
	return block->ret;
}

static struct tevent_req *job_new(struct loop *loop, int ret, bool endless)
{
	struct block *block = talloc(NULL, struct block);
	struct tevent_req *req = NULL;

	if (block == NULL) {
		stress_give_up("no memory");
	}
	*block = (struct block){ loop->sums, ret, endless };
	stress_made(loop->sums);
	talloc_set_destructor(block, block_destructor);
	req = weft_job_send(loop->mem, loop->ev, loop->own, work, &block, NULL);
	if (req == NULL) {
		stress_give_up("no memory");
	}
	return req;
}

/* What never ends by itself needs somebody who cancels it. */
static struct tevent_req *member_new(struct loop *loop)
{
	unsigned kind = stress_below(&loop->dice, 12);

	if (kind == 0) {
		loop->fails = true;
		return job_new(loop, EIO, false);
	}
	if (kind == 1) {
		/* It ends with ETIMEDOUT, which is no error of ours. */
		loop->fails = true;
		return tevent_wakeup_send(
			loop->mem, loop->ev,
			tevent_timeval_current_ofs(
				0, stress_below(&loop->dice, 300)));
	}
	return job_new(loop, 0, kind == 2 && loop->fails && !loop->collect);
}

static void waited(struct tevent_req *req)
{
	struct loop *loop = tevent_req_callback_data_void(req);

	loop->ret = weft_group_wait_recv(req);
	loop->through = true;
	talloc_free(req);
}

static void check(const struct loop *loop)
{
	unsigned i = 0;
	int ret = loop->ret;

	if (loop->called_off ? ret != ECANCELED && ret != 0 && ret != EIO &&
				       ret != ETIMEDOUT
	    : loop->fails ? ret != EIO && ret != ETIMEDOUT
			  : ret != 0) {
		stress_fail("a group ends with %d%s%s", ret,
			    loop->fails ? ", some fail" : "",
			    loop->called_off ? ", called off" : "");
	}
	for (i = 0; i < loop->count && !loop->called_off; i++) {
		if (tevent_req_is_in_progress(loop->members[i])) {
			stress_fail("a group ends before its members");
		}
	}
}

/* In each way that there is, while its members end. */
static void call_off(struct loop *loop, struct tevent_req *wait)
{
	switch (stress_below(&loop->dice, 8)) {
	case 0:
		loop->called_off = tevent_req_cancel(wait);
		break;
	case 1:
		loop->called_off = true;
		TALLOC_FREE(loop->group);
		break;
	case 2:
		talloc_free(wait);
		loop->called_off = true;
		loop->ret = ECANCELED;
		loop->through = true;
		break;
	default:
		break;
	}
}

static void group_once(struct loop *loop)
{
	struct weft_group_options options = {
		.collect = stress_once_in(&loop->dice, 3),
	};
	struct tevent_req *wait = NULL;
	unsigned i = 0;

	loop->mem = talloc_new(NULL);
	loop->count = stress_below(&loop->dice, MEMBERS_MAX);
	loop->collect = options.collect;
	loop->fails = false;
	loop->called_off = false;
	loop->through = false;
	if (loop->mem == NULL ||
	    weft_group_create(loop->mem, loop->ev, &options, &loop->group) !=
		    0) {
		stress_give_up("no group");
	}
	for (i = 0; i < loop->count; i++) {
		int ret = 0;

		loop->members[i] = member_new(loop);
		if (stress_once_in(&loop->dice, 16)) {
			(void)tevent_loop_once(loop->ev);
		}
		ret = weft_group_add(loop->group, loop->members[i]);
		if (ret != 0 && ret != ECANCELED) {
			stress_fail("a member is refused with %d", ret);
		}
	}
	wait = weft_group_wait_send(loop->mem, loop->group);
	if (wait == NULL) {
		stress_give_up("no memory");
	}
	tevent_req_set_callback(wait, waited, loop);
	stress_dawdle(&loop->dice);
	call_off(loop, wait);
	while (!loop->through) {
		(void)tevent_loop_once(loop->ev);
	}
	check(loop);
	talloc_free(loop->mem);
}

static void *loop_run(void *arg)
{
	struct loop *loop = arg;
	unsigned i = 0;

	loop->ev = stress_context();
	loop->own = stress_handle(loop->ev, loop->pool);
	for (i = 0; i < GROUPS; i++) {
		group_once(loop);
	}
	talloc_free(loop->ev);
	return NULL;
}

static bool groups_round(struct stress_dice *dice, unsigned threads)
{
	struct stress_crew crew = { .count = 0 };
	static struct loop loops[LOOPS_MAX];
	struct weft_pool_options options = {
		.max = 1 + stress_below(dice, threads),
		.idle_ms = 1,
	};
	struct stress_sums sums = { .made = 0 };
	struct weft_pool *pool = stress_pool(&options);
	unsigned count = 1 + stress_below(dice, LOOPS_MAX);
	unsigned i = 0;

	for (i = 0; i < count; i++) {
		loops[i] = (struct loop){
			.dice = stress_split(dice),
			.sums = &sums,
			.pool = pool,
		};
	}
	stress_crew_start(&crew, loop_run, loops, sizeof(loops[0]), count);
	stress_crew_join(&crew);
	stress_sums_wait(&sums);
	stress_settle(pool);
	talloc_free(pool);
	return !stress_failed();
}

const struct stress_protocol stress_groups = {
	.name = "groups",
	.what = "many requests with one answer, ended in every way",
	.round = groups_round,
};
