/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Message: what a client asked and what it is told, without any HTTP library.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <talloc.h>

struct json_t;
struct route;
struct upload;

/* Valid as long as the exchange it belongs to; nobody but http.c writes it. */
struct message_request {
	const char *method;
	const char *path;         /* decoded, no NUL inside; anything */
	const char *query;        /* as sent, "" when there is none */
	const char *content_type; /* NULL when the client sent none */
	const char *body;         /* body_size bytes and a NUL behind them */
	size_t body_size;
	/* Set when the request is admitted. */
	const struct route *route;
	struct upload *upload; /* the body goes there in pieces, or NULL */
};

struct message_reply {
	unsigned status;
	const char *type;
	const char *header; /* one more header, or NULL */
	const char *header_value;
	void *data; /* NULL, or size bytes that are a talloc child */
	size_t size;
};

struct message_reply *message_text(TALLOC_CTX *mem_ctx, unsigned status,
				   const char *format, ...)
	__attribute__((format(printf, 3, 4)));
struct message_reply *message_busy(TALLOC_CTX *mem_ctx, const char *why);
struct message_reply *message_failure(TALLOC_CTX *mem_ctx, int error);
struct message_reply *message_json(TALLOC_CTX *mem_ctx, unsigned status,
				   struct json_t *json);
struct message_reply *message_data(TALLOC_CTX *mem_ctx, const char *type,
				   void *data, size_t size);

int message_decode(TALLOC_CTX *mem_ctx, const char *text, size_t size,
		   bool plus_is_space, char **ret_text);
int message_field(TALLOC_CTX *mem_ctx, const char *form, const char *name,
		  char **ret_value);
