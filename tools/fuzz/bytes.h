/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Bytes: what is left of a fuzzer's input, taken one choice after another.
 *
 * Behind the end there are zeroes, so a program goes on until it looks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
	const uint8_t *next;
	size_t left;
};

static inline uint8_t bytes_take(struct bytes *bytes)
{
	if (bytes->left == 0) {
		return 0;
	}
	bytes->left--;
	return *bytes->next++;
}

/* 0 .. count - 1 */
static inline unsigned bytes_choose(struct bytes *bytes, unsigned count)
{
	return bytes_take(bytes) % count;
}
