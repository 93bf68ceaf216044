/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Label: how an event is called, and where it comes from; label_door.h.
 *
 * Threads: the owner's, in a trace callback of the event.
 */
#include "engine/label.h"

#include <stddef.h>

#include "engine/fd_watch.h"
#include "engine/immediate.h"
#include "engine/signal_number.h"
#include "engine/timer.h"

/* The door for libweft, which looks for it by this name.
 *
 * @event  a struct tevent_fd, _timer, _immediate or _signal
 * Thread: owner.  Lock: none.
 */
struct tev_label tev_event_label(enum tev_event_kind kind, const void *event)
{
	const struct tevent_immediate *im = event;
	const struct tevent_signal *se = event;
	const struct tevent_fd *fde = event;

	switch (kind) {
	case TEV_EVENT_FD:
		return (struct tev_label){ fde->handler_name, fde->location };
	case TEV_EVENT_TIMER:
		return tev_timer_label(event);
	case TEV_EVENT_IMMEDIATE:
		return (struct tev_label){ im->handler_name, im->location };
	case TEV_EVENT_SIGNAL:
		return (struct tev_label){ se->handler_name, se->location };
	}
	return (struct tev_label){ NULL, NULL };
}
