/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Streamtest: jobs that say something while they run, and who hears it. */
#pragma once

#include <stdatomic.h>

#include "tests/pooltest.h"

/* A job's block: it emits so many numbered parts. */
struct talk {
	unsigned parts;
	unsigned progress;            /* sets it so often before */
	struct fixture_gate *emitted; /* added to after each part */
	struct fixture_gate *freed;   /* added to for each part that is freed */
	struct fixture_gate *go;      /* waits here before it ends */
	struct fixture_gate *started; /* added to before it emits */
	unsigned sent;                /* so many were taken */
	int ret;                      /* what emit said last */
};

struct part {
	unsigned number;
	struct fixture_gate *freed;
};

static inline int part_destructor(struct part *part)
{
	if (part->freed != NULL) {
		fixture_gate_add(part->freed, 1);
	}
	return 0;
}

static inline struct part *part_new(unsigned number, struct fixture_gate *freed)
{
	struct part *part = talloc_zero(NULL, struct part);

	part->number = number;
	part->freed = freed;
	talloc_set_destructor(part, part_destructor);
	return part;
}

static inline struct talk *talk_new(unsigned parts, struct fixture_gate *freed)
{
	struct talk *talk = talloc_zero(NULL, struct talk);

	talk->parts = parts;
	talk->freed = freed;
	return talk;
}

static inline int talk_run(struct weft_job *job, void *block)
{
	struct talk *talk = talloc_get_type_abort(block, struct talk);

	if (talk->started != NULL) {
		fixture_gate_add(talk->started, 1);
	}
	for (unsigned i = 0; i < talk->parts && talk->ret == 0; i++) {
		struct part *part = part_new(i, talk->freed);

		for (unsigned j = 0; j < talk->progress; j++) {
			weft_job_set_progress(job, i * talk->progress + j,
					      talk->parts * talk->progress);
		}
		talk->ret = weft_job_emit(job, &part);
		if (talk->ret == 0) {
			talk->sent++;
		}
		talloc_free(part);
		if (talk->emitted != NULL) {
			fixture_gate_add(talk->emitted, 1);
		}
	}
	if (talk->go != NULL) {
		fixture_gate_wait(talk->go, 1);
	}
	return talk->ret;
}

/* What was heard of one request. */
struct heard {
	struct outcome outcome; /* see pooltest.h */
	unsigned parts;         /* so many came */
	unsigned wrong;         /* of those not in order, or after the end */
	unsigned calls;         /* of progress */
	unsigned back;          /* of those that went backwards */
	uint64_t done;
	uint64_t total;
	void (*on_part)(struct heard *heard, struct tevent_req *req,
			void *part);
	void *arg;
};

static inline void heard_part(struct tevent_req *req, void *block,
			      void *private_data)
{
	struct heard *heard = private_data;
	struct part *part = talloc_get_type_abort(block, struct part);

	heard->wrong += part->number != heard->parts || heard->outcome.done;
	heard->parts++;
	if (heard->on_part != NULL) {
		heard->on_part(heard, req, part);
	}
}

static inline void heard_progress(struct tevent_req *req, uint64_t done,
				  uint64_t total, void *private_data)
{
	struct heard *heard = private_data;

	(void)req;
	heard->calls++;
	heard->back += done < heard->done || heard->outcome.done;
	heard->done = done;
	heard->total = total;
}

static inline struct tevent_req *heard_send(
	struct fixture *fx, struct weft_pool *pool, struct talk *talk,
	const struct weft_job_options *options, struct heard *heard)
{
	struct tevent_req *req = weft_job_send(fx->mem, fx->ev, pool, talk_run,
					       &talk, options);

	if (req == NULL) {
		bail_out("weft_job_send: no memory");
	}
	heard->outcome.mem = fx->mem;
	tevent_req_set_callback(req, outcome_done, &heard->outcome);
	weft_job_on_part(req, heard_part, heard);
	weft_job_on_progress(req, heard_progress, heard);
	return req;
}
