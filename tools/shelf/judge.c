/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Judge: is this request one that every reader would read the same way?
 *
 * A proxy before us and we must agree on where a request ends and on what it
 * names; else what one takes for a body is a request to the other. So nothing
 * ambiguous is interpreted: two lengths, a length beside an encoding, a header
 * name with a space in it, a length or encoding on a continued line, two hosts,
 * a raw control character in the target or in a header are refused. A judge
 * returns true when it is content; else it sets the refusal, a child of
 * mem_ctx, NULL when there is no memory even for that.
 *
 * Threads: the loop's only.
 */
#include "tools/shelf/judge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TARGET_MAX 8192

static bool is_token(const char *name)
{
	static const char token[] = "!#$%&'*+-.^_`|~0123456789"
				    "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

	return name[0] != '\0' && name[strspn(name, token)] == '\0';
}

/* The bytes that no header value may have; a lone CR ends a line for some. */
static bool has_control(const char *value)
{
	for (const char *at = value; *at != '\0'; at++) {
		if (((unsigned char)*at < ' ' && *at != '\t') || *at == 0x7f) {
			return true;
		}
	}
	return false;
}

/* The HTTP library glues a continued line to the name of its header, so that
 * "Content-Length:", CR LF, " 5" arrives as "Content-Length5". */
static bool is_glued(const char *key, const char *name)
{
	const size_t size = strlen(name);

	return strncasecmp(key, name, size) == 0 && key[size] != '\0';
}

/* Take note of one header line.
 *
 * Thread: owner.  Lock: none.
 * Owns:   nothing.
 * Return: nothing; what it found is in @framing.
 */
void judge_header(struct judge_framing *framing, const char *key,
		  size_t key_size, const char *value, size_t value_size)
{
	if (!is_token(key) || strlen(key) != key_size || value == NULL ||
	    strlen(value) != value_size || has_control(value) ||
	    is_glued(key, "Content-Length") ||
	    is_glued(key, "Transfer-Encoding")) {
		framing->malformed = true;
		return;
	}
	if (strcasecmp(key, "Content-Length") == 0) {
		framing->lengths++;
		framing->length = strtoull(value, NULL, 10);
		if (value[strspn(value, "0123456789")] != '\0') {
			framing->malformed = true;
		}
	} else if (strcasecmp(key, "Transfer-Encoding") == 0) {
		framing->encodings++;
	} else if (strcasecmp(key, "Host") == 0) {
		framing->hosts++;
	} else if (strcasecmp(key, "Expect") == 0) {
		framing->expects = true;
	}
}

/* Whatever fails here leaves the connection unusable: nobody knows where the
 * next request begins.
 *
 * Thread: owner.  Lock: none.
 * Owns:   a refusal is a child of @mem_ctx.
 * Return: true: go on.
 */
bool judge_framing(TALLOC_CTX *mem_ctx, const struct judge_framing *framing,
		   const char *version, struct message_reply **refusal)
{
	if (framing->malformed) {
		*refusal = message_text(mem_ctx, 400, "malformed header line");
		return false;
	}
	if (framing->lengths > 1) {
		*refusal = message_text(mem_ctx, 400,
					"more than one Content-Length");
		return false;
	}
	if (framing->lengths == 1 && framing->encodings > 0) {
		*refusal = message_text(mem_ctx, 400,
					"Content-Length together with "
					"Transfer-Encoding");
		return false;
	}
	if (framing->encodings > 0) {
		*refusal = message_text(mem_ctx, 411,
					"a body needs a Content-Length");
		return false;
	}
	if (framing->hosts > 1) {
		*refusal = message_text(mem_ctx, 400, "more than one Host");
		return false;
	}
	if (framing->hosts == 0 && strcmp(version, "HTTP/1.0") != 0) {
		*refusal = message_text(mem_ctx, 400, "no Host");
		return false;
	}
	return true;
}

/* Split the target as sent into a decoded path and a raw query.
 *
 * Thread: owner.  Lock: none.
 * Owns:   the path is a child of @mem_ctx, the query lies in @target.
 * Return: true: request->path and request->query are set.
 */
bool judge_target(TALLOC_CTX *mem_ctx, const char *target,
		  struct message_request *request,
		  struct message_reply **refusal)
{
	const char *path = target;
	size_t path_size = 0;
	char *decoded = NULL;
	int ret = 0;

	if (strlen(target) > TARGET_MAX) {
		*refusal = message_text(mem_ctx, 414, "the target is too long");
		return false;
	}
	for (const char *at = target; *at != '\0'; at++) {
		if ((unsigned char)*at <= ' ' || *at == 0x7f) {
			*refusal = message_text(mem_ctx, 400,
						"space or control character in "
						"the target");
			return false;
		}
	}
	if (strncasecmp(path, "http://", 7) == 0) {
		path += 7;
		path += strcspn(path, "/?#");
	}
	path_size = strcspn(path, "?#");
	ret = message_decode(mem_ctx, path, path_size, false, &decoded);
	if (ret == ENOMEM) {
		*refusal = NULL;
		return false;
	}
	if (ret != 0) {
		*refusal = message_text(mem_ctx, 400, "bad escape in the path");
		return false;
	}
	request->path = decoded;
	path += path_size;
	request->query = *path == '?' ? path + 1 : "";
	return true;
}

/* Thread: owner.  Lock: none.
 * Owns:   a refusal is a child of @mem_ctx.
 * Return: true: a body of framing->length bytes may come.
 */
bool judge_body(TALLOC_CTX *mem_ctx, const struct judge_framing *framing,
		size_t body_max, struct message_reply **refusal)
{
	if (body_max > 0 && framing->lengths == 0) {
		*refusal = message_text(mem_ctx, 411,
					"a body needs a Content-Length");
		return false;
	}
	if (body_max == 0 && framing->length > 0) {
		*refusal = message_text(mem_ctx, 413, "no body is taken here");
		return false;
	}
	if (framing->length > body_max) {
		*refusal = message_text(
			mem_ctx, 413, "the body is over the limit of %zu bytes",
			body_max);
		return false;
	}
	return true;
}
