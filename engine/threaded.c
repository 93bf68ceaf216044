/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Threaded context: the face of a context for other threads.
 *
 * A talloc object that holds a reference to the context's mailbox and nothing
 * else that a poster touches: so a post to a context that has died is refused
 * without a look at its memory, and what was accepted is delivered or
 * cancelled whatever becomes of the threaded context (stock strands it,
 * B1105).
 *
 * The immediate itself is the message; posting allocates nothing.
 *
 * Threads: create and free: owner of the context. Schedule: any, as long as
 * the threaded context exists: the caller sees to that, its pointer is all
 * we have.
 * Ordering: the mailbox's.
 */
#include <errno.h>
#include <stdlib.h>

#include "engine/context.h"
#include "engine/glue.h"
#include "engine/immediate.h"
#include "engine/immediate_run.h"
#include "engine/immediate_store.h"
#include "engine/mailbox.h"

struct tevent_threaded_context {
	struct tev_mailbox *mailbox; /* I: a reference of its own */
	struct tevent_context *ev;   /* I: a name, not looked at here */
	uint32_t via;                /* I: the wrapper's face, or 0 */
};

static int threaded_destructor(struct tevent_threaded_context *tctx)
{
	tev_mailbox_unref(tctx->mailbox);
	return 0;
}

struct tevent_threaded_context *tevent_threaded_context_create(
	TALLOC_CTX *mem_ctx, struct tevent_context *ev)
{
	struct tevent_threaded_context *tctx = NULL;
	struct tevent_context *main_ev = tev_context_main(ev);
	int error = main_ev != NULL ? tev_mailbox_open(main_ev) : EINVAL;

	if (error != 0) {
		errno = error;
		return NULL;
	}
	tctx = talloc(mem_ctx, struct tevent_threaded_context);
	if (tctx == NULL) {
		return NULL;
	}
	tctx->mailbox = tev_mailbox_ref(main_ev->mailbox);
	tctx->ev = main_ev;
	tctx->via = tev_context_is_wrapper(ev) ? ev->wrapper->face.id : 0;
	talloc_set_destructor(tctx, threaded_destructor);
	return tctx;
}

void _tevent_threaded_schedule_immediate(struct tevent_threaded_context *tctx,
					 struct tevent_immediate *im,
					 tevent_immediate_handler_t handler,
					 void *private_data,
					 const char *handler_name,
					 const char *location)
{
	uint64_t tag = im->tag;

	if (im->ev != NULL || im->destroyed || handler == NULL ||
	    (im->running && !im->run->proxied)) {
		abort(); /* B1102 */
	}
	tev_immediate_give(im); /* its own handler may be here */
	im->tag = 0;
	im->handler = handler;
	im->private_data = private_data;
	im->handler_name = handler_name;
	im->location = location;
	tev_immediate_sign(im);
	if (!tev_immediate_post(im, tctx->ev, tctx->via, tctx->mailbox)) {
		im->tag = tag; /* the context has gone: nothing happened */
	}
}
