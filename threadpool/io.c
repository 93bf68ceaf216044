/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Io: files that are opened, read, written and synced on a worker.
 *
 *      weft_pread_send    io: a duplicate of the descriptor, where and how much
 *      a worker           io->data, io->done
 *      weft_pread_recv    the data, out of io; io is freed
 *
 *  1. The request is that of a job, and io is its block: cancelling, deadline,
 *     lanes, order by key and freeing are the job's, and so is what becomes of
 *     io when nobody waits any more.
 *  2. A descriptor in io is io's: the duplicate is closed by the worker, or by
 *     io's destructor where no worker came to it; a file that was opened goes
 *     to who receives it, or with io.
 *  3. Why there is no duplicate the job says, in its turn: an error comes in a
 *     later pass, like every other.
 *  4. The bytes to be written hang below io, where they were taken from their
 *     owner. Those that may not travel are left where they are.
 *  5. Between two system calls, none of them about more than IO_CHUNK bytes,
 *     the job looks whether it is still wanted.
 *
 * Threads: ..._act: the worker; all others: the owner of the request.
 * Ordering: none; job.c's.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <talloc.h>

#include "threadpool/tevent_compat.h"

#include "weft.h"

#include "threadpool/block.h"
#include "threadpool/deadline.h"
#include "threadpool/work.h"

#define IO_CHUNK ((size_t)1 << 20) /* bytes */

struct io {
	int (*act)(struct io *io, struct weft_job *job);
	int fd;    /* the duplicate; AT_FDCWD; -1 */
	int error; /* why it cannot be done; 0 */
	/* open */
	const char *path;
	int flags;
	mode_t mode;
	int opened; /* or -1 */
	/* pread, pwrite */
	uint8_t *data;
	size_t count;
	off_t offset;
	size_t done;
	/* fsync */
	bool data_only;
};

/* What all of them hand on to weft_job_send_sized(). */
struct io_sending {
	TALLOC_CTX *mem_ctx;
	struct tevent_context *ev;
	struct weft_pool *pool;
	const struct weft_job_options *options;
	size_t options_size;
	const char *location;
};

static void io_close(int *fd)
{
	if (*fd >= 0) {
		(void)close(*fd);
	}
	*fd = -1;
}

static int io_destructor(struct io *io)
{
	io_close(&io->fd);
	io_close(&io->opened);
	return 0;
}

/* Return: NULL: no memory. */
static struct io *io_create(int (*act)(struct io *io, struct weft_job *job))
{
	struct io *io = talloc_zero(NULL, struct io);

	if (io == NULL) {
		return NULL;
	}
	io->act = act;
	io->fd = -1;
	io->opened = -1;
	talloc_set_destructor(io, io_destructor);
	return io;
}

static void io_duplicate(struct io *io, int fd)
{
	io->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (io->fd == -1) {
		io->error = errno;
	}
}

static int io_run(struct weft_job *job, void *block)
{
	struct io *io = talloc_get_type_abort(block, struct io);
	int ret = io->error;

	if (ret == 0) {
		ret = io->act(io, job);
		io_close(&io->fd);
	}
	return ret;
}

/* Return: the request; NULL: no memory, and io is still the caller's. */
static struct tevent_req *io_send(struct io *io, const char *name,
				  const struct io_sending *sending)
{
	return weft_job_send_sized(sending->mem_ctx, sending->ev, sending->pool,
				   io_run, &io, sending->options,
				   sending->options_size, name,
				   sending->location);
}

/* The same, and io is freed where it cannot be sent. */
static struct tevent_req *io_send_or_free(struct io *io, const char *name,
					  const struct io_sending *sending)
{
	struct tevent_req *req = io_send(io, name, sending);

	if (req == NULL) {
		talloc_free(io);
	}
	return req;
}

/* Return: 0: it is wanted; else what the job ends with. */
static int io_told(struct weft_job *job)
{
	if (!weft_job_should_stop(job)) {
		return 0;
	}
	return wf_deadline_passed(job->deadline_ns) ? ETIMEDOUT : ECANCELED;
}

static size_t io_chunk(const struct io *io)
{
	size_t left = io->count - io->done;

	return left < IO_CHUNK ? left : IO_CHUNK;
}

/* ---- open ---- */

static int open_act(struct io *io, struct weft_job *job)
{
	int ret = 0;

	do {
		ret = io_told(job);
		if (ret != 0) {
			return ret;
		}
		io->opened = openat(io->fd, io->path, io->flags, io->mode);
	} while (io->opened == -1 && errno == EINTR);
	if (io->opened == -1) {
		return errno;
	}
	/* An orphan may be kept for a while: its file is closed now. */
	ret = io_told(job);
	if (ret != 0) {
		io_close(&io->opened);
	}
	return ret;
}

struct tevent_req *weft_open_send_sized(
	TALLOC_CTX *mem_ctx, struct tevent_context *ev, struct weft_pool *pool,
	int dir_fd, const char *path, int flags, mode_t mode,
	const struct weft_job_options *options, size_t options_size,
	const char *location)
{
	const struct io_sending sending = {
		mem_ctx, ev, pool, options, options_size, location,
	};
	struct io *io = io_create(open_act);

	if (io == NULL) {
		return NULL;
	}
	io->path = talloc_strdup(io, path);
	if (io->path == NULL) {
		talloc_free(io);
		return NULL;
	}
	io->flags = flags | O_CLOEXEC;
	io->mode = mode;
	if (dir_fd == AT_FDCWD || path[0] == '/') {
		io->fd = AT_FDCWD;
	} else {
		io_duplicate(io, dir_fd);
	}
	return io_send_or_free(io, "weft_open", &sending);
}

int weft_open_recv(struct tevent_req *req, int *ret_fd)
{
	struct io *io = NULL;
	int ret = weft_job_recv(req, NULL, &io);

	if (ret == 0) {
		*ret_fd = io->opened;
		io->opened = -1;
	}
	talloc_free(io);
	return ret;
}

/* ---- pread ---- */

/* The file was shorter: gives back what it did not fill. */
static void pread_trim(struct io *io)
{
	size_t size = io->done > 0 ? io->done : 1;
	uint8_t *less = talloc_realloc(io, io->data, uint8_t, size);

	if (less != NULL) {
		io->data = less;
	}
}

static int pread_act(struct io *io, struct weft_job *job)
{
	ssize_t got = 0;

	io->data = talloc_array(io, uint8_t, io->count > 0 ? io->count : 1);
	if (io->data == NULL) {
		return ENOMEM;
	}
	do {
		int ret = io_told(job);

		if (ret != 0) {
			return ret;
		}
		got = pread(io->fd, io->data + io->done, io_chunk(io),
			    io->offset + (off_t)io->done);
		if (got < 0 && errno != EINTR) {
			return errno;
		}
		io->done += got > 0 ? (size_t)got : 0;
	} while (got != 0 && io->done < io->count);
	if (io->done < io->count) {
		pread_trim(io);
	}
	return 0;
}

struct tevent_req *weft_pread_send_sized(TALLOC_CTX *mem_ctx,
					 struct tevent_context *ev,
					 struct weft_pool *pool, int fd,
					 size_t count, off_t offset,
					 const struct weft_job_options *options,
					 size_t options_size,
					 const char *location)
{
	const struct io_sending sending = {
		mem_ctx, ev, pool, options, options_size, location,
	};
	struct io *io = io_create(pread_act);

	if (io == NULL) {
		return NULL;
	}
	io_duplicate(io, fd);
	io->count = count;
	io->offset = offset;
	return io_send_or_free(io, "weft_pread", &sending);
}

int weft_pread_recv(struct tevent_req *req, TALLOC_CTX *mem_ctx,
		    uint8_t **ret_data, size_t *ret_count)
{
	struct io *io = NULL;
	int ret = weft_job_recv(req, NULL, &io);

	if (ret == 0) {
		*ret_data = talloc_move(mem_ctx, &io->data);
		*ret_count = io->done;
	}
	talloc_free(io);
	return ret;
}

/* ---- pwrite ---- */

static int pwrite_act(struct io *io, struct weft_job *job)
{
	while (io->done < io->count) {
		ssize_t put = 0;
		int ret = io_told(job);

		if (ret != 0) {
			return ret;
		}
		put = pwrite(io->fd, io->data + io->done, io_chunk(io),
			     io->offset + (off_t)io->done);
		if (put == 0) {
			return EIO;
		}
		if (put < 0 && errno != EINTR) {
			return errno;
		}
		io->done += put > 0 ? (size_t)put : 0;
	}
	return 0;
}

/* Whether @data is a block that holds @count bytes and may be taken. */
static bool pwrite_may_take(const void *data, size_t count,
			    const TALLOC_CTX *mem_ctx)
{
	if (data == NULL) {
		return count == 0;
	}
	return data != mem_ctx && count <= talloc_get_size(data) &&
	       wf_block_may_travel(data);
}

struct tevent_req *weft_pwrite_send_sized(
	TALLOC_CTX *mem_ctx, struct tevent_context *ev, struct weft_pool *pool,
	int fd, void *pp_data, size_t count, off_t offset,
	const struct weft_job_options *options, size_t options_size,
	const char *location)
{
	const struct io_sending sending = {
		mem_ctx, ev, pool, options, options_size, location,
	};
	void *data = wf_block_peek(pp_data);
	void *parent = talloc_parent(data);
	bool takes = pwrite_may_take(data, count, mem_ctx);
	struct io *io = io_create(pwrite_act);
	struct tevent_req *req = NULL;

	if (io == NULL) {
		return NULL;
	}
	io_duplicate(io, fd);
	io->count = count;
	io->offset = offset;
	if (takes) {
		io->data = talloc_steal(io, data);
	} else {
		io->error = EINVAL;
	}
	/* Sent, io may be gone: what it has taken is not looked at again. */
	req = io_send(io, "weft_pwrite", &sending);
	if (req == NULL) {
		if (takes) {
			(void)talloc_steal(parent, data);
		}
		talloc_free(io);
		return NULL;
	}
	if (takes) {
		wf_block_take(pp_data);
	}
	return req;
}

int weft_pwrite_recv(struct tevent_req *req, size_t *ret_written)
{
	struct io *io = NULL;
	int ret = weft_job_recv(req, NULL, &io);

	if (ret_written != NULL && ret != EINPROGRESS) {
		*ret_written = io != NULL ? io->done : 0;
	}
	talloc_free(io);
	return ret;
}

/* ---- fsync ---- */

static int fsync_act(struct io *io, struct weft_job *job)
{
	int ret = 0;

	weft_blocking_begin();
	do {
		ret = io_told(job);
		if (ret == 0 &&
		    (io->data_only ? fdatasync(io->fd) : fsync(io->fd)) != 0) {
			ret = errno;
		}
	} while (ret == EINTR);
	weft_blocking_end();
	return ret;
}

struct tevent_req *weft_fsync_send_sized(
	TALLOC_CTX *mem_ctx, struct tevent_context *ev, struct weft_pool *pool,
	int fd, bool data_only, const struct weft_job_options *options,
	size_t options_size, const char *location)
{
	const struct io_sending sending = {
		mem_ctx, ev, pool, options, options_size, location,
	};
	struct io *io = io_create(fsync_act);

	if (io == NULL) {
		return NULL;
	}
	io_duplicate(io, fd);
	io->data_only = data_only;
	return io_send_or_free(io, "weft_fsync", &sending);
}

int weft_fsync_recv(struct tevent_req *req)
{
	return weft_job_recv(req, NULL, NULL);
}
