/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Wrapper: a second face of a context, whose events run between hooks.
 *
 * A wrapper is a struct tevent_context with a table of its own (ev->ops), which
 * hands each call to the context behind it and then makes the event the
 * wrapper's: an event keeps the context that the program named, and hangs in
 * the lists of tev_context_main(). The hooks are called by the files of the
 * events (glue.h).
 *
 *   wrapper freed      its events are detached, silently; while it is in use,
 *                      as in one of its own handlers, its memory stays until
 *                      that is through (B1506)
 *   main context freed, or started anew
 *                      the wrapper stays, cut off: nothing can be added, no use
 *                      begun (B1505)
 *
 * Misuse, as in stock: to turn its loop, to set a trace or debug function, a
 * wrapper of a wrapper or of a context that allows nesting (B1502, B1503).
 *
 * Threads: the main context's owner.
 */
#define TEVENT_DEPRECATED 1
#define _DEPRECATED_

#include <errno.h>

#include "engine/context.h"
#include "engine/fd.h"
#include "engine/fd_watch.h"
#include "engine/glue.h"
#include "engine/immediate.h"
#include "engine/lifecycle.h"
#include "engine/report.h"
#include "engine/signal.h"
#include "engine/signal_number.h"
#include "engine/timer.h"

/* Return: NULL with errno when it is cut off. */
static struct tevent_context *main_of(const struct tevent_context *wrap)
{
	struct tevent_context *main_ev = tev_context_main(wrap);

	if (main_ev == NULL) {
		errno = EINVAL;
	}
	return main_ev;
}

static int wrapper_context_init(struct tevent_context *wrap)
{
	tev_abort(wrap, "tevent: a wrapper cannot start anew");
	errno = ENOSYS;
	return -1;
}

static struct tevent_fd *wrapper_add_fd(
	struct tevent_context *wrap, TALLOC_CTX *mem_ctx, int fd,
	uint16_t flags, tevent_fd_handler_t handler, void *private_data,
	const char *handler_name, const char *location)
{
	struct tevent_context *main_ev = main_of(wrap);
	struct tevent_fd *fde = NULL;

	if (main_ev == NULL) {
		return NULL;
	}
	fde = _tevent_add_fd(main_ev, mem_ctx, fd, flags, handler, private_data,
			     handler_name, location);
	if (fde != NULL) {
		tev_fd_rewrap(fde, wrap);
	}
	return fde;
}

static struct tevent_timer *wrapper_add_timer(
	struct tevent_context *wrap, TALLOC_CTX *mem_ctx,
	struct timeval next_event, tevent_timer_handler_t handler,
	void *private_data, const char *handler_name, const char *location)
{
	struct tevent_context *main_ev = main_of(wrap);
	struct tevent_timer *te = NULL;

	if (main_ev == NULL) {
		return NULL;
	}
	te = _tevent_add_timer(main_ev, mem_ctx, next_event, handler,
			       private_data, handler_name, location);
	if (te != NULL) {
		tev_timer_rewrap(te, wrap);
	}
	return te;
}

static void wrapper_schedule_immediate(struct tevent_immediate *im,
				       struct tevent_context *wrap,
				       tevent_immediate_handler_t handler,
				       void *private_data,
				       const char *handler_name,
				       const char *location)
{
	struct tevent_context *main_ev = main_of(wrap);

	if (main_ev == NULL) {
		tev_immediate_cancel(im);
		return;
	}
	tev_immediate_schedule(im, main_ev, handler, private_data, handler_name,
			       location);
	if (im->ev == main_ev) {
		im->ev = wrap;
	}
}

static struct tevent_signal *wrapper_add_signal(
	struct tevent_context *wrap, TALLOC_CTX *mem_ctx, int signum,
	int sa_flags, tevent_signal_handler_t handler, void *private_data,
	const char *handler_name, const char *location)
{
	struct tevent_context *main_ev = main_of(wrap);
	struct tevent_signal *se = NULL;

	if (main_ev == NULL) {
		return NULL;
	}
	se = _tevent_add_signal(main_ev, mem_ctx, signum, sa_flags, handler,
				private_data, handler_name, location);
	if (se != NULL) {
		tev_signal_rewrap(se, wrap);
	}
	return se;
}

static int wrapper_loop(struct tevent_context *wrap, const char *location)
{
	(void)location;
	tev_abort(wrap, "tevent: a wrapper has no loop to turn");
	errno = ENOSYS;
	return -1;
}

/* What is done to an event is done by the table of the main context. */
static const struct tevent_ops wrapper_table = {
	.context_init = wrapper_context_init,
	.add_fd = wrapper_add_fd,
	.add_timer = wrapper_add_timer,
	.schedule_immediate = wrapper_schedule_immediate,
	.add_signal = wrapper_add_signal,
	.loop_once = wrapper_loop,
	.loop_wait = wrapper_loop,
};

static void wrapper_arrived(struct tev_face *face, struct tevent_immediate *im)
{
	im->ev = tev_container_of(face, struct tev_wrapper, face)->wrap;
	im->via = 0;
}

static void wrapper_cut_off(struct tev_face *face)
{
	struct tev_wrapper *wrapper = tev_container_of(face, struct tev_wrapper,
						       face);

	wrapper->main = NULL;
	wrapper->wrap->main = NULL;
	wrapper->wrap->closed = true;
}

/* The wrapper goes, while its main context stays. */
static void wrapper_leave_main(struct tevent_context *wrap)
{
	struct tev_wrapper *wrapper = wrap->wrapper;
	struct tevent_context *main_ev = wrapper->main;

	tev_fd_wrapper_fini(main_ev, wrap);
	tev_timer_wrapper_fini(main_ev, wrap);
	tev_immediate_wrapper_fini(main_ev, wrap);
	tev_signal_context_fini(main_ev, wrap);
	wrap->main = NULL;
	wrap->closed = true;
	tev_face_close(&wrapper->face);
	if (wrapper->busy > 0) {
		/* By a new number: nothing arrives for it any more, but it
		 * hears of the end of the context that its hooks are given. */
		tev_face_open(&wrapper->face, main_ev, 0);
	}
}

static int wrapper_destructor(struct tevent_context *wrap)
{
	struct tev_wrapper *wrapper = wrap->wrapper;

	if (!wrapper->freed) {
		wrapper->freed = true;
		if (wrap->main != NULL) {
			wrapper_leave_main(wrap);
		}
		tev_lifecycle_gone(wrap);
	} else if (wrapper->busy > 0) {
		tev_check_double_free(wrap, "tevent wrapper freed twice in one "
					    "of its handlers");
	}
	if (wrapper->busy > 0) {
		return -1; /* its use that is under way frees it */
	}
	tev_face_close(&wrapper->face);
	return 0;
}

struct tevent_context *_tevent_context_wrapper_create(
	struct tevent_context *main_ev, TALLOC_CTX *mem_ctx,
	const struct tevent_wrapper_ops *ops, void *pstate, size_t psize,
	const char *type, const char *location)
{
	struct tevent_context *wrap = NULL;
	struct tev_wrapper *wrapper = NULL;
	void **ret_state = pstate;

	(void)location;
	if (tev_context_is_wrapper(main_ev) || main_ev->nesting_allowed ||
	    main_ev->closed) {
		errno = EINVAL;
		return NULL;
	}
	wrap = tev_lifecycle_new(mem_ctx);
	if (wrap == NULL) {
		return NULL;
	}
	wrapper = talloc_zero(wrap, struct tev_wrapper);
	if (wrapper != NULL) {
		wrapper->state = talloc_zero_size(wrapper, psize);
	}
	if (wrapper == NULL || wrapper->state == NULL) {
		TALLOC_FREE(wrap);
		errno = ENOMEM;
		return NULL;
	}
	talloc_set_name_const(wrapper->state, type);
	wrapper->wrap = wrap;
	wrapper->main = main_ev;
	wrapper->ops = ops;
	wrapper->face.arrived = wrapper_arrived;
	wrapper->face.gone = wrapper_cut_off;
	tev_face_open(&wrapper->face, main_ev, 0);
	wrap->wrapper = wrapper;
	wrap->main = main_ev;
	wrap->ops = &wrapper_table;
	talloc_set_destructor(wrap, wrapper_destructor);
	*ret_state = wrapper->state;
	return wrap;
}

bool tevent_context_is_wrapper(struct tevent_context *ev)
{
	return tev_context_is_wrapper(ev);
}

bool _tevent_context_push_use(struct tevent_context *ev, const char *location)
{
	struct tevent_context *main_ev = tev_context_main(ev);
	struct tev_wrapper *wrapper = NULL;

	if (main_ev == NULL) {
		return false;
	}
	wrapper = tev_glue_enter(ev);
	if (wrapper == NULL ||
	    wrapper->ops->before_use(ev, wrapper->state, main_ev, location)) {
		return true;
	}
	tev_glue_leave(ev);
	return false;
}

void _tevent_context_pop_use(struct tevent_context *ev, const char *location)
{
	struct tev_wrapper *wrapper = ev->wrapper;

	if (!tev_glue_may_leave(ev)) {
		return;
	}
	if (wrapper != NULL) {
		wrapper->ops->after_use(ev, wrapper->state, wrapper->main,
					location);
	}
	tev_glue_leave(ev);
}

bool tevent_context_same_loop(struct tevent_context *ev1,
			      struct tevent_context *ev2)
{
	struct tevent_context *main1 = NULL;

	if (ev1 == NULL || ev2 == NULL) {
		return false;
	}
	main1 = tev_context_main(ev1);
	return main1 != NULL && main1 == tev_context_main(ev2);
}
