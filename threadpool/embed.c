/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Embed: jobs that are part of what their owners have.
 *
 *      the owner's structure
 *      `- weft_work  run, done, name ...
 *         `- private_  embed: the task (task.c), and where it is done
 *
 *  1. Nothing is allocated for it but, once, what a loop has with a pool and a
 *     lane (account.c).
 *  2. Its home is named by the mailbox's address, not by a pointer: when it
 *     comes home and nobody is there any more it is done all the same, with
 *     home NULL.
 *  3. It is under way from a submit that returns 0 until just before done: from
 *     there on it is its owner's, who may free it or submit it again.
 *  4. A forked child has nothing under way: what the parent had is the child's
 *     to free or to submit.
 *
 * Threads: work_call: the one that runs it; work_dispose: any; all others: the
 * owner of the home.
 * Ordering: through task.h.
 */
#include <errno.h>

#include "threadpool/tevent_compat.h"

#include "weft.h"

#include "engine/base.h"
#include "threadpool/front.h"
#include "threadpool/grace.h"
#include "threadpool/mailbox.h"
#include "threadpool/pool.h"
#include "threadpool/port.h"
#include "threadpool/task.h"

/* What stands in weft_work.private_; all zero: never submitted. */
struct embed {
	struct wf_task task; /* see task.h */
	uint64_t home;       /* O: the address of the mailbox */
	bool under_way;      /* Q: with the task */
	bool recalled;       /* O: it will not run */
} __attribute__((__may_alias__));

_Static_assert(sizeof(struct embed) <=
		       sizeof(((struct weft_work *)NULL)->private_),
	       "work fits into what its structure reserves");

static struct embed *work_embed(struct weft_work *work)
{
	return (struct embed *)(void *)work->private_;
}

static struct weft_work *work_of(struct wf_task *task)
{
	struct embed *embed = tev_container_of(task, struct embed, task);

	return tev_container_of(embed, struct weft_work, private_);
}

/* Who is at home, for its owner, who alone can end it; NULL: nobody. */
static struct wf_front *work_home(uint64_t home)
{
	struct wf_front *front = NULL;

	wf_read_begin();
	front = wf_front_find(home);
	wf_read_end();
	return front;
}

/* ---- the task ---- */

static int work_call(struct wf_task *task)
{
	struct weft_work *work = work_of(task);

	return work->run(&task->job, work);
}

static void work_back(struct wf_task *task, struct tevent_context *ev,
		      int error, bool ran)
{
	struct weft_work *work = work_of(task);
	struct embed *embed = work_embed(work);
	struct wf_front *front = work_home(embed->home);

	(void)ev;
	(void)ran;
	embed->under_way = false;
	work->done(front != NULL ? front->mailbox : NULL, work, error);
}

static void work_cut(struct wf_task *task)
{
	(void)task;
}

static void work_dispose(struct wf_task *task, int error)
{
	struct weft_work *work = work_of(task);

	work_embed(work)->under_way = false;
	work->done(NULL, work, error);
}

static void work_forked(struct wf_task *task, bool running)
{
	(void)running;
	work_embed(work_of(task))->under_way = false;
}

static const struct wf_task_ops work_ops = {
	.call = work_call,
	.back = work_back,
	.cut = work_cut,
	.dispose = work_dispose,
	.forked = work_forked,
};

/* ---- what its owner does ---- */

/* Whether it is, after a look whether this is a forked child. */
static bool work_under_way(struct embed *embed)
{
	if (embed->under_way) {
		wf_port_check_fork(embed->task.port);
	}
	return embed->under_way;
}

int weft_work_submit(struct weft_work *work, struct weft_pool *pool,
		     struct weft_lane *lane, struct weft_mailbox *home)
{
	struct embed *embed = work_embed(work);
	struct wf_task_spec spec = {
		.ops = &work_ops,
		.lane = wf_pool_lane(pool, lane),
		.name = work->name != NULL ? work->name : "work",
		.location = work->location != NULL ? work->location : "",
		.deadline_ns = work->deadline_ns,
		.priority = (unsigned char)(work->priority - WEFT_PRIORITY_LOW),
		.interruptible = work->interruptible,
	};
	struct wf_port *port = wf_mailbox_port(home);
	int ret = 0;

	if (work_under_way(embed)) {
		return EBUSY;
	}
	if (work->run == NULL || work->done == NULL || spec.lane == NULL ||
	    work->priority < WEFT_PRIORITY_LOW ||
	    work->priority > WEFT_PRIORITY_HIGH) {
		return EINVAL;
	}
	if (port == NULL) {
		return ECANCELED;
	}
	wf_port_check_fork(port);
	embed->home = weft_mailbox_addr(home).id;
	embed->recalled = false;
	embed->under_way = true;
	ret = wf_task_start(&embed->task, port, &spec);
	if (ret != 0) {
		embed->under_way = false;
	}
	return ret;
}

int weft_work_cancel(struct weft_work *work)
{
	struct embed *embed = work_embed(work);

	if (!work_under_way(embed)) {
		return ENOENT;
	}
	if (!embed->recalled) {
		embed->recalled = wf_task_recall(&embed->task);
	}
	return embed->recalled ? 0 : EBUSY;
}
