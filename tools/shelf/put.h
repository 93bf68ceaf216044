/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Put: an upload becomes an object.
 */
#pragma once

#include <talloc.h>

#include <tevent.h>

#include "tools/shelf/message.h"

struct shelf;

struct tevent_req *put_send(TALLOC_CTX *mem_ctx, struct tevent_context *ev,
			    struct shelf *shelf,
			    const struct message_request *request,
			    const char *name);
int put_recv(struct tevent_req *req, TALLOC_CTX *mem_ctx,
	     struct message_reply **ret_reply);
