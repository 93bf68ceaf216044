/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Registry: tables of operations by name. See registry.c. */
#pragma once

#include "include/tevent.h"

int tev_registry_init(struct tevent_context *ev, const struct tevent_ops *ops);
int tev_registry_reinit(struct tevent_context *ev);
