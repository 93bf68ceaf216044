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
 * Threads: wf_task_end, task_dispose: any; all others: the owner.
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

static struct wf_account *task_account(const struct wf_task *task)
{
	return wf_account_of(task->job.queued.flow);
}

_Static_assert(offsetof(struct wf_task_ops, work) == 0,
	       "what a job points to is the beginning of what its task does");

static const struct wf_task_ops *task_ops(const struct wf_task *task)
{
	return (const struct wf_task_ops *)(const void *)task->job.ops;
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
	struct wf_account *account = task_account(task);
	struct wf_stream *stream = task_stream(task);

	if (tev_unlikely(stream != NULL)) {
		wf_stream_part(stream);
	}
	if (tev_likely(task->awaited)) {
		task->awaited = false;
		wf_port_wait_end(account->port);
	}
	if (tev_unlikely(task->orphan)) {
		task->orphan = false;
		task_count_orphan(account->crew, false);
	}
	wf_account_remove(account, &task->entry);
	task_fini(task);
}

/* ---- the way home ---- */

/* The end of a task that was cut off from its loop; on any thread. */
static void task_dispose(struct wf_task *task)
{
	struct wf_account *account = task_account(task);

	if (task->orphan) {
		task_count_orphan(account->crew, false);
	}
	task_fini(task);
	task_ops(task)->dispose(task);
	wf_account_unref(account);
}

void wf_task_end(struct weft_job *job, int error, bool ran)
{
	struct wf_task *task = tev_container_of(job, struct wf_task, job);
	struct wf_port *port = wf_task_port(task);
	bool accepted = false;

	job->error = error;
	job->ran = ran;
	/* What has run normally is one of many. */
	accepted = ran && job->queued.priority < WF_PRIORITIES - 1
			   ? wf_port_post_quiet(port, &task->home)
			   : wf_port_post(port, &task->home);
	if (tev_unlikely(!accepted)) {
		task_dispose(task);
		wf_port_unref(port);
	}
}

static void task_back(struct wf_task *task)
{
	struct wf_port *port = wf_task_port(task);

	task_settle(task);
	task_ops(task)->back(task, port);
}

/* Its parts are through. */
static void task_through(struct wf_listener *listener,
			 struct tevent_context *ev)
{
	struct wf_task *task = listener->task;

	(void)ev;
	listener->through = NULL;
	task_back(task);
}

/* Whether parts are in front of it, or are held. */
static bool task_is_held(struct wf_task *task)
{
	struct wf_stream *stream = task_stream(task);

	return task->listener != NULL &&
	       (stream != NULL || task->listener->hold) &&
	       wf_stream_holds(stream, task->listener);
}

static void task_deliver(struct wf_msg *msg, struct tevent_context *ev,
			 bool gone)
{
	struct wf_task *task = tev_container_of(msg, struct wf_task, home);

	(void)ev;
	wf_port_home(wf_task_port(task));
	if (tev_unlikely(gone)) {
		/* The loop ended while this was on its way. */
		task_dispose(task);
		return;
	}
	if (tev_unlikely(task_is_held(task))) {
		task->aside = true;
		task->listener->task = task;
		task->listener->through = task_through;
		return;
	}
	task_back(task);
}

/* ---- the loop ends, or is forked ---- */

static void task_closed(struct wf_entry *entry)
{
	struct wf_task *task = tev_container_of(entry, struct wf_task, entry);
	struct wf_stream *stream = NULL;
	bool mine = task->aside;

	task->awaited = false;
	wf_account_ref(task_account(task));
	if (!mine) {
		mine = wf_submit_cancel(&task->job);
		if (mine) {
			wf_port_unexpect(wf_task_port(task));
			task->job.error = ECANCELED;
		}
	}
	stream = task_stream(task);
	if (stream != NULL) {
		wf_stream_part(stream);
	}
	if (!mine && !task->orphan) {
		task->orphan = true;
		task_count_orphan(task_account(task)->crew, true);
	}
	task_ops(task)->cut(task);
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
	task_ops(task)->forked(task, running);
}

/* ---- what its owner does ---- */

static const struct wf_entry_ops task_entry_ops = {
	.closed = task_closed,
	.forked = task_forked,
};

int wf_task_init(struct wf_task *task, const struct wf_task_ops *ops,
		 struct wf_port *port, struct wf_lane *lane)
{
	struct wf_flow *flow = wf_account_flow(port, lane, &task_entry_ops);
	struct wf_account *account = NULL;

	if (flow == NULL) {
		return ENOMEM;
	}
	account = wf_account_of(flow);
	task->home.deliver = task_deliver;
	wf_work_init(&task->job, &ops->work);
	task->job.queued.flow = flow;
	task->job.id = wf_account_id(account);
	task->job.sent_ns = wf_account_time(account, &task->job.timed);
	task->listener = NULL;
	tev_list_init(&task->entry.link);
	task->awaited = false;
	task->orphan = false;
	task->aside = false;
	task->recalled = false;
	return 0;
}

int wf_task_send(struct wf_task *task)
{
	struct wf_account *account = task_account(task);
	struct wf_port *port = account->port;
	int ret = 0;

	if (task->job.interruptible) {
		ret = wf_poke_install(account->crew);
		if (ret != 0) {
			return ret;
		}
	}
	ret = wf_port_wait_begin(port);
	if (ret != 0) {
		return ret;
	}
	task->awaited = true;
	wf_port_expect(port);
	wf_account_add(account, &task->entry);

	/* Transferred by the shard: from here on it may be running. */
	ret = wf_submit(&task->job);
	if (tev_unlikely(ret != 0)) {
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
		wf_port_unexpect(wf_task_port(task));
	}
	task_settle(task);
	return true;
}

bool wf_task_recall(struct wf_task *task)
{
	struct wf_crew *crew = task_account(task)->crew;

	if (task->recalled) {
		return true;
	}
	/* A pool that is drained is through when this is on its way. */
	wf_drain_take(crew);
	task->recalled = wf_submit_cancel(&task->job);
	if (task->recalled) {
		wf_task_end(&task->job, ECANCELED, false);
	}
	wf_drain_give(crew);
	return task->recalled;
}

void wf_task_leave(struct wf_task *task)
{
	struct wf_stream *stream = task_stream(task);

	if (!task->awaited) {
		return;
	}
	task->awaited = false;
	wf_port_wait_end(wf_task_port(task));
	task->orphan = true;
	task_count_orphan(task_account(task)->crew, true);
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
		wf_port_expect(wf_task_port(task));
		(void)wf_port_post(wf_task_port(task), &task->home);
	}
}
