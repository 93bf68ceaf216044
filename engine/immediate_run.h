/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Immediate run: how the handler of an immediate is called.
 * See immediate_run.c. */
#pragma once

#include <stdbool.h>

#include "include/tevent.h"

bool tev_immediate_run(struct tevent_context *ev);
void tev_immediate_give(struct tevent_immediate *im);
