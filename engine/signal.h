/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Signal: who is called after the process got a signal. See signal.c. */
#pragma once

#include <stdbool.h>

#include "include/tevent.h"

bool tev_signal_run(struct tevent_context *ev);
void tev_signal_rewrap(struct tevent_signal *se, struct tevent_context *wrap);
