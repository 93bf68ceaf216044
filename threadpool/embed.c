/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Embed: jobs that are part of what their owners have.
 *
 *      the owner's structure
 *      `- weft_work  run, done, name ...    \ 64 bytes: what it is
 *         `- private_  embed  the way home  /
 *               |             task, job       64: its place in the queue
 *               |                             64: how it runs
 *               `- where it is done           64: its loop's alone
 *
 * It travels to another processor and back, so it is small, and what a worker
 * needs of it stands together (work.h, task.h).
 *
 *  1. Nothing is allocated for it but, once, what a loop has with a pool and a
 *     lane (account.c).
 *  2. Its home is named by the mailbox's address, not by a pointer: when it
 *     comes home and nobody is there any more it is done all the same, with
 *     home NULL. The port remembers who was asked for last, and forgets him
 *     when he ends, so as a rule nothing is looked up.
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
#include "threadpool/port_inside.h"
#include "threadpool/task.h"

/* What stands in weft_work.private_; all zero: never submitted. */
struct embed {
	struct wf_task task; /* see task.h */
	/* Q: the address of the mailbox; 0: it is not under way. With the
	 * task. */
	uint64_t home;
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
static struct weft_mailbox *work_home(struct wf_port *port, uint64_t home)
{
	struct wf_front *front = NULL;

	if (tev_likely(port->home_id == home)) {
		return port->home;
	}
	wf_read_begin();
	front = wf_front_find(home);
	wf_read_end();
	return front != NULL ? front->mailbox : NULL;
}

/* ---- the task ---- */

static int work_call(struct weft_job *job)
{
	struct weft_work *work = work_of(
		tev_container_of(job, struct wf_task, job));

	return work->run(job, work);
}

static struct wf_label work_label(struct weft_job *job)
{
	const struct weft_work *work = work_of(
		tev_container_of(job, struct wf_task, job));

	return (struct wf_label){
		.name = work->name != NULL ? work->name : "work",
		.location = work->location != NULL ? work->location : "",
	};
}

static void work_back(struct wf_task *task, struct wf_port *port)
{
	struct weft_work *work = work_of(task);
	struct embed *embed = work_embed(work);
	struct weft_mailbox *home = work_home(port, embed->home);

	embed->home = 0;
	work->done(home, work, task->job.error);
}

static void work_cut(struct wf_task *task)
{
	(void)task;
}

static void work_dispose(struct wf_task *task)
{
	struct weft_work *work = work_of(task);

	work_embed(work)->home = 0;
	work->done(NULL, work, task->job.error);
}

static void work_forked(struct wf_task *task, bool running)
{
	(void)running;
	work_embed(work_of(task))->home = 0;
}

static const struct wf_task_ops work_ops = {
	.work = {
		.call = work_call,
		.end = wf_task_end,
		.label = work_label,
	},
	.back = work_back,
	.cut = work_cut,
	.dispose = work_dispose,
	.forked = work_forked,
};

/* ---- what its owner does ---- */

/* Whether it is, after a look whether this is a forked child. */
static bool work_under_way(struct embed *embed)
{
	if (tev_unlikely(embed->home != 0)) {
		wf_port_check_fork(wf_task_port(&embed->task));
	}
	return embed->home != 0;
}

static int work_send(struct embed *embed, const struct weft_work *work,
		     struct weft_mailbox *home, struct wf_port *port)
{
	struct weft_job *job = &embed->task.job;
	int ret = 0;

	job->queued.priority = (unsigned char)(work->priority -
					       WEFT_PRIORITY_LOW);
	job->interruptible = work->interruptible;
	job->deadline_ns = work->deadline_ns;
	embed->home = weft_mailbox_addr(home).id;
	port->home = home;
	port->home_id = embed->home;
	ret = wf_task_send(&embed->task);
	if (tev_unlikely(ret != 0)) {
		embed->home = 0;
	}
	return ret;
}

int weft_work_submit(struct weft_work *work, struct weft_pool *pool,
		     struct weft_lane *lane, struct weft_mailbox *home)
{
	struct embed *embed = work_embed(work);
	struct wf_port *port = wf_mailbox_port(home);
	struct wf_lane *into = wf_pool_lane(pool, lane);
	int ret = 0;

	if (work_under_way(embed)) {
		return EBUSY;
	}
	if (work->run == NULL || work->done == NULL || into == NULL ||
	    work->priority < WEFT_PRIORITY_LOW ||
	    work->priority > WEFT_PRIORITY_HIGH) {
		return EINVAL;
	}
	if (port == NULL) {
		return ECANCELED;
	}
	wf_port_check_fork(port);
	ret = wf_task_init(&embed->task, &work_ops, port, into);
	return ret == 0 ? work_send(embed, work, home, port) : ret;
}

int weft_work_cancel(struct weft_work *work)
{
	struct embed *embed = work_embed(work);

	if (!work_under_way(embed)) {
		return ENOENT;
	}
	return wf_task_recall(&embed->task) ? 0 : EBUSY;
}
