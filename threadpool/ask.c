/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Ask: a call on its way to the other side and back.
 *
 *      caller                    mailbox                  callee
 *      ask, handle, block  ----> message ----> run ---->  fn(handle, block)
 *                                                            |
 *      home(ask)  <------------------------------------  reply, or the handle
 *                                                         is freed
 *
 *      QUEUED --> RUNNING --> UNWANTED
 *         |           \          |
 *         |            `--> ANSWERED
 *         `--> TAKEN_BACK
 *
 *   move                            by           when
 *   QUEUED -> RUNNING               the callee   the function is to run
 *   QUEUED -> TAKEN_BACK            the caller   it is cancelled, freed, too
 *                                                late, or its loop has ended;
 *                                                and at home
 *   RUNNING -> UNWANTED             the caller   the same, but at home
 *   RUNNING | UNWANTED -> ANSWERED  the callee   there is an answer
 *
 *  1. Handle and block belong together to the caller while QUEUED, and to who
 *     moves it out of there: the handle is freed, and the block goes on, on
 *     that side. So the callee allocates nothing, and a call that was taken
 *     back has touched no memory of another thread.
 *  2. The message that was posted comes to its end on the callee's side in
 *     every case, and that is what brings the ask home: exactly once. What was
 *     refused, cancelled or too late to run comes home QUEUED, so the caller
 *     has the block at every moment if the function has not begun.
 *  3. From ANSWERED on the callee touches neither block nor answer, and after
 *     home() not the ask. What hangs below the handle beside the block is freed
 *     before.
 *  4. A handle knows the generation (fork.h) in which it was sent. In a child
 *     it is freed with its block, and nobody is told.
 *
 * Threads: see ask.h; a handle: its owner.
 * Ordering: [CA1] the moves. What the ask carries is handed over by the mailbox
 * and by the way home.
 * Not here: the way home (call.c, call_wait.c).
 */
#include "threadpool/ask.h"

#include <errno.h>

#include "engine/base.h"
#include "threadpool/block.h"
#include "threadpool/deadline.h"
#include "threadpool/fork.h"
#include "threadpool/mailbox.h"

enum ask_state {
	ASK_QUEUED,
	ASK_RUNNING,
	ASK_UNWANTED,
	ASK_ANSWERED,
	ASK_TAKEN_BACK,
};

struct weft_call {
	struct wf_ask *ask;  /* I: NULL: answered */
	void *block;         /* I: talloc child, or NULL */
	int error;           /* O: to be answered when this is freed */
	unsigned generation; /* I: */
};

/* One move; false when it is elsewhere by now. */
static bool ask_move(struct wf_ask *ask, int from, int to)
{
	/* [CA1] both: the loser of two moves sees what the winner did before;
	 * pairs with itself. */
	return atomic_compare_exchange_strong_explicit(&ask->state, &from, to,
						       memory_order_acq_rel,
						       memory_order_acquire);
}

/* The function does not run. */
static void ask_go_home(struct wf_ask *ask, int error)
{
	ask->error = error;
	ask->home(ask);
}

/* ---- the callee's side ---- */

/* The block can leave, unless its callee has left references on it. */
static void *call_release_block(struct weft_call *call)
{
	void *block = call->block;

	call->block = NULL;
	if (!wf_block_may_travel(block)) {
		return NULL;
	}
	wf_block_detach(block);
	return block;
}

static void call_answer(struct weft_call *call)
{
	struct wf_ask *ask = call->ask;
	void *block = call->block;

	call->ask = NULL;
	if (call->generation != wf_fork_generation()) {
		return;
	}
	ask->block = call_release_block(call);
	ask->error = call->error;
	if (ask->block != block && ask->error == 0) {
		ask->error = EINVAL;
	}
	talloc_free_children(call);
	/* [CA1] both: a caller that finds this may take the answer at once. */
	(void)atomic_exchange_explicit(&ask->state, ASK_ANSWERED,
				       memory_order_acq_rel);
	ask->home(ask);
}

static int call_destructor(struct weft_call *call)
{
	if (call->ask != NULL) {
		call_answer(call);
	}
	return 0;
}

/* Here and below a call may be on its way out already: what hangs below it may
 * do anything in its destructors, also free the mailbox. */
void weft_call_reply(struct weft_call *call, int error)
{
	call->error = error;
	talloc_free(call);
}

void *weft_call_block(const struct weft_call *call)
{
	return call->block;
}

bool weft_call_wanted(const struct weft_call *call)
{
	int state = 0;

	if (call->ask == NULL || call->generation != wf_fork_generation()) {
		return false;
	}
	/* Relaxed: a wish, looked at now and then; nothing travels with it. */
	state = atomic_load_explicit(&call->ask->state, memory_order_relaxed);
	return state == ASK_RUNNING &&
	       !wf_deadline_passed(call->ask->deadline_ns);
}

static void ask_run(struct weft_mailbox *mailbox, struct weft_msg *msg)
{
	struct wf_ask *ask = tev_container_of(msg, struct wf_ask, msg);
	struct weft_call *call = ask->call;

	if (wf_deadline_passed(ask->deadline_ns)) {
		ask_go_home(ask, ETIMEDOUT);
		return;
	}
	if (!ask_move(ask, ASK_QUEUED, ASK_RUNNING)) {
		ask_go_home(ask, ECANCELED);
		return;
	}
	(void)talloc_steal(wf_mailbox_desk(mailbox), call);
	talloc_set_destructor(call, call_destructor);
	/* From here on it may be gone. */
	ask->fn(mailbox, call, call->block);
}

static void ask_cancel(struct weft_msg *msg)
{
	ask_go_home(tev_container_of(msg, struct wf_ask, msg), ECANCELED);
}

/* ---- the caller's side ---- */

int wf_ask_init(struct wf_ask *ask, weft_call_fn_t fn, uint64_t deadline_ns,
		void (*home)(struct wf_ask *ask))
{
	struct weft_call *call = talloc_zero(NULL, struct weft_call);

	if (call == NULL) {
		return ENOMEM;
	}
	call->ask = ask;
	call->error = ECANCELED;
	call->generation = wf_fork_generation();
	*ask = (struct wf_ask){
		.msg = { .run = ask_run, .cancel = ask_cancel },
		.fn = fn,
		.deadline_ns = deadline_ns,
		.call = call,
		.home = home,
	};
	atomic_init(&ask->state, ASK_QUEUED);
	return 0;
}

enum wf_ask_sent wf_ask_send(struct wf_ask *ask, weft_addr_t to, void *block)
{
	struct weft_call *call = ask->call;
	bool late = false;
	int ret = 0;

	if (!wf_block_may_travel(block)) {
		ask_go_home(ask, EINVAL);
		return WF_ASK_BLOCK_STAYS;
	}
	if (block != NULL) {
		call->block = talloc_steal(call, block);
	}
	/* Transferred by the mailbox: from here on it may be running. */
	wf_block_detach(call);
	ret = ask->fn == NULL ? EINVAL : wf_mailbox_post(to, &ask->msg, &late);
	if (ret != 0) {
		ask_go_home(ask, ret);
		return WF_ASK_UNDER_WAY;
	}
	return late ? WF_ASK_LATE : WF_ASK_UNDER_WAY;
}

bool wf_ask_take_back(struct wf_ask *ask, void **ret_block)
{
	bool mine = ask_move(ask, ASK_QUEUED, ASK_TAKEN_BACK);

	if (mine) {
		*ret_block = call_release_block(ask->call);
		talloc_free(ask->call);
	}
	return mine;
}

bool wf_ask_unwant(struct wf_ask *ask)
{
	return ask_move(ask, ASK_RUNNING, ASK_UNWANTED);
}

void *wf_ask_end(struct wf_ask *ask)
{
	/* Relaxed: it came home, or a move was lost to it [CA1]. */
	int state = atomic_load_explicit(&ask->state, memory_order_relaxed);
	void *block = NULL;

	if (state == ASK_QUEUED) {
		(void)wf_ask_take_back(ask, &block);
	} else if (state == ASK_ANSWERED) {
		block = ask->block;
		ask->block = NULL;
	}
	return block;
}
