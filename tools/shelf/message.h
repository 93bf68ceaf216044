/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Message: what a client asked and what it is told, without any HTTP library.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <talloc.h>

struct route;

/* Valid as long as the exchange it belongs to; nobody but http.c writes it. */
struct message_request {
	const char *method;
	const char *path;         /* decoded, begins with '/', no NUL inside */
	const char *query;        /* as sent, "" when there is none */
	const char *content_type; /* NULL when the client sent none */
	const char *body;         /* body_size bytes and a NUL behind them */
	size_t body_size;
	const struct route *route; /* set when the request is admitted */
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
struct message_reply *message_data(TALLOC_CTX *mem_ctx, const char *type,
				   void *data, size_t size);

int message_decode(TALLOC_CTX *mem_ctx, const char *text, size_t size,
		   bool plus_is_space, char **ret_text);
int message_field(TALLOC_CTX *mem_ctx, const char *form, const char *name,
		  char **ret_value);
