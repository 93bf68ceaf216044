/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Run: one job, from its begin to where it is nobody's but its owner's;
 * run.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "threadpool/crew.h"

struct weft_job;

struct wf_ran {
	int error; /* for the job's end function */
	bool ran;  /* the same */
	struct wf_crew
		*next; /* of the key's next one, which is queued, or NULL */
};

/* Runs @job, which is RUNNING; its end function is left to the caller.
 * @worker: NULL: this thread is none.
 * Thread: the one that runs it.  Lock: none.
 * Return: false: this is a forked child, to which @job does not belong. */
bool wf_run(struct wf_worker *worker, struct weft_job *job,
	    struct wf_ran *ret_ran);
