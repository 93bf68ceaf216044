/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Work: one function, run by a pool or right here.
 */
#pragma once

#include <stdbool.h>

#include <talloc.h>

#include <tevent.h>
#include <weft.h>

struct work_place;

struct work_options {
	bool here; /* in the loop, as a daemon without a pool does */
	unsigned workers;
	unsigned queue;
	int nice;
	weft_worker_init_fn_t worker_init;
	weft_worker_fini_fn_t worker_fini;
};

int work_place_create(TALLOC_CTX *mem_ctx, const struct work_options *options,
		      struct work_place **ret_place);
struct weft_pool *work_place_pool(const struct work_place *place);

struct tevent_req *work_send(TALLOC_CTX *mem_ctx, struct tevent_context *ev,
			     struct work_place *place, const char *name,
			     weft_job_fn_t fn, void *pp_block);
int work_recv(struct tevent_req *req, TALLOC_CTX *mem_ctx, void *pp_block);

bool work_should_stop(struct weft_job *job);
void *work_worker_state(struct weft_job *job);
