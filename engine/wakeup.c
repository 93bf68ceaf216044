/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Wakeup: a request that ends at a time.
 *
 * Nothing but a request whose end time is the wake-up time, so that its normal
 * end is TIMED_OUT (B870).
 *
 * Threads: the owner's only.
 */
#include "include/tevent.h"

struct tevent_wakeup_state {
	uint8_t nothing;
};

struct tevent_req *tevent_wakeup_send(TALLOC_CTX *mem_ctx,
				      struct tevent_context *ev,
				      struct timeval wakeup_time)
{
	struct tevent_req *req = NULL;
	struct tevent_wakeup_state *state = NULL;

	req = tevent_req_create(mem_ctx, &state, struct tevent_wakeup_state);
	if (req == NULL) {
		return NULL;
	}
	if (!tevent_req_set_endtime(req, ev, wakeup_time)) {
		return tevent_req_post(req, ev);
	}
	return req;
}

bool tevent_wakeup_recv(struct tevent_req *req)
{
	enum tevent_req_state state = TEVENT_REQ_INIT;
	uint64_t error = 0;

	return tevent_req_is_error(req, &state, &error) &&
	       state == TEVENT_REQ_TIMED_OUT;
}
