/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Ready oom: each allocation on the way of a ready-made job, and of one of
 * pthreadpool_tevent, fails once. See sweep.h for what must hold.
 */
#include <fcntl.h>
#include <netdb.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <pthreadpool_tevent.h>
#include <weft.h>

#include "tests/sweep.h"

static int file = -1;

/* Counts how a request has ended; frees it. */
static void finish(struct sweep *sweep, struct tevent_req *req, int ret)
{
	talloc_free(req);
	if (ret == 0) {
		sweep->ran++;
	} else {
		sweep->refused++;
		sweep->accepted--;
	}
}

static void read_done(struct tevent_req *req)
{
	struct sweep *sweep = tevent_req_callback_data_void(req);
	uint8_t *data = NULL;
	size_t count = 0;
	int ret = weft_pread_recv(req, sweep->mem, &data, &count);

	TALLOC_FREE(data);
	finish(sweep, req, ret);
}

static void written(struct tevent_req *req)
{
	finish(tevent_req_callback_data_void(req), req,
	       weft_pwrite_recv(req, NULL));
}

static void opened(struct tevent_req *req)
{
	int fd = -1;
	int ret = weft_open_recv(req, &fd);

	if (ret == 0) {
		(void)close(fd);
	}
	finish(tevent_req_callback_data_void(req), req, ret);
}

static void resolved(struct tevent_req *req)
{
	struct sweep *sweep = tevent_req_callback_data_void(req);
	struct addrinfo *list = NULL;
	int ret = weft_getaddrinfo_recv(req, sweep->mem, &list, NULL);

	TALLOC_FREE(list);
	finish(sweep, req, ret);
}

static void ran(struct tevent_req *req)
{
	finish(tevent_req_callback_data_void(req), req,
	       pthreadpool_tevent_job_recv(req));
}

static void expect(struct sweep *sweep, struct tevent_req *req,
		   tevent_req_fn fn)
{
	req = sweep_got(sweep, req);
	if (req != NULL) {
		tevent_req_set_callback(req, fn, sweep);
	}
}

static void play_ready(struct sweep *sweep)
{
	const struct addrinfo hints = {
		.ai_flags = AI_NUMERICHOST | AI_CANONNAME,
		.ai_family = AF_INET,
	};
	struct weft_pool *pool = NULL;
	uint8_t *bytes = sweep_made(sweep,
				    talloc_array(sweep->mem, uint8_t, 16));

	if (weft_pool_create(sweep->mem, NULL, &pool) != 0) {
		sweep->refused++;
		return;
	}
	expect(sweep,
	       weft_open_send(sweep->mem, sweep->ev, pool, AT_FDCWD,
			      "/dev/null", O_RDONLY, 0, NULL),
	       opened);
	expect(sweep,
	       weft_pread_send(sweep->mem, sweep->ev, pool, file, 64, 0, NULL),
	       read_done);
	expect(sweep,
	       weft_getaddrinfo_send(sweep->mem, sweep->ev, pool, "192.0.2.1",
				     NULL, &hints, NULL),
	       resolved);
	if (bytes != NULL) {
		uint8_t *before = bytes;
		struct tevent_req *req = NULL;

		memset(bytes, 'x', 16);
		req = weft_pwrite_send(sweep->mem, sweep->ev, pool, file,
				       &bytes, 16, 0, NULL);
		if (req == NULL &&
		    (bytes != before || talloc_parent(bytes) != sweep->mem)) {
			bail_out("refused bytes are not where they were");
		}
		expect(sweep, req, written);
	}
	sweep_turn(sweep, sweep->ev);
	TALLOC_FREE(pool);
}

static void nothing(void *private_data)
{
	(void)private_data;
}

static void play_compat(struct sweep *sweep)
{
	struct pthreadpool_tevent *pool = NULL;
	int i = 0;

	if (pthreadpool_tevent_init(sweep->mem, 2, &pool) != 0) {
		sweep->refused++;
		return;
	}
	for (i = 0; i < 4; i++) {
		expect(sweep,
		       pthreadpool_tevent_job_send(sweep->mem, sweep->ev, pool,
						   nothing, NULL),
		       ran);
	}
	sweep_turn(sweep, sweep->ev);
	TALLOC_FREE(pool);
}

int main(int argc, char **argv)
{
	(void)argc;
	if (TEST_ON_STOCK) {
		skip_all("stock aborts or crashes when memory runs out");
	}
	sweep_begin(argv);
	file = memfd_create("ready", MFD_CLOEXEC);
	if (file == -1 || write(file, "0123456789", 10) != 10) {
		bail_out("no file to work on");
	}
	sweep_run("malloc fails: ready-made jobs", play_ready, "standard",
		  SHIM_MALLOC, SWEEP_THREADS);
	sweep_run("malloc fails: pthreadpool_tevent", play_compat, "standard",
		  SHIM_MALLOC, SWEEP_THREADS);
	sweep_run("pthread_create fails: pthreadpool_tevent", play_compat,
		  "standard", SHIM_PTHREAD_CREATE, SWEEP_THREADS);
	(void)close(file);
	return done();
}
