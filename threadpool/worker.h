/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Worker: a thread that runs work; worker.c. */
#pragma once

#include "threadpool/run.h"

struct weft_job;

/* Sees to it that somebody looks at the queues, after a job was published or
 * one that waits may run: wakes a worker or starts one. When none can be had at
 * all, takes out what is queued and hands it to its owners.
 * Thread: any.  Lock: takes those of the park and perhaps of the shards. */
void wf_worker_call(struct wf_crew *crew);

/* The same for a job that has just been queued in @lane, which perhaps must not
 * run now: then nobody is woken for nothing. */
void wf_worker_call_for(struct wf_lane *lane);

/* The same for one that was sent without the lock (wf_shard_send()). */
void wf_worker_call_sent(struct wf_lane *lane);

/* Takes all work out of the queues of @crew, or of one lane, for @error.
 * Thread: any.  Lock: takes those of the shards. */
void wf_worker_evict_all(struct wf_crew *crew, int error);
void wf_worker_evict_lane(struct wf_lane *lane, int error);

/* Takes out the one of @shard, of @lane, that has waited longest, if its
 * priority is not above; if there is none, one of the lane's others.
 * Thread: any.  Lock: takes the shards', one at a time.
 * Return: false: there was none. */
bool wf_worker_evict_oldest(struct wf_lane *lane, struct wf_shard *shard,
			    unsigned char priority);

/* The end of a job that the caller has evicted from a queue.
 * Thread: any.  Lock: none. */
void wf_worker_end_evicted(struct weft_job *job, int error);

/* The worker that the calling thread is, or NULL. Thread: any. */
struct wf_worker *wf_worker_self(void);

/* Runs @job, which the caller has claimed (RUNNING), where no worker has taken
 * it from its lane: inside of another job of @worker, which waits for it, or,
 * with NULL, on a thread that is none, whose owner has sent it. It takes no
 * place in its lane. It is gone afterwards.
 * Thread: the worker; the sender.  Lock: none.
 * Return: false: this is a forked child, to which @job does not belong. */
bool wf_worker_run_here(struct wf_worker *worker, struct weft_job *job);
