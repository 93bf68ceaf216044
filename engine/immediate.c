/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Immediate: a handler to be called in one of the next passes.
 *
 * A context's immediates stand in one list; each pass runs the first. Before
 * its handler is called an immediate is out of the list and belongs to no
 * context, so the handler may schedule it again, anywhere, or free it (B454).
 *
 *   state        ev     in list   posted
 *   idle         NULL   no        no
 *   scheduled    set    yes       no
 *   posted       set    no        yes      in the mailbox of ev (mailbox.c)
 *
 * `ev` is what the program named: a context, or a wrapper of it; the list is
 * that of tev_context_main().
 *
 * The mailbox moves what arrives behind what is queued. While a batch that it
 * brought is being worked off (ev->mail_left) the loop does not look at it
 * again, since each look takes the cache line from the posters; a local
 * schedule then looks first, so that the order is as if every pass had looked.
 *
 * Posted through a face (face.h) an immediate arrives there: a wrapper becomes
 * its context, a thread proxy its owner.
 *
 * Immediates embedded in requests and queues are no talloc chunks: their owner
 * cancels them before it goes, and waits for nothing.
 *
 * Traced (B1201): ATTACH when scheduled; DETACH when cancelled, and after the
 * handler, or when the handler schedules or frees it.
 *
 * Threads: the owner's only; a posted immediate is touched by nobody until the
 * mailbox brings it. Ordering: by the mailbox word.
 * Not here: how a handler is called (immediate_run.c).
 */
#include "engine/immediate.h"

#include "engine/author.h"
#include "engine/backend.h"
#include "engine/context.h"
#include "engine/face.h"
#include "engine/mailbox.h"
#include "engine/report.h"
#include "engine/trace.h"

/* Tells who listens.
 *
 * Thread: owner.  Lock: none.
 */
void tev_immediate_trace(struct tevent_context *ev, struct tevent_immediate *im,
			 enum tevent_event_trace_point point)
{
	tev_trace_say(ev, "immediate", im, im->handler_name, point);
	tevent_trace_immediate_callback(ev, im, point);
}

/* The activation whose handler runs has come to its end.
 *
 * Thread: owner.  Lock: none.
 */
void tev_immediate_ended(struct tevent_immediate *im)
{
	struct tev_immediate_run *run = im->run;

	im->ending = false;
	run->ended = true;
	tev_immediate_trace(run->ev, im, TEVENT_EVENT_TRACE_DETACH);
}

static inline struct tevent_immediate *posted_of(struct tev_word_node *node)
{
	return tev_container_of(node, struct tevent_immediate, node);
}

/* What is not delivered becomes idle, or goes where it is the library's.
 *
 * Thread: owner.  Lock: none; runs destructors.
 */
void tev_immediate_end_post(struct tevent_immediate *im)
{
	bool owned = im->owned;

	im->posted = false;
	im->mailed = false;
	im->ev = NULL;
	im->via = 0;
	im->owned = false;
	talloc_set_destructor(im, NULL);
	if (owned) {
		TALLOC_FREE(im->private_data);
		TALLOC_FREE(im);
	}
}

static void immediate_arrived(struct tevent_context *ev,
			      struct tevent_immediate *im)
{
	struct tev_face *face = NULL;

	if (tev_unlikely(im->via != 0)) {
		face = tev_face_find(ev, im->via);
		if (face == NULL) {
			tev_immediate_end_post(im);
			return;
		}
	}
	im->posted = false;
	im->mailed = true;
	ev->mail_left++;
	tev_list_append(&ev->immediates, &im->queue);
	if (face != NULL) {
		face->arrived(face, im);
	}
	if (tev_traced(ev, TEV_IMMEDIATE_TRACES)) {
		tev_immediate_trace(ev, im, TEVENT_EVENT_TRACE_ATTACH);
	}
}

/* Moves what has arrived in the mailbox behind what is queued.
 *
 * Thread: owner.  Lock: none.
 */
void tev_immediate_collect(struct tevent_context *ev)
{
	struct tev_word_node *node = NULL;

	if (ev->mailbox == NULL) {
		return; /* lost in a fork, see lifecycle.c */
	}
	do {
		node = tev_mailbox_take(ev->mailbox);
		while (node != NULL) {
			struct tevent_immediate *im = posted_of(node);

			node = node->next;
			immediate_arrived(ev, im);
		}
		/* Who waits by other means is rung for each post. */
	} while (tev_unlikely(ev->backend->passive) &&
		 !tev_mailbox_arm(ev->mailbox));
}

/* Makes it idle, whatever it was.
 *
 * Thread: owner of the context that it is scheduled on.  Lock: none.
 */
void tev_immediate_cancel(struct tevent_immediate *im)
{
	struct tevent_context *ev = NULL;

	if (tev_unlikely(im->ending)) {
		tev_immediate_ended(im);
	}
	if (im->posted) {
		tev_immediate_collect(tev_context_main(im->ev));
	}
	if (im->ev == NULL) {
		return; /* idle, or the face that it was posted for has gone */
	}
	ev = tev_context_main(im->ev);
	tev_immediate_unlink(ev, im);
	if (tev_traced(ev, TEV_IMMEDIATE_TRACES)) {
		tev_immediate_trace(ev, im, TEVENT_EVENT_TRACE_DETACH);
	}
	if (!im->embedded && !im->running) {
		talloc_set_destructor(im, NULL);
	}
}

/* Frees what the library owns, with its data: user code runs, which cannot
 * reach these any more. */
static void immediate_drop(struct tev_list *dropped)
{
	struct tev_list *first = NULL;

	while ((first = tev_list_first(dropped)) != NULL) {
		struct tevent_immediate *im = tev_list_entry(
			first, struct tevent_immediate, queue);

		tev_immediate_cancel(im);
		tev_list_remove(&im->queue);
		tev_immediate_end_post(im);
	}
}

/* What a mailbox gave back when it closed becomes idle, or goes.
 *
 * Thread: owner.  Lock: none.
 */
void tev_immediate_refuse(struct tev_word_node *oldest)
{
	struct tev_list dropped;

	tev_list_init(&dropped);
	while (oldest != NULL) {
		struct tevent_immediate *im = posted_of(oldest);

		oldest = oldest->next;
		if (im->owned) {
			im->posted = false;
			im->ev = NULL;
			tev_list_append(&dropped, &im->queue);
		} else {
			tev_immediate_end_post(im);
		}
	}
	immediate_drop(&dropped);
}

/* talloc destructor of a scheduled or running immediate. */
static int immediate_destructor(struct tevent_immediate *im)
{
	if (im->destroyed) {
		tev_check_double_free(
			im, "tevent_immediate freed twice in its handler");
		return -1;
	}
	tev_immediate_cancel(im);
	if (im->running) {
		im->destroyed = true;
		return -1;
	}
	return 0;
}

static inline void immediate_queue(struct tevent_immediate *im,
				   struct tevent_context *ev,
				   tevent_immediate_handler_t handler,
				   void *private_data, const char *handler_name,
				   const char *location)
{
	im->ev = ev;
	im->handler = handler;
	im->private_data = private_data;
	im->handler_name = handler_name;
	im->location = location;
	tev_list_append(&ev->immediates, &im->queue);
	if (!im->embedded) {
		talloc_set_destructor(im, immediate_destructor);
	}
}

/* What is scheduled already, misused, traced, or may have to wait for posts. */
static __attribute__((noinline)) void immediate_queue_watched(
	struct tevent_immediate *im, struct tevent_context *ev,
	tevent_immediate_handler_t handler, void *private_data,
	const char *handler_name, const char *location)
{
	if (im->destroyed) {
		tev_abort(ev, "tevent_immediate used after it was freed");
		return;
	}
	tev_immediate_cancel(im);
	if (handler == NULL || ev->closed) {
		return;
	}
	if (ev->mail_left > 0) {
		tev_immediate_collect(ev);
	}
	immediate_queue(im, ev, handler, private_data, handler_name, location);
	if (tev_traced(ev, TEV_IMMEDIATE_TRACES | TEV_TRACE_BACKEND)) {
		tev_immediate_trace(ev, im, TEVENT_EVENT_TRACE_ATTACH);
		if (ev->backend->changed != NULL) {
			ev->backend->changed(ev); /* poll_mt, B612 */
		}
	}
}

void tevent_common_schedule_immediate(struct tevent_immediate *im,
				      struct tevent_context *ev,
				      tevent_immediate_handler_t handler,
				      void *private_data,
				      const char *handler_name,
				      const char *location)
{
	if (tev_unlikely(im->ev != NULL || im->destroyed || im->ending ||
			 handler == NULL || ev->closed || ev->mail_left > 0) ||
	    tev_traced(ev, TEV_IMMEDIATE_TRACES | TEV_TRACE_BACKEND)) {
		immediate_queue_watched(im, ev, handler, private_data,
					handler_name, location);
		return;
	}
	immediate_queue(im, ev, handler, private_data, handler_name, location);
}

/* Queues @im behind all others of @ev; takes it out first where it is queued.
 * @handler NULL only takes it out.
 *
 * Thread: owner.  Lock: none.
 */
void tev_immediate_schedule(struct tevent_immediate *im,
			    struct tevent_context *ev,
			    tevent_immediate_handler_t handler,
			    void *private_data, const char *handler_name,
			    const char *location)
{
	if (tev_unlikely(ev->ops != NULL)) {
		ev->ops->schedule_immediate(im, ev, handler, private_data,
					    handler_name, location);
		return;
	}
	tevent_common_schedule_immediate(im, ev, handler, private_data,
					 handler_name, location);
}

/* Posts @im, which is idle, to @ev or to its face @via, 0 for none: its
 * handler, data and names are filled.
 *
 * Thread: any.  Lock: none.
 * Owns:   @im, if accepted, until it has arrived at the owner of @ev.
 * Return: false when the context is gone: @im is idle and the caller's.
 */
bool tev_immediate_post(struct tevent_immediate *im, struct tevent_context *ev,
			uint32_t via, struct tev_mailbox *mailbox)
{
	if (tev_unlikely(im->ending)) {
		tev_immediate_ended(im);
	}
	im->ev = ev;
	im->via = via;
	im->owned = (via & TEV_FACE_OWNS) != 0;
	im->posted = true;
	talloc_set_destructor(im, immediate_destructor);
	if (tev_mailbox_post(mailbox, &im->node)) {
		return true;
	}
	im->ev = NULL;
	im->via = 0;
	im->owned = false;
	im->posted = false;
	talloc_set_destructor(im, NULL);
	return false;
}

/* The context goes: its immediates become idle (B456), or go where they are
 * the library's.
 *
 * Thread: owner.  Lock: none.
 */
void tev_immediate_context_fini(struct tevent_context *ev)
{
	struct tev_list *first = NULL;

	while ((first = tev_list_first(&ev->immediates)) != NULL) {
		struct tevent_immediate *im = tev_list_entry(
			first, struct tevent_immediate, queue);
		bool owned = im->owned;

		tev_immediate_cancel(im);
		if (owned) {
			tev_immediate_end_post(im);
		}
	}
}

/* A face that owns what comes through it goes: what has arrived and not run is
 * freed.
 *
 * Thread: owner.  Lock: none.
 */
void tev_immediate_drop_face(struct tevent_context *ev, uint32_t id)
{
	struct tev_list *node = NULL;
	struct tev_list *following = NULL;
	struct tev_list dropped;

	/* First out of the list: their data's destructors may do anything. */
	tev_list_init(&dropped);
	tev_list_for_each_safe(node, following, &ev->immediates) {
		struct tevent_immediate *im = tev_list_entry(
			node, struct tevent_immediate, queue);

		if (im->via == id) {
			tev_list_remove(&im->queue);
			tev_list_append(&dropped, &im->queue);
		}
	}
	immediate_drop(&dropped);
}

/* The wrapper @wrap of @ev goes: its immediates become idle. Nobody is told,
 * as in stock.
 *
 * Thread: owner.  Lock: none.
 */
void tev_immediate_wrapper_fini(struct tevent_context *ev,
				const struct tevent_context *wrap)
{
	struct tev_list *node = NULL;
	struct tev_list *following = NULL;

	tev_list_for_each_safe(node, following, &ev->immediates) {
		struct tevent_immediate *im = tev_list_entry(
			node, struct tevent_immediate, queue);

		if (im->ev == wrap) {
			tev_immediate_unlink(ev, im);
		}
	}
}

void _tevent_schedule_immediate(struct tevent_immediate *im,
				struct tevent_context *ctx,
				tevent_immediate_handler_t handler,
				void *private_data, const char *handler_name,
				const char *location)
{
	tev_immediate_schedule(im, ctx, handler, private_data, handler_name,
			       location);
}

void tevent_reset_immediate(struct tevent_immediate *im)
{
	if (im->destroyed) {
		tev_abort(NULL, "tevent_immediate reset after it was freed");
		return;
	}
	tev_immediate_cancel(im);
}

void tevent_immediate_set_tag(struct tevent_immediate *im, uint64_t tag)
{
	if (im != NULL) {
		im->tag = tag;
	}
}

uint64_t tevent_immediate_get_tag(const struct tevent_immediate *im)
{
	return im != NULL ? im->tag : 0;
}

void tevent_common_immediate_cancel(struct tevent_immediate *im)
{
	tev_immediate_cancel(im);
}

void tevent_common_threaded_activate_immediate(struct tevent_context *ev)
{
	tev_immediate_collect(ev);
}
