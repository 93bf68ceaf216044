/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Proxy: immediates and data that other threads give to a context for good.
 *
 * A thin face of the context's mailbox (face.h). What is given is cut off from
 * its talloc parents in the poster's thread, so that it belongs to nobody while
 * it travels, and the immediate itself is the message: posting allocates
 * nothing.
 *
 *      poster                      the owner's thread
 *      im, data: parentless  --->  arrived: scheduled, still parentless
 *                                  delivered: children of a holder, handler,
 *                                  and what is still there then is freed
 *
 * The holder is what makes the end of a delivery simple: data that the handler
 * has stolen, freed, or given to another thread is no child of it any more, and
 * need not be looked at. Nor is an immediate that was given; any other is there
 * as long as its runner is at it (immediate_run.c). A handler that runs a
 * nested loop may cause deliveries inside its own; each has a holder, or
 * without memory leaves what is left to the outer one.
 *
 * Order is that of posting, from each thread and for the receiver (stock turns
 * bursts round, B1002), and data goes directly after its handler (stock: after
 * the burst, B1003).
 *
 * Freed, the proxy takes with it what has not been delivered (B1006). In one of
 * its own handlers, the handler may go on with what it was given.
 *
 * Threads: create and free: owner of the context. Schedule: any, as long as
 * the proxy exists: the caller sees to that (B1007).
 * Ordering: the mailbox's.
 */
#include <errno.h>
#include <stdlib.h>

#include "engine/context.h"
#include "engine/face.h"
#include "engine/immediate.h"
#include "engine/immediate_run.h"
#include "engine/immediate_store.h"
#include "engine/mailbox.h"

/* One delivery under way, on the stack. */
struct proxy_delivery {
	struct proxy_delivery *outer;
	void *holder;
	bool gone; /* the proxy was freed meanwhile */
};

struct tevent_thread_proxy {
	struct tev_face face;            /* O: */
	struct tev_mailbox *mailbox;     /* I: a reference of its own */
	struct tevent_context *ev;       /* I: for posters a name, no more */
	void *holder;                    /* O: for deliveries */
	struct proxy_delivery *delivery; /* O: the innermost, or NULL */
	bool cut_off;                    /* O: the context has gone */
};

static void proxy_arrived(struct tev_face *face, struct tevent_immediate *im)
{
	(void)face;
	(void)im; /* stays parentless until it is delivered */
}

/* Frees @im where its runner does not do it already. */
static void proxy_free(struct tevent_immediate *im,
		       struct tev_immediate_run *run)
{
	if (!run->given && !im->destroyed && talloc_free(im) == 0) {
		run->given = true; /* the handler gave it a destructor */
	}
}

/* Frees what the handler left, the immediate last. That is user code once more,
 * which may free the proxy. */
static void proxy_leave(struct tevent_thread_proxy *tp,
			struct proxy_delivery *delivery,
			struct tevent_immediate *im,
			struct tev_immediate_run *run)
{
	struct proxy_delivery *outer = delivery->outer;
	bool lent = outer != NULL && outer->holder == delivery->holder;

	if (!lent) {
		bool left = !run->given &&
			    talloc_parent(im) == delivery->holder;

		if (left) {
			(void)talloc_steal(NULL, im);
		}
		talloc_free_children(delivery->holder);
		if (left) {
			proxy_free(im, run);
		}
	}
	if (!delivery->gone) {
		tp->delivery = outer;
	}
	if (!lent && (outer != NULL || delivery->gone)) {
		TALLOC_FREE(delivery->holder);
	}
}

/* Calls the handler of @im and frees what it leaves. */
static void proxy_call(struct tev_face *face, struct tevent_immediate *im,
		       struct tev_immediate_run *run)
{
	struct tevent_thread_proxy *tp = tev_container_of(
		face, struct tevent_thread_proxy, face);
	struct proxy_delivery delivery = {
		.outer = tp->delivery,
		.holder = tp->holder,
	};

	if (delivery.outer != NULL) {
		delivery.holder = talloc_new(tp);
		if (delivery.holder == NULL) {
			delivery.holder = delivery.outer->holder;
		}
	}
	tp->delivery = &delivery;
	(void)talloc_steal(delivery.holder, im);
	if (im->private_data != NULL) {
		(void)talloc_steal(delivery.holder, im->private_data);
	}
	/* From here on it is an immediate like any other. */
	im->via = 0;
	im->owned = false;
	if (im->handler != NULL) {
		im->handler(tp->ev, im, im->private_data);
	}
	proxy_leave(tp, &delivery, im, run);
}

/* The context goes or starts anew; what had arrived is freed already. */
static void proxy_cut_off(struct tev_face *face)
{
	struct tevent_thread_proxy *tp = tev_container_of(
		face, struct tevent_thread_proxy, face);

	tp->cut_off = true;
	tp->ev->fds_active--;
}

static int proxy_destructor(struct tevent_thread_proxy *tp)
{
	struct proxy_delivery *delivery = NULL;

	if (!tp->cut_off) {
		tev_immediate_collect(tp->ev);
		tev_immediate_drop_face(tp->ev, tp->face.id);
		tev_face_close(&tp->face);
		proxy_cut_off(&tp->face);
	}
	tev_mailbox_unref(tp->mailbox);
	for (delivery = tp->delivery; delivery != NULL;
	     delivery = delivery->outer) {
		delivery->gone = true;
		(void)talloc_steal(NULL, delivery->holder);
	}
	return 0;
}

struct tevent_thread_proxy *tevent_thread_proxy_create(
	struct tevent_context *dest_ev_ctx)
{
	struct tevent_thread_proxy *tp = NULL;
	int error = EINVAL;

	if (!tev_context_is_wrapper(dest_ev_ctx)) {
		error = tev_mailbox_open(dest_ev_ctx);
	}
	if (error != 0) {
		errno = error;
		return NULL;
	}
	tp = talloc_zero(dest_ev_ctx, struct tevent_thread_proxy);
	if (tp == NULL) {
		return NULL;
	}
	tp->holder = talloc_new(tp);
	if (tp->holder == NULL) {
		TALLOC_FREE(tp);
		return NULL;
	}
	tp->ev = dest_ev_ctx;
	tp->mailbox = tev_mailbox_ref(dest_ev_ctx->mailbox);
	tp->face.arrived = proxy_arrived;
	tp->face.call = proxy_call;
	tp->face.gone = proxy_cut_off;
	tev_face_open(&tp->face, dest_ev_ctx, TEV_FACE_OWNS);
	/* Stock has a pipe here, which loop_wait counts (B132). */
	dest_ev_ctx->fds_active++;
	talloc_set_destructor(tp, proxy_destructor);
	return tp;
}

void tevent_thread_proxy_schedule(struct tevent_thread_proxy *tp,
				  struct tevent_immediate **pp_im,
				  tevent_immediate_handler_t handler,
				  void *pp_private_data)
{
	void **pp_data = pp_private_data;
	struct tevent_immediate *im = *pp_im;
	void *data = pp_data != NULL ? *pp_data : NULL;
	void *im_parent = talloc_parent(im);
	void *data_parent = data != NULL ? talloc_parent(data) : NULL;

	if (im->ev != NULL || im->destroyed) {
		abort(); /* as for a threaded context, B1102 */
	}
	tev_immediate_give(im); /* its own handler may be here */
	im->handler = handler;
	im->private_data = data;
	im->handler_name = NULL;
	/* Transferred by the mailbox to the owner of tp->ev: nobody of this
	 * thread may find them from here on. */
	if (im_parent != NULL) {
		(void)talloc_steal(NULL, im);
	}
	if (data_parent != NULL) {
		(void)talloc_steal(NULL, data);
	}
	tev_immediate_sign(im);
	if (!tev_immediate_post(im, tp->ev, tp->face.id, tp->mailbox)) {
		(void)talloc_steal(im_parent, im);
		if (data != NULL) {
			(void)talloc_steal(data_parent, data);
		}
		return;
	}
	*pp_im = NULL;
	if (pp_data != NULL) {
		*pp_data = NULL;
	}
}
