/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Sum: the SHA-256 of a file.
 *
 * The work reads in pieces and asks between two of them whether anybody still
 * wants the result, so a client that leaves costs at most one piece more.
 *
 * Threads: sum_prepare() the loop's, sum_run() a worker's.
 */
#include "tools/shelf/task.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <nettle/base16.h>
#include <nettle/sha2.h>

#include <weft.h>

#include "tools/shelf/file.h"
#include "tools/shelf/work.h"

#define PIECE_BYTES (64 * 1024)

/* Thread: the loop's.  Lock: none.
 * Owns:   the caller owns the task.
 * Return: NULL without memory.
 */
struct task *sum_prepare(const struct message_request *request,
			 const char *rest)
{
	struct task *sum = NULL;

	(void)request;
	sum = talloc_zero(NULL, struct task);
	if (sum == NULL) {
		return NULL;
	}
	sum->path = talloc_strdup(sum, rest);
	if (sum->path == NULL) {
		talloc_free(sum);
		return NULL;
	}
	return sum;
}

static int sum_read(struct weft_job *job, int fd, struct sha256_ctx *sha)
{
	uint8_t piece[PIECE_BYTES];

	for (;;) {
		ssize_t n = 0;

		if (work_should_stop(job)) {
			return ECANCELED;
		}
		n = read(fd, piece, sizeof(piece));
		if (n == 0) {
			return 0;
		}
		if (n < 0 && errno != EINTR) {
			return errno;
		}
		if (n > 0) {
			sha256_update(sha, (size_t)n, piece);
		}
	}
}

/* The work of GET /sum/PATH.
 *
 * Thread: worker.  Lock: none.
 * Owns:   the block is its while it runs.
 * Return: 0 with a reply, ECANCELED.
 */
int sum_run(struct weft_job *job, void *block)
{
	struct task *sum = talloc_get_type_abort(block, struct task);
	uint8_t digest[SHA256_DIGEST_SIZE];
	char hex[BASE16_ENCODE_LENGTH(SHA256_DIGEST_SIZE) + 1] = { 0 };
	struct sha256_ctx sha;
	int fd = -1;
	int ret = 0;

	ret = file_open(sum->root_fd, sum->path, &fd);
	if (ret == 0) {
		(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
		sha256_init(&sha);
		ret = sum_read(job, fd, &sha);
		(void)close(fd);
	}
	if (ret == ECANCELED) {
		return ret;
	}
	if (ret != 0) {
		sum->reply = file_refusal(sum, ret);
		return 0;
	}
	sha256_digest(&sha, sizeof(digest), digest);
	base16_encode_update(hex, sizeof(digest), digest);
	sum->reply = message_text(sum, 200, "%s", hex);
	return 0;
}
