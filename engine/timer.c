/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Timer: a handler to be called at a time.
 *
 * Two layers. A struct tev_timer is a node of the context's heap with a
 * function: what requests embed for their end time. A struct tevent_timer is
 * the public event around one: a talloc chunk, freed after its handler unless
 * the handler armed it again.
 *
 * Order (B401-B403, B410). The key is (seconds, microseconds, sequence), the
 * fields as the user gave them. A timer that was moved to zero sorts behind
 * every timer that was added with zero, even later: its sequence carries a
 * class bit.
 *
 * The clock is read once for each timer that fires and once before each wait;
 * a zero timer fires without it, and its handler sees {0, 0} (B402).
 *
 * Freed while its handler runs, a timer is taken from the heap at once and
 * its memory stays until the outermost handler has returned. Armed again in
 * its handler (undefined in stock, B411) it needs no memory: `timers_firing`
 * keeps one place in the heap for each handler under way.
 *
 * Traced (B1202): ATTACH when armed; DETACH when disarmed, and after the
 * handler, or when the handler frees or moves it. To a trace callback the end
 * time of a request is a struct tevent_timer of which only the tag may be
 * asked.
 *
 * Threads: the owner's only; adding does not wake a waiting loop (B412).
 */
#define TEVENT_DEPRECATED 1
#define _DEPRECATED_

#include "engine/timer.h"

#include <errno.h>

#include "engine/author.h"
#include "engine/clock.h"
#include "engine/context.h"
#include "engine/glue.h"
#include "engine/report.h"
#include "engine/trace.h"

#define TIMER_TRACES (TEV_TRACE_TIMER | TEV_TRACE_DEBUG)

#define TIMER_SEQ_MOVED_TO_ZERO (UINT64_C(1) << 63)

/* In node.marks; node.busy counts the handlers of an event under way. */
enum timer_mark {
	TIMER_ATTACHED = 1,  /* a DETACH is due */
	TIMER_DESTROYED = 2, /* freed while busy */
	TIMER_REARMED = 4,   /* by the handler that runs */
	TIMER_EVENT = 8      /* a struct tevent_timer is around it */
};

/* With the 104 bytes that talloc and malloc put in front: three lines of the
 * cache. */
struct tevent_timer {
	struct tev_timer timer;
	void *private_data;
	const char *handler_name;
	const char *location;
};

static inline struct tev_heap_key timer_key(struct tevent_context *ev,
					    struct timeval when)
{
	struct tev_heap_key key = { when.tv_sec, when.tv_usec,
				    ev->timer_seq++ };
	return key;
}

static inline bool timer_is_event(const struct tev_timer *timer)
{
	return (timer->node.marks & TIMER_EVENT) != 0;
}

static inline struct tevent_timer *event_of(struct tev_timer *timer)
{
	return tev_container_of(timer, struct tevent_timer, timer);
}

static const char *timer_name(struct tev_timer *timer)
{
	return timer_is_event(timer) ? event_of(timer)->handler_name
				     : "tevent_req_timedout";
}

/* How it is called, and where it comes from.
 *
 * @te  as trace callbacks have it: of a request's end time there is no more
 *      than what all timers have
 * Thread: owner.  Lock: none.
 */
struct tev_label tev_timer_label(const struct tevent_timer *te)
{
	if (!timer_is_event(&te->timer)) {
		return (struct tev_label){ "tevent_req_timedout", NULL };
	}
	return (struct tev_label){ te->handler_name, te->location };
}

static void timer_trace(struct tevent_context *ev, struct tev_timer *timer,
			enum tevent_event_trace_point point)
{
	if (!tev_traced(ev, TIMER_TRACES)) {
		return;
	}
	tev_trace_say(ev, "timer", timer, timer_name(timer), point);
	tevent_trace_timer_callback(ev, event_of(timer), point);
}

static inline void timer_attached(struct tevent_context *ev,
				  struct tev_timer *timer)
{
	timer->node.marks |= TIMER_ATTACHED;
	timer_trace(ev, timer, TEVENT_EVENT_TRACE_ATTACH);
}

static inline void timer_detached(struct tevent_context *ev,
				  struct tev_timer *timer)
{
	if ((timer->node.marks & TIMER_ATTACHED) != 0) {
		timer->node.marks &= (uint16_t)~TIMER_ATTACHED;
		timer_trace(ev, timer, TEVENT_EVENT_TRACE_DETACH);
	}
}

/* Arms @timer, which is not pending.
 *
 * Thread: owner of @ev.  Lock: none.
 * Return: false when out of memory, or the context has ended.
 */
inline bool tev_timer_start(struct tev_timer *timer,
			    struct tevent_context *user_ev, struct timeval when)
{
	struct tevent_context *ev = tev_context_main(user_ev);

	if (tev_unlikely(ev == NULL || ev->closed) ||
	    !tev_heap_reserve(&ev->timers, ev->timers_firing + 1)) {
		return false;
	}
	timer->ev = user_ev;
	tev_heap_insert(&ev->timers, &timer->node, timer_key(ev, when));
	timer_attached(ev, timer);
	return true;
}

/* Disarms and detaches; harmless when it is not pending. */
void tev_timer_stop(struct tev_timer *timer)
{
	struct tevent_context *ev = NULL;

	if (timer->ev == NULL) {
		return;
	}
	ev = tev_context_main(timer->ev);
	if (tev_timer_pending(timer)) {
		tev_heap_remove(&ev->timers, &timer->node);
	}
	if (ev != NULL) {
		timer_detached(ev, timer);
	}
	timer->ev = NULL;
}

static int wait_ms(const struct tev_heap_key *key, const struct timeval *now)
{
	struct timeval when = { key->sec, key->usec };
	struct timeval delay = tevent_timeval_until(now, &when);

	return tev_clock_wait_ms(&delay);
}

static inline struct tev_timer *timer_first(struct tevent_context *ev)
{
	struct tev_heap_node *node = tev_heap_first(&ev->timers);

	return tev_container_of(node, struct tev_timer, node);
}

/* The function itself. One that is embedded may be gone after. */
static inline void timer_handle(struct tevent_context *ev,
				struct tev_timer *timer, struct timeval now)
{
	if (timer_is_event(timer)) {
		struct tevent_timer *te = event_of(timer);

		timer->handler(ev, te, now, te->private_data);
		return;
	}
	timer->fn(ev, timer, now);
}

/* Calls @timer between the hooks of the wrapper it was made with. */
static void timer_call_wrapped(struct tevent_context *ev,
			       struct tev_timer *timer, struct timeval now)
{
	struct tevent_context *wrap = timer->ev;
	struct tev_wrapper *wrapper = tev_glue_enter(wrap);
	const struct tevent_wrapper_ops *ops = wrapper->ops;
	struct timeval when = { timer->node.key.sec, timer->node.key.usec };
	struct tev_timer copy = *timer;
	/* One that is embedded may be gone when the second hook is called. */
	bool is_event = timer_is_event(timer);
	struct tevent_timer *shown = event_of(is_event ? timer : &copy);
	const char *name = timer_name(timer);
	const char *location = is_event ? shown->location : __location__;

	ops->before_timer_handler(wrap, wrapper->state, ev, shown, when, now,
				  name, location);
	timer_trace(ev, timer, TEVENT_EVENT_TRACE_BEFORE_HANDLER);
	timer_handle(wrap, timer, now);
	ops->after_timer_handler(wrap, wrapper->state, wrapper->main, shown,
				 when, now, name, location);
	tev_glue_leave(wrap);
}

static inline void timer_call(struct tevent_context *ev,
			      struct tev_timer *timer, struct timeval now)
{
	if (tev_unlikely(timer->ev != ev)) {
		timer_call_wrapped(ev, timer, now);
		return;
	}
	timer_trace(ev, timer, TEVENT_EVENT_TRACE_BEFORE_HANDLER);
	timer_handle(ev, timer, now);
}

/* Calls @timer, which is out of the heap, and frees it if it is an event that
 * its handler has not armed again. What is embedded may be gone after.
 * Return: whether it is gone. */
static bool timer_invoke(struct tevent_context *ev, struct tev_timer *timer,
			 struct timeval now)
{
	struct tevent_timer *te = event_of(timer);

	if (!timer_is_event(timer)) {
		timer_call(ev, timer, now);
		return false;
	}
	timer->node.busy++;
	timer->node.marks &= (uint16_t)~TIMER_REARMED;
	ev->timers_firing++;
	timer_call(ev, timer, now);
	ev->timers_firing--;
	timer->node.busy--;

	if (timer->node.busy > 0 ||
	    (timer->node.marks & (TIMER_REARMED | TIMER_DESTROYED)) ==
		    TIMER_REARMED) {
		return false; /* an outer handler's turn, or the program's */
	}
	timer_detached(ev, timer);
	talloc_set_destructor(te, NULL);
	TALLOC_FREE(te);
	return true;
}

/* Fires the first timer if it is due.
 *
 * Thread: owner.  Lock: none.
 * Return: whether one fired; if not, *ret_wait_ms is the time to the first in
 * milliseconds, rounded up, or -1 when there is none.
 */
bool tev_timer_run(struct tevent_context *ev, int *ret_wait_ms)
{
	struct timeval now = { 0, 0 };
	struct tev_timer *timer = NULL;

	if (tev_heap_empty(&ev->timers)) {
		*ret_wait_ms = -1;
		return false;
	}
	timer = timer_first(ev);
	if (timer->node.key.sec != 0 || timer->node.key.usec != 0) {
		now = tev_clock_now();
		if (!tev_heap_key_due(&timer->node.key, &now)) {
			*ret_wait_ms = wait_ms(&timer->node.key, &now);
			return false;
		}
		tev_heap_gather_due(&ev->timers, &now);
	}
	tev_heap_pop(&ev->timers, &timer->node);
	(void)timer_invoke(ev, timer, now);
	return true;
}

/* The context goes: its timers never fire. Who listens hears it in their
 * order (B208).
 *
 * Thread: owner.  Lock: none.
 */
void tev_timer_context_fini(struct tevent_context *ev)
{
	while (!tev_heap_empty(&ev->timers)) {
		struct tev_heap_node *node = tev_traced(ev, TIMER_TRACES)
						     ? tev_heap_first(
							       &ev->timers)
						     : tev_heap_any(
							       &ev->timers);

		tev_timer_stop(tev_container_of(node, struct tev_timer, node));
	}
}

/* The wrapper @wrap of @ev goes: its timers never fire. Nobody is told, as in
 * stock.
 *
 * Thread: owner.  Lock: none.
 */
void tev_timer_wrapper_fini(struct tevent_context *ev,
			    const struct tevent_context *wrap)
{
	bool again = true;

	while (again) {
		/* Removing may move others to places already seen. */
		again = false;
		for (uint32_t i = 0; i < tev_heap_places(&ev->timers); i++) {
			struct tev_heap_node *node = tev_heap_place(&ev->timers,
								    i);
			struct tev_timer *timer = NULL;

			if (node == NULL) {
				continue;
			}
			timer = tev_container_of(node, struct tev_timer, node);
			if (timer->ev == wrap) {
				timer->node.marks &= (uint16_t)~TIMER_ATTACHED;
				tev_timer_stop(timer);
				again = true;
			}
		}
	}
}

/* Makes @te, just added to the main context, the wrapper's.
 *
 * Thread: owner.  Lock: none.
 */
void tev_timer_rewrap(struct tevent_timer *te, struct tevent_context *wrap)
{
	te->timer.ev = wrap;
}

static int event_destructor(struct tevent_timer *te)
{
	if ((te->timer.node.marks & TIMER_DESTROYED) != 0) {
		tev_check_double_free(
			te, "tevent_timer freed twice in its handler");
		return -1;
	}
	tev_timer_stop(&te->timer);
	if (te->timer.node.busy > 0) {
		te->timer.node.marks |= TIMER_DESTROYED;
		return -1;
	}
	return 0;
}

struct tevent_timer *tevent_common_add_timer_v2(
	struct tevent_context *ev, TALLOC_CTX *mem_ctx,
	struct timeval next_event, tevent_timer_handler_t handler,
	void *private_data, const char *handler_name, const char *location)
{
	struct tevent_timer *te = NULL;

	te = talloc(mem_ctx != NULL ? mem_ctx : ev, struct tevent_timer);
	if (te == NULL) {
		return NULL;
	}
	tev_timer_init(&te->timer, NULL);
	te->timer.node.marks = TIMER_EVENT;
	te->timer.handler = handler;
	te->private_data = private_data;
	te->handler_name = handler_name;
	te->location = location;
	if (!tev_timer_start(&te->timer, ev, next_event)) {
		TALLOC_FREE(te);
		return NULL;
	}
	talloc_set_destructor(te, event_destructor);
	return te;
}

static struct tev_heap_key moved_key(struct tevent_context *ev,
				     struct timeval when)
{
	struct tev_heap_key key = timer_key(ev, when);

	if (tevent_timeval_is_zero(&when)) {
		key.seq |= TIMER_SEQ_MOVED_TO_ZERO;
	}
	return key;
}

struct tevent_timer *tevent_common_add_timer(
	struct tevent_context *ev, TALLOC_CTX *mem_ctx,
	struct timeval next_event, tevent_timer_handler_t handler,
	void *private_data, const char *handler_name, const char *location)
{
	struct tevent_timer *te = tevent_common_add_timer_v2(
		ev, mem_ctx, next_event, handler, private_data, handler_name,
		location);

	if (te != NULL && tevent_timeval_is_zero(&next_event)) {
		tev_heap_move(&ev->timers, &te->timer.node,
			      moved_key(ev, next_event));
	}
	return te;
}

struct tevent_timer *_tevent_add_timer(
	struct tevent_context *ev, TALLOC_CTX *mem_ctx,
	struct timeval next_event, tevent_timer_handler_t handler,
	void *private_data, const char *handler_name, const char *location)
{
	if (tev_unlikely(ev->ops != NULL)) {
		return ev->ops->add_timer(ev, mem_ctx, next_event, handler,
					  private_data, handler_name, location);
	}
	return tevent_common_add_timer_v2(ev, mem_ctx, next_event, handler,
					  private_data, handler_name, location);
}

/* Not in line: the usual way would save registers for it. */
static __attribute__((noinline)) void timer_move(struct tev_timer *timer,
						 struct timeval when)
{
	struct tevent_context *ev = timer->ev;
	struct tev_heap_key key;

	ev = ev != NULL ? tev_context_main(ev) : NULL;
	if (ev == NULL || ev->closed ||
	    (timer->node.marks & TIMER_DESTROYED) != 0) {
		return;
	}
	key = moved_key(ev, when);
	timer_detached(ev, timer);
	if (tev_timer_pending(timer)) {
		tev_heap_move(&ev->timers, &timer->node, key);
	} else {
		timer->node.marks |= TIMER_REARMED;
		tev_heap_insert(&ev->timers, &timer->node, key);
	}
	timer_attached(ev, timer);
}

void tevent_update_timer(struct tevent_timer *te, struct timeval next_event)
{
	struct tev_heap_node *node = &te->timer.node;
	struct tevent_context *ev = NULL;

	if (tev_unlikely((next_event.tv_sec | next_event.tv_usec) == 0) ||
	    !tev_heap_postpone(node, next_event.tv_sec, next_event.tv_usec)) {
		timer_move(&te->timer, next_event);
		return;
	}
	ev = tev_context_main(te->timer.ev);
	node->key.seq = ev->timer_seq++;
	if (tev_traced(ev, TIMER_TRACES)) {
		timer_detached(ev, &te->timer);
		timer_attached(ev, &te->timer);
	}
}

void tevent_timer_set_tag(struct tevent_timer *te, uint64_t tag)
{
	if (te != NULL) {
		te->timer.tag = tag;
	}
}

uint64_t tevent_timer_get_tag(const struct tevent_timer *te)
{
	return te != NULL ? te->timer.tag : 0;
}

struct timeval tevent_common_loop_timer_delay(struct tevent_context *ev)
{
	int ms = 0;

	if (tev_timer_run(ev, &ms)) {
		return tevent_timeval_zero();
	}
	if (ms < 0) {
		return tevent_timeval_set(ev->wait_timeout, 0);
	}
	return tevent_timeval_set((uint32_t)ms / 1000,
				  (uint32_t)ms % 1000 * 1000);
}

int tevent_common_invoke_timer_handler(struct tevent_timer *te,
				       struct timeval current_time,
				       bool *removed)
{
	struct tev_timer *timer = &te->timer;
	bool gone = false;

	if (timer->ev != NULL && tev_timer_pending(timer)) {
		struct tevent_context *ev = tev_context_main(timer->ev);

		/* Room to arm it again: it leaves an empty entry behind. */
		if (!tev_heap_reserve(&ev->timers, ev->timers_firing + 1)) {
			return ENOMEM;
		}
		tev_heap_remove(&ev->timers, &timer->node);
		gone = timer_invoke(ev, timer, current_time);
	}
	if (removed != NULL) {
		*removed = gone;
	}
	return 0;
}
