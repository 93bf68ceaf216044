/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Port: what its two halves share, port.c and port_life.c, and what those have
 * at hand there who use it all the time. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <talloc.h>

#include "threadpool/tevent_compat.h"

#include "engine/base.h"
#include "engine/list.h"
#include "engine/word.h"
#include "threadpool/directory.h"
#include "threadpool/grace.h"
#include "threadpool/stash.h"

struct weft_mailbox;
struct wf_flow;
struct wf_msg;

/* More than there can ever be messages on their way. */
#define WF_PORT_BIAS (INT64_C(1) << 62)

struct wf_port_anchor {
	struct wf_port *port;
};

/* How fast results come home, and the timer of a lull; port_lull.c. */
struct wf_lull {
	int fd;                /* O: -1: none; the child handler renews it */
	bool on;               /* O: the word is lulled, by us */
	bool set;              /* O: the timer runs */
	bool rung;             /* O: we were rung for in a lull since then */
	struct tevent_fd *fde; /* O: talloc child of the anchor, or NULL */
	uint64_t since_ns;     /* O: from then on is counted */
	unsigned came;         /* O: how many came home */
	uint64_t pace;         /* O: so many come in a period */
	unsigned sits_out;     /* O: so many periods without lulls */
	unsigned penalty;      /* O: so many the next time */
};

struct wf_port {
	TEV_CACHE_ALIGNED struct tev_word word;  /* A: word.h */
	atomic_uint quota;                       /* A: relaxed: of the lull */
	atomic_uint hushed;                      /* A: relaxed: came in it */
	TEV_CACHE_ALIGNED _Atomic(int64_t) refs; /* A: [PO1] */
	int bell;                      /* I: and renewed by the child handler */
	bool foreign;                  /* I: */
	bool exposed;                  /* I: before others can find it */
	bool handed;                   /* I: the same: to a thread of ours */
	atomic_bool forked;            /* A: set by the child handler */
	_Atomic(pthread_t) thread;     /* A: relaxed: who turned it last */
	struct wf_retired retired;     /* Q: grace.h */
	struct wf_place place;         /* see directory.h */
	struct tevent_context *ev;     /* O: NULL: closed, or foreign */
	struct wf_port_anchor *anchor; /* O: talloc child of ev */
	struct tevent_fd *fde;         /* O: talloc child of anchor, or NULL */
	struct tevent_immediate *im;   /* O: talloc child of anchor, or NULL */
	struct tev_list users;         /* O: */
	struct tev_word_node *first;   /* O: taken, to be delivered */
	struct tev_word_node **last;   /* O: */
	int64_t owed;                  /* O: sent and not back */
	unsigned waiters;              /* O: */
	unsigned running;              /* O: batches being delivered, nested */
	unsigned rounds;               /* O: batches since the bell was heard */
	bool armed;                    /* O: by us, and nothing taken since */
	bool token;                    /* O: a reference at hand for ARMED */
	bool rung;                     /* O: the bell is up */
	bool scheduled;                /* O: the immediate is */
	bool closed;                   /* O: */
	struct wf_flow *way;           /* O: account.h: the last one used */
	struct weft_mailbox *home;     /* O: embed.c: the last one used, */
	uint64_t home_id;              /* O: and its address; 0: none */
	struct wf_stash stash;         /* O: for jobs; see stash.h */
	struct wf_lull lull;           /* O: */
};

/* Adds @amount shares, negative for those given up; the last one frees.
 * Thread: any that has them.  Lock: none. */
void wf_port_add_refs(struct wf_port *port, int64_t amount);

/* As wf_port_unexpect(), for one that was posted quietly. Thread: owner. */
static inline void wf_port_home(struct wf_port *port)
{
	port->owed--;
	port->lull.came++;
}

/* What was taken out of the word is to be delivered. Thread: owner. */
void wf_port_queue(struct wf_port *port, struct tev_word_taken taken);

/* The next message of these; NULL: none. Thread: owner. */
struct wf_msg *wf_port_next(struct wf_port *port);

/* Makes the loop hear the bell, if it does not.
 * Thread: owner.  Return: 0; ENOMEM, or what eventfd(2) says. */
int wf_port_listen(struct wf_port *port);

/* The word is put to sleep, armed or lulled.
 * Thread: owner.  Return: false: something has come meanwhile. */
bool wf_port_arm(struct wf_port *port, bool lulled);

/* Takes what has come, and is awake.
 * Thread: owner.  Return: it slept, and nobody has rung. */
bool wf_port_take(struct wf_port *port);

/* What was taken is delivered soon. Thread: owner. */
void wf_port_schedule(struct wf_port *port);

/* Puts the word to sleep as is best now; for what has been taken there is
 * nothing to do.
 * Thread: owner.  Return: as wf_port_arm(). */
bool wf_port_rest(struct wf_port *port);

/* Somebody has rung in a lull: it was worth its while. Thread: owner. */
void wf_lull_rung(struct wf_lull *lull);

/* Its event is let go of, as that of the bell is, and the timer rests.
 * Thread: owner. */
void wf_lull_end(struct wf_lull *lull);

/* The port is closed. Thread: owner. */
void wf_lull_close(struct wf_lull *lull);

/* The child handler's part. Thread: the child's only one. */
void wf_lull_replace(struct wf_lull *lull);
