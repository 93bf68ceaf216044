/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Worker: what one does, for a thread (worker.c) and for what takes its place
 * in a simulated world (sim_worker.c); and how a job is evicted
 * (worker_evict.c). */
#pragma once

#include <stdbool.h>

#include "threadpool/crew.h"

struct weft_job;

/* Calls worker_init, with the token given back.
 * Thread: the worker, first of all.  Lock: none.
 * Return: false: it has failed, and the worker is gone. */
bool wf_worker_begin(struct wf_worker *worker, bool *token);

/* Takes a job that may run out of the queues. Thread: the worker.
 * Lock: takes those of the shards and perhaps of the gate.  Return: or NULL. */
struct weft_job *wf_worker_search(struct wf_worker *worker);

/* Others search from now on, if there is something to be found.
 * Thread: the worker.  Lock: perhaps the park's. */
void wf_worker_give_token(struct wf_worker *worker, bool token);

/* Runs a job that @worker has taken out of its lane.
 * Thread: the worker.  Lock: none.
 * Return: false: this is a forked child, to which @job does not belong. */
bool wf_worker_run(struct wf_worker *worker, struct weft_job *job);

/* Calls worker_fini; @worker, which the park does not count any more, is gone.
 * Thread: the worker, last of all.  Lock: takes the gate's and the park's. */
void wf_worker_end(struct wf_worker *worker);

/* Takes out the one of @shard, of @lane, that has waited longest, up to @last,
 * if its priority is not above, for @error.
 * Thread: any.  Lock: takes the shard's.
 * Return: false: there was none. */
bool wf_worker_evict_one(struct wf_lane *lane, struct wf_shard *shard,
			 unsigned char priority, uint64_t last, int error);

/* A worker that is counted will not come, for @error: what wf_worker_call()
 * does then. @token: it has that.
 * Thread: any.  Lock: takes those of the park and perhaps of the shards. */
void wf_worker_after_failure(struct wf_crew *crew, int error, bool token);

/* Makes the calling thread @worker, or none. Thread: any.
 * Return: which it was before. */
struct wf_worker *wf_worker_become(struct wf_worker *worker);
