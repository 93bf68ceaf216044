/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Sim: a backend for which time passes when nothing else happens.
 * See backend_sim.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "engine/backend.h"
#include "engine/sim_door.h"

extern const struct tev_backend tev_backend_sim;

struct tev_sim *tev_sim_enter(void);
void tev_sim_leave(struct tev_sim *sim);
void tev_sim_unref(struct tev_sim *sim);
struct tev_sim_context *tev_sim_context_of(const struct tevent_context *ev);
bool tev_sim_ready(struct tev_sim_context *context);
uint64_t tev_sim_due(const struct tev_sim_context *context);
bool tev_sim_poll(struct tevent_context *ev, struct tev_slot **ret_slot,
		  uint32_t *ret_ready);
