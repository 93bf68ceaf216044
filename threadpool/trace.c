/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Trace: what happens is written down, to be looked at later.
 *
 *      session ---> ring of a thread ---> ring of another ---> ...
 *                   events: the latest so many, the oldest written over
 *
 *  1. Each thread writes to a ring of its own: no lock, no line of the cache
 *     in common, no more memory than was said at the start. The ring is made
 *     with the thread's first event and stays when the thread goes.
 *  2. Whoever writes is in a read section (grace.h). So a recording can be
 *     ended at any moment, and its memory goes when the last of them is
 *     through.
 *  3. It is told while others go on writing. A ring's head is stored after the
 *     event, and each field of an event after the heads before it. Who tells
 *     loads the head, copies, loads the head again, and leaves out what may
 *     have been written over meanwhile.
 *  4. A thread finds its ring by the session's number, which comes once: what
 *     it remembers of an earlier session is not looked at.
 *
 * What is told is the trace event format that chrome://tracing and
 * ui.perfetto.dev read: a track for each thread; on it jobs, and handlers of
 * loops that are watched (stall.c), from begin to end; other moments as points;
 * and an arrow from where a job was sent to where it begins.
 *
 * Threads: any.
 * Ordering: [TR1] the session, and a ring in its list, are stored: release,
 * found: acquire; [TR2] the head is stored: release, loaded: acquire; fields
 * are stored: release, loaded: acquire, before the head is loaded again.
 */
#include "threadpool/trace.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "threadpool/tevent_compat.h"

#include "weft.h"

#include "engine/base.h"
#include "threadpool/grace.h"
#include "threadpool/json.h"
#include "threadpool/now.h"

#define TRACE_EVENTS_DEFAULT 8192
#define TRACE_EVENTS_MAX     (1U << 24)

struct trace_event {
	_Atomic(uint64_t) at_ns;        /* A: [TR2], all */
	_Atomic(uint64_t) id;           /* A: */
	_Atomic(const char *) name;     /* A: */
	_Atomic(const char *) location; /* A: */
	_Atomic(unsigned) moment;       /* A: enum wf_trace_moment */
};

/* An event as it was. */
struct trace_copy {
	uint64_t at_ns;
	uint64_t id;
	const char *name;
	const char *location;
	unsigned moment;
};

struct trace_ring {
	struct trace_ring *next; /* I: */
	int tid;                 /* I: */
	char thread[16];         /* I: */
	_Atomic(uint64_t) head;  /* A: [TR2] how many were ever written */
	struct trace_event events[];
};

struct wf_trace_session {
	_Atomic(struct trace_ring *) rings; /* A: [TR1] */
	uint64_t number;                    /* I: */
	unsigned events;                    /* I: of a ring */
	struct wf_retired retired;
};

_Atomic(struct wf_trace_session *) wf_trace_session;

static _Atomic(uint64_t) trace_numbers; /* A: relaxed, to share out */

/* O: each thread's: its ring in the session of that number. */
static _Thread_local struct {
	uint64_t number;
	struct trace_ring *ring;
} here;

/* ---- writing ---- */

static struct trace_ring *trace_join(struct wf_trace_session *session)
{
	struct trace_ring *ring = calloc(
		1,
		sizeof(*ring) + session->events * sizeof(struct trace_event));
	struct trace_ring *first = NULL;

	if (ring == NULL) {
		return NULL;
	}
	ring->tid = (int)gettid();
	(void)pthread_getname_np(pthread_self(), ring->thread,
				 sizeof(ring->thread));
	/* Relaxed: it is not looked at. */
	first = atomic_load_explicit(&session->rings, memory_order_relaxed);
	do {
		ring->next = first;
		/* [TR1] release: the ring. */
	} while (!atomic_compare_exchange_weak_explicit(
		&session->rings, &first, ring, memory_order_release,
		memory_order_relaxed));
	here.number = session->number;
	here.ring = ring;
	return ring;
}

static void trace_write(struct trace_ring *ring, unsigned size,
			const struct trace_copy *event)
{
	/* Relaxed: our own. */
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	struct trace_event *to = &ring->events[head % size];

	/* [TR2] release, each: the heads before come first. */
	atomic_store_explicit(&to->at_ns, event->at_ns, memory_order_release);
	atomic_store_explicit(&to->id, event->id, memory_order_release);
	atomic_store_explicit(&to->name, event->name, memory_order_release);
	atomic_store_explicit(&to->location, event->location,
			      memory_order_release);
	atomic_store_explicit(&to->moment, event->moment, memory_order_release);
	/* [TR2] release: the event. */
	atomic_store_explicit(&ring->head, head + 1, memory_order_release);
}

void wf_trace_add(enum wf_trace_moment moment, uint64_t id, const char *name,
		  const char *location)
{
	const struct trace_copy event = { wf_now_ns(), id, name, location,
					  (unsigned)moment };
	struct wf_trace_session *session = NULL;
	struct trace_ring *ring = NULL;

	wf_read_begin();
	/* [TR1] acquire: all of it. */
	session = atomic_load_explicit(&wf_trace_session, memory_order_acquire);
	if (session != NULL) {
		ring = here.number == session->number ? here.ring
						      : trace_join(session);
	}
	if (ring != NULL) {
		trace_write(ring, session->events, &event);
	}
	wf_read_end();
}

void wf_trace_message(enum wf_trace_moment moment, uint64_t id)
{
	wf_trace_add(moment, id, NULL, NULL);
}

/* ---- telling ---- */

struct trace_tale {
	struct wf_json json;
	int pid;
	int tid;
	unsigned open; /* begins without an end, so far */
};

static void tale_begin(struct trace_tale *tale, const char *phase,
		       const struct trace_copy *event, const char *name)
{
	struct wf_json *json = &tale->json;

	wf_json_open(json, NULL, '{');
	wf_json_text(json, "ph", phase);
	wf_json_number(json, "pid", (uint64_t)tale->pid);
	wf_json_number(json, "tid", (uint64_t)tale->tid);
	wf_json_us(json, "ts", event->at_ns);
	if (name != NULL) {
		wf_json_text(json, "name", name);
	}
}

static void tale_end(struct trace_tale *tale, const struct trace_copy *event,
		     const char *key)
{
	struct wf_json *json = &tale->json;

	if (key != NULL) {
		wf_json_open(json, "args", '{');
		wf_json_number(json, key, event->id);
		if (event->location != NULL) {
			wf_json_text(json, "location", event->location);
		}
		wf_json_close(json, '}');
	}
	wf_json_close(json, '}');
}

/* The arrow of a job: "s" where it starts, "f" where it ends. */
static void tale_arrow(struct trace_tale *tale, const char *phase,
		       const struct trace_copy *event)
{
	tale_begin(tale, phase, event, "job");
	wf_json_text(&tale->json, "cat", "job");
	wf_json_text(&tale->json, "bp", "e");
	wf_json_number(&tale->json, "id", event->id);
	tale_end(tale, event, NULL);
}

static void tale_point(struct trace_tale *tale, const struct trace_copy *event,
		       const char *name, const char *key)
{
	tale_begin(tale, "i", event, name);
	wf_json_text(&tale->json, "s", "t");
	tale_end(tale, event, key);
}

/* What has no begin any more was written over. */
static void tale_back(struct trace_tale *tale, const struct trace_copy *event)
{
	if (tale->open > 0) {
		tale->open--;
		tale_begin(tale, "E", event, NULL);
		tale_end(tale, event, NULL);
	}
}

static void tale_tell(struct trace_tale *tale, const struct trace_copy *event)
{
	const char *name = event->name != NULL ? event->name : "?";

	switch ((enum wf_trace_moment)event->moment) {
	case WF_TRACE_SUBMIT:
		tale_point(tale, event, "submit", "job");
		tale_arrow(tale, "s", event);
		break;
	case WF_TRACE_START:
		tale->open++;
		tale_begin(tale, "B", event, name);
		tale_end(tale, event, "job");
		tale_arrow(tale, "f", event);
		break;
	case WF_TRACE_HANDLER:
		tale->open++;
		tale_begin(tale, "B", event, name);
		tale_end(tale, event, "turn");
		break;
	case WF_TRACE_FINISH:
	case WF_TRACE_IDLE:
		tale_back(tale, event);
		break;
	case WF_TRACE_CANCEL:
		tale_point(tale, event, "cancel", "job");
		break;
	case WF_TRACE_POST:
		tale_point(tale, event, "post", "address");
		break;
	case WF_TRACE_DISPATCH:
		tale_point(tale, event, "dispatch", "address");
		break;
	}
}

static struct trace_copy trace_read(const struct trace_event *from)
{
	/* [TR2] acquire, each: the head is loaded again after these. */
	return (struct trace_copy){
		atomic_load_explicit(&from->at_ns, memory_order_acquire),
		atomic_load_explicit(&from->id, memory_order_acquire),
		atomic_load_explicit(&from->name, memory_order_acquire),
		atomic_load_explicit(&from->location, memory_order_acquire),
		atomic_load_explicit(&from->moment, memory_order_acquire),
	};
}

static void tale_ring(struct trace_tale *tale, const struct trace_ring *ring,
		      unsigned size)
{
	struct wf_json *json = &tale->json;
	/* [TR2] acquire: the events. */
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
	uint64_t at = head > size ? head - size : 0;

	tale->tid = ring->tid;
	tale->open = 0;
	wf_json_open(json, NULL, '{');
	wf_json_text(json, "ph", "M");
	wf_json_text(json, "name", "thread_name");
	wf_json_number(json, "pid", (uint64_t)tale->pid);
	wf_json_number(json, "tid", (uint64_t)tale->tid);
	wf_json_open(json, "args", '{');
	wf_json_text(json, "name", ring->thread);
	wf_json_close(json, '}');
	wf_json_close(json, '}');
	for (; at < head; at++) {
		struct trace_copy event = trace_read(&ring->events[at % size]);
		/* Relaxed: the loads above come first. */
		uint64_t now = atomic_load_explicit(&ring->head,
						    memory_order_relaxed);

		/* The one after the head may be half written. */
		if (now - at < size) {
			tale_tell(tale, &event);
		}
	}
}

/* In a read section, or by who owns @session. */
static void tale_all(struct trace_tale *tale,
		     const struct wf_trace_session *session)
{
	/* [TR1] acquire: the rings. */
	const struct trace_ring *ring = atomic_load_explicit(
		&session->rings, memory_order_acquire);

	wf_json_open(&tale->json, NULL, '{');
	wf_json_text(&tale->json, "displayTimeUnit", "ms");
	wf_json_open(&tale->json, "traceEvents", '[');
	for (; ring != NULL; ring = ring->next) {
		tale_ring(tale, ring, session->events);
	}
	wf_json_close(&tale->json, ']');
	wf_json_close(&tale->json, '}');
}

/* Return: 0, or what the file says. */
static int trace_tell(const struct wf_trace_session *session, int fd)
{
	struct trace_tale tale = { .pid = (int)getpid() };
	int own_fd = dup(fd);
	bool ok = false;
	int error = 0;

	if (own_fd == -1) {
		return errno;
	}
	tale.json.out = fdopen(own_fd, "w");
	if (tale.json.out == NULL) {
		error = errno;
		(void)close(own_fd);
		return error;
	}
	errno = 0;
	tale_all(&tale, session);
	ok = fputc('\n', tale.json.out) != EOF && ferror(tale.json.out) == 0;
	error = errno;
	if (fclose(tale.json.out) != 0) {
		error = errno;
		ok = false;
	}
	return ok ? 0 : (error != 0 ? error : EIO);
}

/* ---- what programs call ---- */

static void trace_reclaim(struct wf_retired *retired)
{
	struct wf_trace_session *session = tev_container_of(
		retired, struct wf_trace_session, retired);
	/* Relaxed: after a grace period nobody else has it. */
	struct trace_ring *ring = atomic_load_explicit(&session->rings,
						       memory_order_relaxed);

	while (ring != NULL) {
		struct trace_ring *next = ring->next;

		free(ring);
		ring = next;
	}
	free(session);
}

int weft_trace_start(unsigned events)
{
	struct wf_trace_session *session = NULL;
	struct wf_trace_session *none = NULL;

	if (events > TRACE_EVENTS_MAX) {
		return EINVAL;
	}
	session = calloc(1, sizeof(*session));
	if (session == NULL) {
		return ENOMEM;
	}
	wf_grace_init();
	session->events = events != 0 ? events : TRACE_EVENTS_DEFAULT;
	/* Relaxed: a number. */
	session->number = 1 + atomic_fetch_add_explicit(&trace_numbers, 1,
							memory_order_relaxed);
	/* [TR1] release: the session. */
	if (!atomic_compare_exchange_strong_explicit(
		    &wf_trace_session, &none, session, memory_order_release,
		    memory_order_relaxed)) {
		free(session);
		return EBUSY;
	}
	return 0;
}

int weft_trace_write(int fd)
{
	const struct wf_trace_session *session = NULL;
	int ret = ENOENT;

	wf_read_begin();
	/* [TR1] acquire: all of it. */
	session = atomic_load_explicit(&wf_trace_session, memory_order_acquire);
	if (session != NULL) {
		ret = trace_tell(session, fd);
	}
	wf_read_end();
	return ret;
}

int weft_trace_stop(int fd)
{
	/* [TR1] acquire: all of it. */
	struct wf_trace_session *session = atomic_exchange_explicit(
		&wf_trace_session, NULL, memory_order_acquire);
	int ret = 0;

	if (session == NULL) {
		return ENOENT;
	}
	if (fd != -1) {
		ret = trace_tell(session, fd);
	}
	session->retired.reclaim = trace_reclaim;
	wf_grace_retire(&session->retired);
	wf_grace_limit();
	return ret;
}
