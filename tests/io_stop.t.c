/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Io stop: ready-made jobs about files whose result nobody waits for any more.
 *
 * The program stands in front of openat and pwrite, to hold a worker there.
 */
#include <dlfcn.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>

#include "tests/iotest.h"

/* ---- in front of libc ---- */

/* Static in a test, so that a worker may come there when it has returned. */
struct stop {
	struct fixture_gate reached;
	struct fixture_gate go;
};

static _Atomic(struct stop *) stop_in_openat;
static _Atomic(struct stop *) stop_in_pwrite;

static void stop_here(_Atomic(struct stop *) *where)
{
	/* Sequentially consistent: nothing here is in a hurry. */
	struct stop *stop = atomic_exchange(where, NULL);

	if (stop != NULL) {
		fixture_gate_add(&stop->reached, 1);
		fixture_gate_wait(&stop->go, 1);
	}
}

int openat(int dir_fd, const char *path, int flags, ...)
{
	int (*real)(int, const char *, int, ...) = (int (*)(
		int, const char *, int, ...))dlsym(RTLD_NEXT, "openat");
	va_list args;
	mode_t mode = 0;

	if ((flags & (O_CREAT | O_TMPFILE)) != 0) {
		va_start(args, flags);
		mode = va_arg(args, mode_t);
		va_end(args);
	}
	stop_here(&stop_in_openat);
	return real(dir_fd, path, flags, mode);
}

ssize_t pwrite(int fd, const void *data, size_t count, off_t offset)
{
	ssize_t (*real)(int, const void *, size_t, off_t) = (ssize_t(*)(
		int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite");
	ssize_t ret = real(fd, data, count, offset);
	int error = errno;

	stop_here(&stop_in_pwrite);
	errno = error;
	return ret;
}

/* ---- freed, cancelled, late ---- */

/* Whether all readers of a pipe have closed it. */
static bool reader_is_gone(void *arg)
{
	struct pollfd writer = { .fd = *(int *)arg, .events = POLLOUT };

	return poll(&writer, 1, 0) == 1 && (writer.revents & POLLERR) != 0;
}

static bool opened_for_writing(void *arg)
{
	struct place *place = arg;
	int fd = open(place->path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd != -1) {
		place->fd = fd;
	}
	return fd != -1;
}

static void opened_for_nobody(struct fixture *fx)
{
	static struct stop stop;
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct place place = { .fd = -1 };
	struct place fifo = { .fd = -1 };
	struct tevent_req *req = NULL;

	place_open(&place);
	(void)mkfifoat(place.fd, "fifo", 0600);
	(void)snprintf(fifo.path, sizeof(fifo.path), "/proc/self/fd/%d/fifo",
		       place.fd);
	atomic_store(&stop_in_openat, &stop);
	req = weft_open_send(fx->mem, fx->ev, pool, place.fd, "fifo", O_RDONLY,
			     0, NULL);
	fixture_gate_wait(&stop.reached, 1);
	TALLOC_FREE(req);
	fixture_gate_add(&stop.go, 1);
	/* A writer finds the worker, which waits for one. */
	fixture_wait_until(opened_for_writing, &fifo);
	fixture_wait_until(reader_is_gone, &fifo.fd);
	ok(true, "a file that is opened for nobody is closed again");
	(void)close(fifo.fd);
	fixture_wait_until(pooltest_at_rest, pool);
	place_close(&place, "fifo");
}

static void interrupted(struct fixture *fx)
{
	static struct stop stop;
	struct weft_job_options options = { .interruptible = true };
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct place place = { .fd = -1 };
	struct tevent_req *req = NULL;
	int fd = -1;

	place_open(&place);
	(void)mkfifoat(place.fd, "fifo", 0600);
	atomic_store(&stop_in_openat, &stop);
	req = weft_open_send(fx->mem, fx->ev, pool, place.fd, "fifo", O_RDONLY,
			     0, &options);
	fixture_gate_wait(&stop.reached, 1);
	fixture_gate_add(&stop.go, 1);
	ok(tevent_req_cancel(req), "cancelled while it opens a fifo");
	is_int(weft_open_recv(ended(fx, req), &fd), ECANCELED, "ECANCELED");
	/* Nobody ever opens the other end. */
	fixture_wait_until(pooltest_at_rest, pool);
	ok(true, "the worker is interrupted");
	is_uint(pooltest_stats(pool).completed, 1, "and comes to its end");
	(void)tevent_loop_wait(fx->ev);
	place_close(&place, "fifo");
}

static void stopped_between_chunks(struct fixture *fx)
{
	static struct stop stop;
	struct weft_pool *pool = pooltest_pool(fx, 1);
	uint8_t *bytes = bytes_new(fx, 4 * MIB);
	size_t written = 5;
	int fd = file_of("");
	struct tevent_req *req = NULL;

	atomic_store(&stop_in_pwrite, &stop);
	req = weft_pwrite_send(fx->mem, fx->ev, pool, fd, &bytes, 4 * MIB, 0,
			       NULL);
	fixture_gate_wait(&stop.reached, 1);
	ok(tevent_req_cancel(req), "cancelled after a part");
	fixture_gate_add(&stop.go, 1);
	fixture_wait_until(pooltest_at_rest, pool);
	is_int(size_of(fd), (intmax_t)MIB, "what was written stays so");
	is_int(weft_pwrite_recv(ended(fx, req), &written), ECANCELED,
	       "ECANCELED");
	is_uint(written, 0, "nobody knows how much");
	talloc_free(req);
	(void)close(fd);
}

static void late_while_queued(struct fixture *fx)
{
	static struct fixture_gate started;
	static struct fixture_gate go;
	static struct fixture_gate freed;
	struct weft_job_options options = { .name = "late" };
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct held *bytes = held_new(NULL, NULL, &freed);
	struct outcome held = { .done = false };
	struct tevent_req *req = NULL;
	int fd = file_of("");

	(void)outcome_send(fx, pool, held_run, held_new(&started, &go, NULL),
			   &held);
	fixture_gate_wait(&started, 1);
	options.deadline_ns = weft_deadline_ms(1);
	req = weft_pwrite_send(fx->mem, fx->ev, pool, fd, &bytes, 1, 0,
			       &options);
	is_int(weft_pwrite_recv(ended(fx, req), NULL), ETIMEDOUT,
	       "late while it was queued");
	is_int(fixture_gate_value(&freed), 1, "the bytes are freed");
	fixture_gate_add(&go, 1);
	(void)tevent_loop_wait(fx->ev);
	is_int(size_of(fd), 0, "and not written");
	(void)close(fd);
	talloc_free(held.block);
}

static void late_while_running(struct fixture *fx)
{
	static struct stop stop;
	struct weft_job_options options = { .name = "late" };
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct outcome first = { .done = false };
	struct tevent_req *req = NULL;
	int fd = -1;

	/* The worker is there: it begins long before the deadline. */
	(void)outcome_send(fx, pool, quick_run, NULL, &first);
	(void)tevent_loop_wait(fx->ev);
	atomic_store(&stop_in_openat, &stop);
	options.deadline_ns = weft_deadline_ms(300);
	req = weft_open_send(fx->mem, fx->ev, pool, AT_FDCWD, "/dev/null",
			     O_RDONLY, 0, &options);
	fixture_gate_wait(&stop.reached, 1);
	is_int(weft_open_recv(ended(fx, req), &fd), ETIMEDOUT,
	       "late while it ran");
	is_int(fd, -1, "there is no descriptor");
	is_uint(pooltest_stats(pool).orphans, 1, "the job is an orphan");
	fixture_gate_add(&stop.go, 1);
	fixture_wait_until(pooltest_at_rest, pool);
}

int main(void)
{
	POOLTEST(opened_for_nobody);
	POOLTEST(interrupted);
	POOLTEST(stopped_between_chunks);
	POOLTEST(late_while_queued);
	POOLTEST(late_while_running);
	return done();
}
