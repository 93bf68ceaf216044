/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Pthreadpool: the five functions of pthreadpool_tevent.h.
 *
 * Those of libweft; with PEER_STOCK those of Samba, which has them in a private
 * library (PTHREADPOOL_LIBRARY in the environment) and no header installed.
 */
#include <stdlib.h>

#include <tevent.h>

struct pthreadpool_tevent;

#ifdef PEER_STOCK

#include <dlfcn.h>

#define PEER_SYMBOL     "tevent_req_post"
/* Not safe where several threads share one. */
#define PEER_MANY_LOOPS false

static struct {
	int (*init)(TALLOC_CTX *mem_ctx, unsigned max_threads,
		    struct pthreadpool_tevent **presult);
	struct tevent_req *(*job_send)(TALLOC_CTX *mem_ctx,
				       struct tevent_context *ev,
				       struct pthreadpool_tevent *pool,
				       void (*fn)(void *private_data),
				       void *private_data);
	int (*job_recv)(struct tevent_req *req);
} samba;

static void *samba_function(const char *name)
{
	static void *library;
	const char *path = getenv("PTHREADPOOL_LIBRARY");
	void *function = NULL;

	if (library == NULL && path != NULL) {
		library = dlopen(path, RTLD_NOW);
	}
	function = library != NULL ? dlsym(library, name) : NULL;
	if (function == NULL) {
		bench_cannot(running, "no PTHREADPOOL_LIBRARY");
	}
	return function;
}

#define pthreadpool_tevent_init     samba.init
#define pthreadpool_tevent_job_send samba.job_send
#define pthreadpool_tevent_job_recv samba.job_recv

static inline void peer_library_open(void)
{
	*(void **)&samba.init = samba_function("pthreadpool_tevent_init");
	*(void **)&samba.job_send = samba_function(
		"pthreadpool_tevent_job_send");
	*(void **)&samba.job_recv = samba_function(
		"pthreadpool_tevent_job_recv");
}

#else

#include <pthreadpool_tevent.h>

#define PEER_SYMBOL     "pthreadpool_tevent_job_send"
#define PEER_MANY_LOOPS true

static inline void peer_library_open(void)
{
}

#endif

struct peer_job {
	int nothing;
};

struct peer_loop {
	struct tevent_context *ev;
};

static struct pthreadpool_tevent *peer_pool;

static inline void peer_pool_open(unsigned workers)
{
	peer_library_open();
	peer_check(pthreadpool_tevent_init(NULL, workers, &peer_pool) == 0,
		   "no pool");
}

static void peer_run(void *private_data)
{
	job_run(private_data);
}

static void peer_done(struct tevent_req *req)
{
	struct peer_job *job = tevent_req_callback_data_void(req);
	int ret = pthreadpool_tevent_job_recv(req);

	talloc_free(req);
	peer_check(ret == 0, "a job was refused");
	job_done(job);
}

static inline void peer_job_init(struct peer_job *job)
{
	(void)job;
}

static inline void peer_job_fini(struct peer_job *job)
{
	(void)job;
}

static inline void peer_loop_open(struct peer_loop *loop)
{
	loop->ev = tevent_context_init(NULL);
	peer_check(loop->ev != NULL, "no loop");
}

static inline void peer_loop_close(struct peer_loop *loop)
{
	talloc_free(loop->ev);
}

static inline void peer_loop_turn(struct peer_loop *loop)
{
	peer_check(tevent_loop_once(loop->ev) == 0, "the loop has failed");
}

static inline void peer_send(struct peer_loop *loop, struct peer_job *job)
{
	struct tevent_req *req = pthreadpool_tevent_job_send(
		loop->ev, loop->ev, peer_pool, peer_run, job);

	peer_check(req != NULL, "no memory");
	tevent_req_set_callback(req, peer_done, job);
}

#include "tools/bench/pool/timer.h"
