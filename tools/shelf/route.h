/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Route: which request is answered by what.
 */
#pragma once

#include <talloc.h>

#include "tools/shelf/http.h"

struct shelf {
	int root_fd;
	struct work_place *place;
	struct stats *stats;
	struct http_server *http;
};

extern const struct http_handler route_handler;

struct stats *route_stats_create(TALLOC_CTX *mem_ctx);
