/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Signal home: the signal handler, and whom it wakes.
 *
 * Each context with signal events has a home: the thread that runs it, a
 * reference to its mailbox for the bell, and a flag. The signal handler, in
 * whatever thread the kernel chose, records the delivery (signal_queue.c),
 * then flags and rings every home, because a pass of any context serves all
 * contexts of its thread (B510).
 *
 * Homes stand in one list that only grows and whose members are never freed,
 * so the handler walks it without a lock. What may go is the bell:
 *
 *      handler                         the context goes
 *      users++                         mailbox = NULL
 *      look at mailbox, ring           wait until users is 0
 *      users--                         drop the reference
 *
 * Either the handler sees NULL, or the other side sees the user [SH1]: two
 * stores, then two loads; do not weaken. It waits for one system call, and
 * never in a signal handler; as ours runs with all signals blocked, nothing can
 * jump out of it and leave users behind.
 *
 * A full ring. 256 deliveries are kept; more wait in the kernel, none is lost
 * (B505). The handler cannot wait, so it blocks the signal in the thread that
 * it has interrupted, by changing the mask which that thread returns to. Only
 * that thread can undo it. So it is done to threads only that will come by:
 * those whose home wants information of this signal (readers). Elsewhere the
 * delivery is sent on to a reader, which holds it back in turn. If there is
 * none, or the kernel refuses, the delivery is counted without information.
 *
 *      a reader's handler              whoever reads, under the lock
 *      ring is full:                   tail moves on
 *      block, waiting = 1              who waits? oneself: unblock
 *      ring all homes, also its own               another: ring its home
 *
 * No delivery is stuck:
 *  1. It waits in the kernel only for a reader with its bit in `waiting`.
 *  2. After the bit was set, the reader's home is rung: a pass of the reader's
 *     thread follows and looks at the bit and for room, under the lock.
 *  3. If room was made before that pass, it unblocks. If room is made later,
 *     the lock shows the bit to who makes it; that one rings the reader again.
 *  4. Who wants the information no more takes back its bit, waits for those
 *     that may have seen it [SH1], and lets come what they have sent: it is
 *     sent on to another reader. If that was the last in the process, the ring
 *     counts as not full, and all is recorded before the old disposition
 *     returns.
 * docs/models/signal.pml is its model.
 *
 * Limits: what waits for a thread ends with the thread. A thread whose context
 * was taken over by another while it held a signal back keeps it blocked.
 *
 * Threads: deliver in any signal handler, or rather each; the others as they
 * say, under the signal lock. Ordering: [SH1] bell; [SH2] flag; [SH3] list.
 * Not here: events and their handlers (signal.c).
 */
#include "engine/signal_home.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "engine/mailbox.h"
#include "engine/signal_queue.h"

#define HOME_PAUSE_NS 20000
#define BOUNCES_MAX   64

static _Atomic(struct tev_signal_home *) homes; /* A: [SH3] */

static inline struct tev_signal_home *homes_first(void)
{
	/* [SH3] acquire: pairs with home_new. */
	return atomic_load_explicit(&homes, memory_order_acquire);
}

/* Between these two a home keeps its bell and whatever was wanted at the
 * beginning. Thread: any, signal handlers too. */
static inline void home_enter(struct tev_signal_home *home)
{
	/* [SH1] store of the user, before the loads of bell and wants. */
	(void)atomic_fetch_add_explicit(&home->users, 1, memory_order_seq_cst);
}

static inline void home_leave(struct tev_signal_home *home)
{
	/* [SH1] release: through with it, and what was left in waiting. */
	(void)atomic_fetch_sub_explicit(&home->users, 1, memory_order_release);
}

/* Waits for those that have entered and may have seen what was before. */
static void home_wait_users(struct tev_signal_home *home)
{
	const struct timespec pause = { .tv_nsec = HOME_PAUSE_NS };

	/* [SH1] load of the users, after the store of bell or wants; pairs with
	 * home_enter and home_leave. Sleeping lets a thread of lower priority
	 * finish. */
	while (atomic_load_explicit(&home->users, memory_order_seq_cst) > 0) {
		(void)nanosleep(&pause, NULL);
	}
}

static inline bool home_wants(struct tev_signal_home *home, int signum)
{
	/* [SH1] load, pairs with tev_signal_home_unwant. */
	return (atomic_load_explicit(&home->wants, memory_order_seq_cst) &
		tev_signal_bit(signum)) != 0;
}

/* A home of thread @tid that wants information of @signum. */
static struct tev_signal_home *reader_find(int signum, pid_t tid)
{
	struct tev_signal_home *home = NULL;

	for (home = homes_first(); home != NULL; home = home->next) {
		/* Relaxed: whose it is changes only when a context is handed
		 * over; see the limits. */
		pid_t its = atomic_load_explicit(&home->tid,
						 memory_order_relaxed);

		if (its == tid && home_wants(home, signum)) {
			return home;
		}
	}
	return NULL;
}

/* Something waits in the kernel for the thread of @home. Before its ring. */
static inline void home_waits(struct tev_signal_home *home, int signum)
{
	/* Relaxed: the ring that follows publishes it [SH2]. */
	(void)atomic_fetch_or_explicit(&home->waiting, tev_signal_bit(signum),
				       memory_order_relaxed);
}

/* Blocks @signum in the thread that returns to @context, until there is room.
 * Thread: signal handler, of the home's thread. */
static void home_hold(struct tev_signal_home *home, int signum,
		      ucontext_t *context)
{
	if (sigismember(&context->uc_sigmask, signum) == 0) {
		(void)sigaddset(&context->uc_sigmask, signum);
		/* Relaxed: as in home_waits. */
		(void)atomic_fetch_or_explicit(&home->held,
					       tev_signal_bit(signum),
					       memory_order_relaxed);
	}
	home_waits(home, signum);
}

/* A home of any thread that wants information of @signum, entered: it does not
 * stop wanting before home_leave(). */
static struct tev_signal_home *reader_enter(int signum)
{
	struct tev_signal_home *home = NULL;

	for (home = homes_first(); home != NULL; home = home->next) {
		if (!home_wants(home, signum)) {
			continue;
		}
		home_enter(home);
		if (home_wants(home, signum)) {
			return home;
		}
		home_leave(home);
	}
	return NULL;
}

static bool delivery_send(pid_t tid, int signum, siginfo_t *info)
{
	return syscall(SYS_rt_tgsigqueueinfo, getpid(), tid, signum, info) == 0;
}

/* Sends a delivery that found no room to a thread that can hold it back.
 * Thread: signal handler.  Return: false when that is impossible. */
static bool delivery_send_on(int signum, siginfo_t *info, ucontext_t *context)
{
	pid_t self = gettid();
	struct tev_signal_home *home = reader_find(signum, self);
	bool ok = false;

	if (home != NULL) {
		/* Under a checker that does not obey the mask it would come
		 * back at once, for ever. Relaxed: this thread's own. */
		if (atomic_fetch_add_explicit(&home->bounced, 1,
					      memory_order_relaxed) >=
		    BOUNCES_MAX) {
			return false;
		}
		ok = delivery_send(self, signum, info);
		if (ok) {
			home_hold(home, signum, context);
		}
		return ok;
	}
	home = reader_enter(signum);
	if (home == NULL) {
		return false;
	}
	/* Relaxed: as in reader_find. */
	ok = delivery_send(
		atomic_load_explicit(&home->tid, memory_order_relaxed), signum,
		info);
	if (ok) {
		/* Only now: the reader, when it looks, finds the delivery. */
		home_waits(home, signum);
	}
	home_leave(home);
	return ok;
}

/* Flags @home and wakes its loop.
 * Thread: any, signal handlers too. */
static void home_ring(struct tev_signal_home *home)
{
	struct tev_mailbox *mailbox = NULL;

	home_enter(home);
	/* [SH1] load, pairs with tev_signal_home_rebell. */
	mailbox = atomic_load_explicit(&home->mailbox, memory_order_seq_cst);
	/* [SH2] release: what was recorded; pairs with take. */
	atomic_store_explicit(&home->raised, true, memory_order_release);
	if (mailbox != NULL) {
		tev_mailbox_ring(mailbox);
	}
	home_leave(home);
}

/* What sigaction(2) is given.
 *
 * Thread: signal handler, any; all signals are blocked.  Lock: none.
 */
void tev_signal_home_deliver(int signum, siginfo_t *info, void *context)
{
	struct tev_signal_home *home = NULL;
	int error = errno;

	if (!tev_signal_queue_wanted(signum)) {
		tev_signal_queue_count(signum);
	} else if (!tev_signal_queue_push(signum, info)) {
		if (!delivery_send_on(signum, info, context)) {
			tev_signal_queue_count(signum);
		}
	} else if (tev_signal_queue_full(signum)) {
		/* That was the last place: let the next not come at all. */
		home = reader_find(signum, gettid());
		if (home != NULL) {
			home_hold(home, signum, context);
		}
	}
	for (home = homes_first(); home != NULL; home = home->next) {
		home_ring(home);
	}
	errno = error;
}

static struct tev_signal_home *home_new(void)
{
	struct tev_signal_home *home = calloc(1, sizeof(*home));

	if (home == NULL) {
		return NULL;
	}
	home->next = homes_first();
	/* [SH3] release: pairs with homes_first. */
	atomic_store_explicit(&homes, home, memory_order_release);
	return home;
}

/* Gives @home another bell, or none.
 *
 * Thread: owner.  Lock: signal.
 * Owns:   a reference to @mailbox of its own.
 */
void tev_signal_home_rebell(struct tev_signal_home *home,
			    struct tev_mailbox *mailbox)
{
	struct tev_mailbox *before = NULL;

	if (mailbox != NULL) {
		(void)tev_mailbox_ref(mailbox);
	}
	/* [SH1] store of the bell, before the load of the users. */
	before = atomic_exchange_explicit(&home->mailbox, mailbox,
					  memory_order_seq_cst);
	if (before == NULL) {
		return;
	}
	home_wait_users(home);
	tev_mailbox_unref(before);
}

/* Makes the calling thread the one that the home's handlers belong to.
 *
 * Thread: owner.  Lock: signal.
 */
void tev_signal_home_adopt(struct tev_signal_home *home)
{
	home->thread = pthread_self();
	/* Relaxed: as in reader_find. */
	atomic_store_explicit(&home->tid, gettid(), memory_order_relaxed);
}

/* Thread: owner.  Lock: signal.
 * Return: a home of the calling thread, or NULL when out of memory. */
struct tev_signal_home *tev_signal_home_open(struct tev_mailbox *mailbox)
{
	struct tev_signal_home *home = homes_first();

	while (home != NULL && (home->used || home->busy > 0)) {
		home = home->next;
	}
	if (home == NULL) {
		home = home_new();
	}
	if (home == NULL) {
		return NULL;
	}
	home->used = true;
	/* Relaxed: a straggler may have left a bit. */
	atomic_store_explicit(&home->waiting, 0, memory_order_relaxed);
	atomic_store_explicit(&home->held, 0, memory_order_relaxed);
	tev_signal_home_adopt(home);
	/* Relaxed: our own pass will look. What came before may wait in other
	 * contexts of this thread, which we serve from now on (B510). */
	atomic_store_explicit(&home->raised, true, memory_order_relaxed);
	tev_signal_home_rebell(home, mailbox);
	return home;
}

/* The context has no signal event any more; it wants nothing either. A handler
 * may still be under way, so whose it was stays.
 *
 * Thread: owner.  Lock: signal.
 */
void tev_signal_home_close(struct tev_signal_home *home)
{
	tev_signal_home_rebell(home, NULL);
	home->used = false;
}

/* Makes the next pass of every context look for what is new. Wakes nobody.
 *
 * Thread: any.  Lock: signal.
 */
void tev_signal_home_raise_all(void)
{
	struct tev_signal_home *home = NULL;

	for (home = homes_first(); home != NULL; home = home->next) {
		/* [SH2] */
		atomic_store_explicit(&home->raised, true,
				      memory_order_release);
	}
}

/* Return: whether something may be new; it is the caller's to find. */
bool tev_signal_home_take(struct tev_signal_home *home)
{
	/* [SH2] acquire: what was recorded; pairs with home_ring. */
	return atomic_exchange_explicit(&home->raised, false,
					memory_order_acq_rel);
}

/* Lets held-back deliveries of @signum come, in the calling thread, whose home
 * it is. They are recorded before this returns, or hold themselves back. */
static void home_resume(struct tev_signal_home *home, int signum)
{
	uint64_t bit = tev_signal_bit(signum);
	/* Relaxed: a bit that is set again later comes with a ring. */
	bool held = (atomic_fetch_and_explicit(&home->held, ~bit,
					       memory_order_relaxed) &
		     bit) != 0;
	sigset_t one;
	sigset_t before;

	(void)atomic_fetch_and_explicit(&home->waiting, ~bit,
					memory_order_relaxed);
	atomic_store_explicit(&home->bounced, 0, memory_order_relaxed);
	(void)sigemptyset(&one);
	(void)sigaddset(&one, signum);
	(void)pthread_sigmask(SIG_UNBLOCK, &one, &before);
	if (!held && sigismember(&before, signum) == 1) {
		/* The program had blocked it itself. */
		(void)pthread_sigmask(SIG_BLOCK, &one, NULL);
		(void)atomic_fetch_and_explicit(&home->held, ~bit,
						memory_order_relaxed);
	}
}

/* There may be room: own deliveries that wait may come, others are told.
 *
 * Thread: any.  Lock: signal.
 */
void tev_signal_home_room(int signum)
{
	struct tev_signal_home *home = NULL;
	pid_t self = gettid();

	for (home = homes_first(); home != NULL; home = home->next) {
		/* Relaxed: the lock shows it, or a pass of its own is still to
		 * come. */
		uint64_t waiting = atomic_load_explicit(&home->waiting,
							memory_order_relaxed);

		if ((waiting & tev_signal_bit(signum)) == 0 || !home->used ||
		    tev_signal_queue_full(signum)) {
			continue;
		}
		if (tev_signal_home_of(home, self)) {
			home_resume(home, signum);
		} else {
			home_ring(home);
		}
	}
}

/* Thread: owner.  Lock: signal. */
void tev_signal_home_want(struct tev_signal_home *home, int signum)
{
	/* Relaxed: who sees it later sends to somebody else. */
	(void)atomic_fetch_or_explicit(&home->wants, tev_signal_bit(signum),
				       memory_order_relaxed);
}

/* Nobody here wants information of @signum any more. What waits for this
 * thread is left to another home of it, or comes now.
 *
 * Thread: owner, the home's.  Lock: signal.
 */
void tev_signal_home_unwant(struct tev_signal_home *home, int signum)
{
	uint64_t bit = tev_signal_bit(signum);
	struct tev_signal_home *other = NULL;

	/* [SH1] store of wants, before the load of the users. */
	(void)atomic_fetch_and_explicit(&home->wants, ~bit,
					memory_order_seq_cst);
	home_wait_users(home);
	if ((atomic_load_explicit(&home->waiting, memory_order_relaxed) &
	     bit) == 0) {
		return;
	}
	other = reader_find(signum, gettid());
	if (other == NULL) {
		home_resume(home, signum);
		return;
	}
	/* The mask stays as it is; only who remembers changes. */
	(void)atomic_fetch_and_explicit(&home->waiting, ~bit,
					memory_order_relaxed);
	if ((atomic_fetch_and_explicit(&home->held, ~bit,
				       memory_order_relaxed) &
	     bit) != 0) {
		(void)atomic_fetch_or_explicit(&other->held, bit,
					       memory_order_relaxed);
	}
	home_waits(other, signum);
}

/* Forgets the threads of the parent, but @parent, the one that forked: its
 * homes and its mask are now the child's.
 *
 * Thread: the only one of a new child.  Lock: signal.
 */
void tev_signal_home_fork_child(pid_t parent)
{
	struct tev_signal_home *home = NULL;

	for (home = homes_first(); home != NULL; home = home->next) {
		bool mine = tev_signal_home_of(home, parent);

		/* Relaxed: one thread. */
		atomic_store_explicit(&home->users, 0, memory_order_relaxed);
		atomic_store_explicit(&home->tid, mine ? gettid() : 0,
				      memory_order_relaxed);
		if (!mine) {
			home->busy = 0;
			atomic_store_explicit(&home->waiting, 0,
					      memory_order_relaxed);
			atomic_store_explicit(&home->held, 0,
					      memory_order_relaxed);
		}
	}
}
