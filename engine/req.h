/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Req: asynchronous computations with one result. See req.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "include/tevent.h"

#include "engine/context.h"
#include "engine/depth.h"
#include "engine/immediate.h"
#include "engine/timer.h"

#define REQ_DEPTH_UNKNOWN UINT32_MAX

struct tevent_req {
	tevent_req_fn fn;
	void *private_data;
	const char *fn_name;
	tevent_req_cleanup_fn cleanup_fn;
	const char *cleanup_name;
	tevent_req_cancel_fn cancel_fn;
	const char *cancel_name;
	tevent_req_print_fn print_fn;
	struct tevent_req_profile *profile;
	const char *finish_location;
	uint64_t error;
	void *data;        /* the state, until received */
	bool called : 1;   /* the callback has run for a final state */
	bool deferred : 1; /* the next notification is a post on defer_ev */
	bool cleaning : 1; /* its cleanup function is under way */
	bool freed : 1;    /* meanwhile: it goes when that is through */
	bool : 0;          /* the next two are bytes: to read a few bits of
			    * what was just written as others stalls */
	enum tevent_req_state state : 8;
	enum tevent_req_state cleanup_state : 8; /* highest that cleanup saw */
	uint32_t depth;   /* B1404; REQ_DEPTH_UNKNOWN until wanted */
	const char *type; /* of the state, as text */
	struct tevent_context *defer_ev;      /* NULL when it is gone; this */
	struct tev_context_watch defer_watch; /* and that: while deferred */
	struct tevent_immediate trigger;      /* its location: where created */
	struct tev_timer timer;
};

/* 56 bytes of state and talloc's 96 make a chunk of 160 for malloc, and 560
 * less that is a chunk of 400: 8 of malloc's, 96 of talloc's and the rest. */
_Static_assert(sizeof(void *) != 8 || sizeof(struct tevent_req) <= 296,
	       "a request with 56 bytes of state takes 560 bytes of heap");

size_t tev_req_depth(struct tevent_req *req);
void tev_req_tell_now(struct tevent_req *req,
		      enum tevent_thread_call_depth_cmd cmd, const char *name);
bool tev_req_start_profile(struct tevent_req *req,
			   struct tevent_req_profile *above);

/* Tells what @req does to the thread's callback, if there is one (B1405). */
static inline void tev_req_tell(struct tevent_req *req,
				enum tevent_thread_call_depth_cmd cmd,
				const char *name)
{
	if (tev_unlikely(tev_depth_wanted())) {
		tev_req_tell_now(req, cmd, name);
	}
}

/* Whether somebody waits for @req. */
static inline bool tev_req_has_callback(const struct tevent_req *req)
{
	return req->fn != NULL;
}
