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
 * Threads. One mutex, never held while user code runs and never taken by a
 * signal handler, guards everything here, since events of all contexts meet in
 * the lists of numbers. A context belongs to the thread that last added or
 * freed an event of it or ran it. When another thread takes it over while a
 * handler of it still runs in the old one, the new one waits for that.
 *
 * Dispositions: ours is installed with the first event of a number in the
 * process, the one before is restored with the last (B506). It always asks for
 * the information, whatever the first event asked for (B504).
 *
 * Fork: the mutex is held across it; the child forgets the handlers that were
 * under way in other threads.
 *
 * Not here: what is done in the signal handler.
 */
#include "engine/signal.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "engine/mailbox.h"
#include "engine/report.h"
#include "engine/signal_home.h"
#include "engine/signal_queue.h"

/* Part of the API: 2 * SIGRTMIN where SIGRTMIN is 34. */
#define SIGNAL_NUMBERS 68

struct tevent_signal {
	struct tev_list in_context;   /* L: of ev->signals */
	struct tev_list in_number;    /* L: of its number's events */
	struct tevent_context *ev;    /* L: NULL once detached */
	struct tev_signal_home *home; /* L: of ev, also when detached */
	struct tev_signal_point seen; /* L: how far it was told */
	unsigned busy;                /* L: passes that are at it */
	bool spent;                   /* L: SA_RESETHAND, and was called */
	bool freed;                   /* L: while busy */
	int signum;                   /* I: */
	int sa_flags;                 /* I: */
	tevent_signal_handler_t handler;
	void *private_data;
	const char *handler_name;
	const char *location;
};

struct signal_number {
	struct tev_list events;        /* L: newest first, busy ones too */
	unsigned attached;             /* L: those that are not detached */
	struct tev_signal_point taken; /* L: where a new event starts */
	struct sigaction before;       /* L: to be restored */
};

static struct signal_number numbers[TEV_SIGNAL_MAX + 1]; /* L: */

static pthread_mutex_t signal_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t signal_idle = PTHREAD_COND_INITIALIZER;
static pthread_once_t signal_once = PTHREAD_ONCE_INIT;
static pid_t fork_thread; /* L: the one that forks */

static void signal_lock(void)
{
	(void)pthread_mutex_lock(&signal_mutex);
}

static void signal_unlock(void)
{
	(void)pthread_mutex_unlock(&signal_mutex);
}

static inline struct tevent_signal *event_of(struct tev_list *node)
{
	return tev_list_entry(node, struct tevent_signal, in_number);
}

static void fork_prepare(void)
{
	signal_lock();
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
			struct tevent_signal *se = event_of(node);

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
	signal_unlock();
}

static void signal_setup(void)
{
	for (int signum = 1; signum <= TEV_SIGNAL_MAX; signum++) {
		tev_list_init(&numbers[signum].events);
	}
	(void)pthread_atfork(fork_prepare, signal_unlock, fork_child);
}

/* How many deliveries @seen is behind @point. */
static inline uint64_t point_behind(const struct tev_signal_point *seen,
				    const struct tev_signal_point *point)
{
	uint64_t behind = 0;

	if (seen->counted < point->counted) {
		behind += point->counted - seen->counted;
	}
	if (seen->queued < point->queued) {
		behind += point->queued - seen->queued;
	}
	return behind;
}

/* Moves @seen on to @point, never back. */
static inline void point_reach(struct tev_signal_point *seen,
			       const struct tev_signal_point *point)
{
	if (seen->counted < point->counted) {
		seen->counted = point->counted;
	}
	if (seen->queued < point->queued) {
		seen->queued = point->queued;
	}
}

static inline bool event_wants_info(const struct tevent_signal *se)
{
	return (se->sa_flags & SA_SIGINFO) != 0;
}

/* Gives up what every SA_SIGINFO event has seen. */
static void number_release_locked(int signum)
{
	struct signal_number *number = &numbers[signum];
	uint64_t all = number->taken.queued;
	struct tev_list *node = NULL;

	tev_list_for_each(node, &number->events) {
		struct tevent_signal *se = event_of(node);

		if (se->ev != NULL && event_wants_info(se) &&
		    se->seen.queued < all) {
			all = se->seen.queued;
		}
	}
	tev_signal_queue_release(signum, all);
	tev_signal_home_room(signum);
}

/* Makes @ev the calling thread's. */
static void context_adopt_locked(struct tevent_context *ev)
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

		if (se->signum == signum && event_wants_info(se)) {
			return true;
		}
	}
	return false;
}

/* Takes @se from its context, for good; a busy one stays in its number's
 * list. Its context is the calling thread's. */
static void event_detach_locked(struct tevent_signal *se)
{
	struct signal_number *number = &numbers[se->signum];
	struct tevent_context *ev = se->ev;

	se->ev = NULL;
	tev_list_remove(&se->in_context);
	if (se->busy == 0) {
		tev_list_remove(&se->in_number);
	}
	if (event_wants_info(se)) {
		tev_signal_queue_unwant(se->signum);
		if (!context_wants_info_locked(ev, se->signum)) {
			tev_signal_home_unwant(se->home, se->signum);
		}
		number_release_locked(se->signum);
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

/* The context goes or starts anew: its events stay allocated, detached, and
 * dispositions are restored (B512, B513).
 *
 * Thread: owner.  Lock: none.
 */
void tev_signal_context_fini(struct tevent_context *ev)
{
	struct tev_list *first = NULL;

	if (!tev_signal_wanted(ev)) {
		return;
	}
	signal_lock();
	context_adopt_locked(ev);
	while ((first = tev_list_first(&ev->signals)) != NULL) {
		event_detach_locked(tev_list_entry(first, struct tevent_signal,
						   in_context));
	}
	signal_unlock();
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
	signal_lock();
	context_adopt_locked(ev);
	tev_signal_home_rebell(ev->signal_home, ev->mailbox);
	signal_unlock();
}

/* The first event from @node on that thread @self has to call, pinned. */
static struct tevent_signal *event_pin_locked(
	struct signal_number *number, struct tev_list *node, pid_t self,
	const struct tev_signal_point *limit)
{
	for (; node != &number->events; node = node->next) {
		struct tevent_signal *se = event_of(node);

		if (se->ev != NULL && !se->spent &&
		    tev_signal_home_of(se->home, self) &&
		    point_behind(&se->seen, limit) > 0) {
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
			signal_unlock();
			talloc_set_destructor(se, NULL);
			talloc_free(se);
			signal_lock();
		}
	}
	home->busy--;
	if (home->busy == 0) {
		(void)pthread_cond_broadcast(&signal_idle);
	}
}

/* Moves @se on by what one call tells: one delivery, whose information is
 * written, or all. Return: how many. */
static int event_advance_locked(struct tevent_signal *se,
				const struct tev_signal_point *limit,
				siginfo_t *info)
{
	uint64_t count = 1;

	if (!event_wants_info(se)) {
		count = point_behind(&se->seen, limit);
		point_reach(&se->seen, limit);
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

/* Calls the handler of a pinned event for all up to @limit.
 * Return: true if it was called. */
static bool event_run_locked(struct tevent_signal *se,
			     const struct tev_signal_point *limit)
{
	bool ran = false;

	while (se->ev != NULL && !se->spent &&
	       point_behind(&se->seen, limit) > 0) {
		struct tevent_context *ev = se->ev;
		siginfo_t info;
		int count = event_advance_locked(se, limit, &info);

		se->spent = (se->sa_flags & SA_RESETHAND) != 0;
		signal_unlock();
		se->handler(ev, se, se->signum, count,
			    event_wants_info(se) ? &info : NULL,
			    se->private_data);
		signal_lock();
		ran = true;
	}
	if (se->spent) {
		if (se->ev != NULL) {
			event_detach_locked(se);
		}
		se->freed = true;
	}
	return ran;
}

/* Calls the events of one number that are thread @self's.
 * Return: true if any was called. */
static bool number_run_locked(int signum, pid_t self)
{
	struct signal_number *number = &numbers[signum];
	struct tev_signal_point limit = tev_signal_queue_point(signum);
	struct tevent_signal *se = NULL;
	struct tevent_signal *next = NULL;
	bool ran = false;

	if (number->attached == 0 &&
	    point_behind(&number->taken, &limit) == 0) {
		return false;
	}
	se = event_pin_locked(number, number->events.next, self, &limit);
	if (se != NULL || number->attached == 0) {
		/* Before any handler: an event that it adds starts behind. */
		point_reach(&number->taken, &limit);
	}
	while (se != NULL) {
		ran = event_run_locked(se, &limit) || ran;
		next = event_pin_locked(number, se->in_number.next, self,
					&limit);
		event_unpin_locked(se);
		se = next;
	}
	number_release_locked(signum);
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
	signal_lock();
	context_adopt_locked(ev);
	if (tev_signal_home_take(ev->signal_home)) {
		for (int signum = 1; signum <= TEV_SIGNAL_MAX; signum++) {
			ran = number_run_locked(signum, self) || ran;
		}
	}
	signal_unlock();
	return ran;
}

static int signal_destructor(struct tevent_signal *se)
{
	bool again = false;
	bool busy = false;

	signal_lock();
	again = se->freed;
	if (!again && se->ev != NULL) {
		context_adopt_locked(se->ev);
		event_detach_locked(se);
	}
	busy = se->busy > 0;
	se->freed = true;
	signal_unlock();

	if (again) {
		tev_check_double_free(se, "tevent_signal freed twice in its "
					  "handler");
	}
	return busy ? -1 : 0;
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

/* Puts @se, which is filled, in its place. Return: 0 or an errno value. */
static int event_attach_locked(struct tevent_signal *se)
{
	struct signal_number *number = &numbers[se->signum];
	struct tevent_context *ev = se->ev;
	struct tev_signal_point now;
	int error = 0;

	if (ev->signal_home != NULL) {
		context_adopt_locked(ev);
	} else {
		ev->signal_home = tev_signal_home_open(ev->mailbox);
		if (ev->signal_home == NULL) {
			return ENOMEM;
		}
	}
	se->home = ev->signal_home;
	se->seen = number->taken;
	/* The history is kept from the first delivery on, so before. */
	if (event_wants_info(se)) {
		error = tev_signal_queue_want(se->signum);
	}
	if (error == 0 && number->attached == 0) {
		error = disposition_install_locked(se);
		if (error != 0 && event_wants_info(se)) {
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
	if (event_wants_info(se)) {
		tev_signal_home_want(se->home, se->signum);
	}
	tev_list_prepend(&ev->signals, &se->in_context);
	tev_list_prepend(&number->events, &se->in_number);
	number->attached++;

	now = tev_signal_queue_point(se->signum);
	if (point_behind(&se->seen, &now) > 0) {
		tev_signal_home_raise_all();
	}
	return 0;
}

struct tevent_signal *_tevent_add_signal(
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
	(void)pthread_once(&signal_once, signal_setup);
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
		signal_lock();
		error = event_attach_locked(se);
		signal_unlock();
	}
	if (error != 0) {
		talloc_free(se);
		errno = error;
		return NULL;
	}
	talloc_set_destructor(se, signal_destructor);
	return se;
}

size_t tevent_num_signals(void)
{
	return SIGNAL_NUMBERS;
}

size_t tevent_sa_info_queue_count(void)
{
	return TEV_SIGNAL_QUEUE_MAX;
}
