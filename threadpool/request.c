/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Request: what all requests of the library do alike.
 *
 * They end with 0 or an errno, which tevent carries as the user's error; time
 * and memory are told by tevent in ways of its own.
 *
 * Threads: the owner of the request.  Ordering: none.
 */
#include "threadpool/request.h"

#include <errno.h>

#include "threadpool/tevent_compat.h"

bool wf_request_ended(struct tevent_req *req, int *ret_error)
{
	enum tevent_req_state state = TEVENT_REQ_INIT;
	uint64_t error = 0;
	bool ended = true;

	*ret_error = 0;
	if (tevent_req_is_in_progress(req)) {
		*ret_error = EINPROGRESS;
		return false;
	}
	if (!tevent_req_is_error(req, &state, &error)) {
		return true;
	}
	switch (state) {
	case TEVENT_REQ_USER_ERROR:
		*ret_error = (int)error;
		break;
	case TEVENT_REQ_TIMED_OUT:
		*ret_error = ETIMEDOUT;
		break;
	case TEVENT_REQ_NO_MEMORY:
		*ret_error = ENOMEM;
		break;
	default:
		*ret_error = EINVAL;
		ended = false;
		break;
	}
	return ended;
}

char *wf_request_print(struct tevent_req *req, TALLOC_CTX *mem_ctx,
		       const char *name)
{
	char *text = tevent_req_default_print(req, mem_ctx);
	char *named = talloc_asprintf(mem_ctx, "%s: %s", name, text);

	talloc_free(text);
	return named;
}
