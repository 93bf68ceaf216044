/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Stats: what was asked, how long it took, and the pool behind it, as JSON.
 */
#pragma once

#include <stdint.h>

#include <talloc.h>

#include "tools/shelf/message.h"

struct weft_pool;
struct stats;

struct stats *stats_create(TALLOC_CTX *mem_ctx, const char *const *names,
			   unsigned count);
void stats_note(struct stats *stats, unsigned route, unsigned status,
		uint64_t microseconds);
struct message_reply *stats_reply(TALLOC_CTX *mem_ctx,
				  const struct stats *stats,
				  struct weft_pool *pool, unsigned connections);
