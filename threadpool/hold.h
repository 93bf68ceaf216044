/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Hold: looking at a job that another thread runs; hold.c. */
#pragma once

struct weft_job;
struct wf_bed;
struct wf_park;

/* Publishes @job on @bed, before what the bed has run until now: sets outer.
 * Thread: the worker.  Lock: none. */
void wf_hold_begin(struct weft_job *job, struct wf_bed *bed);

/* Takes it back; outer is in its place again. Nobody holds @job any more.
 * Thread: the worker.  Lock: takes the park's if somebody held it. */
void wf_hold_end(struct weft_job *job, struct wf_bed *bed,
		 struct wf_park *park);

/* Calls @look for each job that runs on a worker, the outer ones of a worker
 * after the inner one; all of one worker are held meanwhile.
 * Thread: any that holds the park's lock. */
void wf_hold_each_locked(struct wf_park *park,
			 void (*look)(struct weft_job *job, struct wf_bed *bed,
				      void *arg),
			 void *arg);

/* Sends the signal to the thread that runs @job, unless a child runs inside of
 * it just now.
 * Thread: any that holds @job. */
void wf_hold_interrupt(struct weft_job *job, struct wf_bed *bed, int signum);
