/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Port: what its two halves share; port.c, port_life.c. */
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

struct wf_msg;

/* More than there can ever be messages on their way. */
#define WF_PORT_BIAS (INT64_C(1) << 62)

struct wf_port_anchor {
	struct wf_port *port;
};

struct wf_port {
	TEV_CACHE_ALIGNED struct tev_word word;  /* A: word.h */
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
};

/* Adds @amount shares, negative for those given up; the last one frees.
 * Thread: any that has them.  Lock: none. */
void wf_port_add_refs(struct wf_port *port, int64_t amount);

/* What was taken out of the word is to be delivered. Thread: owner. */
void wf_port_queue(struct wf_port *port, struct tev_word_taken taken);

/* The next message of these; NULL: none. Thread: owner. */
struct wf_msg *wf_port_next(struct wf_port *port);

/* Makes the loop hear the bell, if it does not.
 * Thread: owner.  Return: 0; ENOMEM, or what eventfd(2) says. */
int wf_port_listen(struct wf_port *port);

/* Thread: owner.  Return: false: something has come meanwhile. */
bool wf_port_arm(struct wf_port *port);
