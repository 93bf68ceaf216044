/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Get: the bytes of an object.
 *
 * They are unpacked as a whole, into memory that then becomes the answer. The
 * size is the row's and the file's own checksum is checked: an answer is the
 * object, or an error, never a part of it.
 *
 * Threads: get_prepare() the loop's, get_run() a worker's.
 */
#include "tools/shelf/task.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <weft.h>

#include "tools/shelf/file.h"
#include "tools/shelf/kit.h"
#include "tools/shelf/store.h"
#include "tools/shelf/work.h"

#define PIECE_BYTES (128 * 1024)
/* So often the object may be replaced between its row and its file. */
#define TRIES_MAX   16

/* Thread: the loop's.  Lock: none.
 * Owns:   the caller owns the task.
 * Return: NULL without memory.
 */
struct task *get_prepare(const struct message_request *request,
			 const char *rest)
{
	return sum_prepare(request, rest);
}

/* The file of the object as it is now. */
static int object_open(struct weft_job *job, struct task *task,
		       struct store_row *row, int *ret_fd)
{
	struct sqlite3 *index = NULL;
	int ret = 0;

	ret = kit_index(job, &index);
	if (ret != 0) {
		return ret;
	}
	for (int i = 0; i < TRIES_MAX; i++) {
		ret = store_find(index, task, task->path, row);
		if (ret != 0) {
			return ret;
		}
		ret = store_file_open(kit_store(job), row->file, ret_fd);
		if (ret != ENOENT) {
			return ret;
		}
	}
	return EBUSY;
}

/* Unpack what @fd has into exactly @size bytes. */
static int object_unpack(struct weft_job *job, int fd, uint8_t *data,
			 size_t size)
{
	ZSTD_outBuffer out = { data, size, 0 };
	uint8_t piece[PIECE_BYTES];
	ZSTD_DCtx *unpacker = NULL;
	uint64_t done = 0;
	size_t left = 1;
	int ret = 0;

	ret = kit_unpacker(job, &unpacker);
	if (ret != 0) {
		return ret;
	}
	(void)ZSTD_DCtx_reset(unpacker, ZSTD_reset_session_only);
	while (left > 0) {
		const ssize_t n = file_read(fd, piece, sizeof(piece), done);
		ZSTD_inBuffer in = { piece, n < 0 ? 0 : (size_t)n, 0 };

		if (n < 0) {
			return errno;
		}
		if (work_should_stop(job)) {
			return ECANCELED;
		}
		left = ZSTD_decompressStream(unpacker, &out, &in);
		if (ZSTD_isError(left) || n == 0 || in.pos < in.size) {
			return EIO;
		}
		done += (uint64_t)n;
		work_progress(job, out.pos, size);
	}
	return out.pos == size ? 0 : EIO;
}

static struct message_reply *object_reply(struct task *task,
					  const struct store_row *row,
					  uint8_t *data)
{
	struct message_reply *reply = NULL;

	reply = message_data(task, row->type, data, row->size);
	if (reply == NULL) {
		return NULL;
	}
	reply->header = "ETag";
	reply->header_value = talloc_asprintf(reply, "\"%s\"", row->sha);
	if (reply->header_value == NULL) {
		TALLOC_FREE(reply);
		return NULL;
	}
	(void)talloc_steal(reply, row->type);
	return reply;
}

/* The work of GET /o/NAME.
 *
 * Thread: worker.  Lock: none.
 * Owns:   the block is its while it runs.
 * Return: 0 with a reply, or errno.
 */
int get_run(struct weft_job *job, void *block)
{
	struct task *task = talloc_get_type_abort(block, struct task);
	struct store_row row = { 0 };
	uint8_t *data = NULL;
	int fd = -1;
	int ret = 0;

	ret = object_open(job, task, &row, &fd);
	if (ret == ENOENT) {
		task->reply = message_text(task, 404, "no such object");
		return 0;
	}
	if (ret != 0) {
		return ret;
	}
	data = talloc_array(task, uint8_t, row.size);
	ret = data == NULL ? ENOMEM : object_unpack(job, fd, data, row.size);
	(void)close(fd);
	if (ret != 0) {
		return ret;
	}
	task->reply = object_reply(task, &row, data);
	return task->reply == NULL ? ENOMEM : 0;
}
