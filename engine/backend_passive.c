/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Passive: the backend of a context whose table is the program's own and has
 * not called one of ours.
 *
 * It takes note of interest and waits for nothing. What waits is the program's
 * loop_once, which learns from its own add_fd what there is to wait for, the
 * wake-up descriptor included, and tells what has happened through the
 * tevent_common_invoke functions (author.h). Should a table combine it with a
 * pass of ours, that sleeps for the time to the next timer.
 *
 * Threads: the owner's only.
 */
#include <errno.h>
#include <poll.h>
#include <stddef.h>

#include "engine/backend.h"
#include "engine/fdmux.h"
#include "engine/trace.h"

static int passive_open(struct tevent_context *ev)
{
	(void)ev;
	return 0;
}

static void passive_nothing(struct tevent_context *ev)
{
	(void)ev;
}

static int passive_apply(struct tevent_context *ev, struct tev_slot *slot,
			 bool fresh)
{
	(void)ev;
	(void)fresh;
	slot->armed = slot->wanted;
	return 0;
}

static enum tev_wait passive_wait(struct tevent_context *ev, int timeout_ms,
				  struct tev_slot **ret_slot,
				  uint32_t *ret_ready)
{
	int ret = 0;

	(void)ret_slot;
	(void)ret_ready;
	tev_trace_loop(ev, TEVENT_TRACE_BEFORE_WAIT);
	ret = poll(NULL, 0, timeout_ms);
	tev_trace_loop(ev, TEVENT_TRACE_AFTER_WAIT);
	return ret < 0 ? TEV_WAIT_INTERRUPTED : TEV_WAIT_TIMEOUT;
}

const struct tev_backend tev_backend_passive = {
	.name = "passive",
	.open = passive_open,
	.close = passive_nothing,
	.apply = passive_apply,
	.wait = passive_wait,
	.after_fork = passive_nothing,
	.changed = NULL,
	.by_event = false,
	.edge = false,
	.passive = true,
};
