/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Req: asynchronous computations with one result.
 *
 *   IN_PROGRESS --> DONE | USER_ERROR | TIMED_OUT | NO_MEMORY --> RECEIVED
 *
 * Two talloc chunks: the request, and its state as a child. What a request
 * needs to notify later (an immediate) and to time out (a timer) is part of
 * it, so that finishing, posting and calling back need no memory (B804).
 *
 * Finishing is one sequence (B810): the end time is cancelled, the state set,
 * the cleanup function called, and then the callback, after which the request
 * is not touched again, since the callback may have freed it. A post repeats
 * the sequence from a later pass with the state as it is then (B820).
 *
 * Cleanup runs once for each increase of the state (B830), so a resource is
 * given back exactly once on whatever way out.
 *
 * Finished again. Before its callback has run for a final state a request may
 * be finished again, and the last word counts (B814). After that, stock calls
 * back a second time, as a rule into freed memory; here it is reported through
 * the debug sink, with both locations, and ignored.
 *
 * The state is freed first of all children, by pointer (B210).
 *
 * Threads: the owner of the loop that the request works on.
 */
#include <string.h>

#include "include/tevent.h"

#include "engine/immediate.h"
#include "engine/report.h"
#include "engine/timer.h"

struct tevent_req {
	tevent_req_fn fn;
	void *private_data;
	void *data; /* the state; NULL once received */
	enum tevent_req_state state;
	bool called;           /* the callback has run for a final state */
	uint8_t cleanup_state; /* the highest state that cleanup has seen */
	uint64_t error;
	tevent_req_cleanup_fn cleanup_fn;
	tevent_req_cancel_fn cancel_fn;
	tevent_req_print_fn print_fn;
	struct tevent_context *defer_ev; /* the next notification is a post */
	const char *type;                /* of the state, as text */
	const char *create_location;
	const char *finish_location;
	const char *fn_name;
	const char *cleanup_name;
	const char *cancel_name;
	struct tevent_immediate trigger;
	struct tev_timer timer;
};

static void req_cleanup(struct tevent_req *req)
{
	if (req->cleanup_fn == NULL || req->cleanup_state >= req->state) {
		return;
	}
	req->cleanup_state = (uint8_t)req->state;
	req->cleanup_fn(req, req->state);
}

static void req_post(struct tevent_req *req, struct tevent_context *ev);

static void req_notify(struct tevent_req *req, const char *location)
{
	req->finish_location = location;
	if (req->defer_ev != NULL) {
		struct tevent_context *ev = req->defer_ev;

		req->defer_ev = NULL;
		req_post(req, ev);
		return;
	}
	if (req->fn != NULL) {
		req->called = req->state > TEVENT_REQ_IN_PROGRESS;
		req->fn(req);
	}
}

/* The whole sequence; @req may be gone after. */
static void req_conclude(struct tevent_req *req, enum tevent_req_state state,
			 const char *location)
{
	tev_timer_stop(&req->timer);
	req->state = state;
	req->finish_location = location;
	req_cleanup(req);
	req_notify(req, location);
}

/* The same on behalf of the program, who may do so once too often. */
static bool req_finish(struct tevent_req *req, enum tevent_req_state state,
		       uint64_t error, const char *location)
{
	if (tev_unlikely(req->called)) {
		tev_debug(tev_report_context, TEVENT_DEBUG_ERROR,
			  "tevent_req %p [%s] finished at %s again: it was at "
			  "%s\n",
			  (void *)req, req->create_location, location,
			  req->finish_location);
		req->defer_ev = NULL;
		return false;
	}
	req->error = error;
	req_conclude(req, state, location);
	return true;
}

static void req_trigger(struct tevent_context *ev, struct tevent_immediate *im,
			void *private_data)
{
	struct tevent_req *req = private_data;

	(void)ev;
	(void)im;
	req_conclude(req, req->state, req->finish_location);
}

static void req_post(struct tevent_req *req, struct tevent_context *ev)
{
	tev_immediate_schedule(&req->trigger, ev, req_trigger, req,
			       "tevent_req_trigger", req->create_location);
}

static void req_timed_out(struct tevent_context *ev, struct tev_timer *timer,
			  struct timeval now)
{
	struct tevent_req *req = tev_container_of(timer, struct tevent_req,
						  timer);

	(void)ev;
	(void)now;
	(void)req_finish(req, TEVENT_REQ_TIMED_OUT, req->error,
			 "tevent_req_timedout");
}

void tevent_req_received(struct tevent_req *req)
{
	req->print_fn = NULL;
	req->cancel_fn = NULL;
	tev_immediate_cancel(&req->trigger);
	tev_timer_stop(&req->timer);
	req->state = TEVENT_REQ_RECEIVED;
	req_cleanup(req);
	TALLOC_FREE(req->data);
}

static int req_destructor(struct tevent_req *req)
{
	tevent_req_received(req);
	return 0;
}

/* Plain stores: a memset of this size costs more than all the rest. */
static void req_init(struct tevent_req *req, const char *type,
		     const char *location)
{
	req->fn = NULL;
	req->private_data = NULL;
	req->data = NULL;
	req->state = TEVENT_REQ_IN_PROGRESS;
	req->called = false;
	req->cleanup_state = TEVENT_REQ_IN_PROGRESS;
	req->error = 0;
	req->cleanup_fn = NULL;
	req->cancel_fn = NULL;
	req->print_fn = NULL;
	req->defer_ev = NULL;
	req->type = type;
	req->create_location = location;
	req->finish_location = NULL;
	req->fn_name = NULL;
	req->cleanup_name = NULL;
	req->cancel_name = NULL;
	tev_immediate_init(&req->trigger, location);
	req->trigger.embedded = true;
	tev_timer_init(&req->timer, req_timed_out);
}

struct tevent_req *__tevent_req_create(TALLOC_CTX *mem_ctx, void *pstate,
				       size_t state_size, const char *type,
				       const char *func, const char *location)
{
	void **ret_state = pstate;
	struct tevent_req *req = NULL;

	(void)func;
	req = talloc(mem_ctx, struct tevent_req);
	if (req == NULL) {
		return NULL;
	}
	req_init(req, type, location);
	req->data = talloc_named_const(req, state_size, type);
	if (req->data == NULL) {
		TALLOC_FREE(req);
		return NULL;
	}
	memset(req->data, 0, state_size);
	talloc_set_destructor(req, req_destructor);
	*ret_state = req->data;
	return req;
}

struct tevent_req *_tevent_req_create(TALLOC_CTX *mem_ctx, void *pstate,
				      size_t state_size, const char *type,
				      const char *location)
{
	return __tevent_req_create(mem_ctx, pstate, state_size, type, NULL,
				   location);
}

void _tevent_req_set_callback(struct tevent_req *req, tevent_req_fn fn,
			      const char *fn_name, void *pvt)
{
	req->fn = fn;
	req->fn_name = fn_name;
	req->private_data = pvt;
}

/* In parentheses: the name is a macro too. */
void(tevent_req_set_callback)(struct tevent_req *req, tevent_req_fn fn,
			      void *pvt)
{
	_tevent_req_set_callback(req, fn, NULL, pvt);
}

void *_tevent_req_callback_data(struct tevent_req *req)
{
	return req->private_data;
}

void *_tevent_req_data(struct tevent_req *req)
{
	return req->data;
}

void tevent_req_set_print_fn(struct tevent_req *req, tevent_req_print_fn fn)
{
	req->print_fn = fn;
}

char *tevent_req_default_print(struct tevent_req *req, TALLOC_CTX *mem_ctx)
{
	const void *timer = tev_timer_pending(&req->timer) ? &req->timer : NULL;

	return talloc_asprintf(
		mem_ctx,
		"tevent_req[%p/%s]: state[%d] error[%lld (0x%llX)]  "
		"state[%s (%p)] timer[%p] finish[%s]",
		(void *)req, req->create_location, (int)req->state,
		(long long)req->error, (unsigned long long)req->error,
		req->type, req->data, timer,
		req->finish_location != NULL ? req->finish_location : "(null)");
}

char *tevent_req_print(TALLOC_CTX *mem_ctx, struct tevent_req *req)
{
	if (req == NULL) {
		return talloc_strdup(mem_ctx, "tevent_req[NULL]");
	}
	if (req->print_fn == NULL) {
		return tevent_req_default_print(req, mem_ctx);
	}
	return req->print_fn(req, mem_ctx);
}

void _tevent_req_set_cancel_fn(struct tevent_req *req, tevent_req_cancel_fn fn,
			       const char *fn_name)
{
	req->cancel_fn = fn;
	req->cancel_name = fn_name;
}

void(tevent_req_set_cancel_fn)(struct tevent_req *req, tevent_req_cancel_fn fn)
{
	_tevent_req_set_cancel_fn(req, fn, NULL);
}

bool _tevent_req_cancel(struct tevent_req *req, const char *location)
{
	(void)location;
	return req->cancel_fn != NULL && req->cancel_fn(req);
}

void _tevent_req_set_cleanup_fn(struct tevent_req *req,
				tevent_req_cleanup_fn fn, const char *fn_name)
{
	req->cleanup_state = (uint8_t)req->state;
	req->cleanup_fn = fn;
	req->cleanup_name = fn_name;
}

void(tevent_req_set_cleanup_fn)(struct tevent_req *req,
				tevent_req_cleanup_fn fn)
{
	_tevent_req_set_cleanup_fn(req, fn, NULL);
}

bool tevent_req_set_endtime(struct tevent_req *req, struct tevent_context *ev,
			    struct timeval endtime)
{
	tev_timer_stop(&req->timer);
	if (!tev_timer_start(&req->timer, ev, endtime)) {
		tevent_req_oom(req);
		return false;
	}
	return true;
}

void tevent_req_reset_endtime(struct tevent_req *req)
{
	tev_timer_stop(&req->timer);
}

void _tevent_req_notify_callback(struct tevent_req *req, const char *location)
{
	req_notify(req, location);
}

void _tevent_req_done(struct tevent_req *req, const char *location)
{
	(void)req_finish(req, TEVENT_REQ_DONE, req->error, location);
}

bool _tevent_req_error(struct tevent_req *req, uint64_t error,
		       const char *location)
{
	if (error == 0) {
		return false;
	}
	(void)req_finish(req, TEVENT_REQ_USER_ERROR, error, location);
	return true;
}

void _tevent_req_oom(struct tevent_req *req, const char *location)
{
	(void)req_finish(req, TEVENT_REQ_NO_MEMORY, req->error, location);
}

bool _tevent_req_nomem(const void *p, struct tevent_req *req,
		       const char *location)
{
	if (p != NULL) {
		return false;
	}
	_tevent_req_oom(req, location);
	return true;
}

struct tevent_req *tevent_req_post(struct tevent_req *req,
				   struct tevent_context *ev)
{
	req_post(req, ev);
	return req;
}

void tevent_req_defer_callback(struct tevent_req *req,
			       struct tevent_context *ev)
{
	req->defer_ev = ev;
}

bool tevent_req_is_in_progress(struct tevent_req *req)
{
	return req->state == TEVENT_REQ_IN_PROGRESS;
}

bool tevent_req_poll(struct tevent_req *req, struct tevent_context *ev)
{
	while (tevent_req_is_in_progress(req)) {
		if (tevent_loop_once(ev) != 0) {
			return false;
		}
	}
	return true;
}

bool tevent_req_is_error(struct tevent_req *req, enum tevent_req_state *state,
			 uint64_t *error)
{
	if (req->state == TEVENT_REQ_DONE) {
		return false;
	}
	if (req->state == TEVENT_REQ_USER_ERROR) {
		*error = req->error;
	}
	*state = req->state;
	return true;
}
