/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Sum: the SHA-256 of a file.
 *
 * The work reads in pieces and asks between two of them whether anybody still
 * wants the result, so a client that leaves costs at most one piece more; and
 * it says how far it has come, which GET /jobs shows.
 *
 * Threads: sum_prepare() the loop's, sum_run() a worker's.
 */
#include "tools/shelf/task.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nettle/base16.h>
#include <nettle/sha2.h>

#include <weft.h>

#include "tools/shelf/file.h"
#include "tools/shelf/sum.h"
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

/* The SHA-256 of what @fd has, in hexadecimal digits; says how far it is.
 *
 * Thread: worker.  Lock: none.
 * Owns:   nothing.
 * Return: 0, ECANCELED: nobody wants it any more, or why it cannot be read.
 */
int sum_file(struct weft_job *job, int fd, char hex[SUM_HEX_SIZE])
{
	uint8_t digest[SHA256_DIGEST_SIZE];
	uint8_t piece[PIECE_BYTES];
	struct sha256_ctx sha;
	struct stat st = { 0 };
	uint64_t done = 0;

	(void)fstat(fd, &st);
	sha256_init(&sha);
	for (;;) {
		ssize_t n = 0;

		if (work_should_stop(job)) {
			return ECANCELED;
		}
		n = file_read(fd, piece, sizeof(piece), done);
		if (n < 0) {
			return errno;
		}
		if (n == 0) {
			break;
		}
		sha256_update(&sha, (size_t)n, piece);
		done += (uint64_t)n;
		work_progress(job, done, (uint64_t)st.st_size);
	}
	sha256_digest(&sha, sizeof(digest), digest);
	base16_encode_update(hex, sizeof(digest), digest);
	hex[SUM_HEX_SIZE - 1] = '\0';
	return 0;
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
	char hex[SUM_HEX_SIZE] = { 0 };
	int fd = -1;
	int ret = 0;

	ret = file_open(sum->root_fd, sum->path, &fd);
	if (ret == 0) {
		(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
		ret = sum_file(job, fd, hex);
		(void)close(fd);
	}
	if (ret == ECANCELED) {
		return ret;
	}
	if (ret != 0) {
		sum->reply = file_refusal(sum, ret);
		return 0;
	}
	sum->reply = message_text(sum, 200, "%s", hex);
	return 0;
}
