/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Mark: high and low water of a lane.
 *
 *      READY ----------> SENT --------> being told --> READY
 *      in lane->mark     in the port    (its handler)
 *        |                 |              |
 *        '-- end --> gone  '--- end ------'--> freed when it is back
 *
 * A lane with a mark has one message for its loop. Who changes the number of
 * those that wait, and finds that it has come to where the mark waits for it,
 * takes the message out of the lane and sends it. The loop looks at the number
 * when it has it, tells the handler what has become of it, and puts the message
 * back.
 *
 *  1. The handler is told what holds now and differs from what it was told
 *     last: above, below, above, and so on. What comes and goes while the
 *     message is under way is told as one, or not at all.
 *  2. Nothing is lost [MK1]: who changes the number passes a full fence and
 *     then looks at the mark; the loop puts the mark back, passes a full fence
 *     and looks at the number. One of them sees the other. A message that was
 *     sent for nothing does no harm.
 *  3. Who has taken the message is alone with it until it is posted, and the
 *     port expects it from the moment when it is READY. The owner takes it back
 *     in the same way, so it is posted or taken back, never both.
 *  4. What others look at, the level that the mark waits for, is in the lane,
 *     which stays; the mark itself only who has taken it touches.
 *  5. It keeps tevent_loop_wait(), as a mailbox does: other loops' jobs may
 *     change the number at any time, and a loop that waits for nothing else of
 *     this library would not hear of it.
 *
 * In a forked child the queues are empty: the mark is READY again, and tells so
 * if it was above.
 *
 * Threads: check: any; all others: the owner of the loop, who also owns the
 * lane's handle.
 * Ordering: [MK1].
 * Not here: what waits in a lane (gate.c).
 */
#include "threadpool/mark.h"

#include <errno.h>
#include <stdlib.h>

#include "engine/base.h"
#include "engine/order.h"
#include "threadpool/gate.h"
#include "threadpool/port.h"

/* lane->water: these bits, and below them the level. */
#define MARK_THERE (UINT64_C(1) << 63)
#define MARK_ABOVE (UINT64_C(1) << 62)

struct wf_mark {
	struct wf_msg msg;           /* Q: lane->mark and the port */
	struct wf_port *port;        /* I: while it is expected, or not ended */
	struct wf_port_user user;    /* O: in the port's list */
	struct wf_lane *lane;        /* O: NULL: it has ended */
	struct weft_lane *handle;    /* I: */
	weft_lane_watermark_fn_t fn; /* I: */
	void *private_data;          /* I: */
	unsigned high;               /* I: */
	unsigned low;                /* I: */
	bool above;                  /* O: what it was told last */
	bool telling;                /* O: its handler runs */
};

static void mark_free(struct wf_mark *mark)
{
	tev_list_remove(&mark->user.link);
	free(mark);
}

/* Return: NULL: it is under way, or being told. */
static struct wf_mark *mark_take(struct wf_lane *lane)
{
	/* [MK1] acquire: what the owner did before it was READY; release: our
	 * end of it. Pairs with mark_ready() and itself. */
	return atomic_exchange_explicit(&lane->mark, NULL,
					memory_order_acq_rel);
}

/* Whether the number has come to where the mark waits for it. */
static bool mark_is_due(const struct wf_lane *lane)
{
	/* Relaxed: ordered by the fence of wf_mark_check(). */
	uint64_t water = atomic_load_explicit(&lane->water,
					      memory_order_relaxed);
	unsigned level = (unsigned)water;
	unsigned waiting = wf_lane_waiting(lane);

	if (water == 0) {
		return false;
	}
	return (water & MARK_ABOVE) != 0 ? waiting <= level : waiting >= level;
}

void wf_mark_check(struct wf_lane *lane)
{
	struct wf_mark *mark = NULL;
	struct wf_port *port = NULL;
	bool accepted = false;

	/* [MK1] full fence: the number stored, the mark loaded; the other way
	 * round for mark_ready(). Do not weaken. */
	tev_fence_full();
	/* Relaxed: a look; it is taken below. */
	if (atomic_load_explicit(&lane->mark, memory_order_relaxed) == NULL ||
	    !mark_is_due(lane)) {
		return;
	}
	mark = mark_take(lane);
	if (mark == NULL) {
		return;
	}
	/* Once it is posted it may be gone. */
	port = mark->port;
	accepted = wf_port_post(port, &mark->msg);
	if (!accepted) {
		free(mark);
		wf_port_unref(port);
	}
}

/* The message is there to be sent. */
static void mark_ready(struct wf_mark *mark)
{
	struct wf_lane *lane = mark->lane;
	uint64_t water = MARK_THERE |
			 (mark->above ? MARK_ABOVE | mark->low : mark->high);

	/* Relaxed: ordered by the fence of wf_mark_check(). */
	atomic_store_explicit(&lane->water, water, memory_order_relaxed);
	wf_port_expect(mark->port);
	/* [MK1] release: all of the mark; pairs with mark_take(). */
	atomic_store_explicit(&lane->mark, mark, memory_order_release);
	wf_mark_check(lane);
}

/* Parts from the lane. Return: true: nobody else has it, and nobody will. */
static bool mark_part(struct wf_mark *mark)
{
	struct wf_lane *lane = mark->lane;

	mark->lane = NULL;
	lane->marked = NULL;
	/* Relaxed: who still believes in it finds no mark to take. */
	atomic_store_explicit(&lane->water, 0, memory_order_relaxed);
	return mark_take(lane) != NULL;
}

/* ---- on the loop ---- */

static void mark_tell(struct wf_mark *mark)
{
	unsigned waiting = wf_lane_waiting(mark->lane);
	bool above = mark->above ? waiting > mark->low : waiting >= mark->high;

	if (above != mark->above) {
		mark->above = above;
		mark->fn(mark->handle, waiting, above, mark->private_data);
	}
}

static void mark_deliver(struct wf_msg *msg, struct tevent_context *ev,
			 bool gone)
{
	struct wf_mark *mark = tev_container_of(msg, struct wf_mark, msg);

	(void)ev;
	wf_port_unexpect(mark->port);
	if (gone || mark->lane == NULL) {
		mark_free(mark);
		return;
	}
	mark->telling = true;
	mark_tell(mark);
	/* The handler may have forked, or ended this. */
	if (mark->lane != NULL) {
		wf_port_check_fork(mark->port);
	}
	mark->telling = false;
	if (mark->lane == NULL) {
		mark_free(mark);
		return;
	}
	mark_ready(mark);
}

static void mark_closed(struct wf_port_user *user)
{
	struct wf_mark *mark = tev_container_of(user, struct wf_mark, user);
	bool mine = mark->lane != NULL && mark_part(mark);

	if (mine) {
		wf_port_unexpect(mark->port);
		mark_free(mark);
	}
}

static void mark_forked(struct wf_port_user *user)
{
	struct wf_mark *mark = tev_container_of(user, struct wf_mark, user);
	int ret = 0;

	if (mark->lane == NULL) {
		/* What was under way is the parent's. */
		if (!mark->telling) {
			mark_free(mark);
		}
		return;
	}
	wf_port_add_user(mark->port, &mark->user);
	ret = wf_port_wait_begin(mark->port);
	if (ret != 0) {
		(void)mark_part(mark);
	}
	if (mark->telling) {
		return;
	}
	if (mark->lane == NULL) {
		mark_free(mark);
		return;
	}
	mark_ready(mark);
}

int wf_mark_create(struct wf_lane *lane, struct weft_lane *handle,
		   const struct weft_lane_options *options)
{
	struct wf_mark *mark = NULL;
	struct wf_port *port = NULL;
	int ret = wf_port_get(options->ev, &port);

	if (ret != 0) {
		return ret;
	}
	mark = calloc(1, sizeof(*mark));
	if (mark == NULL) {
		return ENOMEM;
	}
	ret = wf_port_wait_begin(port);
	if (ret != 0) {
		free(mark);
		return ret;
	}
	*mark = (struct wf_mark){
		.msg.deliver = mark_deliver,
		.port = port,
		.user = { .closed = mark_closed, .forked = mark_forked },
		.lane = lane,
		.handle = handle,
		.fn = options->watermark,
		.private_data = options->private_data,
		.high = options->high,
		.low = options->low,
	};
	tev_list_init(&mark->user.link);
	wf_port_add_user(port, &mark->user);
	lane->marked = mark;
	mark_ready(mark);
	return 0;
}

void wf_mark_end(struct wf_lane *lane)
{
	struct wf_mark *mark = lane->marked;
	struct wf_port *port = NULL;
	bool mine = false;

	if (mark == NULL) {
		return;
	}
	/* A forked child makes it its own, or has no memory for that. */
	port = mark->port;
	wf_port_check_fork(port);
	if (lane->marked == NULL) {
		return;
	}
	mine = mark_part(mark);
	if (mine) {
		wf_port_unexpect(port);
		mark_free(mark);
	}
	wf_port_wait_end(port);
}
