/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Upload: the body of a request on its way into a file.
 */
#pragma once

#include <stdint.h>

#include <talloc.h>

#include <tevent.h>

struct upload;
struct work_place;

struct upload *upload_create(TALLOC_CTX *mem_ctx, unsigned *count);
struct tevent_req *upload_feed_send(TALLOC_CTX *mem_ctx,
				    struct tevent_context *ev,
				    struct work_place *place,
				    struct upload *upload, uint8_t *piece);
int upload_feed_recv(struct tevent_req *req);
int upload_take_fd(struct upload *upload);
