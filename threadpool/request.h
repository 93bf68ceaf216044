/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Request: what all requests of the library do alike; request.c. */
#pragma once

#include <stdbool.h>

#include <talloc.h>

struct tevent_req;

/* Whether @req can be received: it has ended, and was not received before.
 *
 * Thread: owner of @req.  Lock: none.
 * Return: true: in *@ret_error its result, 0 or an errno; false: there
 *         EINPROGRESS, or EINVAL when it was received. */
bool wf_request_ended(struct tevent_req *req, int *ret_error);

/* For a print function: tevent's own text behind "@name: ".
 * Thread: owner of @req and @mem_ctx.  Lock: none.
 * Return: below @mem_ctx; NULL: no memory. */
char *wf_request_print(struct tevent_req *req, TALLOC_CTX *mem_ctx,
		       const char *name);
