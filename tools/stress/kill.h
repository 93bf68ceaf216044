/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Kill: the jobs of the protocol "kill"; kill_jobs.c. */
#pragma once

#include "tools/stress/stress.h"

/* What a job is about, and what it sends home. */
struct block {
	struct stress_sums *sums;
	unsigned kind;
	unsigned seed;
	unsigned depth;
};

struct block *kill_block_new(struct stress_sums *sums, struct stress_dice *dice,
			     unsigned depth);

/* Does what the block says. Thread: worker. */
int kill_work(struct weft_job *job, void *ptr);

/* Submits a job that is embedded in memory of its own, and may cancel it. */
void kill_submit(struct stress_sums *sums, struct stress_dice *dice,
		 struct weft_pool *pool, struct weft_lane *lane,
		 struct weft_mailbox *home);
