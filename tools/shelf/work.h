/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Work: one function, run by a pool or right here.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <talloc.h>

#include <tevent.h>
#include <weft.h>

struct jobs;
struct work_place;

struct work_options {
	bool here; /* in the loop, as a daemon without a pool does */
	unsigned workers;
	unsigned queue;
	int nice;
	weft_worker_init_fn_t worker_init;
	weft_worker_fini_fn_t worker_fini;
	void *worker_private;
};

/* What kind of work it is: the pool keeps them from each other's throats. */
enum work_lane {
	WORK_CPU,   /* computes */
	WORK_LOGIN, /* computes, with much memory */
	WORK_DISK,  /* waits for a disk */
	WORK_SLOW,  /* waits for somebody else */
	WORK_LANES,
};

struct work_order {
	const char *name;
	const char *location;
	weft_job_fn_t fn;
	enum work_lane lane;
	bool serial; /* after all that were sent before with this key */
	uint64_t key;
};

int work_place_create(TALLOC_CTX *mem_ctx, const struct work_options *options,
		      struct work_place **ret_place);
struct weft_pool *work_place_pool(const struct work_place *place);
struct weft_lane *work_place_lane(const struct work_place *place,
				  enum work_lane lane);
struct jobs *work_place_jobs(const struct work_place *place);

struct tevent_req *work_send(TALLOC_CTX *mem_ctx, struct tevent_context *ev,
			     struct work_place *place,
			     const struct work_order *order, void *pp_block);
int work_recv(struct tevent_req *req, TALLOC_CTX *mem_ctx, void *pp_block);

bool work_should_stop(struct weft_job *job);
void work_progress(struct weft_job *job, uint64_t done, uint64_t total);
void *work_worker_state(struct weft_job *job);
