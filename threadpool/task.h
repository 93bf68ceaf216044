/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Task: a job that a loop has sent, and that comes home to it; task.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "engine/base.h"
#include "threadpool/account.h"
#include "threadpool/port.h"
#include "threadpool/work.h"

struct tevent_context;
struct wf_lane;
struct wf_listener;
struct wf_task;

/* All but work on the owner's thread unless said otherwise. Each of back,
 * dispose and forked may free the task, which nobody knows any more then. */
struct wf_task_ops {
	/* See work.h; end is wf_task_end(). What call leaves is transferred by
	 * the port. */
	struct wf_work_ops work;
	/* It is home, by @port, with what is in the job; its account may be
	 * gone. May do anything, free its loop too. */
	void (*back)(struct wf_task *task, struct wf_port *port);
	/* Its loop is gone while it is out: parts from its request; dispose()
	 * follows. */
	void (*cut)(struct wf_task *task);
	/* It was cut and is through. Thread: any. */
	void (*dispose)(struct wf_task *task);
	/* This is a forked child: it will not come home. @running: a thread of
	 * the parent's has it in its hands. */
	void (*forked)(struct wf_task *task, bool running);
};

/* What others than its loop write comes first: see work.h. */
struct wf_task {
	struct wf_msg home;           /* Q: the port */
	struct weft_job job;          /* see work.h */
	struct wf_listener *listener; /* I: or NULL: stream.h */
	struct wf_entry entry;        /* O: */
	bool awaited;                 /* O: keeps tevent_loop_wait() */
	bool orphan;                  /* O: counted as such */
	bool aside;                   /* O: home, behind its parts */
	bool recalled;                /* O: see wf_task_recall() */
};

/* Sets up @task, which is to go by @port into @lane, whose crew is kept by
 * somebody until it is sent. Up to then the caller may change what is I: in it
 * but flow and ops.
 * Thread: owner of @port.  Lock: none.
 * Return: 0; ENOMEM. */
int wf_task_init(struct wf_task *task, const struct wf_task_ops *ops,
		 struct wf_port *port, struct wf_lane *lane);

/* Sends @task to the workers.
 * Thread: owner of its port.  Lock: takes those of the queue.
 * Owns:   takes @task when it returns 0: back, or cut and dispose, or forked
 *         follow, unless wf_task_cancel() says true.
 * Return: 0; EAGAIN, ESHUTDOWN, ENOMEM, or what eventfd(2) or sigaction(2)
 *         says. */
int wf_task_send(struct wf_task *task);

/* For wf_task_ops.work. */
void wf_task_end(struct weft_job *job, int error, bool ran);

/* Takes it out of the queue, or tells it to stop; for this, and what follows,
 * wf_port_check_fork() comes first, which may free the task.
 * Thread: owner.
 * Return: true: nobody but the caller knows it any more; back will not come. */
bool wf_task_cancel(struct wf_task *task);

/* The same, but back comes in any case, in a later pass: with ECANCELED if this
 * returns true; again, the same.
 * Thread: owner. */
bool wf_task_recall(struct wf_task *task);

/* Nobody waits for it any more: it does not keep the loop, and counts as an
 * orphan. It comes home all the same. Again: nothing. Thread: owner. */
void wf_task_leave(struct wf_task *task);

/* Its listener does not hold parts any more: they come, and the result if that
 * has been put aside. Thread: owner. */
void wf_task_resume(struct wf_task *task);

/* Where it comes home.
 * Thread: owner; any while its message is owed.  Lock: none. */
static inline struct wf_port *wf_task_port(const struct wf_task *task)
{
	return wf_account_port_of(task->job.queued.flow);
}

/* The task that @job is; NULL: it is none. Thread: any.  Lock: none. */
static inline struct wf_task *wf_task_of(struct weft_job *job)
{
	return job->ops->end == wf_task_end
		       ? tev_container_of(job, struct wf_task, job)
		       : NULL;
}
