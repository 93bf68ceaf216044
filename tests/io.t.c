/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Io: files opened, read, written and synced by ready-made jobs.
 *
 * The program stands in front of fsync and fdatasync, to say which was called.
 */
#include <dlfcn.h>
#include <sys/resource.h>

#include "tests/iotest.h"

static struct fixture_gate synced;
static struct fixture_gate data_synced;

int fsync(int fd)
{
	int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");

	fixture_gate_add(&synced, 1);
	return real(fd);
}

int fdatasync(int fd)
{
	int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");

	fixture_gate_add(&data_synced, 1);
	return real(fd);
}

static int read_into(struct fixture *fx, struct weft_pool *pool, int fd,
		     size_t count, off_t offset, uint8_t **data, size_t *got)
{
	struct tevent_req *req = ended(fx, weft_pread_send(fx->mem, fx->ev,
							   pool, fd, count,
							   offset, NULL));
	int ret = weft_pread_recv(req, fx->mem, data, got);

	talloc_free(req);
	return ret;
}

/* ---- reading and writing ---- */

static void written_and_read(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 2);
	size_t count = 3 * MIB + 5;
	uint8_t *bytes = bytes_new(fx, count);
	uint8_t *same = bytes_new(fx, count);
	uint8_t *back = NULL;
	size_t written = 0;
	size_t got = 0;
	int fd = file_of("");
	struct tevent_req *req = weft_pwrite_send(fx->mem, fx->ev, pool, fd,
						  &bytes, count, 100, NULL);

	ok(bytes == NULL, "the bytes are taken");
	is_int(weft_pwrite_recv(req, &written), EINPROGRESS,
	       "nothing to receive yet");
	is_int(weft_pwrite_recv(ended(fx, req), &written), 0, "written");
	is_uint(written, count, "all of them");
	is_int(size_of(fd), (intmax_t)count + 100, "from the offset on");
	talloc_free(req);
	is_int(read_into(fx, pool, fd, count, 100, &back, &got), 0, "read");
	is_uint(got, count, "all of them");
	ok(memcmp(back, same, count) == 0, "they are the same");
	is_ptr(talloc_parent(back), fx->mem, "below what was asked for");
	(void)close(fd);
}

static void read_to_the_end(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	int fd = file_of("0123456789");
	uint8_t *data = NULL;
	size_t got = 0;

	is_int(read_into(fx, pool, fd, 5 * MIB, 4, &data, &got), 0,
	       "more is asked for than there is");
	is_uint(got, 6, "what there is comes");
	ok(data != NULL && memcmp(data, "456789", 6) == 0, "it is that");
	is_uint(talloc_get_size(data), 6, "the rest is given back");
	TALLOC_FREE(data);
	is_int(read_into(fx, pool, fd, 10, 10, &data, &got), 0, "at the end");
	is_uint(got, 0, "there is nothing");
	ok(data != NULL, "but something to free");
	TALLOC_FREE(data);
	is_int(read_into(fx, pool, fd, 0, 2, &data, &got), 0, "nothing");
	is_uint(got, 0, "is nothing");
	(void)close(fd);
}

static void closed_meanwhile(struct fixture *fx)
{
	static struct fixture_gate started;
	static struct fixture_gate go;
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct outcome held = { .done = false };
	struct tevent_req *req = NULL;
	uint8_t *data = NULL;
	size_t got = 0;
	int fd = file_of("abc");

	(void)outcome_send(fx, pool, held_run, held_new(&started, &go, NULL),
			   &held);
	fixture_gate_wait(&started, 1);
	req = weft_pread_send(fx->mem, fx->ev, pool, fd, 3, 0, NULL);
	(void)close(fd);
	fixture_gate_add(&go, 1);
	is_int(weft_pread_recv(ended(fx, req), fx->mem, &data, &got), 0,
	       "the file is read though its descriptor was closed");
	ok(got == 3 && memcmp(data, "abc", 3) == 0, "it is that file");
	talloc_free(held.block);
}

/* ---- errors ---- */

static void errors_come_later(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 2);
	uint8_t *bytes = bytes_new(fx, 10);
	uint8_t *data = NULL;
	size_t count = 77;
	int fd = -1;
	struct tevent_req *req = weft_pread_send(fx->mem, fx->ev, pool, -1, 1,
						 0, NULL);

	ok(tevent_req_is_in_progress(req), "no error from within the send");
	is_int(weft_pread_recv(ended(fx, req), fx->mem, &data, &count), EBADF,
	       "pread: EBADF");
	ok(data == NULL && count == 77, "nothing else is said");
	is_int(weft_pwrite_recv(
		       ended(fx, weft_pwrite_send(fx->mem, fx->ev, pool, -1,
						  &bytes, 10, 0, NULL)),
		       &count),
	       EBADF, "pwrite: EBADF");
	ok(bytes == NULL && count == 0, "taken, and nothing is written");
	is_int(weft_fsync_recv(ended(fx, weft_fsync_send(fx->mem, fx->ev, pool,
							 -1, false, NULL))),
	       EBADF, "fsync: EBADF");
	is_int(weft_open_recv(
		       ended(fx, weft_open_send(fx->mem, fx->ev, pool, -1,
						"name", O_RDONLY, 0, NULL)),
		       &fd),
	       EBADF, "open: EBADF");
	is_int(fd, -1, "there is no descriptor");
}

static void errors_of_the_system(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	uint8_t *bytes = bytes_new(fx, 10);
	uint8_t *data = NULL;
	size_t count = 0;
	int fds[2] = { -1, -1 };
	int fd = -1;

	fixture_pipe(fds);
	is_int(read_into(fx, pool, fds[0], 1, 0, &data, &count), ESPIPE,
	       "a pipe has no offsets");
	is_int(weft_fsync_recv(ended(fx, weft_fsync_send(fx->mem, fx->ev, pool,
							 fds[0], true, NULL))),
	       EINVAL, "and is not synced");
	(void)close(fds[0]);
	(void)close(fds[1]);
	is_int(weft_open_recv(ended(fx, weft_open_send(fx->mem, fx->ev, pool,
						       AT_FDCWD, "/dev/full/no",
						       O_RDONLY, 0, NULL)),
			      &fd),
	       ENOTDIR, "what open says");
	is_int(weft_open_recv(ended(fx, weft_open_send(fx->mem, fx->ev, pool,
						       AT_FDCWD, "/dev/full",
						       O_WRONLY, 0, NULL)),
			      &fd),
	       0, "the full device is opened");
	is_int(weft_pwrite_recv(
		       ended(fx, weft_pwrite_send(fx->mem, fx->ev, pool, fd,
						  &bytes, 10, 0, NULL)),
		       &count),
	       ENOSPC, "and is full");
	(void)close(fd);
}

/* A file that may not grow takes what fits. */
static void written_in_part(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *bytes = bytes_new(fx, 2 * page);
	size_t written = 0;
	int fd = file_of("");

	(void)ftruncate(fd, (off_t)page);
	(void)fcntl(fd, F_ADD_SEALS, F_SEAL_GROW);
	is_int(weft_pwrite_recv(
		       ended(fx, weft_pwrite_send(fx->mem, fx->ev, pool, fd,
						  &bytes, 2 * page, 0, NULL)),
		       &written),
	       EPERM, "an error after a part");
	is_uint(written, page, "how much was written is said");
	(void)close(fd);
}

static void no_descriptor_left(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct rlimit limit;
	struct rlimit none;
	struct tevent_req *req = NULL;
	uint8_t *data = NULL;
	size_t got = 0;
	int fd = file_of("abc");

	/* What the loop itself needs is there afterwards. */
	(void)read_into(fx, pool, fd, 1, 0, &data, &got);
	TALLOC_FREE(data);
	(void)getrlimit(RLIMIT_NOFILE, &limit);
	none = limit;
	none.rlim_cur = 1;
	(void)setrlimit(RLIMIT_NOFILE, &none);
	req = weft_pread_send(fx->mem, fx->ev, pool, fd, 3, 0, NULL);
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	is_int(weft_pread_recv(ended(fx, req), fx->mem, &data, &got), EMFILE,
	       "no duplicate can be had");
	(void)close(fd);
}

static void not_taken(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	uint8_t *bytes = bytes_new(fx, 10);
	uint8_t *before = bytes;
	TALLOC_CTX *other = talloc_new(fx->mem);
	size_t written = 5;
	int fd = file_of("");

	(void)talloc_reference(other, bytes);
	is_int(weft_pwrite_recv(
		       ended(fx, weft_pwrite_send(fx->mem, fx->ev, pool, fd,
						  &bytes, 10, 0, NULL)),
		       &written),
	       EINVAL, "bytes that have references are refused");
	is_ptr(bytes, before, "and stay where they were");
	is_uint(written, 0, "nothing is written");
	talloc_free(other);
	is_int(weft_pwrite_recv(
		       ended(fx, weft_pwrite_send(fx->mem, fx->ev, pool, fd,
						  &bytes, 11, 0, NULL)),
		       &written),
	       EINVAL, "and fewer than are to be written");
	is_ptr(bytes, before, "which stay, too");
	is_int(weft_pwrite_recv(
		       ended(fx, weft_pwrite_send(bytes, fx->ev, pool, fd,
						  &bytes, 10, 0, NULL)),
		       &written),
	       EINVAL, "and those that the request hangs below");
	is_ptr(talloc_parent(bytes), fx->mem, "which are where they were");
	is_int(size_of(fd), 0, "the file is empty");
	(void)close(fd);
}

static void pool_has_ended(struct fixture *fx)
{
	static struct fixture_gate freed;
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct held *held = held_new(NULL, NULL, &freed);
	int fd = file_of("");

	weft_pool_stop(pool);
	is_int(weft_pwrite_recv(
		       ended(fx, weft_pwrite_send(fx->mem, fx->ev, pool, fd,
						  &held, 1, 0, NULL)),
		       NULL),
	       ESHUTDOWN, "a pool that has ended takes nothing");
	is_int(fixture_gate_value(&freed), 1, "the bytes are freed");
	is_int(size_of(fd), 0, "and not written");
	(void)close(fd);
}

/* ---- open, fsync ---- */

static void opened(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct place place = { .fd = -1 };
	struct tevent_req *req = NULL;
	struct stat st;
	int dir = -1;
	int fd = -1;

	place_open(&place);
	dir = dup(place.fd);
	req = weft_open_send(fx->mem, fx->ev, pool, dir, "new",
			     O_CREAT | O_EXCL | O_RDWR, 0600, NULL);
	(void)close(dir);
	is_int(weft_open_recv(ended(fx, req), &fd), 0,
	       "opened in a folder whose descriptor was closed");
	ok((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0, "close-on-exec");
	ok((fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR, "as asked for");
	(void)close(fd);
	is_int(fstatat(place.fd, "new", &st, 0), 0, "it is there");
	is_uint(st.st_mode & 0777, 0600, "with its mode");
	place_close(&place, "new");
}

static void synced_either_way(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	int before = fixture_gate_value(&synced);
	int data_before = fixture_gate_value(&data_synced);
	int fd = file_of("abc");

	is_int(weft_fsync_recv(ended(fx, weft_fsync_send(fx->mem, fx->ev, pool,
							 fd, false, NULL))),
	       0, "synced");
	is_int(fixture_gate_value(&synced), before + 1, "by fsync");
	is_int(weft_fsync_recv(ended(fx, weft_fsync_send(fx->mem, fx->ev, pool,
							 fd, true, NULL))),
	       0, "its data is synced");
	is_int(fixture_gate_value(&synced), before + 1, "not by that");
	is_int(fixture_gate_value(&data_synced), data_before + 1,
	       "but by fdatasync");
	(void)close(fd);
}

/* ---- as jobs ---- */

static void in_order(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 4);
	struct weft_job_options options = { .key = 1 };
	struct tevent_req *req = NULL;
	uint8_t *data = NULL;
	size_t got = 0;
	int fd = file_of("?");
	unsigned i = 0;

	is_int(weft_serial_create(fx->mem, pool, &options.serial), 0,
	       "an order by key");
	for (i = 0; i < 100; i++) {
		uint8_t *byte = talloc_array(NULL, uint8_t, 1);

		*byte = (uint8_t)i;
		(void)weft_pwrite_send(fx->mem, fx->ev, pool, fd, &byte, 1, 0,
				       &options);
	}
	req = weft_pread_send(fx->mem, fx->ev, pool, fd, 1, 0, &options);
	is_int(weft_pread_recv(ended(fx, req), fx->mem, &data, &got), 0,
	       "read after a hundred writes");
	is_int(data[0], 99, "the last one was the last");
	(void)tevent_loop_wait(fx->ev);
	(void)close(fd);
}

static void named(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	int fd = file_of("");
	struct tevent_req *req = weft_fsync_send(fx->mem, fx->ev, pool, fd,
						 false, NULL);
	char *text = tevent_req_print(fx->mem, req);

	ok(strstr(text, "weft_fsync: ") != NULL, "it says what it is: %s",
	   text);
	ok(strstr(text, "io.t.c") != NULL, "and who has sent it");
	ok(weft_job_id(req) != 0, "it has the number of a job");
	is_int(weft_fsync_recv(ended(fx, req)), 0, "and ends");
	(void)close(fd);
}

int main(void)
{
	POOLTEST(written_and_read);
	POOLTEST(read_to_the_end);
	POOLTEST(closed_meanwhile);
	POOLTEST(errors_come_later);
	POOLTEST(errors_of_the_system);
	POOLTEST(written_in_part);
	POOLTEST(no_descriptor_left);
	POOLTEST(not_taken);
	POOLTEST(pool_has_ended);
	POOLTEST(opened);
	POOLTEST(synced_either_way);
	POOLTEST(in_order);
	POOLTEST(named);
	return done();
}
