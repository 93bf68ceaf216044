/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Count: what has come and gone in one lane; count.c. */
#pragma once

#include "threadpool/tevent_compat.h"

#include "weft.h"

#include "threadpool/lane.h"

/* Adds to @stats what @lane has counted: queued, submitted, completed,
 * withdrawn, refused, wait and run; of this place in the crew ever, or since it
 * has its handle.
 * Thread: any with a share of the crew.  Lock: takes the gate's, and under it
 *         the shards' and the park's. */
void wf_count_all(struct wf_lane *lane, struct weft_lane_stats *stats);
void wf_count_lane(struct wf_lane *lane, struct weft_lane_stats *stats);

/* @lane is for another handle from now on.
 * Thread: who has got it, before others know it.  Lock: as above. */
void wf_count_begin(struct wf_lane *lane);
