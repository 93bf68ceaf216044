/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Stream oom: each allocation on the way of parts and progress fails once. See
 * sweep.h for what must hold; beside that each part is freed exactly once, and
 * an emit that has failed leaves the part to the job.
 */
#include <stdatomic.h>

#include <weft.h>

#include "tests/sweep.h"

#define PARTS 5

static atomic_int parts; /* A: alive */
static atomic_int lost;  /* A: scenarios that left a part */

struct part {
	int number;
};

struct talk {
	int sent;
	int refused;
};

static int part_destructor(struct part *part)
{
	(void)part;
	/* Relaxed: a count, looked at when all threads are gone. */
	(void)atomic_fetch_sub_explicit(&parts, 1, memory_order_relaxed);
	return 0;
}

static int talk_run(struct weft_job *job, void *block)
{
	struct talk *talk = block;

	for (int i = 0; i < PARTS; i++) {
		struct part *part = talloc_zero(NULL, struct part);

		if (part == NULL) {
			talk->refused++;
			continue;
		}
		(void)atomic_fetch_add_explicit(&parts, 1,
						memory_order_relaxed);
		talloc_set_destructor(part, part_destructor);
		weft_job_set_progress(job, (uint64_t)i, PARTS);
		if (weft_job_emit(job, &part) == 0) {
			talk->sent++;
		} else {
			talk->refused++;
			talloc_free(part);
		}
	}
	return 0;
}

static void part_came(struct tevent_req *req, void *block, void *private_data)
{
	int *came = private_data;

	(void)req;
	(void)block;
	(*came)++;
}

struct heard {
	struct sweep *sweep;
	int came;
};

static void talk_done(struct tevent_req *req)
{
	struct heard *heard = tevent_req_callback_data_void(req);
	struct sweep *sweep = heard->sweep;
	struct talk *talk = NULL;
	int ret = weft_job_recv(req, sweep->mem, &talk);

	TALLOC_FREE(req);
	if (ret == 0 && talk->sent == heard->came) {
		sweep->ran++;
		sweep->refused += (unsigned)talk->refused;
	} else if (ret != 0) {
		sweep->refused++;
		sweep->accepted--;
	}
	TALLOC_FREE(talk);
}

static void play_talk(struct sweep *sweep)
{
	struct weft_pool_options options = { .max = 1 };
	struct weft_pool *pool = NULL;
	struct heard heard = { .sweep = sweep };
	struct talk *talk = talloc_zero(NULL, struct talk);
	struct tevent_req *req = NULL;

	if (sweep_made(sweep, talk) == NULL) {
		return;
	}
	if (weft_pool_create(sweep->mem, &options, &pool) != 0) {
		sweep->refused++;
		TALLOC_FREE(talk);
		return;
	}
	req = sweep_got(sweep, weft_job_send(sweep->mem, sweep->ev, pool,
					     talk_run, &talk, NULL));
	if (req != NULL) {
		tevent_req_set_callback(req, talk_done, &heard);
		weft_job_on_part(req, part_came, &heard.came);
	}
	sweep_turn(sweep, sweep->ev);
	TALLOC_FREE(talk);
	TALLOC_FREE(pool);
	if (atomic_load_explicit(&parts, memory_order_relaxed) != 0) {
		(void)atomic_fetch_add_explicit(&lost, 1, memory_order_relaxed);
		atomic_store_explicit(&parts, 0, memory_order_relaxed);
	}
}

int main(int argc, char **argv)
{
	(void)argc;
	if (TEST_ON_STOCK) {
		skip_all("stock aborts or crashes when memory runs out");
	}
	sweep_begin(argv);
	sweep_run("malloc fails: parts", play_talk, "standard", SHIM_MALLOC,
		  SWEEP_THREADS);
	sweep_run("eventfd fails: parts", play_talk, "standard", SHIM_EVENTFD,
		  SWEEP_THREADS);
	is_int(atomic_load_explicit(&lost, memory_order_relaxed), 0,
	       "each part is freed once");
	return done();
}
