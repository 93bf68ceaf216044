/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Req access: what a program sets on a request and asks of it.
 *
 * One slot each for the callback, the cleanup, the cancel and the print
 * function. The names of functions that the macros pass are for the call-depth
 * callback alone (depth.c). What begins and ends a request is in req.c.
 *
 * Threads: the owner of the loop that the request works on.
 */
#include <errno.h>

#include "engine/req.h"

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
		(void *)req, req->trigger.location, (int)req->state,
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
	tev_req_tell(req, TEVENT_CALL_FLOW_REQ_CANCEL, req->cancel_name);
	return req->cancel_fn != NULL && req->cancel_fn(req);
}

void _tevent_req_set_cleanup_fn(struct tevent_req *req,
				tevent_req_cleanup_fn fn, const char *fn_name)
{
	req->cleanup_state = req->state;
	req->cleanup_fn = fn;
	req->cleanup_name = fn_name;
}

void(tevent_req_set_cleanup_fn)(struct tevent_req *req,
				tevent_req_cleanup_fn fn)
{
	_tevent_req_set_cleanup_fn(req, fn, NULL);
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

bool tevent_req_set_profile(struct tevent_req *req)
{
	if (req->profile != NULL) {
		(void)tevent_req_error(req, EINVAL);
		return false;
	}
	return tev_req_start_profile(req, NULL);
}

const struct tevent_req_profile *tevent_req_get_profile(struct tevent_req *req)
{
	return req->profile;
}

struct tevent_req_profile *tevent_req_move_profile(struct tevent_req *req,
						   TALLOC_CTX *mem_ctx)
{
	return talloc_move(mem_ctx, &req->profile);
}

void _tevent_thread_call_depth_reset_from_req(struct tevent_req *req,
					      const char *fname)
{
	tev_req_tell(req, TEVENT_CALL_FLOW_REQ_RESET, fname);
}

/* In parentheses: the name is a macro too. */
void(tevent_thread_call_depth_reset_from_req)(struct tevent_req *req)
{
	_tevent_thread_call_depth_reset_from_req(req, NULL);
}
