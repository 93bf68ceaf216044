/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Scale: make a picture smaller, row by row.
 *
 * Each pixel of the result is the mean of the area it covers, exactly: cut
 * one way into in_width * out_width units, an input pixel is out_width of
 * them wide and an output pixel in_width. Since out is not larger than in, an
 * input pixel lies in one output pixel or across the border of two. The same
 * holds for rows. Only whole numbers are used, and only one row of sums is
 * kept, whatever the height.
 *
 *     in:   |--a--|--b--|--c--|     3 pixels of 2 units
 *     out:  |---a+b--|--b+c---|     2 pixels of 3 units: 2a+b, b+2c
 *
 * Threads: whoever owns it.
 */
#include "tools/shelf/scale.h"

#include <string.h>

struct scale {
	struct scale_size size;
	uint64_t whole;  /* units of an output pixel */
	uint32_t filled; /* units of in_height that sums holds */
	uint32_t *row;   /* one input row, narrowed: at most 255 * 2^16 */
	uint64_t *sums;  /* rows of the output row that is being filled */
};

/* Thread: any.  Lock: none.
 * Owns:   the scale is a child of @mem_ctx.
 * Return: NULL without memory.
 */
struct scale *scale_create(TALLOC_CTX *mem_ctx, const struct scale_size *size)
{
	const size_t cells = (size_t)size->out_width * size->channels;
	struct scale *scale = NULL;

	scale = talloc_zero(mem_ctx, struct scale);
	if (scale == NULL) {
		return NULL;
	}
	scale->size = *size;
	scale->whole = (uint64_t)size->in_width * size->in_height;
	scale->row = talloc_zero_array(scale, uint32_t, cells);
	scale->sums = talloc_zero_array(scale, uint64_t, cells);
	if (scale->row == NULL || scale->sums == NULL) {
		TALLOC_FREE(scale);
	}
	return scale;
}

/* One input row becomes out_width sums of in_width units each. */
static void scale_narrow(struct scale *scale, const uint8_t *in)
{
	const uint32_t channels = scale->size.channels;
	const uint32_t whole = scale->size.in_width;
	const uint32_t part = scale->size.out_width;
	uint32_t *cell = scale->row;
	uint32_t filled = 0;

	memset(scale->row, 0, (size_t)part * channels * sizeof(*cell));
	for (uint32_t x = 0; x < whole; x++, in += channels) {
		const uint32_t left = whole - filled;
		const uint32_t first = part < left ? part : left;
		const uint32_t second = part - first;

		for (uint32_t c = 0; c < channels; c++) {
			cell[c] += in[c] * first;
		}
		filled += first;
		if (filled < whole) {
			continue;
		}
		cell += channels;
		filled = second;
		for (uint32_t c = 0; second > 0 && c < channels; c++) {
			cell[c] = in[c] * second;
		}
	}
}

/* Take in the next input row.
 *
 * Thread: owner.  Lock: none.
 * Owns:   nothing.
 * Return: true when this completed an output row, which is in @out.
 */
bool scale_feed(struct scale *scale, const uint8_t *in, uint8_t *out)
{
	const struct scale_size *size = &scale->size;
	const size_t cells = (size_t)size->out_width * size->channels;
	const uint32_t left = size->in_height - scale->filled;
	const uint32_t part = size->out_height;
	const uint32_t first = part < left ? part : left;
	const uint32_t second = part - first;
	bool ready = false;

	scale_narrow(scale, in);
	scale->filled += first;
	ready = scale->filled == size->in_height;
	for (size_t i = 0; i < cells; i++) {
		uint64_t sum = scale->sums[i];

		sum += (uint64_t)scale->row[i] * first;
		if (ready) {
			out[i] = (uint8_t)((sum + scale->whole / 2) /
					   scale->whole);
			sum = (uint64_t)scale->row[i] * second;
		}
		scale->sums[i] = sum;
	}
	if (ready) {
		scale->filled = second;
	}
	return ready;
}
