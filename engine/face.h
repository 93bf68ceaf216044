/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Face: what stands between a context's mailbox and an immediate that was
 * posted for something other than the context itself: for a wrapper context,
 * or through a thread proxy.
 *
 * A posted immediate carries the number of its face and not its address, since
 * the face may go while the immediate is on its way. Numbers are never used
 * again in a context (2^31 of them), so what arrives for a face that is gone is
 * recognised.
 *
 * Threads: the owner's only; a number is written before the post and travels
 * with it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "engine/context.h"
#include "engine/list.h"

struct tev_immediate_run;
struct tevent_immediate;

/* What comes through such a face is the library's: freed when it is not
 * delivered, with the data beside it. */
#define TEV_FACE_OWNS 0x80000000U

struct tev_face {
	struct tev_list node; /* O: in the context's faces */
	uint32_t id;          /* I: never 0 */

	/* An immediate has arrived for it, and is now scheduled. */
	void (*arrived)(struct tev_face *face, struct tevent_immediate *im);

	/* Calls the handler of an immediate that it owns; TEV_FACE_OWNS. */
	void (*call)(struct tev_face *face, struct tevent_immediate *im,
		     struct tev_immediate_run *run);

	/* The context goes or starts anew: it is out of its faces already. */
	void (*gone)(struct tev_face *face);
};

static inline void tev_face_open(struct tev_face *face,
				 struct tevent_context *ev, uint32_t bits)
{
	ev->face_last++;
	face->id = (ev->face_last & ~TEV_FACE_OWNS) | bits;
	tev_list_append(&ev->faces, &face->node);
}

static inline void tev_face_close(struct tev_face *face)
{
	tev_list_remove(&face->node);
}

/* Return: NULL when it is gone. */
static inline struct tev_face *tev_face_find(const struct tevent_context *ev,
					     uint32_t id)
{
	struct tev_list *node = NULL;

	tev_list_for_each(node, &ev->faces) {
		struct tev_face *face = tev_list_entry(node, struct tev_face,
						       node);

		if (face->id == id) {
			return face;
		}
	}
	return NULL;
}
