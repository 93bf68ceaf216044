/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Submit: the way into the queues, and out of them again; submit.c. */
#pragma once

#include <stdbool.h>

struct weft_job;

/* Queues @job in its flow, or behind those of its key, and sees to it that it
 * runs. The lane's limit and overflow hold; with CALLER_RUNS it may be run here
 * and have ended when this returns.
 * Thread: owner of @job, with a share of the crew.  Lock: takes the shard's and
 *         the park's, not at the same time.
 * Owns:   takes @job on success.
 * Return: 0, EAGAIN: full; ESHUTDOWN. */
int wf_submit(struct weft_job *job);

/* Takes @job out of the queue, or tells it to stop.
 * Thread: owner of @job.  Lock: takes the shard's or the park's.
 * Return: true: it is the owner's again, nobody else knows it and nobody else
 *         will end it; false: it is with a worker or on its way home. */
bool wf_submit_cancel(struct weft_job *job);

/* Like wf_submit_cancel() for who wants to run a queued job itself.
 * Return: true: it is the caller's to run (RUNNING), by
 *         wf_worker_run_here(). */
bool wf_submit_claim(struct weft_job *job);
