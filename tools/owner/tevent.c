/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Tevent's two ways from thread to thread, as hand-overs.
 *
 * A thread proxy takes an immediate and data for good: both have to be the
 * poster's, and are nobody's afterwards, whatever tevent hangs them below on
 * their way.
 *
 * A threaded context is shown an immediate and a pointer, both of which stay
 * where they are. Those that are trees of the poster's own are nobody's
 * afterwards; all others, the usual case of an immediate in the tree of the
 * loop that it goes to among them, belong to whom they belonged.
 *
 * Threads: any.
 */
#include <string.h>

#include <tevent.h>

#include "tools/owner/next.h"
#include "tools/owner/owner.h"

#define NEXT(fn) OWNER_NEXT(OWNER_TEVENT, fn)

OWNER_EXPORT void _tevent_threaded_schedule_immediate(
	struct tevent_threaded_context *tctx, struct tevent_immediate *im,
	tevent_immediate_handler_t handler, void *private_data,
	const char *handler_name, const char *location)
{
	struct owner_call call = { "tevent_threaded_schedule_immediate",
				   location };

	owner_give(im, &call);
	owner_give(private_data, &call);
	owner_post_begin();
	NEXT(_tevent_threaded_schedule_immediate)
	(tctx, im, handler, private_data, handler_name, location);
	owner_post_end();
}

OWNER_EXPORT void tevent_thread_proxy_schedule(
	struct tevent_thread_proxy *tp, struct tevent_immediate **pp_im,
	tevent_immediate_handler_t handler, void *pp_private_data)
{
	struct owner_call call = { "tevent_thread_proxy_schedule", NULL };
	void *data = NULL;

	if (pp_private_data != NULL) {
		memcpy(&data, pp_private_data, sizeof(data));
	}
	owner_touch(*pp_im, &call);
	owner_touch(data, &call);
	owner_give(*pp_im, &call);
	owner_give(data, &call);
	owner_post_begin();
	NEXT(tevent_thread_proxy_schedule)
	(tp, pp_im, handler, pp_private_data);
	owner_post_end();
}

/* Not to be called: that it is there tells a tevent that knows us to keep
 * nothing of what is freed for other threads. */
OWNER_EXPORT void tev_owner_watches(void);
void tev_owner_watches(void)
{
}
