/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Poke: reaching a job that runs, from another thread.
 *
 * There are three ways to a function that does not look by itself: a descriptor
 * that becomes readable, for those that poll; a signal, for those that may be
 * interrupted; and a word to the stream, for those that wait for room in it.
 *
 *  1. [PK6] Nobody is told in vain. The teller stores that the job is told (its
 *     state, its pool's or its parent's mark), then loads what there is to be
 *     poked; the job stores what there is (the descriptor, itself on its bed),
 *     then loads whether it is told. A full fence on both sides, so one of them
 *     sees the other.
 *  2. The descriptor is written and the thread signalled by who holds the job
 *     alone (hold.c). So the one is not closed then, and the other in the
 *     function; what was sent is delivered at the end of the next system call,
 *     which wf_poke_end() makes before it blocks the signal again.
 *  3. One signal may come just before the system call that it was to interrupt.
 *     The watch sends it again until the function returns (watch.c).
 *  4. Told is who is told, and whose parent is: that goes on until nobody is
 *     found who has not learnt it.
 *
 * Threads: see the header.  Ordering: [PK6]; [PK5] through hold.h.
 * Not here: the states of a job (work.c), what a job sees of them (job.c).
 */
#include "threadpool/poke.h"

#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "engine/order.h"
#include "threadpool/crews.h"
#include "threadpool/family.h"
#include "threadpool/hold.h"
#include "threadpool/stream.h"
#include "threadpool/watch.h"
#include "threadpool/work.h"

static struct wf_crew *poke_crew(const struct weft_job *job)
{
	return job->queued.flow->lane->crew;
}

/* Whoever has told it. Relaxed, all: wishes, after the fence of [PK6]. */
static bool poke_is_told(const struct weft_job *job)
{
	return wf_work_told(job) || wf_family_told(job->siblings) ||
	       wf_crew_stopped(poke_crew(job));
}

/* ---- for who runs the job ---- */

/* The signal comes through to this thread, or not any more; where the workers
 * do not block it, it always does. */
static void poke_open(const struct wf_crew *crew, bool open)
{
	sigset_t set;

	if (sigismember(&crew->blocked, crew->interrupt_signal) != 1) {
		return;
	}
	(void)sigemptyset(&set);
	(void)sigaddset(&set, crew->interrupt_signal);
	(void)pthread_sigmask(open ? SIG_UNBLOCK : SIG_BLOCK, &set, NULL);
}

/* Whether it has to do that for @job. */
static bool poke_opens(const struct weft_job *job)
{
	bool outer = job->outer != NULL && job->outer->interruptible;

	return job->interruptible != outer;
}

void wf_poke_open(struct weft_job *job)
{
	if (poke_opens(job)) {
		poke_open(poke_crew(job), job->interruptible);
	}
	if (!job->interruptible) {
		return;
	}
	/* [PK6] full fence: current stored, the marks loaded. Do not weaken. */
	tev_fence_full();
	if (poke_is_told(job)) {
		wf_work_tell(job);
		/* Its parent's worker may be of another crew. */
		wf_watch_call(job->worker->crew, NULL);
	}
}

void wf_poke_close(struct weft_job *job)
{
	if (poke_opens(job)) {
		/* Delivers what was sent and has not come yet. */
		(void)getppid();
		poke_open(poke_crew(job), !job->interruptible);
	}
}

void wf_poke_close_fd(struct weft_job *job)
{
	/* Relaxed: our own. */
	int fd = atomic_exchange_explicit(&job->stop_fd, -1,
					  memory_order_relaxed);

	(void)close(fd);
}

/* Makes it readable; it is never read. */
static void poke_ring(int fd)
{
	uint64_t one = 1;
	ssize_t ret = 0;

	do {
		ret = write(fd, &one, sizeof(one));
	} while (ret == -1 && errno == EINTR);
}

int wf_poke_stop_fd(struct weft_job *job)
{
	/* Relaxed: our own. */
	int fd = atomic_load_explicit(&job->stop_fd, memory_order_relaxed);

	if (fd != -1) {
		return fd;
	}
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd == -1) {
		return -1;
	}
	/* [PK6] release: the descriptor; pairs with poke_one(). */
	atomic_store_explicit(&job->stop_fd, fd, memory_order_release);
	/* [PK6] full fence: the descriptor stored, the marks loaded. Do not
	 * weaken. */
	tev_fence_full();
	if (poke_is_told(job)) {
		poke_ring(fd);
	}
	return fd;
}

/* ---- for others ---- */

void wf_poke_each(struct wf_crew *crew,
		  void (*look)(struct weft_job *job, struct wf_bed *bed,
			       void *arg),
		  void *arg)
{
	wf_park_lock(&crew->park);
	wf_hold_each_locked(&crew->park, look, arg);
	wf_park_unlock(&crew->park);
}

/* Those who depend on @job learn it. */
static void poke_spread(struct weft_job *job)
{
	struct wf_stream *stream = NULL;

	/* [PK6] full fence: the state stored; stream, family, descriptor and
	 * current loaded, here and by the caller. Do not weaken. */
	tev_fence_full();
	/* [ST1] acquire: the stream. */
	stream = atomic_load_explicit(&job->stream, memory_order_acquire);
	wf_family_tell(job);
	if (stream != NULL) {
		wf_stream_wake(stream);
	}
}

struct poke_round {
	struct wf_crew *crew;
	bool all;    /* tell everybody */
	uint64_t id; /* tell this one; 0: none */
	bool found;  /* it runs */
	bool more;   /* somebody was told in this round */
	bool again;  /* one of them is to be interrupted */
};

static void poke_tell_one(struct weft_job *job, struct wf_bed *bed, void *arg)
{
	struct poke_round *round = arg;

	(void)bed;
	if (round->id != 0 && job->id == round->id) {
		round->found = true;
	} else if (!round->all && !wf_family_told(job->siblings)) {
		return;
	}
	if (wf_work_told(job)) {
		return;
	}
	wf_work_tell(job);
	poke_spread(job);
	round->more = true;
}

static void poke_one(struct weft_job *job, struct wf_bed *bed, void *arg)
{
	struct poke_round *round = arg;
	int fd = -1;

	if (!wf_work_told(job)) {
		return;
	}
	/* [PK6] acquire: the descriptor; pairs with wf_poke_stop_fd(). */
	fd = atomic_load_explicit(&job->stop_fd, memory_order_acquire);
	if (fd != -1) {
		poke_ring(fd);
	}
	if (!job->interruptible) {
		return;
	}
	round->again = true;
	wf_hold_interrupt(job, bed, round->crew->interrupt_signal);
}

/* Tells the children of those that were told, and theirs, and pokes all that
 * were told. */
static void poke_turn(struct wf_crew *crew, struct poke_round *round)
{
	round->crew = crew;
	round->again = false;
	wf_park_lock(&crew->park);
	do {
		round->more = false;
		wf_hold_each_locked(&crew->park, poke_tell_one, round);
	} while (round->more);
	/* [PK6] full fence: states stored, descriptors loaded. Do not weaken.
	 */
	tev_fence_full();
	wf_hold_each_locked(&crew->park, poke_one, round);
	wf_park_unlock(&crew->park);
	if (round->again) {
		wf_watch_call(crew, NULL);
	}
}

static void poke_all(struct wf_crew *crew, bool all)
{
	struct poke_round round = { .all = all };

	poke_turn(crew, &round);
}

static void poke_one_of_family(struct wf_crew *crew, void *arg)
{
	(void)arg;
	poke_all(crew, false);
}

void wf_poke_tell(struct weft_job *job)
{
	struct wf_crew *crew = poke_crew(job);

	poke_spread(job);
	/* Relaxed, both: only whether there are any. */
	if (atomic_load_explicit(&job->family, memory_order_relaxed) != NULL) {
		/* Children may be in other lanes, and so in other crews. */
		wf_crews_each(wf_crew_elder(crew), poke_one_of_family, NULL);
	} else if (job->interruptible ||
		   atomic_load_explicit(&job->stop_fd, memory_order_relaxed) !=
			   -1) {
		poke_all(crew, false);
	}
}

void wf_poke_tell_all(struct wf_crew *crew)
{
	/* [PK6] full fence: the pool's mark stored, current loaded. Do not
	 * weaken. */
	tev_fence_full();
	poke_all(crew, true);
}

static void poke_one_by_id(struct wf_crew *crew, void *arg)
{
	poke_turn(crew, arg);
}

bool wf_poke_tell_id(struct wf_crew *elder, uint64_t id)
{
	struct poke_round round = { .id = id };

	wf_crews_each(elder, poke_one_by_id, &round);
	if (round.found) {
		/* Its children may be in crews that came before its own. */
		wf_crews_each(elder, poke_one_of_family, NULL);
	}
	return round.found;
}

static void poke_nothing(int signum)
{
	(void)signum;
}

int wf_poke_install(struct wf_crew *crew)
{
	struct sigaction action = { .sa_handler = poke_nothing };
	struct sigaction before;

	if (sigaction(crew->interrupt_signal, NULL, &before) != 0) {
		return errno;
	}
	if ((before.sa_flags & SA_SIGINFO) != 0 ||
	    (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN)) {
		return 0;
	}
	(void)sigemptyset(&action.sa_mask);
	return sigaction(crew->interrupt_signal, &action, NULL) == 0 ? 0
								     : errno;
}
