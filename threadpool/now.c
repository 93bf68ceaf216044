/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Now: the clock of a thread that has a simulated world.
 *
 * All other threads pay one look at a flag, which is set with the first world.
 *
 * Threads: any.  Ordering: none: only a thread that has set the flag relies on
 * it.
 */
#include "threadpool/now.h"

#include <stddef.h>

#define NOW_NS_PER_US 1000U

atomic_bool wf_now_any_simulated;

/* Microseconds since 1970; NULL: this thread has the clock of all. */
static _Thread_local const uint64_t *now_simulated;

void wf_now_simulate(const uint64_t *now_us)
{
	now_simulated = now_us;
	/* Relaxed: as above. */
	atomic_store_explicit(&wf_now_any_simulated, true,
			      memory_order_relaxed);
}

bool wf_now_is_simulated(uint64_t *ret_ns)
{
	if (now_simulated == NULL) {
		return false;
	}
	*ret_ns = *now_simulated * NOW_NS_PER_US;
	return true;
}
