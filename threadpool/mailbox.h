/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Mailbox: what calls and loops need of one; mailbox.c. */
#pragma once

#include <stdbool.h>

#include <talloc.h>

#include "threadpool/tevent_compat.h"

#include "weft.h"

#include "threadpool/port.h"

/* Where what is sent to @mailbox arrives; NULL: its loop has gone.
 * Thread: owner.  Lock: none. */
struct wf_port *wf_mailbox_port(const struct weft_mailbox *mailbox);

/* Where the answers to calls that are sent from @mailbox arrive; only of a
 * mailbox whose loop is not tevent's, else NULL.
 * Thread: owner.  Lock: none. */
struct wf_port *wf_mailbox_foreign_port(const struct weft_mailbox *mailbox);

/* A talloc parent that goes as soon as the mailbox or its loop does, whichever
 * is first. Thread: owner, from a message of @mailbox.  Lock: none. */
TALLOC_CTX *wf_mailbox_desk(struct weft_mailbox *mailbox);

/* Sets what weft_mailbox_private() gives. Thread: owner.  Lock: none. */
void wf_mailbox_set_private(struct weft_mailbox *mailbox, void *private_data);

/* The calling thread becomes the owner of a mailbox whose loop was made by
 * another one. Thread: the new owner.  Lock: none. */
void wf_mailbox_adopt(struct weft_mailbox *mailbox);

/* Whether the mailbox at @to belongs to a loop that the calling thread was the
 * last to turn: waiting for it would be waiting for oneself.
 * Thread: any.  Lock: none. */
bool wf_mailbox_is_mine(weft_addr_t to);

/* weft_post_msg(), and tells in *@ret_late whether the mailbox was on its way
 * out: then what was accepted may be cancelled a good while later, when its
 * loop next comes to it or ends.
 * Thread: any.  Lock: none. */
int wf_mailbox_post(weft_addr_t to, struct weft_msg *msg, bool *ret_late);
