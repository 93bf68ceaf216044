/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* After the SSSD developer guide's page on tevent, "Example request" and
 * "Calling the request": the request fetch_user and its caller.
 *
 * Added: query_ldap_send/recv as a directory of one user that answers after a
 * millisecond; DEBUG and errno_t, which are SSSD's own; what the caller does
 * with the result. Changed: fetch_user_recv() returns the request's own error,
 * which is lost from the page.
 *
 * Output:
 *      John Doe: uid 1000
 *      Jane Roe: No such file or directory
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <tevent.h>

#define EOK               0
#define DEBUG(level, ...) fprintf(stderr, __VA_ARGS__)
typedef int errno_t;

struct ldap_result {
	int uid;
};

/* What stands for the request that talks to the server. */
struct query_ldap_state {
	char *filter;
};

static void query_ldap_done(struct tevent_context *ev, struct tevent_timer *te,
			    struct timeval current_time, void *pvt)
{
	tevent_req_done(talloc_get_type_abort(pvt, struct tevent_req));
}

__attribute__((format(printf, 3, 4))) static struct tevent_req *query_ldap_send(
	TALLOC_CTX *mem_ctx, struct tevent_context *ev, const char *format, ...)
{
	struct query_ldap_state *state;
	struct tevent_timer *te;
	struct tevent_req *req;
	va_list args;

	req = tevent_req_create(mem_ctx, &state, struct query_ldap_state);
	if (req == NULL) {
		return NULL;
	}
	va_start(args, format);
	state->filter = talloc_vasprintf(state, format, args);
	va_end(args);
	if (tevent_req_nomem(state->filter, req)) {
		return tevent_req_post(req, ev);
	}
	te = tevent_add_timer(ev, state, tevent_timeval_current_ofs(0, 1000),
			      query_ldap_done, req);
	if (tevent_req_nomem(te, req)) {
		return tevent_req_post(req, ev);
	}
	return req;
}

static errno_t query_ldap_recv(TALLOC_CTX *mem_ctx, struct tevent_req *req,
			       struct ldap_result **_result)
{
	struct query_ldap_state *state;
	enum tevent_req_state req_state;
	uint64_t error;

	if (tevent_req_is_error(req, &req_state, &error)) {
		return ENOMEM;
	}
	state = tevent_req_data(req, struct query_ldap_state);
	if (strcmp(state->filter, "(name=John Doe)") != 0) {
		return ENOENT;
	}
	*_result = talloc_zero(mem_ctx, struct ldap_result);
	if (*_result == NULL) {
		return ENOMEM;
	}
	(*_result)->uid = 1000;
	return EOK;
}

struct fetch_user_state {
	struct ldap_result *result;
};

static void fetch_user_done(struct tevent_req *subreq);

struct tevent_req *fetch_user_send(TALLOC_CTX *mem_ctx,
				   struct tevent_context *ev, const char *name)
{
	struct fetch_user_state *state;
	struct tevent_req *subreq;
	struct tevent_req *req;
	errno_t ret;

	req = tevent_req_create(mem_ctx, &state, struct fetch_user_state);
	if (req == NULL) {
		DEBUG(SSSDBG_CRIT_FAILURE, "tevent_req_create() failed\n");
		return NULL;
	}

	subreq = query_ldap_send(state, ev, "(name=%s)", name);
	if (subreq == NULL) {
		ret = ENOMEM;
		goto done;
	}
	tevent_req_set_callback(subreq, fetch_user_done, req);

	return req;

done:
	tevent_req_error(req, ret);
	tevent_req_post(req, ev);
	return req;
}

static void fetch_user_done(struct tevent_req *subreq)
{
	struct fetch_user_state *state;
	struct tevent_req *req;
	errno_t ret;

	req = tevent_req_callback_data(subreq, struct tevent_req);
	state = tevent_req_data(req, struct fetch_user_state);

	ret = query_ldap_recv(state, subreq, &state->result);
	talloc_free(subreq);
	if (ret != EOK) {
		tevent_req_error(req, ret);
		return;
	}
	tevent_req_done(req);
}

errno_t fetch_user_recv(TALLOC_CTX *mem_ctx, struct tevent_req *req,
			struct ldap_result **_result)
{
	struct fetch_user_state *state = NULL;
	enum tevent_req_state req_state;
	uint64_t error = ENOMEM;

	state = tevent_req_data(req, struct fetch_user_state);
	if (tevent_req_is_error(req, &req_state, &error)) {
		return error;
	}
	*_result = talloc_steal(mem_ctx, state->result);
	return EOK;
}

static void caller_done(struct tevent_req *req)
{
	const char *name = tevent_req_callback_data_void(req);
	struct ldap_result *result;
	errno_t ret;

	ret = fetch_user_recv(NULL, req, &result);
	talloc_free(req);
	if (ret != EOK) {
		printf("%s: %s\n", name, strerror(ret));
		return;
	}
	printf("%s: uid %d\n", name, result->uid);
	talloc_free(result);
}

errno_t caller(TALLOC_CTX *mem_ctx, struct tevent_context *ev, char *name)
{
	struct tevent_req *req;

	req = fetch_user_send(mem_ctx, ev, name);
	if (req == NULL) {
		return ENOMEM;
	}
	tevent_req_set_callback(req, caller_done, name);
	return EOK;
}

int main(void)
{
	static char names[][16] = { "John Doe", "Jane Roe" };
	struct tevent_context *ev = tevent_context_init(NULL);

	if (caller(ev, ev, names[0]) != EOK) {
		return 1;
	}
	tevent_loop_wait(ev);
	if (caller(ev, ev, names[1]) != EOK) {
		return 1;
	}
	tevent_loop_wait(ev);
	talloc_free(ev);
	return 0;
}
