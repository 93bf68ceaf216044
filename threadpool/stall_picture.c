/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Stall, the picture: where another thread stands.
 *
 *      NONE --watch--> ASKED --signal handler--> TAKING ----> TAKEN
 *        ^               |                                      |
 *        +--- too late --'                                      |
 *        '----------------------- watch, has read it -----------'
 *
 * Only a thread itself can say where it stands: it is sent a signal, and the
 * handler walks the stack. There is one picture, because there is one watch.
 *
 *  1. backtrace(3) is not on the list of what a signal handler may call. What
 *     makes it unsafe is its first call, which loads a library, and the lock of
 *     the loader, which it takes in C libraries before 2.35. The first call is
 *     made beforehand (wf_stall_picture_init()); since 2.35 the unwinder finds
 *     its tables without a lock. A handler that stands in dlopen(3) itself may
 *     still be met in the middle of a change: that is the price of a picture,
 *     and why one is taken only where a signal was chosen.
 *  2. Everything else here is: an atomic, gettid(2), futex(2); errno is kept.
 *     Names for the frames are made by the watch.
 *  3. A signal interrupts sleeps for good, whatever SA_RESTART says, so the
 *     handler that was to be pictured may be over a moment later, or before:
 *     the picture has the word of the loop as it was when it was taken.
 *  4. Each move is one compare-and-swap by the only thread that can make it, or
 *     two that exclude each other. A signal that comes too late finds nobody
 *     who asks, or another thread's number, and does nothing.
 *
 * Threads: see the header.  Ordering: [SL3] ASKED stored with the number of the
 * thread: release, TAKING: acquire; TAKEN with the frames: release, the watch:
 * acquire.
 */
#include "threadpool/stall.h"

#include <errno.h>
#include <execinfo.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "threadpool/now.h"

#define PICTURE_WAIT_NS 100000000U

enum picture_state {
	PICTURE_NONE,
	PICTURE_ASKED,
	PICTURE_TAKING,
	PICTURE_TAKEN,
};

static struct {
	_Atomic(uint32_t) state; /* A: [SL3] enum picture_state; futex */
	atomic_int tid;          /* A: relaxed: whose, with ASKED */
	struct wf_stall *stall;  /* Q: with ASKED */
	/* S: with TAKING */
	uint64_t word;
	void *frames[WF_STALL_FRAMES_MAX];
	int count;
} picture;

static void picture_handler(int signum)
{
	uint32_t asked = PICTURE_ASKED;
	int error = errno;

	(void)signum;
	/* Relaxed: the exchange makes sure. */
	if (atomic_load_explicit(&picture.tid, memory_order_relaxed) ==
		    (int)gettid() &&
	    /* [SL3] acquire: who asked is through with the last one. */
	    atomic_compare_exchange_strong_explicit(
		    &picture.state, &asked, PICTURE_TAKING,
		    memory_order_acquire, memory_order_relaxed)) {
		/* Relaxed: our own thread's. */
		picture.word = atomic_load_explicit(&picture.stall->word,
						    memory_order_relaxed);
		picture.count = backtrace(picture.frames, WF_STALL_FRAMES_MAX);
		/* [SL3] release: the frames. */
		atomic_store_explicit(&picture.state, PICTURE_TAKEN,
				      memory_order_release);
		(void)syscall(SYS_futex, &picture.state, FUTEX_WAKE_PRIVATE, 1,
			      NULL, NULL, 0);
	}
	errno = error;
}

static bool picture_is_ours(const struct sigaction *action)
{
	return (action->sa_flags & SA_SIGINFO) == 0 &&
	       action->sa_handler == picture_handler;
}

static int picture_install(int signal_number)
{
	struct sigaction action = { .sa_handler = picture_handler,
				    .sa_flags = SA_RESTART | SA_ONSTACK };
	struct sigaction before;

	if (sigaction(signal_number, NULL, &before) != 0) {
		return errno;
	}
	if (picture_is_ours(&before)) {
		return 0;
	}
	if ((before.sa_flags & SA_SIGINFO) != 0 ||
	    (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN)) {
		return EBUSY;
	}
	(void)sigemptyset(&action.sa_mask);
	return sigaction(signal_number, &action, NULL) == 0 ? 0 : errno;
}

int wf_stall_picture_init(int signal_number)
{
	void *frames[2];
	sigset_t set;
	int ret = 0;

	if (signal_number <= 0 || signal_number > SIGRTMAX) {
		return EINVAL;
	}
	ret = picture_install(signal_number);
	if (ret != 0) {
		return ret;
	}
	/* The first one loads the unwinder. */
	(void)backtrace(frames, 2);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, signal_number);
	return pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* Return: whether it is TAKEN; else it never will be. */
static bool picture_wait(void)
{
	uint64_t end_ns = wf_now_ns() + PICTURE_WAIT_NS;
	uint32_t state = PICTURE_ASKED;

	for (;;) {
		uint64_t now_ns = wf_now_ns();
		struct timespec rest = { 0, 1000000 };

		/* [SL3] acquire: the frames. */
		state = atomic_load_explicit(&picture.state,
					     memory_order_acquire);
		if (state == PICTURE_TAKEN) {
			return true;
		}
		if (now_ns >= end_ns && state == PICTURE_ASKED) {
			break;
		}
		if (now_ns < end_ns) {
			rest.tv_nsec = (long)(end_ns - now_ns);
		}
		(void)syscall(SYS_futex, &picture.state, FUTEX_WAIT_PRIVATE,
			      state, &rest, NULL, 0);
	}
	/* Relaxed, both: it takes its leave, or goes round again. */
	if (atomic_compare_exchange_strong_explicit(
		    &picture.state, &state, PICTURE_NONE, memory_order_relaxed,
		    memory_order_relaxed)) {
		return false;
	}
	return picture_wait();
}

void wf_stall_picture_take(struct wf_stall *stall,
			   struct wf_stall_picture *ret_picture)
{
	ret_picture->count = 0;
	picture.stall = stall;
	/* Relaxed: with the next. */
	atomic_store_explicit(&picture.tid, (int)stall->tid,
			      memory_order_relaxed);
	/* [SL3] release: the number, and that the last one has been read. */
	atomic_store_explicit(&picture.state, PICTURE_ASKED,
			      memory_order_release);
	if (syscall(SYS_tgkill, getpid(), stall->tid, stall->signal_number) !=
	    0) {
		/* Relaxed: nobody was asked. */
		atomic_store_explicit(&picture.state, PICTURE_NONE,
				      memory_order_relaxed);
		return;
	}
	if (!picture_wait()) {
		return;
	}
	if (picture.word == stall->seen) {
		ret_picture->count = (unsigned)picture.count;
	}
	memcpy(ret_picture->frames, picture.frames,
	       sizeof(picture.frames[0]) * ret_picture->count);
	/* Relaxed: the next ASKED releases. */
	atomic_store_explicit(&picture.state, PICTURE_NONE,
			      memory_order_relaxed);
}
