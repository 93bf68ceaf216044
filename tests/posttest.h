/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Posttest: what the tests of addresses and mailboxes have in common.
 *
 * A parcel is a block that is posted, a note an embedded message. Both write
 * their word into the trail of their log when they run; a note that is
 * cancelled writes it with a minus, and a parcel that is freed is counted.
 */
#pragma once

#include <errno.h>
#include <pthread.h>

#include <tevent.h>
#include <weft.h>

#include "tests/fixture.h"
#include "tests/trail.h"

/* Runs one test function; talloc goes through threads here. */
#define POSTTEST(fn)      fixture_run_flags(#fn, fn, FIXTURE_THREADS)
#define POSTTEST_EACH(fn) fixture_each_backend_flags(#fn, fn, FIXTURE_THREADS)

struct post_log {
	struct trail trail;
	unsigned freed; /* parcels */
	bool last;      /* the note that ends has come */
	pthread_t thread;
};

struct parcel {
	struct post_log *log;
	const char *word;
	/* Optional: what its handler frees, before or after it says so. */
	TALLOC_CTX **takes;
	TALLOC_CTX *keeper; /* moves it there */
};

struct note {
	struct weft_msg msg;
	struct post_log *log;
	const char *word;
	TALLOC_CTX **takes;
	unsigned again; /* it posts itself so often, to: */
	weft_addr_t to;
};

static inline int parcel_destructor(struct parcel *parcel)
{
	parcel->log->freed++;
	return 0;
}

static inline struct parcel *parcel_new(TALLOC_CTX *mem_ctx,
					struct post_log *log, const char *word)
{
	struct parcel *parcel = talloc_zero(mem_ctx, struct parcel);

	if (parcel == NULL) {
		bail_out("no memory for a parcel");
	}
	parcel->log = log;
	parcel->word = word;
	talloc_set_destructor(parcel, parcel_destructor);
	return parcel;
}

static inline void parcel_run(struct weft_mailbox *mailbox, void *block)
{
	struct parcel *parcel = talloc_get_type_abort(block, struct parcel);
	TALLOC_CTX **takes = parcel->takes;

	(void)mailbox;
	parcel->log->thread = pthread_self();
	trail_add(&parcel->log->trail, parcel->word);
	if (parcel->keeper != NULL) {
		(void)talloc_steal(parcel->keeper, parcel);
	}
	if (takes != NULL) {
		TALLOC_FREE(*takes);
	}
}

/* Posts a new parcel; must be accepted. */
static inline void parcel_post(weft_addr_t to, struct post_log *log,
			       const char *word)
{
	struct parcel *parcel = parcel_new(NULL, log, word);
	int ret = weft_post(to, parcel_run, &parcel);

	if (ret != 0 || parcel != NULL) {
		bail_out("weft_post: %d", ret);
	}
}

static inline void note_run(struct weft_mailbox *mailbox, struct weft_msg *msg)
{
	struct note *note = (struct note *)(void *)msg;
	struct post_log *log = note->log;

	(void)mailbox;
	log->thread = pthread_self();
	trail_add(&log->trail, note->word);
	if (note->takes != NULL) {
		TALLOC_FREE(*note->takes);
	}
	if (note->again > 0) {
		int ret = 0;

		note->again--;
		ret = weft_post_msg(note->to, msg);
		if (ret != 0) {
			trail_add(&log->trail, "refused");
		}
	}
}

static inline void note_cancel(struct weft_msg *msg)
{
	struct note *note = (struct note *)(void *)msg;
	char word[32];

	note->log->thread = pthread_self();
	(void)snprintf(word, sizeof(word), "-%s", note->word);
	trail_add(&note->log->trail, word);
	if (note->takes != NULL) {
		TALLOC_FREE(*note->takes);
	}
	if (note->again > 0) {
		int ret = 0;

		note->again--;
		ret = weft_post_msg(note->to, msg);
		if (ret != 0) {
			trail_add(&note->log->trail, "refused");
		}
	}
}

static inline struct note note_of(struct post_log *log, const char *word)
{
	struct note note = {
		.msg = { .run = note_run, .cancel = note_cancel },
		.log = log,
		.word = word,
	};

	return note;
}

/* Posts @note; must be accepted. */
static inline void note_post(weft_addr_t to, struct note *note)
{
	int ret = weft_post_msg(to, &note->msg);

	if (ret != 0) {
		bail_out("weft_post_msg: %d", ret);
	}
}

static inline void posttest_last(struct weft_mailbox *mailbox, void *block)
{
	struct post_log **log = talloc_get_type_abort(block, struct post_log *);

	(void)mailbox;
	(*log)->last = true;
}

/* Turns the loop until what has been posted up to now has run. */
static inline void posttest_turn(struct tevent_context *ev, weft_addr_t to,
				 struct post_log *log)
{
	struct post_log **block = talloc(NULL, struct post_log *);
	int ret = 0;

	*block = log;
	log->last = false;
	ret = weft_post(to, posttest_last, &block);
	if (ret != 0) {
		bail_out("weft_post: %d", ret);
	}
	(void)fixture_turn_until(ev, &log->last);
}

static inline struct weft_mailbox *posttest_mailbox(
	TALLOC_CTX *mem_ctx, struct tevent_context *ev,
	const struct weft_mailbox_options *options)
{
	struct weft_mailbox *mailbox = NULL;
	int ret = weft_mailbox_create(mem_ctx, ev, options, &mailbox);

	if (ret != 0) {
		bail_out("weft_mailbox_create: %d", ret);
	}
	return mailbox;
}

/* A mailbox of @fx->ev without options. */
static inline struct weft_mailbox *posttest_open(struct fixture *fx,
						 weft_addr_t *ret_addr)
{
	struct weft_mailbox *mailbox = posttest_mailbox(fx->mem, fx->ev, NULL);

	*ret_addr = weft_mailbox_addr(mailbox);
	return mailbox;
}
