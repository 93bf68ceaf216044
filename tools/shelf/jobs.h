/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Jobs: what the pool does right now, and an end to it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <talloc.h>

#include <tevent.h>

#include "tools/shelf/message.h"

struct weft_job_info;
struct weft_pool;

/* The jobs that requests of this loop wait for. */
struct jobs;

struct jobs *jobs_create(TALLOC_CTX *mem_ctx);
bool jobs_watch(struct jobs *jobs, struct tevent_req *req);
bool jobs_cancel(struct jobs *jobs, uint64_t id);

struct message_reply *jobs_reply(TALLOC_CTX *mem_ctx, struct weft_pool *pool);
struct message_reply *jobs_cancel_reply(TALLOC_CTX *mem_ctx, struct jobs *jobs,
					const char *number);
void jobs_log(const struct weft_job_info *left, size_t count);
