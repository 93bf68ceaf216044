/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Request profiles: when and where requests began and ended.
 * See req_profile.c. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "include/tevent.h"

/* Whether any request of this process has ever been profiled. */
extern atomic_bool tev_profile_used; /* A: see tev_profile_wanted() */

/* Relaxed: it only saves a look-up. A thread that sees the profile of a parent
 * request has seen the flag, which was set before.
 *
 * Thread: any.  Lock: none. */
static inline bool tev_profile_wanted(void)
{
	return atomic_load_explicit(&tev_profile_used, memory_order_relaxed);
}

struct tevent_req_profile *tev_profile_start(struct tevent_req *req,
					     struct tevent_req_profile *above,
					     const char *name,
					     const char *location);
bool tev_profile_stop(struct tevent_req_profile *profile, const char *location,
		      enum tevent_req_state state, uint64_t user_error);
