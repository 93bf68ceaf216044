/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Mailbox: messages to an address.
 *
 *      weft_mailbox (talloc) <----> front ----> port
 *                                     ^
 *      any thread, read section:      '---- address
 *              find the front, count if it has a limit, push on its port
 *
 * The front is what posters see. It is outside of talloc and freed after a
 * grace period, so a poster needs no share in anything.
 *
 *  1. The front is at its address from create until the mailbox or its loop is
 *     freed, whichever is first: that is the end of both.
 *  2. A message carries the address it was posted to, not a pointer. When it
 *     is delivered the owner looks the address up: nobody there means that the
 *     mailbox has ended, and the message is cancelled. So what is under way
 *     needs no count, and every accepted message is run or cancelled, in the
 *     order in which all mailboxes of a loop were posted to.
 *  3. Only a mailbox with a limit or a watermark counts what waits: then the
 *     posters share one more cache line.
 *  4. A poster that found the front just before its end may be accepted when
 *     the loop has stopped listening; that message is cancelled when the loop
 *     next comes to its port, or ends. [MX1] tells the poster, if it asks.
 *
 * A latest-value mailbox keeps one message, the newest (latest.h, post.c).
 *
 * Threads: post: any; all others: the owner.
 * Ordering: [MX1] the owner stores ended, fence, takes what is in the port; a
 * poster pushes, fence, loads ended: not both miss the other. All else through
 * addr.h, port.h and latest.h. The count is relaxed: nothing travels by it.
 * Not here: posts of blocks (post.c), what is sent there and back (call.c).
 */
#include "threadpool/mailbox.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "threadpool/block.h"
#include "threadpool/front.h"
#include "threadpool/grace.h"
#include "threadpool/latest.h"
#include "threadpool/port_inside.h"
#include "threadpool/probe.h"

/* What stands in weft_msg.reserved between post and run or cancel. */
struct mailbox_envelope {
	struct wf_msg msg; /* Q: the port */
	uint64_t to;       /* I: */
} __attribute__((__may_alias__));

_Static_assert(sizeof(struct mailbox_envelope) <=
		       sizeof(((struct weft_msg *)NULL)->reserved),
	       "an envelope fits into what a message reserves");

struct weft_mailbox {
	struct wf_front *front; /* NULL: ended */
	struct wf_port *port;   /* NULL: ended */
	struct wf_port_user user;
	uint64_t id;
	struct tevent_context *ev;
	TALLOC_CTX *desk; /* what the end takes with it */
	void *private_data;
	unsigned high;
	unsigned low;
	weft_watermark_fn_t watermark;
	bool above;
	bool waits; /* at the port */
	bool foreign;
	bool of_context; /* weft_context_addr() */
};

/* Who is at @id, for the owner of who is there: it stays until he ends it. */
static struct wf_front *front_of_owner(uint64_t id)
{
	struct wf_front *front = NULL;

	wf_read_begin();
	front = wf_front_find(id);
	wf_read_end();
	return front;
}

/* ---- counting ---- */

static bool front_enter(struct wf_front *front)
{
	/* Relaxed, all: a number, nothing travels by it. */
	unsigned waiting = atomic_load_explicit(&front->waiting,
						memory_order_relaxed);

	do {
		if (front->limit != 0 && waiting >= front->limit) {
			return false;
		}
	} while (!atomic_compare_exchange_weak_explicit(
		&front->waiting, &waiting, waiting + 1, memory_order_relaxed,
		memory_order_relaxed));
	return true;
}

static unsigned front_exit(struct wf_front *front)
{
	/* Relaxed: as above. */
	return atomic_fetch_sub_explicit(&front->waiting, 1,
					 memory_order_relaxed);
}

/* Whether a handler may still be called after another one. */
static bool mailbox_goes_on(uint64_t id)
{
	struct wf_front *front = front_of_owner(id);

	return front != NULL && !wf_port_is_detached(front->port);
}

/* One message is being delivered; tells of watermarks.
 * Return: false when the mailbox or its loop has ended meanwhile. */
static bool mailbox_count_out(struct weft_mailbox *mailbox)
{
	uint64_t id = mailbox->id;
	unsigned waiting = front_exit(mailbox->front);

	if (mailbox->watermark == NULL) {
		return true;
	}
	if (!mailbox->above && waiting >= mailbox->high) {
		mailbox->above = true;
		mailbox->watermark(mailbox, waiting, true);
		if (!mailbox_goes_on(id)) {
			return false;
		}
	}
	if (mailbox->above && waiting - 1 <= mailbox->low) {
		mailbox->above = false;
		mailbox->watermark(mailbox, waiting - 1, false);
		return mailbox_goes_on(id);
	}
	return true;
}

/* ---- messages ---- */

static struct mailbox_envelope *msg_envelope(struct weft_msg *msg)
{
	return (struct mailbox_envelope *)(void *)msg->reserved;
}

static void msg_deliver(struct wf_msg *arrived, struct tevent_context *ev,
			bool gone)
{
	struct mailbox_envelope *envelope = tev_container_of(
		arrived, struct mailbox_envelope, msg);
	struct weft_msg *msg = tev_container_of(envelope, struct weft_msg,
						reserved);
	struct wf_front *front = front_of_owner(envelope->to);
	struct weft_mailbox *mailbox = NULL;

	(void)ev;
	if (gone || front == NULL) {
		msg->cancel(msg);
		return;
	}
	mailbox = front->mailbox;
	if (front->counted && !mailbox_count_out(mailbox)) {
		msg->cancel(msg);
		return;
	}
	wf_probe_dispatch(mailbox->id);
	msg->run(mailbox, msg);
}

static int front_accept(struct wf_front *front, struct weft_msg *msg)
{
	struct mailbox_envelope *envelope = msg_envelope(msg);
	bool accepted = false;

	if (front->latest != NULL) {
		return EINVAL;
	}
	if (front->counted && !front_enter(front)) {
		return EAGAIN;
	}
	envelope->msg.deliver = msg_deliver;
	envelope->to = front->resident.id;
	accepted = wf_port_post(front->port, &envelope->msg);
	if (!accepted) {
		return ECANCELED;
	}
	wf_probe_post(front->resident.id);
	wf_port_listen_again(front->port);
	return 0;
}

int wf_mailbox_post(weft_addr_t to, struct weft_msg *msg, bool *ret_late)
{
	struct wf_front *front = NULL;
	int ret = ECANCELED;

	if (to.id == 0) {
		return EINVAL;
	}
	wf_read_begin();
	front = wf_front_find(to.id);
	if (front != NULL) {
		ret = front_accept(front, msg);
	}
	if (ret == 0 && ret_late != NULL) {
		/* [MX1] the push above, fence, ended. */
		tev_fence_full();
		*ret_late = atomic_load_explicit(&front->ended,
						 memory_order_relaxed);
	}
	wf_read_end();
	return ret;
}

int weft_post_msg(weft_addr_t to, struct weft_msg *msg)
{
	if (msg->run == NULL || msg->cancel == NULL) {
		return EINVAL;
	}
	return wf_mailbox_post(to, msg, NULL);
}

/* ---- the newest value ---- */

static void value_drop(void *value)
{
	struct weft_msg *msg = value;

	msg->cancel(msg);
}

static void value_arrived(uint64_t to, void *value, bool gone)
{
	struct weft_msg *msg = value;
	struct wf_front *front = front_of_owner(to);

	if (gone || front == NULL) {
		msg->cancel(msg);
	} else {
		msg->run(front->mailbox, msg);
	}
}

static const struct wf_latest_ops value_ops = {
	.arrived = value_arrived,
	.drop = value_drop,
};

/* ---- life ---- */

static void front_reclaim(struct wf_retired *retired)
{
	struct wf_front *front = tev_container_of(retired, struct wf_front,
						  retired);

	if (front->latest != NULL) {
		wf_latest_unref(front->latest);
	}
	free(front);
}

/* Takes it off its address; what hangs on the desk ends with it. */
static void mailbox_end(struct weft_mailbox *mailbox)
{
	struct wf_front *front = mailbox->front;
	struct wf_port *port = mailbox->port;
	TALLOC_CTX *desk = mailbox->desk;

	if (front == NULL) {
		return;
	}
	mailbox->front = NULL;
	mailbox->port = NULL;
	mailbox->ev = NULL;
	mailbox->desk = NULL;
	/* [MX1] ended, fence, and wf_port_wait_end() has the port looked at. */
	atomic_store_explicit(&front->ended, true, memory_order_relaxed);
	tev_fence_full();
	wf_addr_leave(&front->resident);
	tev_list_remove(&mailbox->user.link);
	if (port->home == mailbox) {
		port->home = NULL;
		port->home_id = 0;
	}
	if (mailbox->waits) {
		wf_port_wait_end(port);
	}
	front->retired.reclaim = front_reclaim;
	wf_grace_retire(&front->retired);
	/* Destructors below it may free the mailbox, too. */
	talloc_free(desk);
	wf_grace_limit();
}

static int mailbox_destructor(struct weft_mailbox *mailbox)
{
	mailbox_end(mailbox);
	return 0;
}

static void mailbox_closed(struct wf_port_user *user)
{
	mailbox_end(tev_container_of(user, struct weft_mailbox, user));
}

static void front_forked(struct wf_resident *resident)
{
	struct wf_front *front = tev_container_of(resident, struct wf_front,
						  resident);

	/* Relaxed: the child has one thread. */
	atomic_store_explicit(&front->waiting, 0, memory_order_relaxed);
	if (front->latest != NULL) {
		wf_latest_forget(front->latest);
	}
}

/* The child's mailbox is as the parent's was, and empty. */
static void mailbox_forked(struct wf_port_user *user)
{
	struct weft_mailbox *mailbox = tev_container_of(
		user, struct weft_mailbox, user);
	int ret = 0;

	mailbox->above = false;
	ret = wf_port_wait_begin(mailbox->port);
	mailbox->waits = ret == 0;
	if (ret != 0) {
		mailbox_end(mailbox);
		return;
	}
	wf_port_add_user(mailbox->port, user);
}

static int mailbox_options(const struct weft_mailbox_options *given,
			   size_t size, struct weft_mailbox_options *options)
{
	memset(options, 0, sizeof(*options));
	if (given != NULL) {
		memcpy(options, given,
		       size < sizeof(*options) ? size : sizeof(*options));
	}
	if (options->high != 0 &&
	    (options->watermark == NULL || options->low >= options->high)) {
		return EINVAL;
	}
	if (options->limit != 0 && options->high > options->limit) {
		return EINVAL;
	}
	if (options->latest && (options->limit != 0 || options->high != 0)) {
		return EINVAL;
	}
	if (options->merge != NULL && !options->latest) {
		return EINVAL;
	}
	if (!options->allow_null_tracking && wf_block_null_tracking()) {
		return EINVAL;
	}
	return 0;
}

static struct wf_front *front_alloc(struct weft_mailbox *mailbox,
				    const struct weft_mailbox_options *options)
{
	struct wf_front *front = NULL;
	int ret = posix_memalign((void **)&front, TEV_CACHE_LINE,
				 sizeof(*front));

	if (ret != 0) {
		return NULL;
	}
	*front = (struct wf_front){
		.resident = { .forked = front_forked },
		.port = mailbox->port,
		.merge = options->merge,
		.limit = options->limit,
		.counted = options->limit != 0 || options->high != 0,
		.mailbox = mailbox,
	};
	return front;
}

/* The last that can fail; whoever finds the front finds all of it. */
static int mailbox_open(struct weft_mailbox *mailbox,
			const struct weft_mailbox_options *options)
{
	struct wf_port *port = mailbox->port;
	struct wf_front *front = front_alloc(mailbox, options);
	int ret = ENOMEM;

	mailbox->desk = talloc_new(mailbox);
	if (front == NULL || mailbox->desk == NULL) {
		goto fail_front;
	}
	wf_port_expose(port);
	ret = wf_addr_reserve(&front->resident);
	if (ret != 0) {
		goto fail_front;
	}
	ret = wf_port_wait_begin(port);
	if (ret != 0) {
		goto fail_address;
	}
	mailbox->id = front->resident.id;
	if (options->latest) {
		front->latest = wf_latest_create(port, mailbox->id, &value_ops);
		if (front->latest == NULL) {
			ret = ENOMEM;
			goto fail_wait;
		}
	}
	mailbox->front = front;
	mailbox->waits = true;
	wf_port_add_user(port, &mailbox->user);
	talloc_set_destructor(mailbox, mailbox_destructor);
	wf_addr_settle(&front->resident);
	return 0;

fail_wait:
	wf_port_wait_end(port);
fail_address:
	wf_addr_leave(&front->resident);
fail_front:
	free(front);
	return ret;
}

int weft_mailbox_create_sized(TALLOC_CTX *mem_ctx, struct tevent_context *ev,
			      const struct weft_mailbox_options *given,
			      size_t options_size,
			      struct weft_mailbox **ret_mailbox)
{
	struct weft_mailbox_options options;
	struct weft_mailbox *mailbox = NULL;
	int ret = mailbox_options(given, options_size, &options);

	if (ret != 0) {
		return ret;
	}
	mailbox = talloc_zero(mem_ctx, struct weft_mailbox);
	if (mailbox == NULL) {
		return ENOMEM;
	}
	mailbox->ev = ev;
	mailbox->foreign = ev == NULL;
	mailbox->private_data = options.private_data;
	mailbox->high = options.high;
	mailbox->low = options.low;
	mailbox->watermark = options.high != 0 ? options.watermark : NULL;
	mailbox->user.closed = mailbox_closed;
	mailbox->user.forked = mailbox_forked;
	tev_list_init(&mailbox->user.link);
	ret = ev == NULL ? wf_port_create_foreign(mailbox, &mailbox->port)
			 : wf_port_get(ev, &mailbox->port);
	if (ret == 0) {
		ret = mailbox_open(mailbox, &options);
	}
	if (ret != 0) {
		talloc_free(mailbox);
		return ret;
	}
	*ret_mailbox = mailbox;
	return 0;
}

static bool mailbox_is_of_context(struct wf_port_user *user, const void *arg)
{
	(void)arg;
	return user->closed == mailbox_closed &&
	       tev_container_of(user, struct weft_mailbox, user)->of_context;
}

int weft_context_addr(struct tevent_context *ev, weft_addr_t *ret_addr)
{
	struct weft_mailbox *mailbox = NULL;
	struct wf_port_user *user = NULL;
	struct wf_port *port = NULL;
	int ret = wf_port_get(ev, &port);

	if (ret != 0) {
		return ret;
	}
	user = wf_port_find_user(port, mailbox_is_of_context, NULL);
	if (user != NULL) {
		mailbox = tev_container_of(user, struct weft_mailbox, user);
	} else {
		ret = weft_mailbox_create(ev, ev, NULL, &mailbox);
		if (ret != 0) {
			return ret;
		}
		mailbox->of_context = true;
	}
	*ret_addr = weft_mailbox_addr(mailbox);
	return 0;
}

/* ---- what an owner may ask ---- */

weft_addr_t weft_mailbox_addr(const struct weft_mailbox *mailbox)
{
	weft_addr_t addr = { mailbox->id };

	return addr;
}

struct tevent_context *weft_mailbox_context(const struct weft_mailbox *mailbox)
{
	return mailbox->ev;
}

void *weft_mailbox_private(const struct weft_mailbox *mailbox)
{
	return mailbox->private_data;
}

int weft_mailbox_fd(const struct weft_mailbox *mailbox)
{
	if (!mailbox->foreign || mailbox->port == NULL) {
		return -1;
	}
	return wf_port_fd(mailbox->port);
}

int weft_mailbox_dispatch(struct weft_mailbox *mailbox, unsigned max)
{
	if (!mailbox->foreign || mailbox->port == NULL) {
		return -1;
	}
	return (int)wf_port_dispatch(mailbox->port, max);
}

struct wf_port *wf_mailbox_port(const struct weft_mailbox *mailbox)
{
	return mailbox->port;
}

struct wf_port *wf_mailbox_foreign_port(const struct weft_mailbox *mailbox)
{
	return mailbox->foreign ? mailbox->port : NULL;
}

TALLOC_CTX *wf_mailbox_desk(struct weft_mailbox *mailbox)
{
	return mailbox->desk;
}

void wf_mailbox_set_private(struct weft_mailbox *mailbox, void *private_data)
{
	mailbox->private_data = private_data;
}

void wf_mailbox_adopt(struct weft_mailbox *mailbox)
{
	wf_port_adopt(mailbox->port);
}

bool wf_mailbox_is_mine(weft_addr_t to)
{
	struct wf_front *front = NULL;
	bool mine = false;

	wf_read_begin();
	front = wf_front_find(to.id);
	mine = front != NULL && wf_port_is_mine(front->port);
	wf_read_end();
	return mine;
}
