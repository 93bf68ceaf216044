/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Sim: a simulation as programs have it; sim.c. */
#pragma once

#include <stddef.h>

#include "threadpool/tevent_compat.h"

#include "weft.h"

#include "threadpool/sim_world.h"

/* The world of @sim. Thread: the world's.  Lock: none. */
struct wf_sim_world *wf_sim_world_of(const struct weft_sim *sim);

/* What the caller's version of the structure has; the rest is zero.
 * Thread: any.  Lock: none. */
void wf_sim_options(const struct weft_sim_options *given, size_t size,
		    struct weft_sim_options *ret_options);

/* weft_sim_create(). Thread: owner of @mem_ctx. */
int wf_sim_create(TALLOC_CTX *mem_ctx, const struct weft_sim_options *options,
		  struct weft_sim **ret_sim);
