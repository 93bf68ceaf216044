/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Mailbox: where other threads reach a context. See mailbox.c. */
#pragma once

#include <stdbool.h>

#include "engine/base.h"
#include "engine/word.h"

struct tevent_context;

/* Outside any talloc tree; lives until the last reference is dropped. */
struct tev_mailbox {
	TEV_CACHE_ALIGNED struct tev_word word; /* A: see word.h */
	TEV_CACHE_ALIGNED atomic_uint refs;     /* A: [MB1] */
	int fd;                   /* I: the eventfd that wakes the owner */
	unsigned fork_generation; /* I: of the process it serves */
};

int tev_mailbox_open(struct tevent_context *ev);
struct tev_word_node *tev_mailbox_close(struct tevent_context *ev);
struct tev_word_node *tev_mailbox_take(struct tev_mailbox *mailbox);
bool tev_mailbox_arm(struct tev_mailbox *mailbox);
bool tev_mailbox_post(struct tev_mailbox *mailbox, struct tev_word_node *node);
void tev_mailbox_ring(const struct tev_mailbox *mailbox);
struct tev_mailbox *tev_mailbox_ref(struct tev_mailbox *mailbox);
void tev_mailbox_unref(struct tev_mailbox *mailbox);
