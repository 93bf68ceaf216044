/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Stall: a handler that keeps its loop too long is reported while it does.
 *
 *      idle --turns to something--> busy --turns to the next--> busy
 *       ^                            |
 *       '----- is about to wait -----'
 *
 * A loop tells where it is through tevent's trace callbacks: around a pass,
 * around its wait, before each handler. All that is done there is to store the
 * name of the handler and a new word; the watch does the rest
 * (stall_watch.c).
 *
 *  1. Callbacks that the program has set before are called in turn, and put
 *     back at the end, unless the program has set others since.
 *  2. A loop that is nested in a handler makes that busy anew when it returns:
 *     what is reported is how long the handler has been at it since.
 *  3. Between two passes a loop counts as idle: nobody knows what the program
 *     does there, and whether it comes back.
 *  4. That a handler was reported is said once more on the loop, when it turns
 *     to the next thing, through the loop's own debug sink: only there may that
 *     be used.
 *  5. The end of the context comes before that of the handle, or after it: a
 *     child of the context tells.
 *
 * Threads: the owner's.  Ordering: [SL1]; see stall_watch.c.
 */
#include "threadpool/stall.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base.h"
#include "engine/label_door.h"
#include "threadpool/fork.h"
#include "threadpool/trace.h"

#define STALL_LIMIT_DEFAULT_MS 1000

/* Of every libtevent, but in no header of it. */
void tevent_debug(struct tevent_context *ev, enum tevent_debug_level level,
		  const char *fmt, ...)
	__attribute__((__format__(__printf__, 3, 4)));

struct weft_stall;

/* Below the context, to know when that goes. */
struct stall_tie {
	struct weft_stall *handle;
};

/* The callbacks that were there before. */
struct stall_before {
	tevent_trace_callback_t loop;
	tevent_trace_fd_callback_t fd;
	tevent_trace_timer_callback_t timer;
	tevent_trace_immediate_callback_t immediate;
	tevent_trace_signal_callback_t signal;
	void *loop_private;
	void *fd_private;
	void *timer_private;
	void *immediate_private;
	void *signal_private;
};

struct weft_stall {
	struct tevent_context *ev; /* NULL: gone */
	struct stall_tie *tie;     /* NULL: gone */
	struct wf_stall *common;
	unsigned generation; /* of the process that is watched */
	uint64_t word;       /* the last one stored */
	unsigned depth;      /* of passes */
	bool traced;         /* a handler's begin is written down */
	struct stall_before before;
};

/* A door of our own libtevent (engine/label.c). */
static struct {
	pthread_once_t once;
	tev_event_label_fn label; /* I: or NULL */
} door = { .once = PTHREAD_ONCE_INIT };

static void door_find(void)
{
	void *symbol = dlsym(RTLD_DEFAULT, "tev_event_label");

	memcpy(&door.label, &symbol, sizeof(symbol));
}

/* ---- the word ---- */

/* What the loop was at is over; says so if that was reported. */
static inline void stall_over(struct weft_stall *handle)
{
	struct wf_stall *common = handle->common;
	const struct wf_stall_label *label = NULL;
	/* Relaxed, all: our own, but for this number. */
	uint64_t told = atomic_load_explicit(&common->told,
					     memory_order_relaxed);

	if (tev_likely(told == 0)) {
		return;
	}
	atomic_store_explicit(&common->told, 0, memory_order_relaxed);
	if (told != handle->word) {
		return;
	}
	label = wf_stall_label(common, told);
	tevent_debug(
		handle->ev, TEVENT_DEBUG_WARNING,
		"loop %s stood for more than %u ms in %s %s, %s\n",
		common->name, common->limit_ms,
		atomic_load_explicit(&label->kind, memory_order_relaxed),
		atomic_load_explicit(&label->handler, memory_order_relaxed),
		atomic_load_explicit(&label->location, memory_order_relaxed));
}

/* What it is at, for a recording; NULL: no handler. */
static void stall_trace(struct weft_stall *handle, const char *name,
			const char *location)
{
	if (handle->traced) {
		wf_trace_add(WF_TRACE_IDLE, 0, NULL, NULL);
	}
	handle->traced = name != NULL;
	if (handle->traced) {
		wf_trace_add(WF_TRACE_HANDLER, handle->word / WF_STALL_STEP,
			     name, location);
	}
}

/* The loop turns to something, which is called so. */
static void stall_busy(struct weft_stall *handle, const char *kind,
		       struct tev_label label)
{
	struct wf_stall *common = handle->common;
	uint64_t next = (handle->word | WF_STALL_BUSY) + WF_STALL_STEP;
	struct wf_stall_label *beside = wf_stall_label(common, next);
	uint64_t found = 0;

	stall_over(handle);
	/* [SL1] release, all: the words before come first. */
	atomic_store_explicit(&beside->kind, kind, memory_order_release);
	atomic_store_explicit(&beside->handler,
			      label.handler != NULL ? label.handler : "?",
			      memory_order_release);
	atomic_store_explicit(&beside->location,
			      label.location != NULL ? label.location : "?",
			      memory_order_release);
	if ((handle->word & WF_STALL_BUSY) != 0) {
		/* [SL1] release: what stands beside it. */
		atomic_store_explicit(&common->word, next,
				      memory_order_release);
	} else {
		/* [SL1] release: the same; and the flag is not lost. */
		found = atomic_exchange_explicit(&common->word, next,
						 memory_order_release);
	}
	handle->word = next;
	if ((found & WF_STALL_ASLEEP) != 0) {
		wf_stall_watch_wake();
	}
}

static void stall_idle(struct weft_stall *handle)
{
	struct wf_stall *common = handle->common;
	uint64_t next = (handle->word & ~WF_STALL_BUSY) + WF_STALL_STEP;

	stall_over(handle);
	if ((handle->word & WF_STALL_BUSY) == 0) {
		return;
	}
	handle->word = next;
	/* [SL1] release: as above. */
	atomic_store_explicit(&common->word, next, memory_order_release);
}

/* In a forked child nobody watches. */
static bool stall_is_here(const struct weft_stall *handle)
{
	return handle->generation == wf_fork_generation();
}

/* ---- the trace callbacks ---- */

static void stall_loop(enum tevent_trace_point point, void *private_data)
{
	struct weft_stall *handle = private_data;
	const struct tev_label nothing = { "between handlers", "?" };

	if (handle->before.loop != NULL) {
		handle->before.loop(point, handle->before.loop_private);
	}
	if (!stall_is_here(handle)) {
		return;
	}
	if (tev_unlikely(wf_trace_is_on())) {
		stall_trace(handle, NULL, NULL);
	}
	switch (point) {
	case TEVENT_TRACE_BEFORE_LOOP_ONCE:
		handle->depth++;
		stall_busy(handle, "loop", nothing);
		break;
	case TEVENT_TRACE_AFTER_LOOP_ONCE:
		handle->depth -= handle->depth > 0 ? 1 : 0;
		if (handle->depth > 0) {
			stall_busy(handle, "loop", nothing);
			break;
		}
		stall_idle(handle);
		break;
	case TEVENT_TRACE_BEFORE_WAIT:
		stall_idle(handle);
		break;
	case TEVENT_TRACE_AFTER_WAIT:
		stall_busy(handle, "loop", nothing);
		break;
	}
}

static void stall_handler(struct weft_stall *handle,
			  enum tevent_event_trace_point point,
			  enum tev_event_kind kind, const void *event)
{
	static const char *const kinds[] = {
		[TEV_EVENT_FD] = "fd",
		[TEV_EVENT_TIMER] = "timer",
		[TEV_EVENT_IMMEDIATE] = "immediate",
		[TEV_EVENT_SIGNAL] = "signal",
	};
	struct tev_label label = { NULL, NULL };

	if (point != TEVENT_EVENT_TRACE_BEFORE_HANDLER ||
	    !stall_is_here(handle)) {
		return;
	}
	if (door.label != NULL) {
		label = door.label(kind, event);
	}
	if (tev_unlikely(wf_trace_is_on())) {
		stall_trace(handle,
			    label.handler != NULL ? label.handler : kinds[kind],
			    label.location);
	}
	stall_busy(handle, kinds[kind], label);
}

static void stall_fd(struct tevent_fd *fde, enum tevent_event_trace_point point,
		     void *private_data)
{
	struct weft_stall *handle = private_data;

	if (handle->before.fd != NULL) {
		handle->before.fd(fde, point, handle->before.fd_private);
	}
	stall_handler(handle, point, TEV_EVENT_FD, fde);
}

static void stall_timer(struct tevent_timer *te,
			enum tevent_event_trace_point point, void *private_data)
{
	struct weft_stall *handle = private_data;

	if (handle->before.timer != NULL) {
		handle->before.timer(te, point, handle->before.timer_private);
	}
	stall_handler(handle, point, TEV_EVENT_TIMER, te);
}

static void stall_immediate(struct tevent_immediate *im,
			    enum tevent_event_trace_point point,
			    void *private_data)
{
	struct weft_stall *handle = private_data;

	if (handle->before.immediate != NULL) {
		handle->before.immediate(im, point,
					 handle->before.immediate_private);
	}
	stall_handler(handle, point, TEV_EVENT_IMMEDIATE, im);
}

static void stall_signal(struct tevent_signal *se,
			 enum tevent_event_trace_point point,
			 void *private_data)
{
	struct weft_stall *handle = private_data;

	if (handle->before.signal != NULL) {
		handle->before.signal(se, point, handle->before.signal_private);
	}
	stall_handler(handle, point, TEV_EVENT_SIGNAL, se);
}

static void stall_listen(struct weft_stall *handle)
{
	struct stall_before *before = &handle->before;
	struct tevent_context *ev = handle->ev;

	tevent_get_trace_callback(ev, &before->loop, &before->loop_private);
	tevent_get_trace_fd_callback(ev, &before->fd, &before->fd_private);
	tevent_get_trace_timer_callback(ev, &before->timer,
					&before->timer_private);
	tevent_get_trace_immediate_callback(ev, &before->immediate,
					    &before->immediate_private);
	tevent_get_trace_signal_callback(ev, &before->signal,
					 &before->signal_private);
	tevent_set_trace_callback(ev, stall_loop, handle);
	tevent_set_trace_fd_callback(ev, stall_fd, handle);
	tevent_set_trace_timer_callback(ev, stall_timer, handle);
	tevent_set_trace_immediate_callback(ev, stall_immediate, handle);
	tevent_set_trace_signal_callback(ev, stall_signal, handle);
}

/* Puts back what was there before, where ours still is. */
#define STALL_PUT_BACK(kind, type)                                         \
	do {                                                               \
		tevent_trace_##type##callback_t now = NULL;                \
		void *whose = NULL;                                        \
                                                                           \
		tevent_get_trace_##type##callback(ev, &now, &whose);       \
		if (now == stall_##kind && whose == handle) {              \
			tevent_set_trace_##type##callback(                 \
				ev, before->kind, before->kind##_private); \
		}                                                          \
	} while (0)

static void stall_hush(struct weft_stall *handle)
{
	const struct stall_before *before = &handle->before;
	struct tevent_context *ev = handle->ev;

	STALL_PUT_BACK(loop, );
	STALL_PUT_BACK(fd, fd_);
	STALL_PUT_BACK(timer, timer_);
	STALL_PUT_BACK(immediate, immediate_);
	STALL_PUT_BACK(signal, signal_);
}

/* ---- life ---- */

/* The watch lets go of it; in a child there is none. */
static void stall_end(struct weft_stall *handle)
{
	struct wf_stall *common = handle->common;

	handle->common = NULL;
	if (common != NULL && stall_is_here(handle)) {
		wf_stall_watch_remove(common);
	} else {
		free(common);
	}
}

static int stall_tie_destructor(struct stall_tie *tie)
{
	struct weft_stall *handle = tie->handle;

	handle->ev = NULL;
	handle->tie = NULL;
	stall_end(handle);
	return 0;
}

static int stall_destructor(struct weft_stall *handle)
{
	if (handle->tie != NULL) {
		stall_hush(handle);
		talloc_set_destructor(handle->tie, NULL);
		TALLOC_FREE(handle->tie);
	}
	stall_end(handle);
	return 0;
}

static int stall_options(const struct weft_stall_options *given, size_t size,
			 struct weft_stall_options *options)
{
	memset(options, 0, sizeof(*options));
	if (given != NULL) {
		memcpy(options, given,
		       size < sizeof(*options) ? size : sizeof(*options));
	}
	if (options->name == NULL) {
		options->name = "main";
	}
	if (options->limit_ms == 0) {
		options->limit_ms = STALL_LIMIT_DEFAULT_MS;
	}
	return options->stalled != NULL ? 0 : EINVAL;
}

static struct wf_stall *stall_common(const struct weft_stall_options *options)
{
	struct wf_stall *common = calloc(1, sizeof(*common));

	if (common == NULL) {
		return NULL;
	}
	strncpy(common->name, options->name, sizeof(common->name) - 1);
	common->tid = gettid();
	common->limit_ms = options->limit_ms;
	common->signal_number = options->signal;
	common->stalled = options->stalled;
	common->private_data = options->private_data;
	tev_list_init(&common->link);
	return common;
}

int weft_stall_watch_sized(TALLOC_CTX *mem_ctx, struct tevent_context *ev,
			   const struct weft_stall_options *given,
			   size_t options_size, struct weft_stall **ret_stall)
{
	struct weft_stall_options options;
	struct weft_stall *handle = NULL;
	int ret = stall_options(given, options_size, &options);

	if (ret == 0 && options.signal != 0) {
		ret = wf_stall_picture_init(options.signal);
	}
	if (ret != 0) {
		return ret;
	}
	(void)pthread_once(&door.once, door_find);
	handle = talloc_zero(mem_ctx, struct weft_stall);
	if (handle == NULL) {
		return ENOMEM;
	}
	handle->ev = ev;
	handle->generation = wf_fork_generation();
	handle->tie = talloc_zero(ev, struct stall_tie);
	handle->common = stall_common(&options);
	ret = handle->tie == NULL || handle->common == NULL
		      ? ENOMEM
		      : wf_stall_watch_add(handle->common);
	if (ret != 0) {
		talloc_free(handle->tie);
		free(handle->common);
		talloc_free(handle);
		return ret;
	}
	handle->tie->handle = handle;
	talloc_set_destructor(handle->tie, stall_tie_destructor);
	talloc_set_destructor(handle, stall_destructor);
	stall_listen(handle);
	*ret_stall = handle;
	return 0;
}
