/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Jobs: the list of what runs and waits in a pool; jobs.c. */
#pragma once

#include <stddef.h>

#include <talloc.h>

struct weft_job_info;
struct wf_crew;

/* weft_pool_jobs() for the family of @elder.
 * Thread: owner of @mem_ctx, with a share of the crew.  Lock: takes those of
 *         the tables and stripes of keys, of crews, shards and parks.
 * Return: 0; ENOMEM: nothing is set. */
int wf_jobs_list(struct wf_crew *elder, TALLOC_CTX *mem_ctx, unsigned max,
		 struct weft_job_info **ret_jobs, size_t *ret_count);
