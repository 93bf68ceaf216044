/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* File: regular files below a root, and nothing else.
 *
 * The kernel resolves the whole path in one call that cannot leave the root
 * (openat2 with RESOLVE_BENEATH): not by "..", not by an absolute path, not by
 * a symbolic link wherever it stands, not by a rename in between. Links that
 * stay below the root are followed; the magic ones of /proc are not.
 *
 * A path is opened twice. First with O_PATH, which touches nothing: what is
 * not a regular file is refused before it could notice (a FIFO its reader, a
 * tape its rewind). Then for reading, where it is looked at again, because
 * somebody may have put something else there; O_NONBLOCK and O_NOCTTY keep
 * even that from blocking or becoming a terminal of ours.
 *
 * Threads: jobs call file_open() on workers, since a path walk may wait for a
 * disk; the root descriptor is only read.
 */
#include "tools/shelf/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/openat2.h>

/* A rename elsewhere can make the kernel give up on a ".." inside a link. */
#define OPEN_TRIES 8

static int open_beneath(int root_fd, const char *path, int flags, int *ret_fd)
{
	struct open_how how = { 0 };

	how.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC);
	how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
	for (int i = 0; i < OPEN_TRIES; i++) {
		const long fd = syscall(SYS_openat2, root_fd, path, &how,
					sizeof(how));

		if (fd >= 0) {
			*ret_fd = (int)fd;
			return 0;
		}
		if (errno != EAGAIN && errno != EINTR) {
			return errno;
		}
	}
	return EAGAIN;
}

/* ENXIO stands for "not a regular file", as open() itself uses it. */
static int require_regular(int fd)
{
	struct stat st = { 0 };
	int ret = 0;

	ret = fstat(fd, &st);
	if (ret != 0) {
		return errno;
	}
	return S_ISREG(st.st_mode) ? 0 : ENXIO;
}

/* Open the directory that bounds everything, and see that the kernel can.
 *
 * Thread: any.  Lock: none.
 * Owns:   the caller closes the descriptor.
 * Return: 0 or errno; ENOSYS where the kernel has no openat2 (before 5.6).
 */
int file_root_open(const char *path, int *ret_root_fd)
{
	int root_fd = -1;
	int fd = -1;
	int ret = 0;

	root_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0) {
		return errno;
	}
	ret = open_beneath(root_fd, ".", O_PATH, &fd);
	if (ret != 0) {
		(void)close(root_fd);
		return ret;
	}
	(void)close(fd);
	*ret_root_fd = root_fd;
	return 0;
}

/* Open a regular file below the root for reading.
 *
 * Thread: any.  Lock: none.
 * Owns:   the caller closes the descriptor.
 * Return: 0 or errno; ENXIO: not a regular file; EXDEV: outside the root.
 */
int file_open(int root_fd, const char *path, int *ret_fd)
{
	int fd = -1;
	int ret = 0;

	ret = open_beneath(root_fd, path, O_PATH, &fd);
	if (ret != 0) {
		return ret;
	}
	ret = require_regular(fd);
	(void)close(fd);
	if (ret != 0) {
		return ret;
	}
	ret = open_beneath(root_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY,
			   &fd);
	if (ret != 0) {
		return ret;
	}
	ret = require_regular(fd);
	if (ret != 0) {
		(void)close(fd);
		return ret;
	}
	*ret_fd = fd;
	return 0;
}

/* Read a piece at @offset; another reader of the same file is not disturbed.
 * Without a file (@fd below 0) that is an empty one.
 *
 * Thread: any.  Lock: none.
 * Owns:   nothing.
 * Return: bytes, 0 at the end, -1 with errno.
 */
ssize_t file_read(int fd, void *piece, size_t size, uint64_t offset)
{
	ssize_t n = 0;

	if (fd < 0) {
		return 0;
	}
	do {
		n = pread(fd, piece, size, (off_t)offset);
	} while (n < 0 && errno == EINTR);
	return n;
}

/* Write all of a piece.
 *
 * Thread: any.  Lock: none.
 * Owns:   nothing.
 * Return: 0 or errno.
 */
int file_write(int fd, const void *piece, size_t size, uint64_t offset)
{
	const uint8_t *bytes = piece;

	while (size > 0) {
		const ssize_t n = pwrite(fd, bytes, size, (off_t)offset);

		if (n < 0 && errno != EINTR) {
			return errno;
		}
		if (n > 0) {
			bytes += n;
			size -= (size_t)n;
			offset += (uint64_t)n;
		}
	}
	return 0;
}

/* What to tell a client whose file could not be opened or read.
 *
 * Thread: any, with a tree of its own.  Lock: none.
 * Owns:   the reply is a child of @mem_ctx.
 * Return: NULL without memory.
 */
struct message_reply *file_refusal(TALLOC_CTX *mem_ctx, int error)
{
	switch (error) {
	case ENOENT:
	case ENOTDIR:
		return message_text(mem_ctx, 404, "no such file");
	case EXDEV:
	case ELOOP:
		return message_text(mem_ctx, 403, "outside the root");
	case EACCES:
	case EPERM:
		return message_text(mem_ctx, 403, "not readable");
	case ENXIO:
	case EISDIR:
		return message_text(mem_ctx, 403, "not a regular file");
	case ENAMETOOLONG:
		return message_text(mem_ctx, 414, "the name is too long");
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case EAGAIN:
		return message_busy(mem_ctx, "too busy to open the file");
	default:
		return message_text(mem_ctx, 500, "cannot read the file");
	}
}
