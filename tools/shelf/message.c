/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Message: replies, percent-decoding, form fields.
 *
 * Decoding is strict because what comes out of it names files: an escape that
 * is not one, and an escaped or a real NUL (which would cut the name short),
 * are errors of the client, never guessed at.
 *
 * Threads: everything here works on the caller's own talloc tree, so a job
 * may build its reply on a worker.
 */
#include "tools/shelf/message.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#define RETRY_AFTER_SECONDS "1"

/* A reply that is one line of text; the newline is added here.
 *
 * Thread: any, with a tree of its own.  Lock: none.
 * Owns:   the reply is a child of @mem_ctx.
 * Return: NULL without memory.
 */
struct message_reply *message_text(TALLOC_CTX *mem_ctx, unsigned status,
				   const char *format, ...)
{
	struct message_reply *reply = NULL;
	char *line = NULL;
	va_list args;

	reply = talloc_zero(mem_ctx, struct message_reply);
	if (reply == NULL) {
		return NULL;
	}
	va_start(args, format);
	line = talloc_vasprintf(reply, format, args);
	va_end(args);
	if (line != NULL) {
		line = talloc_strdup_append(line, "\n");
	}
	if (line == NULL) {
		talloc_free(reply);
		return NULL;
	}
	reply->status = status;
	reply->type = "text/plain; charset=utf-8";
	reply->data = line;
	reply->size = strlen(line);
	return reply;
}

/* Not now: 503 with the time after which another try makes sense.
 *
 * Thread: any, with a tree of its own.  Lock: none.
 * Owns:   the reply is a child of @mem_ctx.
 * Return: NULL without memory.
 */
struct message_reply *message_busy(TALLOC_CTX *mem_ctx, const char *why)
{
	struct message_reply *reply = NULL;

	reply = message_text(mem_ctx, 503, "%s", why);
	if (reply == NULL) {
		return NULL;
	}
	reply->header = "Retry-After";
	reply->header_value = RETRY_AFTER_SECONDS;
	return reply;
}

/* What to tell a client whose work ended with @error. Of the moment, not of the
 * work: the queue is full, no memory. Those come again.
 *
 * Thread: any, with a tree of its own.  Lock: none.
 * Owns:   the reply is a child of @mem_ctx.
 * Return: NULL without memory.
 */
struct message_reply *message_failure(TALLOC_CTX *mem_ctx, int error)
{
	switch (error) {
	case EAGAIN:
		return message_busy(mem_ctx, "the queue is full");
	case EBUSY:
		return message_busy(mem_ctx, "the store is busy");
	case ECANCELED:
		return message_busy(mem_ctx, "the work was cancelled");
	case ESHUTDOWN:
		return message_busy(mem_ctx, "shutting down");
	case ENOMEM:
	case EMFILE:
	case ENFILE:
		return message_busy(mem_ctx, "out of memory or files");
	case ETIMEDOUT:
		return message_text(mem_ctx, 504, "out of time");
	case ENOSPC:
	case EDQUOT:
		return message_text(mem_ctx, 507, "no room in the store");
	default:
		return message_text(mem_ctx, 500, "%s", strerror(error));
	}
}

/* A JSON value.
 *
 * Thread: any, with a tree of its own.  Lock: none.
 * Owns:   takes the reference to @json (NULL: there was no memory for it); the
 *         reply is a child of @mem_ctx.
 * Return: NULL without memory.
 */
struct message_reply *message_json(TALLOC_CTX *mem_ctx, unsigned status,
				   struct json_t *json)
{
	struct message_reply *reply = NULL;
	char *text = NULL;

	if (json == NULL) {
		return NULL;
	}
	text = json_dumps(json, JSON_INDENT(2));
	json_decref(json);
	if (text == NULL) {
		return NULL;
	}
	reply = message_text(mem_ctx, status, "%s", text);
	free(text);
	if (reply != NULL) {
		reply->type = "application/json";
	}
	return reply;
}

/* 200 with the caller's bytes.
 *
 * Thread: any, with a tree of its own.  Lock: none.
 * Owns:   takes @data (talloc) when it succeeds; the reply is @mem_ctx's.
 * Return: NULL without memory.
 */
struct message_reply *message_data(TALLOC_CTX *mem_ctx, const char *type,
				   void *data, size_t size)
{
	struct message_reply *reply = NULL;

	reply = talloc_zero(mem_ctx, struct message_reply);
	if (reply == NULL) {
		return NULL;
	}
	reply->status = 200;
	reply->type = type;
	reply->data = talloc_steal(reply, data);
	reply->size = size;
	return reply;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	if (c >= 'a' && c <= 'f') {
		return c - 'a' + 10;
	}
	if (c >= 'A' && c <= 'F') {
		return c - 'A' + 10;
	}
	return -1;
}

/* The byte behind the escape at @text (which has @left bytes), or -1. */
static int decode_escape(const char *text, size_t left)
{
	int high = -1;
	int low = -1;

	if (left < 3) {
		return -1;
	}
	high = hex_value(text[1]);
	low = hex_value(text[2]);
	if (high < 0 || low < 0) {
		return -1;
	}
	return high * 16 + low;
}

/* Undo percent-encoding.
 *
 * Thread: any, with a tree of its own.  Lock: none.
 * Owns:   the string is a child of @mem_ctx.
 * Return: 0; EINVAL for a bad escape or a NUL in the result; ENOMEM.
 */
int message_decode(TALLOC_CTX *mem_ctx, const char *text, size_t size,
		   bool plus_is_space, char **ret_text)
{
	char *out = NULL;
	size_t n = 0;

	out = talloc_array(mem_ctx, char, size + 1);
	if (out == NULL) {
		return ENOMEM;
	}
	for (size_t i = 0; i < size; i++) {
		int byte = (unsigned char)text[i];

		if (byte == '%') {
			byte = decode_escape(&text[i], size - i);
			i += 2;
		} else if (byte == '+' && plus_is_space) {
			byte = ' ';
		}
		if (byte <= 0) {
			talloc_free(out);
			return EINVAL;
		}
		out[n++] = (char)byte;
	}
	out[n] = '\0';
	*ret_text = out;
	return 0;
}

/* The value of field @name in "a=1&b=2", decoded.
 *
 * Thread: any, with a tree of its own.  Lock: none.
 * Owns:   the value is a child of @mem_ctx.
 * Return: 0; ENOENT when there is none; EINVAL for a bad escape or a second
 *         field of this name, which two readers would understand differently;
 *         ENOMEM.
 */
int message_field(TALLOC_CTX *mem_ctx, const char *form, const char *name,
		  char **ret_value)
{
	const size_t name_size = strlen(name);
	const char *found = NULL;
	size_t found_size = 0;

	for (const char *at = form; *at != '\0';) {
		const size_t size = strcspn(at, "&");

		if (size > name_size && at[name_size] == '=' &&
		    strncmp(at, name, name_size) == 0) {
			if (found != NULL) {
				return EINVAL;
			}
			found = at + name_size + 1;
			found_size = size - name_size - 1;
		}
		at += size;
		at += strspn(at, "&");
	}
	if (found == NULL) {
		return ENOENT;
	}
	return message_decode(mem_ctx, found, found_size, true, ret_value);
}
