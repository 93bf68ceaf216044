/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Address: what owners, posters and rounds share; address.c. */
#pragma once

#include "tools/stress/stress.h"

#define OWNERS_MAX  4
#define BOXES       4 /* of one owner */
#define POSTERS_MAX 16
#define LIFE_MAX    600 /* messages */

struct owner {
	unsigned index;
	struct stress_dice dice;
	void (*pause)(struct owner *owner); /* or NULL: between two passes */
	struct tevent_context *ev; /* NULL: foreign, or freed in a handler */
	struct weft_mailbox *boxes[BOXES];
	struct tevent_timer *tick;
	unsigned handled;             /* in this life */
	unsigned ends_in_handler;     /* of message number; 0: does not */
	unsigned last[POSTERS_MAX];   /* of each poster, in this life */
	unsigned latest[POSTERS_MAX]; /* of the latest-value mailbox */
	unsigned run;                 /* messages, in all lives */
	unsigned cancelled;
	unsigned lives;
};

struct poster {
	unsigned index;
	struct stress_dice dice;
	unsigned accepted; /* messages */
	unsigned refused;
	unsigned blocks; /* accepted */
};

struct address_world {
	/* All threads: they begin together, and nobody ends before the others
	 * do: ThreadSanitizer calls a thread that has ended and was not joined
	 * a leak, in a forked child, too. */
	pthread_barrier_t start;
	pthread_barrier_t end;
	/* A: relaxed: addresses are numbers, nothing travels by them */
	_Atomic(uint64_t) known[OWNERS_MAX * BOXES];
	unsigned owners;
	unsigned messages;        /* of each poster */
	atomic_uint posted;       /* A: relaxed: a number */
	atomic_uint posters_left; /* A: relaxed: looked at now and then */
	atomic_uint blocks_freed; /* A: relaxed: read when all have joined */
};

extern struct address_world address_world;

/* Whose thread this is; NULL: a poster's. */
extern _Thread_local struct owner *address_self;

/* ---- address_owner.c ---- */

/* What is sent; the number is from 1. Taken when these return 0, else freed. */
int address_send_message(weft_addr_t to, unsigned owner, unsigned poster,
			 unsigned number);
int address_send_block(weft_addr_t to, unsigned owner, unsigned poster,
		       unsigned number);

/* Lives one life after the other, until the posters have gone. */
void *address_owner_run(void *arg);

/* Ends the loop and its mailboxes, in some order; also in a handler. */
void address_owner_end(struct owner *owner);
