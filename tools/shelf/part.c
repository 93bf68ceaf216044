/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Part: what is found out about an upload, by three jobs at the same time: its
 * SHA-256, what kind of file it is, and its bytes compressed into the store.
 *
 * The three read one file, through descriptors of their own and by offsets, so
 * they share nothing in memory. A job closes its descriptor itself: the last
 * one frees the upload's room on the disk, which may take a while.
 *
 * Threads: part_create() the loop's, the rest a worker's.
 */
#include "tools/shelf/part.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tools/shelf/file.h"
#include "tools/shelf/kit.h"
#include "tools/shelf/work.h"

/* libmagic's rules look at the beginning of a file. */
#define HEAD_BYTES  (256 * 1024)
#define PIECE_BYTES (128 * 1024)
#define LEVEL       3

static void part_close(struct part *part)
{
	if (part->fd >= 0) {
		(void)close(part->fd);
		part->fd = -1;
	}
}

static int part_destructor(struct part *part)
{
	part_close(part);
	if (part->file[0] != '\0') {
		store_file_remove(part->store, part->file);
	}
	return 0;
}

/* Thread: the loop's.  Lock: none.
 * Owns:   takes @fd; the caller owns the part.
 * Return: NULL without memory, @fd is closed then.
 */
struct part *part_create(const struct store *store, int fd)
{
	struct part *part = NULL;

	part = talloc_zero(NULL, struct part);
	if (part == NULL) {
		if (fd >= 0) {
			(void)close(fd);
		}
		return NULL;
	}
	part->store = store;
	part->fd = fd;
	talloc_set_destructor(part, part_destructor);
	return part;
}

/* Thread: worker.  Lock: none.
 * Owns:   the block is its while it runs.
 * Return: 0 with the sum, or errno.
 */
int part_sum_run(struct weft_job *job, void *block)
{
	struct part *part = talloc_get_type_abort(block, struct part);
	int ret = 0;

	ret = sum_file(job, part->fd, part->sha);
	part_close(part);
	return ret;
}

/* Thread: worker.  Lock: none.
 * Owns:   the block is its while it runs.
 * Return: 0 with the type, or errno.
 */
int part_type_run(struct weft_job *job, void *block)
{
	struct part *part = talloc_get_type_abort(block, struct part);
	const char *type = NULL;
	magic_t magic = NULL;
	uint8_t *head = NULL;
	ssize_t size = 0;
	int ret = 0;

	ret = kit_magic(job, &magic);
	if (ret != 0) {
		return ret;
	}
	head = talloc_array(part, uint8_t, HEAD_BYTES);
	if (head == NULL) {
		return ENOMEM;
	}
	size = file_read(part->fd, head, HEAD_BYTES, 0);
	if (size < 0) {
		return errno;
	}
	part_close(part);
	type = magic_buffer(magic, head, (size_t)size);
	if (type == NULL) {
		return magic_errno(magic) == ENOMEM ? ENOMEM : EIO;
	}
	part->type = talloc_strdup(part, type);
	talloc_free(head);
	return part->type == NULL ? ENOMEM : 0;
}

/*
 * Compression
 */

struct pack {
	struct weft_job *job;
	struct part *part;
	ZSTD_CCtx *packer;
	int fd; /* where it goes */
	uint8_t in[PIECE_BYTES];
	uint8_t out[PIECE_BYTES];
};

/* One piece, the last one when it is empty. */
static int pack_piece(struct pack *pack, size_t size)
{
	const ZSTD_EndDirective end = size == 0 ? ZSTD_e_end : ZSTD_e_continue;
	ZSTD_inBuffer in = { pack->in, size, 0 };
	size_t left = 0;

	do {
		ZSTD_outBuffer out = { pack->out, sizeof(pack->out), 0 };
		int ret = 0;

		left = ZSTD_compressStream2(pack->packer, &out, &in, end);
		if (ZSTD_isError(left)) {
			return ENOMEM; /* nothing else can fail here */
		}
		ret = file_write(pack->fd, pack->out, out.pos,
				 pack->part->packed);
		if (ret != 0) {
			return ret;
		}
		pack->part->packed += out.pos;
	} while (end == ZSTD_e_end ? left > 0 : in.pos < in.size);
	return 0;
}

static int pack_all(struct pack *pack)
{
	struct part *part = pack->part;
	ssize_t size = 0;
	int ret = 0;

	(void)ZSTD_CCtx_reset(pack->packer, ZSTD_reset_session_and_parameters);
	(void)ZSTD_CCtx_setParameter(pack->packer, ZSTD_c_compressionLevel,
				     LEVEL);
	(void)ZSTD_CCtx_setParameter(pack->packer, ZSTD_c_checksumFlag, 1);
	do {
		if (work_should_stop(pack->job)) {
			return ECANCELED;
		}
		size = file_read(part->fd, pack->in, sizeof(pack->in),
				 part->size);
		if (size < 0) {
			return errno;
		}
		ret = pack_piece(pack, (size_t)size);
		part->size += (uint64_t)size;
		work_progress(pack->job, part->size, 0);
	} while (ret == 0 && size > 0);
	return ret;
}

/* Thread: worker.  Lock: none.
 * Owns:   the block is its while it runs.
 * Return: 0 with a file that is on the disk, or errno.
 */
int part_pack_run(struct weft_job *job, void *block)
{
	struct part *part = talloc_get_type_abort(block, struct part);
	struct pack *pack = NULL;
	int ret = 0;

	pack = talloc(part, struct pack);
	if (pack == NULL) {
		return ENOMEM;
	}
	pack->job = job;
	pack->part = part;
	ret = kit_packer(job, &pack->packer);
	if (ret == 0) {
		ret = store_file_create(part->store, true, part->file,
					&pack->fd);
	}
	if (ret != 0) {
		part->file[0] = '\0';
		return ret;
	}
	ret = pack_all(pack);
	part_close(part);
	if (ret == 0) {
		ret = store_file_settle(part->store, pack->fd);
	}
	(void)close(pack->fd);
	talloc_free(pack);
	return ret;
}
