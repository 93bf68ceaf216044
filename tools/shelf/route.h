/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Route: which request is answered by what.
 */
#pragma once

#include <stddef.h>

#include <talloc.h>

#include "tools/shelf/http.h"

struct store;

struct shelf {
	int root_fd;
	struct store *store; /* NULL: there are no objects */
	size_t upload_max;   /* bytes */
	unsigned uploads_max;
	unsigned uploads; /* now */
	struct work_place *place;
	struct stats *stats;
	struct http_server *http;
};

extern const struct http_handler route_handler;

struct stats *route_stats_create(TALLOC_CTX *mem_ctx);
