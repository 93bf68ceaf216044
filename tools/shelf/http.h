/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* HTTP: the one place that knows the HTTP library.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <talloc.h>

#include <tevent.h>

#include "tools/shelf/message.h"

struct http_server;

/* What the daemon behind the protocol does with requests. */
struct http_handler {
	/* The headers are in: true goes on, and says how long a body may be (0:
	 * none may come); false refuses (NULL: no memory). May set
	 * request->route, and request->upload: the body comes in pieces then.
	 */
	bool (*admit)(TALLOC_CTX *mem_ctx, struct message_request *request,
		      size_t *ret_body_max, struct message_reply **refusal,
		      void *private_data);

	/* A piece of an upload; the next one comes when this is done. Takes
	 * @piece, a talloc array that is full. NULL only without memory. */
	struct tevent_req *(*feed)(TALLOC_CTX *mem_ctx,
				   struct tevent_context *ev,
				   const struct message_request *request,
				   uint8_t *piece, void *private_data);
	/* True: it was taken; false: refused (NULL: no memory). */
	bool (*fed)(struct tevent_req *req, TALLOC_CTX *mem_ctx,
		    struct message_reply **refusal);

	/* The whole request is in. NULL only without memory. */
	struct tevent_req *(*send)(TALLOC_CTX *mem_ctx,
				   struct tevent_context *ev,
				   const struct message_request *request,
				   void *private_data);
	/* NULL only without memory. */
	struct message_reply *(*recv)(struct tevent_req *req,
				      TALLOC_CTX *mem_ctx);

	/* A complete request has been given its reply (status 0: the client
	 * left before there was one). */
	void (*note)(const struct message_request *request, unsigned status,
		     uint64_t microseconds, void *private_data);
};

typedef void (*http_drained_fn_t)(void *private_data);

int http_server_start(TALLOC_CTX *mem_ctx, struct tevent_context *ev,
		      uint16_t port, const struct http_handler *handler,
		      void *private_data, struct http_server **ret_server);
uint16_t http_server_port(const struct http_server *server);
unsigned http_server_connections(const struct http_server *server);
void http_server_drain(struct http_server *server, http_drained_fn_t drained,
		       void *private_data);
