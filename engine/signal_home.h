/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Signal home: where a context hears of signals. See signal_home.c. */
#pragma once

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct tev_mailbox;

/* Once made, a home is kept and used again, never freed. */
struct tev_signal_home {
	struct tev_signal_home *next;          /* I: */
	_Atomic(struct tev_mailbox *) mailbox; /* A: [SH1] NULL: no bell */
	atomic_uint users;        /* A: [SH1] those that look at mailbox */
	atomic_bool raised;       /* A: [SH2] something may be new */
	_Atomic pid_t tid;        /* A: whose handlers these are; 0: nobody's */
	_Atomic uint64_t wants;   /* A: numbers with an SA_SIGINFO event */
	_Atomic uint64_t waiting; /* A: they wait in the kernel */
	/* S, O: sent back to this thread since it last had room */
	_Atomic unsigned bounced;
	_Atomic uint64_t held; /* A: numbers that we have blocked */
	pthread_t thread;      /* O: of tid, for a cheap look */
	unsigned busy;         /* L(signal): its handlers under way */
	bool used;             /* L(signal): some context has it */
};

/* Whether its handlers are those of thread @tid. Lock: signal. */
static inline bool tev_signal_home_of(struct tev_signal_home *home, pid_t tid)
{
	/* Relaxed: changes under the lock only. */
	return atomic_load_explicit(&home->tid, memory_order_relaxed) == tid;
}

/* Whether a pass of the home's own thread has nothing to look for. */
static inline bool tev_signal_home_quiet(struct tev_signal_home *home)
{
	/* Relaxed: what is missed here has a ring still to come. A thread that
	 * has the name of a dead one is found out when there is something. */
	return !atomic_load_explicit(&home->raised, memory_order_relaxed) &&
	       pthread_equal(home->thread, pthread_self());
}

struct tev_signal_home *tev_signal_home_open(struct tev_mailbox *mailbox);
void tev_signal_home_close(struct tev_signal_home *home);
void tev_signal_home_rebell(struct tev_signal_home *home,
			    struct tev_mailbox *mailbox);
void tev_signal_home_adopt(struct tev_signal_home *home);
void tev_signal_home_raise_all(void);
bool tev_signal_home_take(struct tev_signal_home *home);
void tev_signal_home_want(struct tev_signal_home *home, int signum);
void tev_signal_home_unwant(struct tev_signal_home *home, int signum);
void tev_signal_home_room(int signum);
void tev_signal_home_fork_child(pid_t parent);
void tev_signal_home_deliver(int signum, siginfo_t *info, void *context);
