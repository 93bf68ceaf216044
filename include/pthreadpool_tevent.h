/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Samba's pthreadpool_tevent, over a pool of libweft: so that code which is
 * written for that compiles and runs unchanged. New code finds more in weft.h.
 *
 *      struct job { int fd; void *buf; size_t size; ssize_t ret; int err; };
 *
 *      static void job_run(void *private_data)                 on a worker
 *      {
 *              struct job *job = private_data;
 *              job->ret = pread(job->fd, job->buf, job->size, 0);
 *              job->err = errno;
 *      }
 *
 *      req = pthreadpool_tevent_job_send(mem_ctx, ev, pool, job_run, job);
 *      ...
 *      ret = pthreadpool_tevent_job_recv(req);                 on the loop
 *
 * What a function works on remains its sender's, who sees to it that it is
 * there as long as the function may run. That is so until the request has had
 * its callback, or was freed or cancelled while it was queued
 * (tevent_req_cancel() says true then); when a request is freed while its
 * function runs, nobody says when that is through. weft_job_send() takes this
 * off the caller: there the memory travels.
 *
 * Freeing the request, the pool or the loop is legal at any moment, also while
 * a function runs, and never waits.
 *
 * In a forked child a pool has no threads: it is one of 0 threads there.
 */
#ifndef PTHREADPOOL_TEVENT_H
#define PTHREADPOOL_TEVENT_H

#include <stddef.h>

#include <talloc.h>

#include <tevent.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define PTHREADPOOL_TEVENT_EXPORT __attribute__((__visibility__("default")))
#else
#define PTHREADPOOL_TEVENT_EXPORT
#endif

/* A talloc object. Freeing it ends the jobs that are queued with ECANCELED, in
 * a later pass of their loops; those that run come to their end as ever. */
struct pthreadpool_tevent;

/* Makes a pool; starts no thread.
 *
 * @mem_ctx      parent of the pool
 * @max_threads  at most so many functions run at the same time; a thread leaves
 *               when it has had nothing to do for a second. 0: there are no
 *               threads, see pthreadpool_tevent_job_send()
 * @presult      set on success only
 * Thread: owner of @mem_ctx.
 * Return: 0; ENOMEM.
 */
PTHREADPOOL_TEVENT_EXPORT int pthreadpool_tevent_init(
	TALLOC_CTX *mem_ctx, unsigned max_threads,
	struct pthreadpool_tevent **presult);

/* Thread: any, while the pool is not being freed.
 * Return: as given; 0 in a forked child. */
PTHREADPOOL_TEVENT_EXPORT size_t
pthreadpool_tevent_max_threads(struct pthreadpool_tevent *pool);

/* How many jobs wait for a thread.
 * Thread: any, while the pool is not being freed. */
PTHREADPOOL_TEVENT_EXPORT size_t
pthreadpool_tevent_queued_jobs(struct pthreadpool_tevent *pool);

/* Runs @fn on a thread of the pool, with all signals blocked; in a pool of 0
 * threads at once, before this returns. The result comes in a later pass in any
 * case.
 *
 * @mem_ctx       parent of the request
 * @ev            where the result arrives; tevent_loop_wait() stays until then
 * @private_data  for @fn
 * Thread: owner of @mem_ctx and @ev, while @pool is not being freed.
 * Return: the request; NULL: no memory for it. tevent_req_cancel() takes a
 *         queued job back and says true, which ends it with ECANCELED in a
 *         later pass; for one that runs it says false and does nothing.
 */
PTHREADPOOL_TEVENT_EXPORT struct tevent_req *pthreadpool_tevent_job_send(
	TALLOC_CTX *mem_ctx, struct tevent_context *ev,
	struct pthreadpool_tevent *pool, void (*fn)(void *private_data),
	void *private_data);

/* Takes the result of a finished request, which is "received" then.
 *
 * Thread: owner of the request.
 * Return: 0: the function has run. It has not: EAGAIN: too many jobs wait, or
 *         no thread can be had; ECANCELED; ENOMEM; EMFILE, ENFILE: no
 *         descriptor for the loop's mailbox. With an end time, ETIMEDOUT, and
 *         then the function may run still. EINPROGRESS: the request is not
 *         finished, nothing has happened.
 */
PTHREADPOOL_TEVENT_EXPORT int pthreadpool_tevent_job_recv(
	struct tevent_req *req);

#ifdef __cplusplus
}
#endif

#endif
