/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Judge: is this request one that every reader would read the same way?
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <talloc.h>

#include "tools/shelf/message.h"

/* What the header lines say about where the request ends. */
struct judge_framing {
	unsigned lengths;
	unsigned encodings;
	unsigned hosts;
	bool malformed;
	bool expects;
	uint64_t length;
};

void judge_header(struct judge_framing *framing, const char *key,
		  size_t key_size, const char *value, size_t value_size);
bool judge_framing(TALLOC_CTX *mem_ctx, const struct judge_framing *framing,
		   const char *version, struct message_reply **refusal);
bool judge_target(TALLOC_CTX *mem_ctx, const char *target,
		  struct message_request *request,
		  struct message_reply **refusal);
bool judge_body(TALLOC_CTX *mem_ctx, const struct judge_framing *framing,
		size_t body_max, struct message_reply **refusal);
