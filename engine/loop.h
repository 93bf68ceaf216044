/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Loop: one pass. See loop.c. */
#pragma once

struct tevent_context;

int tev_loop_pass(struct tevent_context *ev, const char *location);
