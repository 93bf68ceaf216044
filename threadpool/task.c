/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Task: a job that a loop has sent, and that comes home to it.
 *
 *      start ---> queue, worker ---> post ---> the port ---> back
 *         \           |                 \           \
 *          \          |                  `- refused -+--> dispose (the loop
 *           cancel, if it still waits                     has ended: cut)
 *
 *  1. A task is sent by its loop's thread and comes home exactly once, as a
 *     message, or the owner takes it out of the queue first.
 *  2. From start on it is owed to the port, so its end may be posted from any
 *     thread without a share in that, and stands in the account (account.h) of
 *     its loop with its crew, which keeps the crew.
 *  3. It is awaited until it is home or its owner leaves it; as long
 *     tevent_loop_wait() stays. Who is left is an orphan.
 *  4. A task whose loop has ended is cut off: it has a share of the account,
 *     and whoever finds that it cannot come home disposes of it.
 *  5. In a forked child none comes home. What the parent's workers have stays
 *     theirs, so the owner is told and decides what to free.
 *  6. What a job has emitted comes before its result: a task that is home
 *     before its parts were taken, or whose parts are held, is put aside. It
 *     stands in the account meanwhile, awaited, but is not owed any more.
 *
 * Threads: task_run, task_end, task_dispose: any; all others: the owner.
 * Ordering: [ST1] the owner finds the stream of a job; the rest through
 * shard.h, port.h, work.h.
 * Not here: what a task is good for (job.c, embed.c), how it is queued
 * (submit.c).
 */
#include "threadpool/task.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>

#include "threadpool/tevent_compat.h"

#include "weft.h"

#include "engine/base.h"
#include "threadpool/crew.h"
#include "threadpool/drain.h"
#include "threadpool/family.h"
#include "threadpool/keyed.h"
#include "threadpool/lane.h"
#include "threadpool/poke.h"
#include "threadpool/stream.h"
#include "threadpool/submit.h"

/* ---- what every end has in common ---- */

static void task_count_orphan(struct wf_crew *crew, bool more)
{
	/* Relaxed: a statistic. */
	(void)atomic_fetch_add_explicit(&crew->orphans, more ? 1 : UINT64_MAX,
					memory_order_relaxed);
}

/* What the job has made in order to say something, or NULL. */
static struct wf_stream *task_stream(struct wf_task *task)
{
	/* [ST1] acquire: all of it. */
	return atomic_load_explicit(&task->job.stream, memory_order_acquire);
}

/* Nobody else knows it any more. */
static void task_fini(struct wf_task *task)
{
	struct wf_stream *stream = task_stream(task);

	if (stream != NULL) {
		wf_stream_unref(stream);
	}
	wf_family_fini(&task->job);
}

/* It leaves its loop for good; the crew may be gone afterwards. */
static void task_settle(struct wf_task *task)
{
	struct wf_stream *stream = task_stream(task);

	if (stream != NULL) {
		wf_stream_part(stream);
	}
	if (task->awaited) {
		task->awaited = false;
		wf_port_wait_end(task->port);
	}
	if (task->orphan) {
		task->orphan = false;
		task_count_orphan(task->account->crew, false);
	}
	wf_account_remove(task->account, &task->entry);
	task_fini(task);
}

/* ---- the way home ---- */

/* The end of a task that was cut off from its loop; on any thread. */
static void task_dispose(struct wf_task *task)
{
	struct wf_account *account = task->account;

	if (task->orphan) {
		task_count_orphan(account->crew, false);
	}
	task_fini(task);
	task->ops->dispose(task, task->error);
	wf_account_unref(account);
}

static void task_post(struct wf_task *task)
{
	struct wf_port *port = task->port;
	bool accepted = wf_port_post(port, &task->home);

	if (!accepted) {
		task_dispose(task);
		wf_port_unref(port);
	}
}

static int task_run(struct weft_job *job)
{
	struct wf_task *task = tev_container_of(job, struct wf_task, job);

	return task->ops->call(task);
}

static void task_end(struct weft_job *job, int error, bool ran)
{
	struct wf_task *task = tev_container_of(job, struct wf_task, job);

	task->error = error;
	task->ran = ran;
	task_post(task);
}

static const struct wf_work_ops task_ops = {
	.call = task_run,
	.end = task_end,
};

struct wf_task *wf_task_of(struct weft_job *job)
{
	return job->ops == &task_ops
		       ? tev_container_of(job, struct wf_task, job)
		       : NULL;
}

static void task_back(struct wf_task *task, struct tevent_context *ev)
{
	task_settle(task);
	task->ops->back(task, ev, task->error, task->ran);
}

/* Its parts are through. */
static void task_through(struct wf_listener *listener,
			 struct tevent_context *ev)
{
	struct wf_task *task = listener->task;

	listener->through = NULL;
	task_back(task, ev);
}

static void task_deliver(struct wf_msg *msg, struct tevent_context *ev,
			 bool gone)
{
	struct wf_task *task = tev_container_of(msg, struct wf_task, home);

	wf_port_unexpect(task->port);
	if (gone) {
		/* The loop ended while this was on its way. */
		task_dispose(task);
		return;
	}
	if (task->listener != NULL &&
	    wf_stream_holds(task_stream(task), task->listener)) {
		task->aside = true;
		task->listener->task = task;
		task->listener->through = task_through;
		return;
	}
	task_back(task, ev);
}

/* ---- the loop ends, or is forked ---- */

static void task_closed(struct wf_entry *entry)
{
	struct wf_task *task = tev_container_of(entry, struct wf_task, entry);
	struct wf_stream *stream = NULL;
	bool mine = task->aside;

	task->awaited = false;
	wf_account_ref(task->account);
	if (!mine) {
		mine = wf_submit_cancel(&task->job);
		if (mine) {
			wf_port_unexpect(task->port);
			task->error = ECANCELED;
		}
	}
	stream = task_stream(task);
	if (stream != NULL) {
		wf_stream_part(stream);
	}
	if (!mine && !task->orphan) {
		task->orphan = true;
		task_count_orphan(task->account->crew, true);
	}
	task->ops->cut(task);
	if (mine) {
		task_dispose(task);
	}
}

/* What a worker had is left alone: it may be half changed. */
static void task_forked(struct wf_entry *entry)
{
	struct wf_task *task = tev_container_of(entry, struct wf_task, entry);
	struct wf_stream *stream = task_stream(task);
	bool running = wf_work_was_running(&task->job);

	if (stream != NULL && !running) {
		wf_stream_forked(stream);
	}
	if (!running) {
		wf_family_fini(&task->job);
	}
	task->ops->forked(task, running);
}

/* ---- what its owner does ---- */

static void task_init(struct wf_task *task, struct wf_account *account,
		      const struct wf_task_spec *spec)
{
	struct weft_job *job = &task->job;

	wf_work_init(job, &task_ops);
	job->queued.priority = spec->priority;
	job->interruptible = spec->interruptible;
	job->name = spec->name;
	job->location = spec->location;
	job->id = wf_account_id(account);
	job->sent_ns = wf_account_time(account, &job->timed);
	job->deadline_ns = spec->deadline_ns;
	job->keyed = spec->keyed;
	if (spec->keyed != NULL) {
		wf_keyed_init(spec->keyed, spec->order, spec->key, job);
	}
	task->home.deliver = task_deliver;
	task->port = account->port;
	task->ops = spec->ops;
	task->listener = spec->listener;
	tev_list_init(&task->entry.link);
	task->entry.closed = task_closed;
	task->entry.forked = task_forked;
	task->account = account;
	task->parts = spec->parts;
	task->parts_refuse = spec->parts_refuse;
	task->error = 0;
	task->ran = false;
	task->awaited = true;
	task->orphan = false;
	task->aside = false;
}

int wf_task_start(struct wf_task *task, struct wf_port *port,
		  const struct wf_task_spec *spec)
{
	struct wf_crew *crew = spec->lane->crew;
	struct wf_account *account = wf_account_get(port, crew);
	struct wf_flow *flow = NULL;
	int ret = 0;

	if (account == NULL) {
		return ENOMEM;
	}
	flow = wf_account_flow(account, spec->lane);
	if (flow == NULL) {
		return ENOMEM;
	}
	if (spec->interruptible) {
		ret = wf_poke_install(crew);
		if (ret != 0) {
			return ret;
		}
	}
	ret = wf_port_wait_begin(port);
	if (ret != 0) {
		return ret;
	}
	task_init(task, account, spec);
	task->job.queued.flow = flow;
	wf_port_expect(port);
	wf_account_add(account, &task->entry);

	/* Transferred by the shard: from here on it may be running. */
	ret = wf_submit(&task->job);
	if (ret != 0) {
		wf_port_unexpect(port);
		task_settle(task);
	}
	return ret;
}

bool wf_task_cancel(struct wf_task *task)
{
	bool mine = task->aside;

	if (!mine) {
		mine = wf_submit_cancel(&task->job);
		if (!mine) {
			return false;
		}
		wf_port_unexpect(task->port);
	}
	task_settle(task);
	return true;
}

bool wf_task_recall(struct wf_task *task)
{
	struct wf_crew *crew = task->account->crew;
	bool mine = false;

	/* A pool that is drained is through when this is on its way. */
	wf_drain_take(crew);
	mine = wf_submit_cancel(&task->job);
	if (mine) {
		task_end(&task->job, ECANCELED, false);
	}
	wf_drain_give(crew);
	return mine;
}

void wf_task_leave(struct wf_task *task)
{
	struct wf_stream *stream = task_stream(task);

	if (!task->awaited) {
		return;
	}
	task->awaited = false;
	wf_port_wait_end(task->port);
	task->orphan = true;
	task_count_orphan(task->account->crew, true);
	if (stream != NULL) {
		wf_stream_drop(stream);
	}
}

void wf_task_resume(struct wf_task *task)
{
	struct wf_stream *stream = task_stream(task);

	if (stream != NULL) {
		wf_stream_resume(stream);
	} else if (task->aside) {
		/* Nothing is in front of it: it arrives anew. */
		task->aside = false;
		task->listener->through = NULL;
		wf_port_expect(task->port);
		(void)wf_port_post(task->port, &task->home);
	}
}
