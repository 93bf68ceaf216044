/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Signal: signal events of a context. See signal.c. */
#pragma once

#include <stdbool.h>

#include "engine/context.h"
#include "engine/list.h"

void tev_signal_context_init(struct tevent_context *ev);
void tev_signal_context_fini(struct tevent_context *ev);
void tev_signal_after_fork(struct tevent_context *ev);
bool tev_signal_run(struct tevent_context *ev);

/* Whether the context has signal events. Thread: owner. */
static inline bool tev_signal_wanted(const struct tevent_context *ev)
{
	return !tev_list_empty(&ev->signals);
}
