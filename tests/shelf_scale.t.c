/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The scaler of weft-shelf beside the definition of what it computes: each
 * pixel of the result is the mean of the area it covers.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/tap.h"
#include "tools/shelf/scale.h"

#define ROUNDS       2000
#define SIDE_MAX     70
#define CHANNELS_MAX 3

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* How many units pixel @in (of @part units each) and pixel @out (of @whole)
 * have in common. */
static uint64_t overlap(uint64_t in, uint64_t part, uint64_t out,
			uint64_t whole)
{
	const uint64_t from = max_u64(in * part, out * whole);
	const uint64_t to = min_u64((in + 1) * part, (out + 1) * whole);

	return to > from ? to - from : 0;
}

/* Whether @got is the rounded mean of channel @c of what output pixel @x, @y
 * covers, straight from the definition. */
static bool is_mean(const struct scale_size *size, const uint8_t *in,
		    uint32_t x, uint32_t y, uint32_t c, uint8_t got)
{
	const uint64_t area = (uint64_t)size->in_width * size->in_height;
	uint64_t sum = area / 2;

	for (uint32_t v = 0; v < size->in_height; v++) {
		const uint64_t high = overlap(v, size->out_height, y,
					      size->in_height);

		for (uint32_t u = 0; high > 0 && u < size->in_width; u++) {
			const size_t at = (size_t)v * size->in_width + u;

			sum += in[at * size->channels + c] * high *
			       overlap(u, size->out_width, x, size->in_width);
		}
	}
	return sum >= got * area && sum < (got + 1) * area;
}

static bool row_is_mean(const struct scale_size *size, const uint8_t *in,
			const uint8_t *row, uint32_t y)
{
	for (uint32_t x = 0; x < size->out_width; x++) {
		for (uint32_t c = 0; c < size->channels; c++) {
			if (!is_mean(size, in, x, y, c,
				     row[x * size->channels + c])) {
				return false;
			}
		}
	}
	return true;
}

/* Scale a picture of noise; false when a pixel or the height is wrong. */
static bool scales(const struct scale_size *size)
{
	static uint8_t in[SIDE_MAX * SIDE_MAX * CHANNELS_MAX];
	uint8_t row[SIDE_MAX * CHANNELS_MAX];
	const size_t in_row = (size_t)size->in_width * size->channels;
	struct scale *scale = NULL;
	uint32_t rows = 0;
	bool good = true;

	for (size_t i = 0; i < in_row * size->in_height; i++) {
		in[i] = (uint8_t)random();
	}
	scale = scale_create(NULL, size);
	if (scale == NULL) {
		return false;
	}
	for (uint32_t y = 0; y < size->in_height; y++) {
		if (scale_feed(scale, &in[y * in_row], row)) {
			good = good && row_is_mean(size, in, row, rows);
			rows++;
		}
	}
	talloc_free(scale);
	return good && rows == size->out_height;
}

static uint32_t up_to(uint32_t max)
{
	return 1 + (uint32_t)random() % max;
}

static void test_any_size(void)
{
	unsigned wrong = 0;

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct scale_size size = { 0 };

		size.in_width = up_to(SIDE_MAX);
		size.in_height = up_to(SIDE_MAX);
		size.out_width = up_to(size.in_width);
		size.out_height = up_to(size.in_height);
		size.channels = random() % 2 == 0 ? 1 : CHANNELS_MAX;
		if (!scales(&size)) {
			wrong++;
			diag("%ux%u to %ux%u", size.in_width, size.in_height,
			     size.out_width, size.out_height);
		}
	}
	is_uint(wrong, 0, "each pixel is the mean of what it covers");
}

/* The widest row that a JPEG can have: nothing may overflow. */
static void test_white(void)
{
	const struct scale_size size = { 65500, 3, 1, 1, 1 };
	struct scale *scale = NULL;
	uint8_t *white = NULL;
	uint8_t out = 0;
	bool ready = false;

	white = malloc(size.in_width);
	scale = scale_create(NULL, &size);
	if (white == NULL || scale == NULL) {
		bail_out("no memory");
	}
	memset(white, 255, size.in_width);
	for (uint32_t y = 0; y < size.in_height; y++) {
		ready = scale_feed(scale, white, &out);
	}
	ok(ready, "the widest picture has an end");
	is_uint(out, 255, "and white stays white");
	talloc_free(scale);
	free(white);
}

int main(void)
{
	srandom(1);
	test_any_size();
	test_white();
	return done();
}
