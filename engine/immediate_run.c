/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Immediate run: how the handler of an immediate is called.
 *
 * Freed while its handler runs, the memory stays until the outermost handler
 * has returned: the destructor refuses and the runner frees it (B201). A
 * handler may run its own immediate again through a nested loop, hence its runs
 * are a chain, on the runners' stacks.
 *
 * A handler may give its own immediate to another thread, through a proxy: then
 * its runs are told so, and their runners do not touch it again. What is
 * embedded may be gone with its handler in any case. What came through a proxy
 * is freed by that after the handler, which means: by its runner.
 *
 * Who is traced, wrapped, nested or comes through a proxy takes the long way
 * round; the short one is what programs spend their time in.
 *
 * Threads: the owner's only.
 */
#define TEVENT_DEPRECATED 1
#define _DEPRECATED_

#include "engine/immediate_run.h"

#include "engine/author.h"
#include "engine/context.h"
#include "engine/face.h"
#include "engine/glue.h"
#include "engine/immediate.h"
#include "engine/immediate_store.h"
#include "engine/trace.h"

/* Lets the runs of @im that are under way forget it: it goes to another thread,
 * or, refused there, is idle.
 *
 * Thread: owner.  Lock: none.
 */
void tev_immediate_give(struct tevent_immediate *im)
{
	struct tev_immediate_run *run = im->running ? im->run : NULL;

	for (; run != NULL; run = run->outer) {
		run->given = true;
	}
	im->running = false;
}

/* Calls the handler between the hooks of the wrapper @wrap. */
static void immediate_call_wrapped(struct tevent_context *wrap,
				   struct tevent_immediate *im,
				   const struct tev_immediate_run *run)
{
	struct tev_wrapper *wrapper = tev_glue_enter(wrap);
	const struct tevent_wrapper_ops *ops = wrapper->ops;
	const char *name = im->handler_name;
	const char *location = im->location;
	struct tevent_immediate copy = *im;
	bool embedded = im->embedded;

	/* An embedded one may be gone when the second hook is called. */
	ops->before_immediate_handler(wrap, wrapper->state, run->ev,
				      embedded ? &copy : im, name, location);
	if (im->ending) {
		tev_immediate_trace(run->ev, im,
				    TEVENT_EVENT_TRACE_BEFORE_HANDLER);
	}
	im->handler(wrap, im, im->private_data);
	ops->after_immediate_handler(wrap, wrapper->state, wrapper->main,
				     embedded || run->given ? &copy : im, name,
				     location);
	tev_glue_leave(wrap);
}

/* Calls the handler of what came through a proxy. */
static void immediate_call_owned(struct tevent_context *ev,
				 struct tevent_immediate *im,
				 struct tev_immediate_run *run)
{
	struct tev_face *face = tev_face_find(ev, im->via);

	if (face != NULL) {
		face->call(face, im, run);
		return;
	}
	/* The proxy was freed when it was traced. */
	tev_immediate_give(im);
	tev_immediate_cancel(im);
	tev_immediate_end_post(im);
}

/* The long way round, of @im that is out of the list and not freed yet. */
static void immediate_call_watched(struct tevent_context *user_ev,
				   struct tevent_immediate *im,
				   struct tev_immediate_run *run)
{
	struct tevent_context *ev = run->ev;

	if (tev_traced(ev, TEV_IMMEDIATE_TRACES)) {
		im->ending = true;
		im->run = run;
		run->ended = false;
	}
	if (user_ev != ev) {
		immediate_call_wrapped(user_ev, im, run);
	} else {
		if (im->ending) {
			tev_immediate_trace(ev, im,
					    TEVENT_EVENT_TRACE_BEFORE_HANDLER);
		}
		if (im->owned) {
			immediate_call_owned(ev, im, run);
		} else {
			im->handler(ev, im, im->private_data);
		}
	}
	if (!run->ended) {
		tev_immediate_ended(im);
	}
}

static inline void immediate_enter(struct tevent_immediate *im,
				   struct tev_immediate_run *run)
{
	im->run = run;
	im->running = true;
}

/* The same for what is traced, wrapped, nested, embedded or of a face. */
static bool immediate_invoke_watched(struct tevent_context *ev,
				     struct tevent_immediate *im)
{
	struct tevent_context *user_ev = im->ev;
	bool owned = im->owned;
	bool kept = !im->embedded;
	struct tev_immediate_run run = {
		.ev = ev,
		.ended = true,
		.proxied = owned,
	};

	tev_immediate_unlink(ev, im);
	if (kept) {
		run.outer = im->running ? im->run : NULL;
		immediate_enter(im, &run);
	}
	immediate_call_watched(user_ev, im, &run);
	if (!kept) {
		return false;
	}
	if (run.given) {
		return true;
	}
	im->run = run.outer;
	im->running = run.outer != NULL;
	if (im->destroyed && !im->running) {
		tev_immediate_free(im);
		return true;
	}
	return owned;
}

/* Takes @im out and calls its handler.
 * Return: whether @im is gone, or may be: what is embedded is its owner's
 * affair. */
static inline bool immediate_invoke(struct tevent_context *ev,
				    struct tevent_immediate *im)
{
	struct tev_immediate_run run;

	if (tev_unlikely(im->ev != ev || im->owned || im->embedded ||
			 im->running) ||
	    tev_traced(ev, TEV_IMMEDIATE_TRACES)) {
		return immediate_invoke_watched(ev, im);
	}
	tev_immediate_unlink(ev, im);
	run.outer = NULL;
	run.ended = true;
	run.given = false;
	run.proxied = false;
	immediate_enter(im, &run);
	im->handler(ev, im, im->private_data);
	if (tev_unlikely(run.given)) {
		return true;
	}
	im->running = false;
	if (tev_unlikely(im->destroyed)) {
		tev_immediate_free(im);
		return true;
	}
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
	__builtin_prefetch(first->next);
	im = tev_list_entry(first, struct tevent_immediate, queue);
	if (tev_likely(im->embedded && im->ev == ev) &&
	    !tev_traced(ev, TEV_IMMEDIATE_TRACES)) {
		/* The handler may end the object that it lives in. */
		tev_immediate_unlink(ev, im);
		im->handler(ev, im, im->private_data);
		return true;
	}
	(void)immediate_invoke(ev, im);
	return true;
}

int tevent_common_invoke_immediate_handler(struct tevent_immediate *im,
					   bool *removed)
{
	bool gone = false;

	if (im->ev != NULL && !im->posted) {
		gone = immediate_invoke(tev_context_main(im->ev), im);
	}
	if (removed != NULL) {
		*removed = gone;
	}
	return 0;
}

bool tevent_common_loop_immediate(struct tevent_context *ev)
{
	return tev_immediate_run(ev);
}
