/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Label door: how an event is called, and where it comes from.
 *
 * tevent remembers the name of each handler and the line that has added it, but
 * has no function that tells. Who watches a loop wants to know: libweft's stall
 * detector looks for tev_event_label() at run time.
 *
 * Nothing here has a symbol behind it.
 */
#pragma once

enum tev_event_kind {
	TEV_EVENT_FD,
	TEV_EVENT_TIMER,
	TEV_EVENT_IMMEDIATE,
	TEV_EVENT_SIGNAL
};

/* Strings of the program's, as long as that is there; or NULL. */
struct tev_label {
	const char *handler;
	const char *location;
};

typedef struct tev_label (*tev_event_label_fn)(enum tev_event_kind kind,
					       const void *event);
