/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Task: a job that a loop has sent, and that comes home to it; task.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "engine/list.h"
#include "threadpool/account.h"
#include "threadpool/port.h"
#include "threadpool/work.h"

struct tevent_context;
struct wf_lane;
struct wf_listener;
struct wf_order;
struct wf_task;

/* All but call on the owner's thread unless said otherwise. Each of back,
 * dispose and forked may free the task, which nobody knows any more then. */
struct wf_task_ops {
	/* The work. Thread: the one that runs it. What it leaves is transferred
	 * by the port.
	 * Return: 0 or a positive errno. */
	int (*call)(struct wf_task *task);
	/* It is home. @ran: call was. May do anything, free its loop too. */
	void (*back)(struct wf_task *task, struct tevent_context *ev, int error,
		     bool ran);
	/* Its loop is gone while it is out: parts from its request; dispose()
	 * follows. */
	void (*cut)(struct wf_task *task);
	/* It was cut and is through. Thread: any. */
	void (*dispose)(struct wf_task *task, int error);
	/* This is a forked child: it will not come home. @running: a thread of
	 * the parent's has it in its hands. */
	void (*forked)(struct wf_task *task, bool running);
};

struct wf_task {
	struct weft_job job;           /* see work.h */
	struct wf_msg home;            /* Q: the port */
	struct wf_port *port;          /* I: there while the message is owed */
	const struct wf_task_ops *ops; /* I: */
	struct wf_listener *listener;  /* I: or NULL: stream.h */
	struct wf_entry entry;         /* O: */
	struct wf_account *account;    /* I: a share only when cut off */
	unsigned parts;                /* I: at most so many; 0: none */
	bool parts_refuse;             /* I: emit does not wait */
	int error;                     /* Q: */
	bool ran;                      /* Q: */
	bool awaited;                  /* O: keeps tevent_loop_wait() */
	bool orphan;                   /* O: counted as such */
	bool aside;                    /* O: home, behind its parts */
};

/* What a task is sent with. */
struct wf_task_spec {
	const struct wf_task_ops *ops;
	struct wf_lane *lane; /* whose crew is kept by somebody meanwhile */
	const char *name;
	const char *location;
	uint64_t deadline_ns;
	unsigned char priority; /* below WF_PRIORITIES */
	bool interruptible;
	struct wf_keyed *keyed; /* to be set up, or NULL */
	struct wf_order *order; /* for that */
	uint64_t key;
	struct wf_listener
		*listener; /* that of its parts and progress, or NULL */
	unsigned parts;
	bool parts_refuse;
};

/* Sends @task, which need not be set up, to the workers.
 * Thread: owner of @port.  Lock: takes those of the queue.
 * Owns:   takes @task when it returns 0: back, or cut and dispose, or forked
 *         follow, unless wf_task_cancel() says true.
 * Return: 0; EAGAIN, ESHUTDOWN, ENOMEM, or what eventfd(2) or sigaction(2)
 *         says. */
int wf_task_start(struct wf_task *task, struct wf_port *port,
		  const struct wf_task_spec *spec);

/* Takes it out of the queue, or tells it to stop; for this, and what follows,
 * wf_port_check_fork() comes first, which may free the task.
 * Thread: owner.
 * Return: true: nobody but the caller knows it any more; back will not come. */
bool wf_task_cancel(struct wf_task *task);

/* The same, but back comes in any case, in a later pass: with ECANCELED if this
 * returns true.
 * Thread: owner. */
bool wf_task_recall(struct wf_task *task);

/* Nobody waits for it any more: it does not keep the loop, and counts as an
 * orphan. It comes home all the same. Again: nothing. Thread: owner. */
void wf_task_leave(struct wf_task *task);

/* Its listener does not hold parts any more: they come, and the result if that
 * has been put aside. Thread: owner. */
void wf_task_resume(struct wf_task *task);

/* The task that @job is; NULL: it is none. Thread: any.  Lock: none. */
struct wf_task *wf_task_of(struct weft_job *job);
