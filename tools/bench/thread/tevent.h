/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Tevent: threaded contexts and proxies, of our library or of stock.
 *
 * The leanest way is weft_post_msg() with ours; with stock (PEER_STOCK) a fresh
 * immediate through a threaded context.
 *
 * What keeps the loop busy is an immediate that schedules itself. Where
 * messages arrive by a descriptor, which immediates starve, it is one that is
 * always ready: with stock's proxy, and with libweft, which knows tevent by
 * its public functions only.
 */
#include <sys/eventfd.h>
#include <unistd.h>

#ifdef PEER_STOCK
#include <talloc.h>

#include <tevent.h>
#else
#include <weft.h>
#endif

#define PEER_SYMBOL "tevent_context_init"
#define PEER_WAYS   (WAY_FRESH | WAY_REUSED | WAY_PROXY)
#ifdef PEER_STOCK
#define PEER_IN_ORDER false
#else
#define PEER_IN_ORDER true
#define PEER_CALLS
#endif

struct peer_loop {
	struct tevent_context *ev;
	struct tevent_threaded_context *tc;
	struct tevent_thread_proxy *proxy;
	struct tevent_immediate *busy_im;
	struct tevent_fd *busy_fde;
	int busy_fd;
#ifndef PEER_STOCK
	weft_addr_t addr;
#endif
};

/* For one way or the other. */
struct peer_message {
	union {
#ifndef PEER_STOCK
		struct weft_msg msg;
#endif
		struct tevent_immediate *im;
	};
};

static inline void peer_loop_open(struct peer_loop *loop)
{
	*loop = (struct peer_loop){ .ev = tevent_context_init(NULL) };
	peer_check(loop->ev != NULL, "no loop");
	loop->tc = tevent_threaded_context_create(loop->ev, loop->ev);
	loop->proxy = tevent_thread_proxy_create(loop->ev);
	peer_check(loop->tc != NULL && loop->proxy != NULL, "no way in");
#ifndef PEER_STOCK
	peer_check(weft_context_addr(loop->ev, &loop->addr) == 0, "no mailbox");
#endif
}

static inline void peer_loop_close(struct peer_loop *loop)
{
	talloc_free(loop->ev);
}

static inline void peer_loop_turn(struct peer_loop *loop)
{
	peer_check(tevent_loop_once(loop->ev) == 0, "the loop has failed");
}

/* ---- busy ---- */

static void peer_im_works(struct tevent_context *ev,
			  struct tevent_immediate *im, void *private_data)
{
	tevent_schedule_immediate(im, ev, peer_im_works, private_data);
}

static void peer_fd_works(struct tevent_context *ev, struct tevent_fd *fde,
			  uint16_t flags, void *private_data)
{
	(void)ev;
	(void)fde;
	(void)flags;
	(void)private_data;
}

static inline void peer_busy_start(struct peer_loop *loop, unsigned way)
{
#ifdef PEER_STOCK
	bool by_fd = way == WAY_PROXY;
#else
	bool by_fd = way == WAY_PROXY || way == WAY_LEAN;
#endif

	if (by_fd) {
		loop->busy_fd = eventfd(1, EFD_CLOEXEC);
		loop->busy_fde = tevent_add_fd(loop->ev, loop->ev,
					       loop->busy_fd, TEVENT_FD_READ,
					       peer_fd_works, NULL);
		peer_check(loop->busy_fde != NULL, "no descriptor");
		return;
	}
	loop->busy_im = tevent_create_immediate(loop->ev);
	peer_check(loop->busy_im != NULL, "no memory");
	tevent_schedule_immediate(loop->busy_im, loop->ev, peer_im_works, NULL);
}

static inline void peer_busy_stop(struct peer_loop *loop)
{
	TALLOC_FREE(loop->busy_im);
	if (loop->busy_fde != NULL) {
		TALLOC_FREE(loop->busy_fde);
		(void)close(loop->busy_fd);
	}
}

/* ---- immediates ---- */

static void peer_fresh_handler(struct tevent_context *ev,
			       struct tevent_immediate *im, void *private_data)
{
	uint64_t number = (uintptr_t)private_data;

	(void)ev;
	number_runs(number);
	talloc_free(im);
}

static inline void peer_post_fresh(struct peer_loop *loop, uint64_t number)
{
	struct tevent_immediate *im = tevent_create_immediate(NULL);

	peer_check(im != NULL, "no memory");
	tevent_threaded_schedule_immediate(
		loop->tc, im, peer_fresh_handler,
		(void *)(uintptr_t)number); /* NOLINT */
}

static void peer_reused_handler(struct tevent_context *ev,
				struct tevent_immediate *im, void *private_data)
{
	(void)ev;
	(void)im;
	message_runs(private_data);
}

static inline void peer_post_reused(struct peer_loop *loop,
				    struct peer_message *peer)
{
	tevent_threaded_schedule_immediate(loop->tc, peer->im,
					   peer_reused_handler, peer);
}

/* ---- proxy ---- */

struct peer_parcel {
	uint64_t number;
};

static void peer_proxy_handler(struct tevent_context *ev,
			       struct tevent_immediate *im, void *private_data)
{
	struct peer_parcel *parcel = private_data;

	(void)ev;
	(void)im;
	number_runs(parcel->number);
}

static inline void peer_post_proxy(struct peer_loop *loop, uint64_t number)
{
	struct tevent_immediate *im = tevent_create_immediate(NULL);
	struct peer_parcel *parcel = talloc(NULL, struct peer_parcel);

	peer_check(im != NULL && parcel != NULL, "no memory");
	parcel->number = number;
	tevent_thread_proxy_schedule(loop->proxy, &im, peer_proxy_handler,
				     &parcel);
	peer_check(im == NULL && parcel == NULL, "the proxy refuses");
}

/* ---- the leanest way ---- */

#ifdef PEER_STOCK

static void peer_lean_handler(struct tevent_context *ev,
			      struct tevent_immediate *im, void *private_data)
{
	(void)ev;
	message_runs(private_data);
	talloc_free(im);
}

static inline void peer_post(struct peer_loop *loop, struct peer_message *peer)
{
	struct tevent_immediate *im = tevent_create_immediate(NULL);

	peer_check(im != NULL, "no memory");
	tevent_threaded_schedule_immediate(loop->tc, im, peer_lean_handler,
					   peer);
}

#else

static void peer_msg_runs(struct weft_mailbox *mailbox, struct weft_msg *msg)
{
	(void)mailbox;
	message_runs((struct peer_message *)(void *)msg);
}

static void peer_msg_lost(struct weft_msg *msg)
{
	(void)msg;
	peer_check(false, "a message is cancelled");
}

static inline void peer_post(struct peer_loop *loop, struct peer_message *peer)
{
	peer_check(weft_post_msg(loop->addr, &peer->msg) == 0,
		   "the mailbox is gone");
}

#endif

static inline void peer_message_init(struct peer_message *peer, unsigned way)
{
	if (way == WAY_REUSED) {
		peer->im = tevent_create_immediate(NULL);
		peer_check(peer->im != NULL, "no memory");
	}
#ifndef PEER_STOCK
	if (way == WAY_LEAN) {
		peer->msg.run = peer_msg_runs;
		peer->msg.cancel = peer_msg_lost;
	}
#endif
}

static inline void peer_message_fini(struct peer_message *peer, unsigned way)
{
	if (way == WAY_REUSED) {
		talloc_free(peer->im);
	}
}
