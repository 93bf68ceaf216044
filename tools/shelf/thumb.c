/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Thumb: a small JPEG of a large one.
 *
 * The decoder itself gives 1/8 to 8/8 of the size for little work; the
 * smallest of these that is not smaller than asked is decoded, and averaged
 * down to the exact width (scale.c). A picture is never made larger.
 *
 * A hostile file is held by four limits: the pixels it claims, the memory the
 * decoder may take (a progressive file is kept whole), the number of its
 * scans (each costs a pass over the picture), and the question between two
 * rows whether anybody still waits.
 *
 * libjpeg reports an error by a function that must not return. Ours jumps
 * back into thumb_make(), which called everything in between, on the same
 * stack and on the same thread; all that must survive the jump lives in the
 * task, not in variables.
 *
 * Threads: thumb_prepare() the loop's, thumb_run() a worker's.
 */
#include "tools/shelf/task.h"

#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jpeglib.h>

#include <jerror.h>

#include <weft.h>

#include "tools/shelf/file.h"
#include "tools/shelf/scale.h"
#include "tools/shelf/work.h"

#define WIDTH_DEFAULT     200
#define WIDTH_MAX         1024
#define PIXELS_MAX        (64L * 1000 * 1000)
#define DECODER_BYTES_MAX (256L * 1024 * 1024)
#define SCANS_MAX         64
#define QUALITY           85
#define OUT_BYTES_FIRST   16384

struct thumb_task {
	struct task task;
	uint32_t width;

	/* From here on the worker's. */
	struct weft_job *job;
	FILE *file;
	struct jpeg_decompress_struct in;
	struct jpeg_compress_struct out;
	struct jpeg_error_mgr error;
	struct jpeg_progress_mgr progress;
	struct jpeg_destination_mgr to;
	jmp_buf jump;
	bool stopped;
	uint8_t *data; /* talloc; size bytes of it are the picture */
	size_t size;
	struct scale *scale;
	uint8_t *in_row;
	uint8_t *out_row;
};

static int width_parse(TALLOC_CTX *mem_ctx, const char *query,
		       uint32_t *ret_width)
{
	char *text = NULL;
	unsigned long width = WIDTH_DEFAULT;
	int ret = 0;

	ret = message_field(mem_ctx, query, "w", &text);
	if (ret == 0) {
		if (strlen(text) > 4 ||
		    text[strspn(text, "0123456789")] != '\0') {
			return EINVAL;
		}
		width = strtoul(text, NULL, 10);
	} else if (ret != ENOENT) {
		return ret;
	}
	if (width < 1 || width > WIDTH_MAX) {
		return EINVAL;
	}
	*ret_width = (uint32_t)width;
	return 0;
}

/* Thread: the loop's.  Lock: none.
 * Owns:   the caller owns the task.
 * Return: NULL without memory.
 */
struct task *thumb_prepare(const struct message_request *request,
			   const char *rest)
{
	struct thumb_task *thumb = NULL;
	int ret = 0;

	thumb = talloc_zero(NULL, struct thumb_task);
	if (thumb == NULL) {
		return NULL;
	}
	thumb->task.path = talloc_strdup(thumb, rest);
	if (thumb->task.path == NULL) {
		talloc_free(thumb);
		return NULL;
	}
	ret = width_parse(thumb, request->query, &thumb->width);
	if (ret == EINVAL) {
		thumb->task.reply = message_text(
			thumb, 400, "w must be a number from 1 to %d",
			WIDTH_MAX);
	}
	if (ret == ENOMEM || (ret != 0 && thumb->task.reply == NULL)) {
		talloc_free(thumb);
		return NULL;
	}
	return &thumb->task;
}

/*
 * libjpeg's callbacks
 */

/* Refuse and leave. */
static void thumb_fail(struct thumb_task *thumb, unsigned status,
		       const char *why) __attribute__((noreturn));
static void thumb_fail(struct thumb_task *thumb, unsigned status,
		       const char *why)
{
	thumb->task.reply = status == 503
				    ? message_busy(thumb, why)
				    : message_text(thumb, status, "%s", why);
	longjmp(thumb->jump, 1);
}

static void error_exit(j_common_ptr common)
{
	struct thumb_task *thumb = common->client_data;
	const int code = common->err->msg_code;

	if (code == JERR_NO_SOI || code == JERR_INPUT_EMPTY) {
		thumb_fail(thumb, 415, "not a JPEG");
	}
	if (code == JERR_OUT_OF_MEMORY) {
		thumb_fail(thumb, 503, "no memory");
	}
	if (code == JERR_NO_BACKING_STORE) {
		thumb_fail(thumb, 422, "the picture needs too much memory");
	}
	thumb_fail(thumb, 422, "a damaged JPEG");
}

/* The decoder would go on with a picture that is half grey or noise; that is
 * not an answer. Its other warnings are harmless. */
static void emit_message(j_common_ptr common, int level)
{
	if (level >= 0) {
		return;
	}
	switch (common->err->msg_code) {
	case JWRN_JPEG_EOF:
		thumb_fail(common->client_data, 422, "the JPEG ends early");
	case JWRN_ARITH_BAD_CODE:
	case JWRN_HIT_MARKER:
	case JWRN_HUFF_BAD_CODE:
	case JWRN_MUST_RESYNC:
		thumb_fail(common->client_data, 422, "a damaged JPEG");
	default:
		break;
	}
}

static void output_message(j_common_ptr common)
{
	(void)common;
}

/* Called between two rows of blocks. */
static void progress_seen(j_common_ptr common)
{
	struct thumb_task *thumb = common->client_data;

	if (work_should_stop(thumb->job)) {
		thumb->stopped = true;
		longjmp(thumb->jump, 1);
	}
	if (thumb->in.input_scan_number > SCANS_MAX) {
		thumb_fail(thumb, 422, "the JPEG has too many scans");
	}
}

static void to_point(struct thumb_task *thumb, size_t from)
{
	thumb->to.next_output_byte = thumb->data + from;
	thumb->to.free_in_buffer = talloc_get_size(thumb->data) - from;
}

static void to_init(j_compress_ptr out)
{
	to_point(out->client_data, 0);
}

static boolean to_full(j_compress_ptr out)
{
	struct thumb_task *thumb = out->client_data;
	const size_t full = talloc_get_size(thumb->data);
	uint8_t *more = NULL;

	more = talloc_realloc(thumb, thumb->data, uint8_t, full * 2);
	if (more == NULL) {
		thumb_fail(thumb, 503, "no memory");
	}
	thumb->data = more;
	to_point(thumb, full);
	return TRUE;
}

static void to_end(j_compress_ptr out)
{
	struct thumb_task *thumb = out->client_data;

	thumb->size = talloc_get_size(thumb->data) - thumb->to.free_in_buffer;
}

/*
 * The work
 */

/* Read the header and let the decoder do as much of the scaling as it can. */
static void thumb_begin_in(struct thumb_task *thumb)
{
	struct jpeg_decompress_struct *in = &thumb->in;

	jpeg_create_decompress(in);
	in->mem->max_memory_to_use = DECODER_BYTES_MAX;
	in->progress = &thumb->progress;
	jpeg_stdio_src(in, thumb->file);
	(void)jpeg_read_header(in, TRUE);
	if ((long)in->image_width * (long)in->image_height > PIXELS_MAX) {
		thumb_fail(thumb, 422, "the picture has too many pixels");
	}
	if (in->jpeg_color_space != JCS_GRAYSCALE &&
	    in->jpeg_color_space != JCS_YCbCr &&
	    in->jpeg_color_space != JCS_RGB) {
		thumb_fail(thumb, 415, "neither a colour nor a grey JPEG");
	}
	if (in->jpeg_color_space != JCS_GRAYSCALE) {
		in->out_color_space = JCS_RGB;
	}
	if (thumb->width > in->image_width) {
		thumb->width = in->image_width;
	}
	in->scale_denom = 8;
	for (in->scale_num = 1; in->scale_num < 8; in->scale_num++) {
		jpeg_calc_output_dimensions(in);
		if (in->output_width >= thumb->width) {
			break;
		}
	}
	(void)jpeg_start_decompress(in);
}

static void thumb_begin_out(struct thumb_task *thumb)
{
	struct jpeg_decompress_struct *in = &thumb->in;
	struct jpeg_compress_struct *out = &thumb->out;
	struct scale_size size = { 0 };
	uint64_t height = 0;

	height = (uint64_t)thumb->width * in->image_height;
	height = (height + in->image_width / 2) / in->image_width;
	height = height < 1 ? 1 : height;
	size.in_width = in->output_width;
	size.in_height = in->output_height;
	size.out_width = thumb->width;
	size.out_height = height > in->output_height ? in->output_height
						     : (uint32_t)height;
	size.channels = (uint32_t)in->output_components;
	thumb->scale = scale_create(thumb, &size);
	thumb->in_row = talloc_array(thumb, uint8_t,
				     size.in_width * size.channels);
	thumb->out_row = talloc_array(thumb, uint8_t,
				      size.out_width * size.channels);
	thumb->data = talloc_array(thumb, uint8_t, OUT_BYTES_FIRST);
	if (thumb->scale == NULL || thumb->in_row == NULL ||
	    thumb->out_row == NULL || thumb->data == NULL) {
		thumb_fail(thumb, 503, "no memory");
	}
	jpeg_create_compress(out);
	out->dest = &thumb->to;
	out->image_width = size.out_width;
	out->image_height = size.out_height;
	out->input_components = in->output_components;
	out->in_color_space = in->out_color_space;
	jpeg_set_defaults(out);
	jpeg_set_quality(out, QUALITY, TRUE);
	jpeg_start_compress(out, TRUE);
}

static void thumb_rows(struct thumb_task *thumb)
{
	struct jpeg_decompress_struct *in = &thumb->in;

	while (in->output_scanline < in->output_height) {
		(void)jpeg_read_scanlines(in, &thumb->in_row, 1);
		if (scale_feed(thumb->scale, thumb->in_row, thumb->out_row)) {
			(void)jpeg_write_scanlines(&thumb->out, &thumb->out_row,
						   1);
		}
	}
}

/* The one frame that libjpeg's errors come back to. */
static bool thumb_make(struct thumb_task *thumb)
{
	if (setjmp(thumb->jump) != 0) {
		return false;
	}
	thumb_begin_in(thumb);
	thumb_begin_out(thumb);
	thumb_rows(thumb);
	jpeg_finish_compress(&thumb->out);
	return true;
}

static void thumb_callbacks(struct thumb_task *thumb)
{
	(void)jpeg_std_error(&thumb->error);
	thumb->error.error_exit = error_exit;
	thumb->error.emit_message = emit_message;
	thumb->error.output_message = output_message;
	thumb->progress.progress_monitor = progress_seen;
	thumb->to.init_destination = to_init;
	thumb->to.empty_output_buffer = to_full;
	thumb->to.term_destination = to_end;
	thumb->in.err = &thumb->error;
	thumb->in.client_data = thumb;
	thumb->out.err = &thumb->error;
	thumb->out.client_data = thumb;
}

/* The work of GET /thumb/PATH?w=N.
 *
 * Thread: worker.  Lock: none.
 * Owns:   the block is its while it runs.
 * Return: 0 with a reply, ECANCELED.
 */
int thumb_run(struct weft_job *job, void *block)
{
	struct thumb_task *thumb = talloc_get_type_abort(block,
							 struct thumb_task);
	bool ok = false;
	int fd = -1;
	int ret = 0;

	ret = file_open(thumb->task.root_fd, thumb->task.path, &fd);
	if (ret != 0) {
		thumb->task.reply = file_refusal(thumb, ret);
		return 0;
	}
	thumb->file = fdopen(fd, "rb");
	if (thumb->file == NULL) {
		(void)close(fd);
		return ENOMEM;
	}
	thumb->job = job;
	thumb_callbacks(thumb);
	ok = thumb_make(thumb);
	jpeg_destroy_compress(&thumb->out);
	jpeg_destroy_decompress(&thumb->in);
	(void)fclose(thumb->file);
	if (thumb->stopped) {
		return ECANCELED;
	}
	if (ok) {
		thumb->task.reply = message_data(thumb, "image/jpeg",
						 thumb->data, thumb->size);
	}
	return 0;
}
