/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Signal: handlers that run from the loop after the process got a signal.
 *
 * The signal handler proper only records (signal_queue.c) and wakes
 * (signal_home.c). Here is what follows, in the thread that runs the loop.
 *
 * Who is called. Each event is a reader of its signal's history and remembers
 * how far it has seen it. A pass calls, number by number, newest event first,
 * every event of this thread's contexts that is behind (B501, B502, B510);
 * other threads' events are theirs. The event moves on before its handler is
 * called, so a nested loop finds only what is left (B146), and up to where the
 * history stood when the pass came to this number, so that what a handler
 * raises is for the next pass (B509).
 *
 *      history   1 2 3 4 5 6 7        delivered so far
 *      a (info)        ^              behind by 4: four calls
 *      b (plain)             ^        behind by 1: one call, count 1
 *      taken                 ^        where a new event starts (B508)
 *
 * `taken` is how far any pass has dealt with it. What is left goes to an event
 * that is added later; without events of its number it is dropped by the next
 * pass of any context that has signal events.
 *
 * What may go while handlers run: anything. An event stays in its number's
 * list, and in memory, while it is busy: pinned by a pass that is at it.
 * Freed then, its destructor refuses and the last pass to leave it frees it
 * (B201). The next event is pinned before this one is let go, and all lists
 * are looked at afresh after each handler.
 *
 * Threads: the mutex of signal_number.c guards what is marked L, and is given
 * up around handlers.
 * Not here: which events there are (signal_number.c), and what is done in the
 * signal handler (signal_home.c).
 */
#define TEVENT_DEPRECATED 1
#define _DEPRECATED_

#include "engine/signal.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <unistd.h>

#include "engine/author.h"
#include "engine/glue.h"
#include "engine/mailbox.h"
#include "engine/report.h"
#include "engine/signal_number.h"

/* Part of the API: 2 * SIGRTMIN where SIGRTMIN is 34. */
#define SIGNAL_NUMBERS 68

/* The first event from @node on that thread @self has to call, pinned. */
static struct tevent_signal *event_pin_locked(
	struct tev_signal_number *number, struct tev_list *node, pid_t self,
	const struct tev_signal_point *limit)
{
	for (; node != &number->events; node = node->next) {
		struct tevent_signal *se = tev_signal_of(node);

		if (se->ev != NULL && !se->spent &&
		    tev_signal_home_of(se->home, self) &&
		    tev_signal_behind(&se->seen, limit) > 0) {
			se->busy++;
			se->home->busy++;
			return se;
		}
	}
	return NULL;
}

/* Lets go of a pinned event; what was freed meanwhile goes now. */
static void event_unpin_locked(struct tevent_signal *se)
{
	struct tev_signal_home *home = se->home;

	se->busy--;
	if (se->busy == 0 && se->ev == NULL) {
		tev_list_remove(&se->in_number);
		if (se->freed) {
			tev_signal_unlock();
			talloc_set_destructor(se, NULL);
			talloc_free(se);
			tev_signal_lock();
		}
	}
	home->busy--;
	if (home->busy == 0) {
		tev_signal_idle_locked();
	}
}

/* Moves @se on by what one call tells: one delivery, whose information is
 * written, or all. Return: how many. */
static int event_advance_locked(struct tevent_signal *se,
				const struct tev_signal_point *limit,
				siginfo_t *info)
{
	uint64_t count = 1;

	if (!tev_signal_wants_info(se)) {
		count = tev_signal_behind(&se->seen, limit);
		tev_signal_reach(&se->seen, limit);
	} else if (se->seen.counted < limit->counted) {
		/* From before it was added, or refused by the kernel. */
		tev_signal_queue_blank(se->signum, info);
		se->seen.counted++;
	} else {
		tev_signal_queue_read(se->signum, se->seen.queued, info);
		se->seen.queued++;
	}
	return count < INT_MAX ? (int)count : INT_MAX;
}

/* Calls the handler of @se, which is busy, in the name of @user_ev. */
static void event_call(struct tevent_signal *se, struct tevent_context *user_ev,
		       int signum, int count, void *info)
{
	struct tevent_context *ev = tev_context_main(user_ev);
	struct tev_wrapper *wrapper = NULL;

	if (tev_likely(user_ev == ev)) {
		tev_signal_trace(ev, se, TEVENT_EVENT_TRACE_BEFORE_HANDLER);
		se->handler(ev, se, signum, count, info, se->private_data);
		return;
	}
	wrapper = tev_glue_enter(user_ev);
	wrapper->ops->before_signal_handler(user_ev, wrapper->state, ev, se,
					    signum, count, info,
					    se->handler_name, se->location);
	tev_signal_trace(ev, se, TEVENT_EVENT_TRACE_BEFORE_HANDLER);
	se->handler(user_ev, se, signum, count, info, se->private_data);
	wrapper->ops->after_signal_handler(
		user_ev, wrapper->state, wrapper->main, se, signum, count, info,
		se->handler_name, se->location);
	tev_glue_leave(user_ev);
}

/* An SA_RESETHAND event was called: it goes, when it is let go of. */
static void event_spent_locked(struct tevent_signal *se)
{
	struct tevent_context *ev = NULL;

	if (se->ev != NULL) {
		ev = tev_context_main(se->ev);
		tev_signal_detach_locked(se);
	}
	se->freed = true;
	if (ev != NULL && ev->trace.watch != 0) {
		tev_signal_unlock();
		tev_signal_trace(ev, se, TEVENT_EVENT_TRACE_DETACH);
		tev_signal_lock();
	}
}

/* Calls the handler of a pinned event for all up to @limit.
 * Return: true if it was called. */
static bool event_run_locked(struct tevent_signal *se,
			     const struct tev_signal_point *limit)
{
	bool ran = false;

	while (se->ev != NULL && !se->spent &&
	       tev_signal_behind(&se->seen, limit) > 0) {
		struct tevent_context *user_ev = se->ev;
		siginfo_t info;
		int count = event_advance_locked(se, limit, &info);

		se->spent = (se->sa_flags & SA_RESETHAND) != 0;
		tev_signal_unlock();
		event_call(se, user_ev, se->signum, count,
			   tev_signal_wants_info(se) ? &info : NULL);
		tev_signal_lock();
		ran = true;
	}
	if (se->spent) {
		event_spent_locked(se);
	}
	return ran;
}

/* Calls the events of one number that are thread @self's.
 * Return: true if any was called. */
static bool number_run_locked(int signum, pid_t self)
{
	struct tev_signal_number *number = tev_signal_number(signum);
	struct tev_signal_point limit = tev_signal_queue_point(signum);
	struct tevent_signal *se = NULL;
	struct tevent_signal *next = NULL;
	bool ran = false;

	if (number->attached == 0 &&
	    tev_signal_behind(&number->taken, &limit) == 0) {
		return false;
	}
	se = event_pin_locked(number, number->events.next, self, &limit);
	if (se != NULL || number->attached == 0) {
		/* Before any handler: an event that it adds starts behind. */
		tev_signal_reach(&number->taken, &limit);
	}
	while (se != NULL) {
		ran = event_run_locked(se, &limit) || ran;
		next = event_pin_locked(number, se->in_number.next, self,
					&limit);
		event_unpin_locked(se);
		se = next;
	}
	tev_signal_release_locked(signum);
	return ran;
}

/* Looks for what signals have left and calls the handlers of this thread.
 * @ev has signal events; it may be gone afterwards, unless it is held.
 *
 * Thread: owner.  Lock: none.
 * Return: true if a handler was called.
 */
bool tev_signal_run(struct tevent_context *ev)
{
	pid_t self = 0;
	bool ran = false;

	if (tev_likely(tev_signal_home_quiet(ev->signal_home))) {
		return false;
	}
	self = gettid();
	tev_signal_lock();
	tev_signal_adopt_locked(ev);
	if (tev_signal_home_take(ev->signal_home)) {
		for (int signum = 1; signum <= TEV_SIGNAL_MAX; signum++) {
			ran = number_run_locked(signum, self) || ran;
		}
	}
	tev_signal_unlock();
	return ran;
}

void tevent_cleanup_pending_signal_handlers(struct tevent_signal *se)
{
	struct tevent_context *ev = NULL;

	tev_signal_lock();
	if (se->ev != NULL) {
		ev = tev_context_main(se->ev);
		tev_signal_adopt_locked(ev);
		tev_signal_detach_locked(se);
	}
	tev_signal_unlock();
	if (ev != NULL) {
		tev_signal_trace(ev, se, TEVENT_EVENT_TRACE_DETACH);
	}
}

static int signal_destructor(struct tevent_signal *se)
{
	bool again = false;
	bool busy = false;

	if (!se->freed) {
		tevent_cleanup_pending_signal_handlers(se);
	}
	tev_signal_lock();
	again = se->freed;
	busy = se->busy > 0;
	se->freed = true;
	tev_signal_unlock();

	if (again) {
		tev_check_double_free(se, "tevent_signal freed twice in its "
					  "handler");
	}
	return busy ? -1 : 0;
}

struct tevent_signal *tevent_common_add_signal(
	struct tevent_context *ev, TALLOC_CTX *mem_ctx, int signum,
	int sa_flags, tevent_signal_handler_t handler, void *private_data,
	const char *handler_name, const char *location)
{
	struct tevent_signal *se = NULL;
	int error = 0;

	if (signum < 1 || signum > TEV_SIGNAL_MAX || ev->closed) {
		errno = EINVAL;
		return NULL;
	}
	tev_signal_setup();
	se = talloc_zero(mem_ctx != NULL ? mem_ctx : ev, struct tevent_signal);
	if (se == NULL) {
		errno = ENOMEM;
		return NULL;
	}
	tev_list_init(&se->in_context);
	tev_list_init(&se->in_number);
	se->ev = ev;
	se->signum = signum;
	se->sa_flags = sa_flags;
	se->handler = handler;
	se->private_data = private_data;
	se->handler_name = handler_name;
	se->location = location;

	error = tev_mailbox_open(ev);
	if (error == 0) {
		tev_signal_lock();
		error = tev_signal_attach_locked(se);
		tev_signal_unlock();
	}
	if (error != 0) {
		talloc_free(se);
		errno = error;
		return NULL;
	}
	talloc_set_destructor(se, signal_destructor);
	tev_signal_trace(ev, se, TEVENT_EVENT_TRACE_ATTACH);
	return se;
}

struct tevent_signal *_tevent_add_signal(
	struct tevent_context *ev, TALLOC_CTX *mem_ctx, int signum,
	int sa_flags, tevent_signal_handler_t handler, void *private_data,
	const char *handler_name, const char *location)
{
	if (tev_unlikely(ev->ops != NULL)) {
		return ev->ops->add_signal(ev, mem_ctx, signum, sa_flags,
					   handler, private_data, handler_name,
					   location);
	}
	return tevent_common_add_signal(ev, mem_ctx, signum, sa_flags, handler,
					private_data, handler_name, location);
}

/* Makes @se, just added to the main context, the wrapper's.
 *
 * Thread: owner.  Lock: none.
 */
void tev_signal_rewrap(struct tevent_signal *se, struct tevent_context *wrap)
{
	tev_signal_lock();
	se->ev = wrap;
	tev_signal_unlock();
}

void tevent_signal_set_tag(struct tevent_signal *se, uint64_t tag)
{
	if (se != NULL) {
		se->tag = tag;
	}
}

uint64_t tevent_signal_get_tag(const struct tevent_signal *se)
{
	return se != NULL ? se->tag : 0;
}

int tevent_common_check_signal(struct tevent_context *ev)
{
	return tev_signal_wanted(ev) && tev_signal_run(ev) ? 1 : 0;
}

int tevent_common_invoke_signal_handler(struct tevent_signal *se, int signum,
					int count, void *siginfo, bool *removed)
{
	struct tevent_context *user_ev = NULL;
	bool gone = false;

	tev_signal_lock();
	user_ev = se->ev;
	if (user_ev != NULL && !se->spent) {
		se->busy++;
		se->home->busy++;
		se->spent = (se->sa_flags & SA_RESETHAND) != 0;
		tev_signal_unlock();
		event_call(se, user_ev, signum, count, siginfo);
		tev_signal_lock();
		if (se->spent) {
			event_spent_locked(se);
		}
		gone = se->freed && se->busy == 1;
		event_unpin_locked(se);
	}
	tev_signal_unlock();
	if (removed != NULL) {
		*removed = gone;
	}
	return 0;
}

size_t tevent_num_signals(void)
{
	return SIGNAL_NUMBERS;
}

size_t tevent_sa_info_queue_count(void)
{
	return TEV_SIGNAL_QUEUE_MAX;
}
