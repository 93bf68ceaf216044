/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Stream: parts and progress on their way from a job to its loop; stream.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "threadpool/tevent_compat.h"

#include "weft.h"

struct wf_port;
struct wf_stream;
struct wf_task;

/* Who is told; beside the request. */
struct wf_listener {
	struct tevent_req *req;         /* O: NULL: nobody waits any more */
	weft_progress_fn_t on_progress; /* O: or NULL */
	void *progress_private;         /* O: */
	weft_part_fn_t on_part;         /* O: or NULL */
	void *part_private;             /* O: */
	unsigned parts;                 /* I: at most so many */
	bool parts_refuse;              /* I: emit does not wait */
	bool hold;                      /* O: parts are to stay */
	/* O: the result is here, and comes when the parts are through: this
	 * brings it. NULL: it is not here. May do anything. */
	void (*through)(struct wf_listener *listener,
			struct tevent_context *ev);
	struct wf_task *task; /* O: for that */
};

/* What a job may send, known before it runs. */
struct wf_stream_spec {
	struct wf_listener *listener; /* NULL: progress stays here */
	struct wf_port *port;         /* there until the job is home */
	unsigned parts;               /* at most so many */
};

/* ---- for who runs the job ---- */

/* With one share, the job's.
 * Thread: who runs the job.  Return: NULL: no memory. */
struct wf_stream *wf_stream_create(const struct wf_stream_spec *spec);

/* Thread: who runs the job.  Lock: takes the stream's. */
void wf_stream_set_progress(struct wf_stream *stream, uint64_t done,
			    uint64_t total);

/* Puts in a part, which hangs nowhere.
 * Thread: who runs the job.  Lock: takes the stream's.
 * Owns:   takes @block when it returns 0.
 * Return: 0; EAGAIN: full; ECANCELED: the loop is gone; ENOMEM. */
int wf_stream_put(struct wf_stream *stream, void *block);

/* Waits until there is room, @stop() says true or the deadline has passed.
 * Thread: who runs the job.  Lock: takes the stream's. */
void wf_stream_wait(struct wf_stream *stream, uint64_t deadline_ns,
		    bool (*stop)(struct weft_job *job), struct weft_job *job);

/* ---- for its owner ---- */

/* Whether the result has to wait, because parts are in front of it or it is
 * held. @stream may be NULL. Thread: owner.  Lock: takes the stream's. */
bool wf_stream_holds(struct wf_stream *stream,
		     const struct wf_listener *listener);

/* What is there is to be looked at again, in a later pass.
 * Thread: owner, while the port is open.  Lock: takes the stream's. */
void wf_stream_resume(struct wf_stream *stream);

/* Frees the parts that are in it. Thread: owner.  Lock: takes the stream's. */
void wf_stream_drop(struct wf_stream *stream);

/* The listener is no more. Thread: owner.  Lock: takes the stream's. */
void wf_stream_part(struct wf_stream *stream);

/* Gives up the job's share. Thread: any, after the job.  Lock: none. */
void wf_stream_unref(struct wf_stream *stream);

/* In a forked child: frees it, whoever has shares, which are the parent's; the
 * job was not running. Thread: owner. */
void wf_stream_forked(struct wf_stream *stream);

/* ---- for others ---- */

/* The job was told to stop: wakes it if it waits for room.
 * Thread: any that holds the job, or its owner.  Lock: takes the stream's. */
void wf_stream_wake(struct wf_stream *stream);

/* How far it has come; 0 and 0 when it has not said.
 * Thread: any that holds the job.  Lock: takes the stream's. */
void wf_stream_progress(struct wf_stream *stream, uint64_t *ret_done,
			uint64_t *ret_total);
