/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Scale: make a picture smaller, row by row.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <talloc.h>

/* All sizes in pixels; out is not larger than in, and nothing is 0. */
struct scale_size {
	uint32_t in_width;
	uint32_t in_height;
	uint32_t out_width;
	uint32_t out_height;
	uint32_t channels; /* bytes of a pixel */
};

struct scale;

struct scale *scale_create(TALLOC_CTX *mem_ctx, const struct scale_size *size);
bool scale_feed(struct scale *scale, const uint8_t *in, uint8_t *out);
