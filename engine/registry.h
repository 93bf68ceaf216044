/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Registry: backends by name. See registry.c. */
#pragma once

#include <stdbool.h>

struct tevent_context;

bool tev_registry_choose(struct tevent_context *ev, const char *name);
int tev_registry_open(struct tevent_context *ev);
