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
 * Freed while its handler runs, the memory stays until the outermost handler
 * has returned: the destructor refuses and the runner frees it (B201). A
 * handler may run its own immediate again through a nested loop, hence `busy`
 * counts.
 *
 * The mailbox moves what arrives behind what is queued. While a batch that it
 * brought is being worked off (ev->mail_left) the loop does not look at it
 * again, since each look takes the cache line from the posters; a local
 * schedule then looks first, so that the order is as if every pass had looked.
 *
 * Immediates embedded in requests are no talloc chunks: their owner cancels
 * them before it goes, and waits for nothing.
 *
 * Threads: the owner's only; a posted immediate is touched by nobody until the
 * mailbox brings it. Ordering: by the mailbox word.
 */
#include "engine/immediate.h"

#include "engine/context.h"
#include "engine/mailbox.h"
#include "engine/report.h"

/* Thread: its maker. */
void tev_immediate_init(struct tevent_immediate *im, const char *location)
{
	tev_list_init(&im->queue);
	im->ev = NULL;
	im->busy = 0;
	im->destroyed = false;
	im->embedded = false;
	im->mailed = false;
	im->posted = false;
	im->handler_name = NULL;
	im->location = location;
}

static inline void immediate_unlink(struct tevent_immediate *im)
{
	struct tevent_context *ev = im->ev;

	tev_list_remove(&im->queue);
	im->ev = NULL;
	if (im->mailed) {
		im->mailed = false;
		ev->mail_left--;
	}
}

static inline struct tevent_immediate *posted_of(struct tev_word_node *node)
{
	return tev_container_of(node, struct tevent_immediate, node);
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
	node = tev_mailbox_take(ev->mailbox);
	while (node != NULL) {
		struct tevent_immediate *im = posted_of(node);

		node = node->next;
		im->posted = false;
		im->mailed = true;
		ev->mail_left++;
		tev_list_append(&ev->immediates, &im->queue);
	}
}

/* What a mailbox gave back when it closed becomes idle.
 *
 * Thread: owner.  Lock: none.
 */
void tev_immediate_refuse(struct tev_word_node *oldest)
{
	while (oldest != NULL) {
		struct tevent_immediate *im = posted_of(oldest);

		oldest = oldest->next;
		im->posted = false;
		im->ev = NULL;
		talloc_set_destructor(im, NULL);
	}
}

/* Makes it idle, whatever it was.
 *
 * Thread: owner of the context that it is scheduled on.  Lock: none.
 */
void tev_immediate_cancel(struct tevent_immediate *im)
{
	if (im->ev == NULL) {
		return;
	}
	if (im->posted) {
		tev_immediate_collect(im->ev);
	}
	immediate_unlink(im);
	if (!im->embedded && im->busy == 0) {
		talloc_set_destructor(im, NULL);
	}
}

/* talloc destructor of a scheduled or running immediate. */
static int immediate_destructor(struct tevent_immediate *im)
{
	if (im->destroyed) {
		tev_check_double_free(
			im, "tevent_immediate freed twice in its handler");
		return -1;
	}
	if (im->ev != NULL) {
		if (im->posted) {
			tev_immediate_collect(im->ev);
		}
		immediate_unlink(im);
	}
	if (im->busy > 0) {
		im->destroyed = true;
		return -1;
	}
	return 0;
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
	if (tev_unlikely(im->destroyed)) {
		tev_abort(ev, "tevent_immediate used after it was freed");
		return;
	}
	if (im->ev != NULL) {
		tev_immediate_cancel(im);
	}
	if (handler == NULL || tev_unlikely(ev->closed)) {
		return;
	}
	if (tev_unlikely(ev->mail_left > 0)) {
		tev_immediate_collect(ev);
	}

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

/* Posts @im, which is idle, to @ev: its handler, data and names are filled.
 *
 * Thread: any.  Lock: none.
 * Owns:   @im, if accepted, until it has arrived at the owner of @ev.
 * Return: false when the context is gone: @im is idle and the caller's.
 */
bool tev_immediate_post(struct tevent_immediate *im, struct tevent_context *ev,
			struct tev_mailbox *mailbox)
{
	im->ev = ev;
	im->posted = true;
	talloc_set_destructor(im, immediate_destructor);
	if (tev_mailbox_post(mailbox, &im->node)) {
		return true;
	}
	im->ev = NULL;
	im->posted = false;
	talloc_set_destructor(im, NULL);
	return false;
}

/* Runs the first immediate.
 *
 * Thread: owner.  Lock: none.
 * Return: false when there was none.
 */
bool tev_immediate_run(struct tevent_context *ev)
{
	struct tev_list *first = tev_list_first(&ev->immediates);
	struct tevent_immediate *im = NULL;

	if (first == NULL) {
		return false;
	}
	im = tev_list_entry(first, struct tevent_immediate, queue);
	immediate_unlink(im);
	__builtin_prefetch(ev->immediates.next);

	if (im->embedded) {
		/* The handler may end the object that it lives in. */
		im->handler(ev, im, im->private_data);
		return true;
	}

	im->busy++;
	im->handler(ev, im, im->private_data);
	im->busy--;
	if (tev_unlikely(im->destroyed) && im->busy == 0) {
		talloc_set_destructor(im, NULL);
		TALLOC_FREE(im);
	}
	return true;
}

/* The context goes: its immediates become idle (B456). */
void tev_immediate_context_fini(struct tevent_context *ev)
{
	struct tev_list *first = NULL;

	while ((first = tev_list_first(&ev->immediates)) != NULL) {
		tev_immediate_cancel(
			tev_list_entry(first, struct tevent_immediate, queue));
	}
}

struct tevent_immediate *_tevent_create_immediate(TALLOC_CTX *mem_ctx,
						  const char *location)
{
	struct tevent_immediate *im = talloc(mem_ctx, struct tevent_immediate);

	if (im != NULL) {
		tev_immediate_init(im, location);
	}
	return im;
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
