/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Front: what posters see of a mailbox.
 *
 * Nothing but data, and the way to it. Found at the mailbox's address in a
 * read section (grace.h); outside of talloc, freed after a grace period.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "threadpool/tevent_compat.h"

#include "weft.h"

#include "engine/base.h"
#include "threadpool/addr.h"
#include "threadpool/grace.h"

struct wf_latest;
struct wf_port;

struct wf_front {
	struct wf_resident resident;  /* I: */
	struct wf_port *port;         /* I: only in a read section */
	struct wf_latest *latest;     /* I: a share, or NULL */
	weft_merge_fn_t merge;        /* I: */
	unsigned limit;               /* I: 0: none */
	bool counted;                 /* I: */
	atomic_bool ended;            /* A: [MX1] */
	struct weft_mailbox *mailbox; /* O: */
	struct wf_retired retired;    /* Q: grace.h */
	/* A: relaxed */
	TEV_CACHE_ALIGNED atomic_uint waiting;
};

/* Who is at @id. Thread: any, in a read section.  Lock: none.
 * Return: NULL: nobody. */
static inline struct wf_front *wf_front_find(uint64_t id)
{
	struct wf_resident *resident = wf_addr_find(id);

	if (resident == NULL) {
		return NULL;
	}
	return tev_container_of(resident, struct wf_front, resident);
}
