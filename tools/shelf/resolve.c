/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Resolve: the addresses of a host, as the system's resolver finds them.
 *
 * That resolver cannot be interrupted, and may take many seconds when no server
 * answers. The client is told after DEADLINE_MS; the worker that is stuck is
 * its lane's matter (work.c), and stands in GET /jobs.
 *
 * Threads: the loop's only.
 */
#include "tools/shelf/resolve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>

#include <jansson.h>

#include <weft.h>

#include "tools/shelf/jobs.h"
#include "tools/shelf/route.h"
#include "tools/shelf/work.h"

#define DEADLINE_MS 500
#define HOST_MAX    253

/* One answer for each address. */
static const struct addrinfo resolve_hints = { .ai_socktype = SOCK_STREAM };

struct resolve_state {
	const char *host;
	struct message_reply *reply;
};

static bool host_is_good(const char *host)
{
	static const char good[] = "-.:_0123456789abcdefghijklmnopqrstuvwxyz"
				   "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

	return strlen(host) <= HOST_MAX && host[strspn(host, good)] == '\0';
}

static json_t *address_json(const struct addrinfo *info)
{
	char text[INET6_ADDRSTRLEN] = { 0 };
	const void *address = NULL;

	if (info->ai_family == AF_INET) {
		address = &((const struct sockaddr_in *)info->ai_addr)
				   ->sin_addr;
	} else if (info->ai_family == AF_INET6) {
		address = &((const struct sockaddr_in6 *)info->ai_addr)
				   ->sin6_addr;
	}
	if (address == NULL ||
	    inet_ntop(info->ai_family, address, text, sizeof(text)) == NULL) {
		return json_null();
	}
	return json_string(text);
}

static struct message_reply *list_reply(TALLOC_CTX *mem_ctx, const char *host,
					const struct addrinfo *list)
{
	json_t *addresses = json_array();

	for (; list != NULL; list = list->ai_next) {
		(void)json_array_append_new(addresses, address_json(list));
	}
	return message_json(
		mem_ctx, 200,
		json_pack("{s:s, s:o}", "host", host, "addresses", addresses));
}

/* What the resolver said in place of an address. */
static struct message_reply *gai_reply(TALLOC_CTX *mem_ctx, int gai)
{
	switch (gai) {
	case EAI_AGAIN:
		return message_busy(mem_ctx, gai_strerror(gai));
	case EAI_MEMORY:
		return message_busy(mem_ctx, "no memory");
	case EAI_FAIL:
		return message_text(mem_ctx, 502, "%s", gai_strerror(gai));
	default:
		return message_text(mem_ctx, 404, "%s", gai_strerror(gai));
	}
}

static void resolve_done(struct tevent_req *subreq)
{
	struct tevent_req *req = tevent_req_callback_data(subreq,
							  struct tevent_req);
	struct resolve_state *state = tevent_req_data(req,
						      struct resolve_state);
	struct addrinfo *list = NULL;
	int gai = 0;
	int ret = 0;

	ret = weft_getaddrinfo_recv(subreq, state, &list, &gai);
	TALLOC_FREE(subreq);
	if (ret != 0 && ret != EADDRNOTAVAIL) {
		tevent_req_error(req, (uint64_t)ret);
		return;
	}
	state->reply = ret == 0 ? list_reply(state, state->host, list)
				: gai_reply(state, gai);
	if (tevent_req_nomem(state->reply, req)) {
		return;
	}
	tevent_req_done(req);
}

/* As a daemon without threads does it: all wait. */
static void resolve_here(struct tevent_req *req, struct resolve_state *state)
{
	struct addrinfo *list = NULL;
	int gai = 0;

	gai = getaddrinfo(state->host, NULL, &resolve_hints, &list);
	if (gai == EAI_SYSTEM) {
		tevent_req_error(req, (uint64_t)errno);
		return;
	}
	if (gai == 0) {
		state->reply = list_reply(state, state->host, list);
		freeaddrinfo(list);
	} else {
		state->reply = gai_reply(state, gai);
	}
	if (!tevent_req_nomem(state->reply, req)) {
		tevent_req_done(req);
	}
}

static void resolve_start(struct tevent_req *req, struct resolve_state *state,
			  struct tevent_context *ev, struct work_place *place)
{
	const struct weft_job_options options = {
		.name = "resolve",
		.deadline_ns = weft_deadline_ms(DEADLINE_MS),
		.lane = work_place_lane(place, WORK_SLOW),
	};
	struct tevent_req *subreq = NULL;

	subreq = weft_getaddrinfo_send(state, ev, work_place_pool(place),
				       state->host, NULL, &resolve_hints,
				       &options);
	if (tevent_req_nomem(subreq, req)) {
		return;
	}
	(void)jobs_watch(work_place_jobs(place), subreq);
	tevent_req_set_callback(subreq, resolve_done, req);
}

/* Thread: owner of @ev.  Lock: none.
 * Owns:   the request is a child of @mem_ctx; @host must outlive it.
 * Return: NULL without memory.
 */
struct tevent_req *resolve_send(TALLOC_CTX *mem_ctx, struct tevent_context *ev,
				struct shelf *shelf,
				const struct message_request *request,
				const char *host)
{
	struct tevent_req *req = NULL;
	struct resolve_state *state = NULL;

	(void)request;
	req = tevent_req_create(mem_ctx, &state, struct resolve_state);
	if (req == NULL) {
		return NULL;
	}
	state->host = host;
	if (!host_is_good(host)) {
		state->reply = message_text(state, 400, "not a host's name");
		if (!tevent_req_nomem(state->reply, req)) {
			tevent_req_done(req);
		}
	} else if (work_place_pool(shelf->place) == NULL) {
		resolve_here(req, state);
	} else {
		resolve_start(req, state, ev, shelf->place);
	}
	return tevent_req_is_in_progress(req) ? req : tevent_req_post(req, ev);
}

/* Thread: owner.  Lock: none.
 * Owns:   the reply is a child of @mem_ctx.
 * Return: 0 or errno.
 */
int resolve_recv(struct tevent_req *req, TALLOC_CTX *mem_ctx,
		 struct message_reply **ret_reply)
{
	struct resolve_state *state = tevent_req_data(req,
						      struct resolve_state);
	enum tevent_req_state how = TEVENT_REQ_INIT;
	uint64_t error = 0;
	int ret = 0;

	if (tevent_req_is_error(req, &how, &error)) {
		ret = how == TEVENT_REQ_USER_ERROR ? (int)error : ENOMEM;
	} else {
		*ret_reply = talloc_move(mem_ctx, &state->reply);
	}
	tevent_req_received(req);
	return ret;
}
