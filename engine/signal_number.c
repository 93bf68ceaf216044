/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Signal numbers: which events there are, by number and by context.
 *
 * Events of all contexts of the process meet in the lists of numbers, so one
 * mutex guards everything here and in signal.c. It is never held while user
 * code runs and never taken by a signal handler.
 *
 * A context belongs to the thread that last added or freed an event of it or
 * ran it. When another thread takes it over while a handler of it still runs
 * in the old one, the new one waits for that.
 *
 * Dispositions: ours is installed with the first event of a number in the
 * process, the one before is restored with the last (B506). It always asks for
 * the information, whatever the first event asked for (B504).
 *
 * Traced (B1204): ATTACH when added, BEFORE_HANDLER, DETACH when detached for
 * whatever reason but the end of its wrapper context; never under the mutex.
 *
 * Fork: the mutex is held across it; the child forgets the handlers that were
 * under way in other threads.
 *
 * Not here: who is called (signal.c).
 */
#include "engine/signal_number.h"

#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "engine/author.h"
#include "engine/trace.h"

static struct tev_signal_number numbers[TEV_SIGNAL_MAX + 1]; /* L: */

static pthread_mutex_t signal_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t signal_idle = PTHREAD_COND_INITIALIZER;
static pthread_once_t signal_once = PTHREAD_ONCE_INIT;
static pid_t fork_thread; /* L: the one that forks */

/* Thread: any.  Lock: the one here. */
struct tev_signal_number *tev_signal_number(int signum)
{
	return &numbers[signum];
}

/* Thread: any; no signal handler. */
void tev_signal_lock(void)
{
	(void)pthread_mutex_lock(&signal_mutex);
}

/* Thread: the one that locked. */
void tev_signal_unlock(void)
{
	(void)pthread_mutex_unlock(&signal_mutex);
}

static void fork_prepare(void)
{
	tev_signal_lock();
	fork_thread = gettid();
}

static void fork_child(void)
{
	struct tev_list *node = NULL;
	struct tev_list *following = NULL;

	/* Its waiters were other threads. */
	signal_idle = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
	for (int signum = 1; signum <= TEV_SIGNAL_MAX; signum++) {
		tev_list_for_each_safe(node, following,
				       &numbers[signum].events) {
			struct tevent_signal *se = tev_signal_of(node);

			if (tev_signal_home_of(se->home, fork_thread)) {
				continue;
			}
			se->busy = 0;
			if (se->ev == NULL) {
				tev_list_remove(&se->in_number);
			}
		}
	}
	tev_signal_queue_fork_child();
	tev_signal_home_fork_child(fork_thread);
	tev_signal_unlock();
}

static void setup(void)
{
	for (int signum = 1; signum <= TEV_SIGNAL_MAX; signum++) {
		tev_list_init(&numbers[signum].events);
	}
	(void)pthread_atfork(fork_prepare, tev_signal_unlock, fork_child);
}

/* Before the first event of the process.
 *
 * Thread: any.  Lock: none.
 */
void tev_signal_setup(void)
{
	(void)pthread_once(&signal_once, setup);
}

/* No handler of a context is under way any more.
 *
 * Thread: owner.  Lock: the one here.
 */
void tev_signal_idle_locked(void)
{
	(void)pthread_cond_broadcast(&signal_idle);
}

/* Gives up what every SA_SIGINFO event has seen.
 *
 * Thread: any.  Lock: the one here.
 */
void tev_signal_release_locked(int signum)
{
	struct tev_signal_number *number = tev_signal_number(signum);
	uint64_t all = number->taken.queued;
	struct tev_list *node = NULL;

	tev_list_for_each(node, &number->events) {
		struct tevent_signal *se = tev_signal_of(node);

		if (se->ev != NULL && tev_signal_wants_info(se) &&
		    se->seen.queued < all) {
			all = se->seen.queued;
		}
	}
	tev_signal_queue_release(signum, all);
	tev_signal_home_room(signum);
}

/* Makes @ev the calling thread's.
 *
 * Thread: the new owner.  Lock: the one here; may wait without it.
 */
void tev_signal_adopt_locked(struct tevent_context *ev)
{
	struct tev_signal_home *home = ev->signal_home;

	while (home->busy > 0 && !tev_signal_home_of(home, gettid())) {
		(void)pthread_cond_wait(&signal_idle, &signal_mutex);
	}
	tev_signal_home_adopt(home);
}

static bool context_wants_info_locked(const struct tevent_context *ev,
				      int signum)
{
	struct tev_list *node = NULL;

	tev_list_for_each(node, &ev->signals) {
		const struct tevent_signal *se = tev_list_entry(
			node, struct tevent_signal, in_context);

		if (se->signum == signum && tev_signal_wants_info(se)) {
			return true;
		}
	}
	return false;
}

/* Tells who listens.
 *
 * Thread: owner.  Lock: none.
 */
void tev_signal_trace(struct tevent_context *ev, struct tevent_signal *se,
		      enum tevent_event_trace_point point)
{
	if (tev_traced(ev, TEV_TRACE_SIGNAL | TEV_TRACE_DEBUG)) {
		tev_trace_say(ev, "signal", se, se->handler_name, point);
		tevent_trace_signal_callback(ev, se, point);
	}
}

/* Takes @se from its context, for good; a busy one stays in its number's
 * list. Its context is the calling thread's.
 *
 * Thread: owner.  Lock: the one here.
 */
void tev_signal_detach_locked(struct tevent_signal *se)
{
	struct tev_signal_number *number = tev_signal_number(se->signum);
	struct tevent_context *ev = tev_context_main(se->ev);

	se->ev = NULL;
	tev_list_remove(&se->in_context);
	if (se->busy == 0) {
		tev_list_remove(&se->in_number);
	}
	if (tev_signal_wants_info(se)) {
		tev_signal_queue_unwant(se->signum);
		if (!context_wants_info_locked(ev, se->signum)) {
			tev_signal_home_unwant(se->home, se->signum);
		}
		tev_signal_release_locked(se->signum);
	}
	number->attached--;
	if (number->attached == 0) {
		/* Nothing waits in the kernel for us any more: it would meet
		 * the old disposition. */
		(void)sigaction(se->signum, &number->before, NULL);
	}
	if (!tev_signal_wanted(ev)) {
		tev_signal_home_close(se->home);
		ev->signal_home = NULL;
	}
}

/* Thread: any, @ev is new. */
void tev_signal_context_init(struct tevent_context *ev)
{
	tev_list_init(&ev->signals);
	ev->signal_home = NULL;
}

/* The first event of @ev, or of its wrapper @wrap. */
static struct tevent_signal *event_first_locked(
	const struct tevent_context *ev, const struct tevent_context *wrap)
{
	struct tev_list *node = NULL;

	tev_list_for_each(node, &ev->signals) {
		struct tevent_signal *se = tev_list_entry(
			node, struct tevent_signal, in_context);

		if (wrap == NULL || se->ev == wrap) {
			return se;
		}
	}
	return NULL;
}

/* The context goes or starts anew, or its wrapper @wrap goes, of which nobody
 * is told, as in stock: the events stay allocated, detached, and dispositions
 * are restored (B512, B513).
 *
 * Thread: owner.  Lock: none.
 */
void tev_signal_context_fini(struct tevent_context *ev,
			     const struct tevent_context *wrap)
{
	struct tevent_signal *se = NULL;

	while (tev_signal_wanted(ev)) {
		tev_signal_lock();
		tev_signal_adopt_locked(ev);
		se = event_first_locked(ev, wrap);
		if (se != NULL) {
			tev_signal_detach_locked(se);
		}
		tev_signal_unlock();
		if (se == NULL) {
			return;
		}
		tev_signal_trace(ev, se, TEVENT_EVENT_TRACE_DETACH);
	}
}

/* In a forked child the context has got another mailbox, or none.
 *
 * Thread: owner.  Lock: none.
 */
void tev_signal_after_fork(struct tevent_context *ev)
{
	if (!tev_signal_wanted(ev)) {
		return;
	}
	tev_signal_lock();
	tev_signal_adopt_locked(ev);
	tev_signal_home_rebell(ev->signal_home, ev->mailbox);
	tev_signal_unlock();
}

static int disposition_install_locked(const struct tevent_signal *se)
{
	struct sigaction action = {
		.sa_sigaction = tev_signal_home_deliver,
		.sa_flags = se->sa_flags | SA_SIGINFO,
	};

	/* All: nothing may interrupt it and jump away. */
	(void)sigfillset(&action.sa_mask);
	if (sigaction(se->signum, &action, &numbers[se->signum].before) != 0) {
		return errno;
	}
	return 0;
}

/* Puts @se, which is filled, in its place.
 *
 * Thread: owner.  Lock: the one here.
 * Return: 0 or an errno value.
 */
int tev_signal_attach_locked(struct tevent_signal *se)
{
	struct tev_signal_number *number = tev_signal_number(se->signum);
	struct tevent_context *ev = se->ev;
	struct tev_signal_point now;
	int error = 0;

	if (ev->signal_home != NULL) {
		tev_signal_adopt_locked(ev);
	} else {
		ev->signal_home = tev_signal_home_open(ev->mailbox);
		if (ev->signal_home == NULL) {
			return ENOMEM;
		}
	}
	se->home = ev->signal_home;
	se->seen = number->taken;
	/* The history is kept from the first delivery on, so before. */
	if (tev_signal_wants_info(se)) {
		error = tev_signal_queue_want(se->signum);
	}
	if (error == 0 && number->attached == 0) {
		error = disposition_install_locked(se);
		if (error != 0 && tev_signal_wants_info(se)) {
			tev_signal_queue_unwant(se->signum);
		}
	}
	if (error != 0) {
		if (!tev_signal_wanted(ev)) {
			tev_signal_home_close(ev->signal_home);
			ev->signal_home = NULL;
		}
		return error;
	}
	if (tev_signal_wants_info(se)) {
		tev_signal_home_want(se->home, se->signum);
	}
	tev_list_prepend(&ev->signals, &se->in_context);
	tev_list_prepend(&number->events, &se->in_number);
	number->attached++;

	now = tev_signal_queue_point(se->signum);
	if (tev_signal_behind(&se->seen, &now) > 0) {
		tev_signal_home_raise_all();
	}
	return 0;
}
