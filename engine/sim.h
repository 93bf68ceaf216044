/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Sim: how passes begin in a simulated world. See sim.c. */
#pragma once

#include "engine/base.h"
#include "engine/sim_door.h"

TEV_EXPORT const struct tev_sim_door *tev_sim_door(void);
int tev_sim_pass(struct tevent_context *ev, const char *location);
