/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Deadline: a moment of CLOCK_MONOTONIC, in nanoseconds; deadline.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct tevent_context;
struct tevent_req;

/* Whether the deadline is over; 0 never is. Thread: any.  Lock: none. */
bool wf_deadline_passed(uint64_t deadline_ns);

/* Has @req end with a time-out at the deadline; 0: does nothing.
 * Thread: owner of @req and @ev.  Lock: none.
 * Return: false: no memory, and @req has ended with that. */
bool wf_deadline_set(struct tevent_req *req, struct tevent_context *ev,
		     uint64_t deadline_ns);
