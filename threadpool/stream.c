/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Stream: parts and progress on their way from a job to its loop.
 *
 *      the job                                  the loop
 *      -------                                  --------
 *      set: newest value --.                .--> on_progress
 *                           lock  -- news --
 *      emit: ring of parts -'                `--> on_part, one a message
 *      waits for room  <---------- taken --------'
 *
 *  1. One message, the news, says that there is something. It is under way at
 *     most once; who finds that it is not, and has something, posts it. So a
 *     job that says much costs the loop one message at a time.
 *  2. A message brings one thing: the newest progress or the oldest part, which
 *     of them in turn, and is posted again when more is there, before the
 *     listener is called. So parts come in order, a listener that turns the
 *     loop gets the next one, and the loop sees to its other events in between.
 *  3. The job's own message follows what it has put in. The owner puts the
 *     result aside while there are parts in front of it, or while they are
 *     held (listener->through); the message that finds nothing more brings it.
 *  4. A part is in the ring, with who takes it out, or freed: by its listener,
 *     by the owner when nobody listens, or with the stream.
 *  5. The job has one share in the stream, the news under way another. The last
 *     one frees it: when the loop ends while the job runs, the one may be the
 *     loop's thread and the other the worker.
 *
 * The news is not expected by the port (port.h): the job itself is, until it is
 * home, so the port's memory is there; and afterwards only the owner posts it.
 *
 * A part hangs below a holder of its own, made by the job, so that the loop can
 * free what the listener has not moved away without knowing what became of it.
 *
 * Threads: as the header says.
 * Ordering: [ST2] shares. The rest is under the lock, under which no other is
 * taken; it may be taken under the park's.
 * Not here: which jobs have a stream (emit.c), and where the result goes
 * (task.c).
 */
#include "threadpool/stream.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include <talloc.h>

#include "engine/base.h"
#include "threadpool/block.h"
#include "threadpool/deadline.h"
#include "threadpool/port.h"

#define STREAM_NS_PER_S 1000000000U

struct stream_part {
	void *block; /* our child, unless it was moved away */
};

struct wf_stream {
	struct wf_msg news;           /* Q: the port, while under_way */
	struct wf_listener *listener; /* O: NULL: nobody, or never */
	struct wf_port *port;         /* I: */
	bool tells;                   /* I: there was a listener */
	unsigned room;                /* I: of the ring */
	atomic_uint refs;             /* A: [ST2] */
	pthread_mutex_t lock;
	pthread_cond_t taken;       /* L(lock): by the clock of deadlines */
	bool under_way;             /* L(lock): the news */
	bool fresh;                 /* L(lock): progress that was not told */
	bool part_is_next;          /* L(lock): it was progress's turn */
	uint64_t done;              /* L(lock) */
	uint64_t total;             /* L(lock) */
	unsigned first;             /* L(lock): place of the oldest part */
	unsigned count;             /* L(lock): of parts */
	struct stream_part *ring[]; /* L(lock) */
};

/* ---- shares ---- */

static void stream_free(struct wf_stream *stream)
{
	wf_stream_drop(stream);
	(void)pthread_cond_destroy(&stream->taken);
	(void)pthread_mutex_destroy(&stream->lock);
	free(stream);
}

static void stream_ref(struct wf_stream *stream)
{
	/* Relaxed: who makes a share has one. */
	(void)atomic_fetch_add_explicit(&stream->refs, 1, memory_order_relaxed);
}

void wf_stream_unref(struct wf_stream *stream)
{
	/* [ST2] release: our last use; acquire: all others', for whoever frees
	 * it. Pairs with itself. */
	unsigned before = atomic_fetch_sub_explicit(&stream->refs, 1,
						    memory_order_acq_rel);

	if (before == 1) {
		stream_free(stream);
	}
}

/* ---- the news ---- */

/* Posts the news, unless it is under way.
 * Return: false: the loop is gone. */
static bool stream_post_locked(struct wf_stream *stream)
{
	bool accepted = false;

	if (stream->under_way) {
		return true;
	}
	stream_ref(stream);
	stream->under_way = true;
	accepted = wf_port_post(stream->port, &stream->news);
	if (!accepted) {
		/* Not the last share: the caller has one. */
		stream->under_way = false;
		wf_stream_unref(stream);
	}
	return accepted;
}

static struct stream_part *stream_take_locked(struct wf_stream *stream)
{
	struct stream_part *part = stream->ring[stream->first];

	stream->first = (stream->first + 1) % stream->room;
	stream->count--;
	(void)pthread_cond_signal(&stream->taken);
	return part;
}

/* What one message brings. */
struct stream_item {
	struct stream_part *part; /* NULL: none */
	bool progress;
	uint64_t done;
	uint64_t total;
	bool through;
};

static struct stream_item stream_next_locked(struct wf_stream *stream)
{
	const struct wf_listener *listener = stream->listener;
	struct stream_item item = { .done = stream->done,
				    .total = stream->total };
	bool parts = stream->count > 0 && !listener->hold;

	if (stream->fresh && !(parts && stream->part_is_next)) {
		stream->fresh = false;
		item.progress = true;
	} else if (parts) {
		item.part = stream_take_locked(stream);
	} else {
		item.through = listener->through != NULL && !listener->hold;
	}
	stream->part_is_next = item.progress;
	parts = stream->count > 0 || listener->through != NULL;
	if (stream->fresh || (parts && !listener->hold && !item.through)) {
		/* It cannot be refused: this is the loop's own thread. */
		(void)stream_post_locked(stream);
	}
	return item;
}

/* Nothing of the stream is touched after a listener was called, which may have
 * freed its request, the loop, and all that. */
static void stream_tell(struct wf_listener *listener,
			const struct stream_item *item,
			struct tevent_context *ev)
{
	struct stream_part *part = item->part;

	if (item->through) {
		listener->through(listener, ev);
	} else if (item->progress && listener->on_progress != NULL) {
		listener->on_progress(listener->req, item->done, item->total,
				      listener->progress_private);
	} else if (part != NULL && listener->on_part != NULL) {
		listener->on_part(listener->req, part->block,
				  listener->part_private);
	}
	talloc_free(part);
}

static void stream_news(struct wf_msg *msg, struct tevent_context *ev,
			bool gone)
{
	struct wf_stream *stream = tev_container_of(msg, struct wf_stream,
						    news);
	struct wf_listener *listener = gone ? NULL : stream->listener;
	bool wanted = listener != NULL && listener->req != NULL;
	struct stream_item item = { .part = NULL };

	(void)pthread_mutex_lock(&stream->lock);
	stream->under_way = false;
	if (wanted) {
		item = stream_next_locked(stream);
	}
	(void)pthread_mutex_unlock(&stream->lock);
	if (listener != NULL && !wanted) {
		wf_stream_drop(stream);
	}
	wf_stream_unref(stream);
	if (wanted) {
		stream_tell(listener, &item, ev);
	}
}

/* ---- for who runs the job ---- */

struct wf_stream *wf_stream_create(const struct wf_stream_spec *spec)
{
	struct wf_stream *stream = malloc(
		sizeof(*stream) + spec->parts * sizeof(stream->ring[0]));
	pthread_condattr_t attr;

	if (stream == NULL) {
		return NULL;
	}
	*stream = (struct wf_stream){
		.news.deliver = stream_news,
		.listener = spec->listener,
		.port = spec->port,
		.tells = spec->listener != NULL,
		.room = spec->parts,
		.lock = PTHREAD_MUTEX_INITIALIZER,
	};
	atomic_init(&stream->refs, 1);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&stream->taken, &attr);
	(void)pthread_condattr_destroy(&attr);
	return stream;
}

void wf_stream_set_progress(struct wf_stream *stream, uint64_t done,
			    uint64_t total)
{
	(void)pthread_mutex_lock(&stream->lock);
	stream->done = done;
	stream->total = total;
	stream->fresh = stream->tells;
	if (stream->tells) {
		/* Refused: nobody will ever look. */
		(void)stream_post_locked(stream);
	}
	(void)pthread_mutex_unlock(&stream->lock);
}

static int stream_put_locked(struct wf_stream *stream, struct stream_part *part)
{
	unsigned place = (stream->first + stream->count) % stream->room;
	bool accepted = false;

	if (stream->count == stream->room) {
		return EAGAIN;
	}
	stream->ring[place] = part;
	stream->count++;
	accepted = stream_post_locked(stream);
	if (!accepted) {
		stream->count--;
		return ECANCELED;
	}
	return 0;
}

int wf_stream_put(struct wf_stream *stream, void *block)
{
	TALLOC_CTX *parent = talloc_parent(block);
	struct stream_part *part = talloc(NULL, struct stream_part);
	int ret = 0;

	if (part == NULL) {
		return ENOMEM;
	}
	/* Transferred by the lock: the loop may have it before we are back. */
	part->block = talloc_steal(part, block);
	wf_block_detach(part);
	(void)pthread_mutex_lock(&stream->lock);
	ret = stream_put_locked(stream, part);
	(void)pthread_mutex_unlock(&stream->lock);
	if (ret != 0) {
		(void)talloc_steal(parent, block);
		talloc_free(part);
	}
	return ret;
}

void wf_stream_wait(struct wf_stream *stream, uint64_t deadline_ns,
		    bool (*stop)(struct weft_job *job), struct weft_job *job)
{
	struct timespec until = {
		.tv_sec = (time_t)(deadline_ns / STREAM_NS_PER_S),
		.tv_nsec = (long)(deadline_ns % STREAM_NS_PER_S),
	};

	(void)pthread_mutex_lock(&stream->lock);
	while (stream->count == stream->room && !stop(job)) {
		if (deadline_ns == 0) {
			(void)pthread_cond_wait(&stream->taken, &stream->lock);
		} else {
			(void)pthread_cond_timedwait(&stream->taken,
						     &stream->lock, &until);
		}
	}
	(void)pthread_mutex_unlock(&stream->lock);
}

/* ---- for its owner ---- */

bool wf_stream_holds(struct wf_stream *stream,
		     const struct wf_listener *listener)
{
	bool holds = false;

	if (listener->req == NULL) {
		return false;
	}
	if (listener->hold || stream == NULL) {
		return listener->hold;
	}
	(void)pthread_mutex_lock(&stream->lock);
	holds = stream->count > 0 || stream->fresh;
	(void)pthread_mutex_unlock(&stream->lock);
	return holds;
}

void wf_stream_resume(struct wf_stream *stream)
{
	(void)pthread_mutex_lock(&stream->lock);
	(void)stream_post_locked(stream);
	(void)pthread_mutex_unlock(&stream->lock);
}

void wf_stream_drop(struct wf_stream *stream)
{
	for (;;) {
		struct stream_part *part = NULL;

		(void)pthread_mutex_lock(&stream->lock);
		if (stream->count > 0) {
			part = stream_take_locked(stream);
		}
		(void)pthread_mutex_unlock(&stream->lock);
		if (part == NULL) {
			return;
		}
		talloc_free(part);
	}
}

void wf_stream_part(struct wf_stream *stream)
{
	stream->listener = NULL;
	wf_stream_drop(stream);
}

void wf_stream_forked(struct wf_stream *stream)
{
	stream_free(stream);
}

/* ---- for others ---- */

void wf_stream_wake(struct wf_stream *stream)
{
	(void)pthread_mutex_lock(&stream->lock);
	(void)pthread_cond_signal(&stream->taken);
	(void)pthread_mutex_unlock(&stream->lock);
}

void wf_stream_progress(struct wf_stream *stream, uint64_t *ret_done,
			uint64_t *ret_total)
{
	(void)pthread_mutex_lock(&stream->lock);
	*ret_done = stream->done;
	*ret_total = stream->total;
	(void)pthread_mutex_unlock(&stream->lock);
}
