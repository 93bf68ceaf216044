/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Deadline: a moment of CLOCK_MONOTONIC, in nanoseconds.
 *
 * The clock of deadlines is not moved by anybody, so a thread that looks at it
 * knows how it stands. tevent counts in wall-clock time: the end time of a
 * request is the distance, added to what that clock says at the moment, rounded
 * up. Both sides may find that a deadline has passed; who does so first ends
 * the request.
 *
 * Threads: as the functions say.  Ordering: none.
 */
#include "threadpool/deadline.h"

#include "threadpool/tevent_compat.h"

#include "weft.h"

#include "threadpool/now.h"

#define DEADLINE_NS_PER_MS 1000000ULL
#define DEADLINE_NS_PER_US 1000ULL
#define DEADLINE_US_PER_S  1000000ULL

uint64_t weft_deadline_ms(unsigned ms)
{
	return wf_now_ns() + ms * DEADLINE_NS_PER_MS;
}

bool wf_deadline_passed(uint64_t deadline_ns)
{
	return deadline_ns != 0 && weft_deadline_ms(0) >= deadline_ns;
}

bool wf_deadline_set(struct tevent_req *req, struct tevent_context *ev,
		     uint64_t deadline_ns)
{
	uint64_t now_ns = 0;
	uint64_t left_us = 0;
	struct timeval end;

	if (deadline_ns == 0) {
		return true;
	}
	now_ns = weft_deadline_ms(0);
	end = tevent_timeval_current();
	if (deadline_ns > now_ns) {
		left_us = (deadline_ns - now_ns + DEADLINE_NS_PER_US - 1) /
			  DEADLINE_NS_PER_US;
	}
	left_us += (uint64_t)end.tv_usec;
	end.tv_sec += (time_t)(left_us / DEADLINE_US_PER_S);
	end.tv_usec = (suseconds_t)(left_us % DEADLINE_US_PER_S);
	return tevent_req_set_endtime(req, ev, end);
}
