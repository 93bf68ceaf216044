/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Call: a function on another loop, as a tevent request.
 *
 *      request (talloc, owner)       core (malloc)
 *      state.core  --------------->  ask     to the callee and back (ask.c)
 *                  <---------------  errand  the way home (errand.c)
 *      state.block, once it is back  state   NULL: nobody waits
 *
 *  1. A core that was sent comes home exactly once, also from a callee that is
 *     gone and when nobody waits; then it is freed, on the caller's thread, or
 *     where it is found that the caller's loop has ended.
 *  2. Request and core part as soon as one of them ends: the request when it is
 *     cancelled, timed out or freed (cleanup function) or its loop is, the core
 *     when it is home. A parting request takes the call back if its function
 *     has not begun, and the block of an answer that is under way.
 *  3. What ends a request otherwise than by its answer has its callback in a
 *     later pass. Where the loop is tevent's, tevent does that; else a notice
 *     is posted home, which is an errand of no distance.
 *
 * Threads: core_home, core_lost: any; all others: the owner.
 * Ordering: through ask.h and errand.h.
 * Not here: threads that wait for an answer (call_wait.c).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <talloc.h>

#include "threadpool/tevent_compat.h"

#include "weft.h"

#include "engine/base.h"
#include "threadpool/ask.h"
#include "threadpool/block.h"
#include "threadpool/deadline.h"
#include "threadpool/errand.h"
#include "threadpool/mailbox.h"
#include "threadpool/request.h"

struct call_core {
	struct wf_ask ask;        /* see ask.h */
	struct wf_errand errand;  /* see errand.h */
	struct call_state *state; /* O: NULL: nobody waits */
};

struct call_notice {
	struct wf_errand errand;  /* see errand.h */
	struct call_state *state; /* O: NULL: nobody waits */
	int error;                /* O: */
};

struct call_state {
	struct tevent_req *req;
	struct tevent_context *ev; /* NULL: the loop is not tevent's */
	struct call_core *core;    /* NULL: done with */
	struct call_notice *notice;
	void *block;      /* back, or never sent */
	bool block_stays; /* it hangs where the caller has it */
	const char *name;
};

/* ---- parting ---- */

/* The block is back with the request, and dies with it unless received. */
static void call_keep_block(struct call_state *state, void *block)
{
	if (state->block_stays) {
		return;
	}
	state->block = block;
	state->block_stays = !wf_block_may_travel(block);
	if (block != NULL && !state->block_stays) {
		(void)talloc_steal(state, block);
	}
}

static void call_part(struct call_core *core)
{
	core->state->core = NULL;
	core->state = NULL;
}

/* Return: true: its function will not run, and the block is back. */
static bool call_take_back(struct call_core *core)
{
	void *block = NULL;
	bool mine = wf_ask_take_back(&core->ask, &block);

	if (mine) {
		call_keep_block(core->state, block);
		call_part(core);
	}
	return mine;
}

/* The request ends before the core is home. */
static void call_give_up(struct call_core *core)
{
	bool parted = call_take_back(core);

	if (parted) {
		return;
	}
	if (!wf_ask_unwant(&core->ask)) {
		call_keep_block(core->state, wf_ask_end(&core->ask));
	}
	call_part(core);
}

static void call_abandon(struct call_state *state)
{
	struct call_core *core = state->core;

	/* A forked child lets go of its parent's calls, this one too. */
	wf_port_check_fork(core->errand.port);
	if (state->core == core) {
		wf_errand_leave(&core->errand);
		call_give_up(core);
	}
}

/* ---- the end ---- */

static void call_finish(struct call_state *state, int error)
{
	if (error != 0) {
		(void)tevent_req_error(state->req, (uint64_t)error);
	} else {
		tevent_req_done(state->req);
	}
}

/* Return: who waits for it, and has the block now; NULL: nobody. */
static struct call_state *core_end(struct call_core *core)
{
	struct call_state *state = core->state;
	void *block = wf_ask_end(&core->ask);

	free(core);
	if (state == NULL) {
		wf_block_drop(block);
		return NULL;
	}
	state->core = NULL;
	call_keep_block(state, block);
	return state;
}

static void core_back(struct wf_errand *errand, struct tevent_context *ev)
{
	struct call_core *core = tev_container_of(errand, struct call_core,
						  errand);
	int error = core->ask.error;
	struct call_state *state = core_end(core);

	(void)ev;
	if (state != NULL) {
		call_finish(state, error);
	}
}

static void core_cut(struct wf_errand *errand)
{
	struct call_core *core = tev_container_of(errand, struct call_core,
						  errand);

	if (core->state != NULL) {
		call_give_up(core);
	}
}

/* Disposed of, or in a forked child. */
static void core_lost(struct wf_errand *errand)
{
	(void)core_end(tev_container_of(errand, struct call_core, errand));
}

static const struct wf_errand_ops core_ops = {
	.back = core_back,
	.cut = core_cut,
	.dispose = core_lost,
	.forked = core_lost,
};

static void core_home(struct wf_ask *ask)
{
	struct call_core *core = tev_container_of(ask, struct call_core, ask);

	wf_errand_post(&core->errand);
}

/* ---- the end in a later pass ---- */

static void notice_part(struct call_notice *notice)
{
	if (notice->state != NULL) {
		notice->state->notice = NULL;
		notice->state = NULL;
	}
}

static void notice_back(struct wf_errand *errand, struct tevent_context *ev)
{
	struct call_notice *notice = tev_container_of(
		errand, struct call_notice, errand);
	struct call_state *state = notice->state;
	int error = notice->error;

	(void)ev;
	notice_part(notice);
	free(notice);
	if (state != NULL) {
		call_finish(state, error);
	}
}

static void notice_cut(struct wf_errand *errand)
{
	notice_part(tev_container_of(errand, struct call_notice, errand));
}

static void notice_dispose(struct wf_errand *errand)
{
	free(tev_container_of(errand, struct call_notice, errand));
}

static void notice_forked(struct wf_errand *errand)
{
	notice_cut(errand);
	notice_dispose(errand);
}

static const struct wf_errand_ops notice_ops = {
	.back = notice_back,
	.cut = notice_cut,
	.dispose = notice_dispose,
	.forked = notice_forked,
};

/* Return: false: no memory, nothing has happened. */
static bool notice_post(struct call_state *state, struct wf_port *port,
			int error)
{
	struct call_notice *notice = malloc(sizeof(*notice));
	int ret = 0;

	if (notice == NULL) {
		return false;
	}
	ret = wf_errand_begin(&notice->errand, port, &notice_ops);
	if (ret != 0) {
		free(notice);
		return false;
	}
	notice->state = state;
	notice->error = error;
	state->notice = notice;
	wf_errand_post(&notice->errand);
	return true;
}

static void call_finish_later(struct call_state *state, int error)
{
	tevent_req_defer_callback(state->req, state->ev);
	(void)tevent_req_error(state->req, (uint64_t)error);
}

/* ---- the request ---- */

static void call_cleanup(struct tevent_req *req,
			 enum tevent_req_state req_state)
{
	struct call_state *state = tevent_req_data(req, struct call_state);

	(void)req_state;
	if (state->core != NULL) {
		call_abandon(state);
	}
	if (state->notice != NULL) {
		notice_part(state->notice);
	}
}

static bool call_cancel(struct tevent_req *req)
{
	struct call_state *state = tevent_req_data(req, struct call_state);
	struct wf_port *port = NULL;
	bool posted = false;

	if (state->core == NULL) {
		return false;
	}
	port = state->core->errand.port;
	if (state->ev != NULL) {
		call_abandon(state);
		call_finish_later(state, ECANCELED);
		return true;
	}
	wf_port_check_fork(port);
	posted = notice_post(state, port, ECANCELED);
	if (posted && state->core != NULL) {
		call_abandon(state);
	}
	return posted;
}

static char *call_print(struct tevent_req *req, TALLOC_CTX *mem_ctx)
{
	struct call_state *state = tevent_req_data(req, struct call_state);

	return wf_request_print(req, mem_ctx, state->name);
}

/* Its mailbox was going when it was sent: not to wait for what comes of that
 * it is taken back, unless it is being handled all the same. */
static void call_take_back_late(struct call_state *state)
{
	struct call_core *core = state->core;
	struct wf_port *port = core->errand.port;
	bool mine = false;

	if (state->ev == NULL) {
		bool posted = notice_post(state, port, ECANCELED);

		if (!posted) {
			return;
		}
	}
	mine = call_take_back(core);
	if (mine) {
		wf_errand_leave(&core->errand);
	}
	if (!mine && state->notice != NULL) {
		notice_part(state->notice);
	} else if (mine && state->ev != NULL) {
		call_finish_later(state, ECANCELED);
	}
}

/* Return: 0: state->core is ready to be sent. */
static int call_prepare(struct call_state *state, struct wf_port *port,
			weft_call_fn_t fn, uint64_t deadline_ns)
{
	struct call_core *core = malloc(sizeof(*core));
	int ret = 0;

	if (core == NULL) {
		return ENOMEM;
	}
	ret = wf_ask_init(&core->ask, fn, deadline_ns, core_home);
	if (ret != 0) {
		free(core);
		return ret;
	}
	ret = wf_errand_begin(&core->errand, port, &core_ops);
	if (ret != 0) {
		(void)wf_ask_end(&core->ask);
		free(core);
		return ret;
	}
	core->state = state;
	state->core = core;
	return 0;
}

static void call_start(struct call_state *state, weft_addr_t to, void *block)
{
	switch (wf_ask_send(&state->core->ask, to, block)) {
	case WF_ASK_UNDER_WAY:
		break;
	case WF_ASK_LATE:
		call_take_back_late(state);
		break;
	case WF_ASK_BLOCK_STAYS:
		call_keep_block(state, block);
		break;
	}
}

static struct tevent_req *call_create(TALLOC_CTX *mem_ctx,
				      struct tevent_context *ev,
				      const char *name, const char *location)
{
	struct call_state *state = NULL;
	struct tevent_req *req = _tevent_req_create(
		mem_ctx, &state, sizeof(*state), "struct call_state", location);

	if (req == NULL) {
		return NULL;
	}
	state->req = req;
	state->ev = ev;
	state->name = name;
	tevent_req_set_cleanup_fn(req, call_cleanup);
	tevent_req_set_cancel_fn(req, call_cancel);
	tevent_req_set_print_fn(req, call_print);
	return req;
}

static struct weft_call_options call_options(
	const struct weft_call_options *given, size_t size, const char *fn_name)
{
	struct weft_call_options options = { .name = NULL };

	if (given != NULL) {
		memcpy(&options, given,
		       size < sizeof(options) ? size : sizeof(options));
	}
	if (options.name == NULL) {
		options.name = fn_name;
	}
	return options;
}

struct tevent_req *weft_call_send_sized(
	TALLOC_CTX *mem_ctx, struct tevent_context *ev, weft_addr_t to,
	weft_call_fn_t fn, void *pp_block,
	const struct weft_call_options *given, size_t options_size,
	const char *fn_name, const char *location)
{
	struct weft_call_options options = call_options(given, options_size,
							fn_name);
	struct tevent_req *req = call_create(mem_ctx, ev, options.name,
					     location);
	struct call_state *state = NULL;
	struct wf_port *port = NULL;
	void *block = wf_block_peek(pp_block);
	bool set = false;
	int ret = 0;

	if (req == NULL) {
		return NULL;
	}
	wf_block_take(pp_block);
	state = tevent_req_data(req, struct call_state);
	if (block != NULL && block == mem_ctx) {
		/* It cannot leave: the request hangs below it. */
		state->block = block;
		state->block_stays = true;
		call_finish_later(state, EINVAL);
		return req;
	}
	set = wf_deadline_set(req, ev, options.deadline_ns);
	if (!set) {
		call_keep_block(state, block);
		return tevent_req_post(req, ev);
	}
	ret = wf_port_get(ev, &port);
	if (ret == 0) {
		ret = call_prepare(state, port, fn, options.deadline_ns);
	}
	if (ret != 0) {
		call_keep_block(state, block);
		call_finish_later(state, ret);
		return req;
	}
	call_start(state, to, block);
	return req;
}

struct tevent_req *weft_mailbox_call_send_sized(
	TALLOC_CTX *mem_ctx, struct weft_mailbox *home, weft_addr_t to,
	weft_call_fn_t fn, void *pp_block,
	const struct weft_call_options *given, size_t options_size,
	const char *fn_name, const char *location)
{
	struct weft_call_options options = call_options(given, options_size,
							fn_name);
	struct wf_port *port = wf_mailbox_foreign_port(home);
	struct tevent_req *req = call_create(mem_ctx, NULL, options.name,
					     location);
	struct call_state *state = NULL;
	void *block = wf_block_peek(pp_block);
	int ret = 0;

	if (req == NULL || port == NULL ||
	    (block != NULL && block == mem_ctx)) {
		talloc_free(req);
		return NULL;
	}
	state = tevent_req_data(req, struct call_state);
	wf_port_check_fork(port);
	ret = call_prepare(state, port, fn, options.deadline_ns);
	if (ret != 0) {
		talloc_free(req);
		return NULL;
	}
	wf_block_take(pp_block);
	call_start(state, to, block);
	return req;
}

int weft_call_recv_block(struct tevent_req *req, TALLOC_CTX *mem_ctx,
			 void *pp_block)
{
	struct call_state *state = NULL;
	int ret = 0;
	bool ended = wf_request_ended(req, &ret);

	if (!ended) {
		return ret;
	}
	state = tevent_req_data(req, struct call_state);
	if (!state->block_stays) {
		wf_block_give(mem_ctx, state->block, pp_block);
	} else if (pp_block != NULL) {
		memcpy(pp_block, &state->block, sizeof(state->block));
	}
	state->block = NULL;
	tevent_req_received(req);
	return ret;
}
