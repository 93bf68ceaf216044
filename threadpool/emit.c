/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Emit: what a job says while it runs.
 *
 * A job has a stream (stream.c) from when it first says something. It makes it
 * itself, so a job that says nothing costs nothing.
 *
 *  1. Progress of a job that has no request (embedded work, a child) goes
 *     nowhere; that of embedded work shows in lists.
 *  2. A job that waits for room is told to stop as one that sleeps: who tells
 *     it wakes it. [ST1] the job publishes the stream, fence, looks whether it
 *     was told; who tells it does that, fence [PK6], and looks for the stream:
 *     not both miss the other.
 *  3. Only a worker may wait: a job that its sender runs would wait for its own
 *     thread to turn the loop.
 *
 * Threads: the one that runs the job.  Ordering: [ST1].
 * Not here: what the owner hears (stream.c, job.c).
 */
#include <errno.h>
#include <stdatomic.h>

#include <talloc.h>

#include "threadpool/tevent_compat.h"

#include "weft.h"

#include "engine/order.h"
#include "threadpool/block.h"
#include "threadpool/crew.h"
#include "threadpool/sim_world.h"
#include "threadpool/stream.h"
#include "threadpool/task.h"

/* Return: NULL: no memory. */
static struct wf_stream *emit_stream(struct wf_task *task)
{
	/* Relaxed: it is this thread that makes it. */
	struct wf_stream *stream = atomic_load_explicit(&task->job.stream,
							memory_order_relaxed);
	struct wf_stream_spec spec = {
		.listener = task->listener,
		.port = wf_task_port(task),
		.parts = task->listener != NULL ? task->listener->parts : 0,
	};

	if (stream != NULL) {
		return stream;
	}
	stream = wf_stream_create(&spec);
	if (stream != NULL) {
		/* [ST1] release: all of it. Then the fence, see above. */
		atomic_store_explicit(&task->job.stream, stream,
				      memory_order_release);
		tev_fence_full();
	}
	return stream;
}

void weft_job_set_progress(struct weft_job *job, uint64_t done, uint64_t total)
{
	struct wf_task *task = wf_task_of(job);
	struct wf_stream *stream = task != NULL ? emit_stream(task) : NULL;

	if (stream != NULL) {
		wf_stream_set_progress(stream, done, total);
	}
}

/* Puts @part in, or says why not, having waited for room if it may. */
static int emit_part(struct wf_task *task, void *part)
{
	struct weft_job *job = &task->job;
	struct wf_stream *stream = emit_stream(task);
	int ret = EAGAIN;

	if (stream == NULL) {
		return ENOMEM;
	}
	for (;;) {
		if (weft_job_should_stop(job)) {
			return ECANCELED;
		}
		ret = wf_stream_put(stream, part);
		if (ret != EAGAIN || task->listener->parts_refuse ||
		    job->worker == NULL) {
			return ret;
		}
		if (tev_unlikely(job->worker->crew->simulated)) {
			if (!wf_sim_wait()) {
				return EDEADLK;
			}
			continue;
		}
		weft_blocking_begin();
		wf_stream_wait(stream, job->deadline_ns, weft_job_should_stop,
			       job);
		weft_blocking_end();
	}
}

int weft_job_emit_block(struct weft_job *job, void *pp_part)
{
	struct wf_task *task = wf_task_of(job);
	void *part = wf_block_peek(pp_part);
	int ret = 0;

	if (task == NULL || task->listener == NULL || part == NULL ||
	    !wf_block_may_travel(part)) {
		return EINVAL;
	}
	ret = emit_part(task, part);
	if (ret == 0) {
		wf_block_take(pp_part);
	}
	return ret;
}
