/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Worker: a thread that runs work; worker.c. */
#pragma once

#include "threadpool/crew.h"

struct wf_worker {
	struct wf_bed bed;    /* see park.h */
	struct wf_crew *crew; /* I: */
	unsigned number;      /* I: for the name */
	unsigned next_shard;  /* O: where it looks first */
	unsigned generation;  /* I: of the process it was born in */
	void *state;          /* O: worker_init's */
};

/* Sees to it that somebody looks at the queues, after a job was published:
 * wakes a worker or starts one. When none can be had at all, takes out what is
 * queued and hands it to its owners.
 * Thread: any.  Lock: takes those of the park and perhaps of the shards. */
void wf_worker_call(struct wf_crew *crew);

/* Takes all work out of the queues, for @error.
 * Thread: any.  Lock: takes those of the shards. */
void wf_worker_evict_all(struct wf_crew *crew, int error);
