/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Story: what the stories have in common; stories.c. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include <talloc.h>
#include <tevent.h>
#include <weft.h>

#include "tests/turn/turn.h"

/* Each is as small as it can be: a seed has to choose among few steps. */
#define STORY_SENDERS  2
#define STORY_MESSAGES 3 /* of each */

/* Turns the loop until the count, which its handlers make, has come so far. */
static inline void story_until(struct tevent_context *ev, const unsigned *count,
			       unsigned wanted)
{
	while (*count < wanted) {
		TURN_CHECK(tevent_loop_once(ev) == 0);
	}
}

/* A pool of two workers that stay. */
static inline struct weft_pool *story_pool(void)
{
	const struct weft_pool_options options = { .min = 2, .max = 2 };
	struct weft_pool *pool = NULL;

	TURN_CHECK(weft_pool_create(NULL, &options, &pool) == 0);
	return pool;
}

/* Blocks that are counted. */
struct story_block {
	unsigned sender;
	unsigned number; /* from 1 */
};

/* So many are alive. */
extern atomic_int story_blocks; /* A: relaxed: looked at when all is still */

struct story_block *story_block(unsigned sender, unsigned number);

/* boxes.c */
struct story_poster {
	pthread_t thread;
	unsigned index;
	weft_addr_t to;
	unsigned accepted;
};

/* O: the loop that messages go to. */
struct story_box {
	unsigned came; /* run or cancelled */
	unsigned last[STORY_SENDERS];
};

extern struct story_box story_box;

void story_posters_start(struct story_poster *posters, weft_addr_t to);
/* Return: how many messages were accepted. */
unsigned story_posters_join(struct story_poster *posters);

void story_posts(void);
void story_latest(void);
void story_foreign(void);
void story_wakes(void);
void story_proxies(void);

/* jobs.c */

/* A job that counts @done when it has come back. */
struct tevent_req *story_job_send(struct tevent_context *ev,
				  struct weft_pool *pool, unsigned *done);

void story_jobs(void);
void story_parts(void);
void story_drain(void);
void story_serial(void);
void story_family(void);
void story_told(void);
