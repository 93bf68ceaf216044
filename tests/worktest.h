/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Worktest: embedded work, as its tests use it. */
#pragma once

#include <stdatomic.h>

#include "tests/pooltest.h"

/* Work with gates to wait at; what it has seen is its owner's when it is done.
 */
struct piece {
	struct weft_work work;
	struct fixture_gate *started;
	struct fixture_gate *go;
	struct fixture_gate *finished; /* added to in done */
	unsigned *next;                /* of one worker: counts who began */
	unsigned began_as;
	pthread_t ran_in;
	pthread_t done_in;
	struct weft_mailbox *home; /* what done was given */
	unsigned runs;
	unsigned dones;
	bool done; /* for fixture_turn_until() */
	bool told;
	int ret;
	int error;
	unsigned again; /* submits itself so often in done */
	struct weft_pool *pool;
};

static inline struct piece *piece_of(struct weft_work *work)
{
	return (struct piece *)(void *)((char *)work -
					offsetof(struct piece, work));
}

static inline int piece_run(struct weft_job *job, struct weft_work *work)
{
	struct piece *piece = piece_of(work);

	piece->ran_in = pthread_self();
	piece->runs++;
	if (piece->next != NULL) {
		piece->began_as = (*piece->next)++;
	}
	if (piece->started != NULL) {
		fixture_gate_add(piece->started, 1);
	}
	if (piece->go != NULL) {
		fixture_gate_wait(piece->go, 1);
	}
	piece->told = weft_job_should_stop(job);
	return piece->ret;
}

static inline void piece_done(struct weft_mailbox *home, struct weft_work *work,
			      int error)
{
	struct piece *piece = piece_of(work);

	piece->done_in = pthread_self();
	piece->home = home;
	piece->error = error;
	piece->dones++;
	if (piece->again > 0) {
		piece->again--;
		piece->error = weft_work_submit(work, piece->pool, NULL, home);
		return;
	}
	piece->done = true;
	if (piece->finished != NULL) {
		/* The last touch: the test may end. */
		fixture_gate_add(piece->finished, 1);
	}
}

static inline void piece_init(struct piece *piece)
{
	*piece = (struct piece){ .runs = 0 };
	weft_work_init(&piece->work, piece_run, piece_done);
}

static inline struct weft_mailbox *worktest_mailbox(struct fixture *fx,
						    struct tevent_context *ev)
{
	struct weft_mailbox *mailbox = NULL;
	int ret = weft_mailbox_create(fx->mem, ev, NULL, &mailbox);

	if (ret != 0) {
		bail_out("weft_mailbox_create: %d", ret);
	}
	return mailbox;
}
