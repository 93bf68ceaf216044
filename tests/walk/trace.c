/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Trace: every trace callback, telling.
 *
 * A tag names the thing in its upper bits, from its very ATTACH on; what has
 * none is the library's own. The beacons are not told, nor are the turns of the
 * library's descriptors (B107).
 */
#include "tests/walk/walk.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	ENDED_MAX = 64,
};

static uint64_t ended[ENDED_MAX];
static unsigned ended_used;

uint64_t tag_of(const struct thing *t)
{
	return ((uint64_t)t->id << 8) | 1;
}

const char *tag_name(uint64_t tag)
{
	static char names[4][32];
	static unsigned next;
	char *name = names[next++ % 4];

	(void)snprintf(name, sizeof(names[0]), "%" PRIu64 ".%" PRIu64, tag >> 8,
		       tag & 255);
	return tag == 0 ? "own" : name;
}

static int by_tag(const void *a, const void *b)
{
	uint64_t one = *(const uint64_t *)a;
	uint64_t other = *(const uint64_t *)b;

	return (one > other) - (one < other);
}

void trace_end(void)
{
	unsigned i = 0;

	qsort(ended, ended_used, sizeof(ended[0]), by_tag);
	for (i = 0; i < ended_used; i++) {
		say("trace fd ends %s", tag_name(ended[i]));
	}
	ended_used = 0;
}

static void say_point(const char *kind, uint64_t tag,
		      enum tevent_event_trace_point point, const void *state)
{
	static const char *const names[] = { "attach", "detach", "before" };

	if (point == TEVENT_EVENT_TRACE_BEFORE_HANDLER) {
		walk.ran++;
	}
	trace_end();
	say("trace %s %s %s %s", thing_name(state), kind, names[point],
	    tag_name(tag));
}

static void loop_traced(enum tevent_trace_point point, void *private_data)
{
	if (!walk.burst) {
		say("trace %s point %d", thing_name(private_data), (int)point);
	}
}

static void fd_traced(struct tevent_fd *fde,
		      enum tevent_event_trace_point point, void *private_data)
{
	if (point == TEVENT_EVENT_TRACE_ATTACH && walk.newborn != NULL &&
	    walk.newborn->kind == KIND_FD) {
		tevent_fd_set_tag(fde, tag_of(walk.newborn));
	}
	if (tevent_fd_get_tag(fde) == UINT64_MAX ||
	    (point == TEVENT_EVENT_TRACE_BEFORE_HANDLER &&
	     (walk.burst || tevent_fd_get_tag(fde) == 0))) {
		return;
	}
	if (walk.ending && ended_used < ENDED_MAX) {
		ended[ended_used++] = tevent_fd_get_tag(fde);
		return;
	}
	say_point("fd", tevent_fd_get_tag(fde), point, private_data);
}

/* Tells of a kind of event as it is. */
#define TRACED(word, type, KIND)                                              \
	static void word##_traced(struct type *event,                         \
				  enum tevent_event_trace_point point,        \
				  void *private_data)                         \
	{                                                                     \
		if (point == TEVENT_EVENT_TRACE_ATTACH &&                     \
		    walk.newborn != NULL && walk.newborn->kind == (KIND)) {   \
			type##_set_tag(event, tag_of(walk.newborn));          \
		}                                                             \
		say_point(#word, type##_get_tag(event), point, private_data); \
	}

TRACED(te, tevent_timer, KIND_TIMER)
TRACED(se, tevent_signal, KIND_SIGNAL)
TRACED(entry, tevent_queue_entry, KIND_ENTRY)

/* The original detaches what was posted before it attaches it. */
static void im_traced(struct tevent_immediate *im,
		      enum tevent_event_trace_point point, void *private_data)
{
	struct thing *t = NULL;

	while ((t = thing_next(t, KIND_IM)) != NULL) {
		if (t->ptr == im && t->im.posted &&
		    point == TEVENT_EVENT_TRACE_DETACH) {
			return;
		}
	}
	say_point("im", tevent_immediate_get_tag(im), point, private_data);
}

void trace_on(struct thing *ev)
{
	if (!ev->ctx.traced) {
		return;
	}
	tevent_set_trace_callback(ev->ptr, loop_traced, ev);
	tevent_set_trace_fd_callback(ev->ptr, fd_traced, ev);
	tevent_set_trace_timer_callback(ev->ptr, te_traced, ev);
	tevent_set_trace_immediate_callback(ev->ptr, im_traced, ev);
	tevent_set_trace_signal_callback(ev->ptr, se_traced, ev);
	tevent_set_trace_queue_callback(ev->ptr, entry_traced, ev);
}

void trace_off(struct thing *ev)
{
	tevent_set_trace_callback(ev->ptr, NULL, NULL);
	tevent_set_trace_fd_callback(ev->ptr, NULL, NULL);
	tevent_set_trace_timer_callback(ev->ptr, NULL, NULL);
	tevent_set_trace_immediate_callback(ev->ptr, NULL, NULL);
	tevent_set_trace_signal_callback(ev->ptr, NULL, NULL);
	tevent_set_trace_queue_callback(ev->ptr, NULL, NULL);
}
