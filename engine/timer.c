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
 * Threads: the owner's only; adding does not wake a waiting loop (B412).
 */
#include "engine/timer.h"

#include "engine/clock.h"
#include "engine/context.h"
#include "engine/report.h"

#define TIMER_SEQ_MOVED_TO_ZERO (UINT64_C(1) << 63)

struct tevent_timer {
	struct tev_timer timer;
	tevent_timer_handler_t handler;
	void *private_data;
	uint32_t busy;  /* O: its handlers under way */
	bool destroyed; /* O: freed while busy */
	bool rearmed;   /* O: by the handler that runs */
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

/* Thread: its maker. */
void tev_timer_init(struct tev_timer *timer, tev_timer_fn fn)
{
	tev_heap_node_init(&timer->node);
	timer->ev = NULL;
	timer->fn = fn;
}

/* Arms @timer, which is not pending.
 *
 * Thread: owner of @ev.  Lock: none.
 * Return: false when out of memory, or the context has ended.
 */
bool tev_timer_start(struct tev_timer *timer, struct tevent_context *ev,
		     struct timeval when)
{
	if (ev->closed ||
	    !tev_heap_reserve(&ev->timers, ev->timers_firing + 1)) {
		return false;
	}
	timer->ev = ev;
	tev_heap_insert(&ev->timers, &timer->node, timer_key(ev, when));
	return true;
}

/* Disarms and detaches; harmless when it is not pending. */
void tev_timer_stop(struct tev_timer *timer)
{
	if (tev_timer_pending(timer)) {
		tev_heap_remove(&timer->ev->timers, &timer->node);
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
	timer->fn(ev, timer, now);
	return true;
}

/* The context goes: its timers never fire. */
void tev_timer_context_fini(struct tevent_context *ev)
{
	struct tev_heap_node *node = NULL;

	while ((node = tev_heap_any(&ev->timers)) != NULL) {
		tev_timer_stop(tev_container_of(node, struct tev_timer, node));
	}
}

static int event_destructor(struct tevent_timer *te)
{
	if (te->destroyed) {
		tev_check_double_free(
			te, "tevent_timer freed twice in its handler");
		return -1;
	}
	tev_timer_stop(&te->timer);
	if (te->busy > 0) {
		te->destroyed = true;
		return -1;
	}
	return 0;
}

static void event_fire(struct tevent_context *ev, struct tev_timer *timer,
		       struct timeval now)
{
	struct tevent_timer *te = tev_container_of(timer, struct tevent_timer,
						   timer);

	te->busy++;
	te->rearmed = false;
	ev->timers_firing++;
	te->handler(ev, te, now, te->private_data);
	ev->timers_firing--;
	te->busy--;

	if (te->busy > 0 || (te->rearmed && !te->destroyed)) {
		return; /* an outer handler's turn, or the program's again */
	}
	talloc_set_destructor(te, NULL);
	TALLOC_FREE(te);
}

struct tevent_timer *_tevent_add_timer(
	struct tevent_context *ev, TALLOC_CTX *mem_ctx,
	struct timeval next_event, tevent_timer_handler_t handler,
	void *private_data, const char *handler_name, const char *location)
{
	struct tevent_timer *te = NULL;

	te = talloc(mem_ctx != NULL ? mem_ctx : ev, struct tevent_timer);
	if (te == NULL) {
		return NULL;
	}
	tev_timer_init(&te->timer, event_fire);
	te->handler = handler;
	te->private_data = private_data;
	te->busy = 0;
	te->destroyed = false;
	te->rearmed = false;
	te->handler_name = handler_name;
	te->location = location;
	if (!tev_timer_start(&te->timer, ev, next_event)) {
		TALLOC_FREE(te);
		return NULL;
	}
	talloc_set_destructor(te, event_destructor);
	return te;
}

void tevent_update_timer(struct tevent_timer *te, struct timeval next_event)
{
	struct tev_timer *timer = &te->timer;
	struct tevent_context *ev = timer->ev;
	struct tev_heap_key key;

	if (ev == NULL || ev->closed || te->destroyed) {
		return;
	}
	key = timer_key(ev, next_event);
	if (tevent_timeval_is_zero(&next_event)) {
		key.seq |= TIMER_SEQ_MOVED_TO_ZERO;
	}
	if (tev_timer_pending(timer)) {
		tev_heap_move(&ev->timers, &timer->node, key);
	} else {
		te->rearmed = true;
		tev_heap_insert(&ev->timers, &timer->node, key);
	}
}
