/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Route: which request is answered by what.
 *
 * A route either answers at once, from the loop, or prepares a task whose work
 * is done elsewhere (work.c) and brings the reply home:
 *
 *     route_send -> prepare -> work_send ...... route_done -> route_recv
 *                      |          the task          |
 *                      |        travels, with       |
 *                      \-> refused  the reply       \-> reply
 *
 * What the pool refuses (its queue is full, no memory) is not an error of the
 * work but of the moment: 503, come again.
 *
 * Threads: the loop's only.
 */
#include "tools/shelf/route.h"

#include <errno.h>
#include <string.h>

#include <weft.h>

#include "tools/shelf/login.h"
#include "tools/shelf/stats.h"
#include "tools/shelf/task.h"
#include "tools/shelf/work.h"

struct route {
	const char *name;
	const char *path; /* ends in '/': more must follow */
	const char *allow;
	/* Either this, */
	struct message_reply *(*answer)(TALLOC_CTX *mem_ctx,
					struct shelf *shelf);
	/* or these two. */
	struct task *(*prepare)(const struct message_request *request,
				const char *rest);
	weft_job_fn_t run;
	size_t (*body_max)(void); /* NULL: takes no body */
};

static struct message_reply *ping_answer(TALLOC_CTX *mem_ctx,
					 struct shelf *shelf)
{
	(void)shelf;
	return message_text(mem_ctx, 200, "pong");
}

static struct message_reply *stats_answer(TALLOC_CTX *mem_ctx,
					  struct shelf *shelf)
{
	return stats_reply(mem_ctx, shelf->stats, work_place_pool(shelf->place),
			   http_server_connections(shelf->http));
}

static const struct route routes[] = {
	{ .name = "ping",
	  .path = "/ping",
	  .allow = "GET, HEAD",
	  .answer = ping_answer },
	{ .name = "sum",
	  .path = "/sum/",
	  .allow = "GET, HEAD",
	  .prepare = sum_prepare,
	  .run = sum_run },
	{ .name = "thumb",
	  .path = "/thumb/",
	  .allow = "GET, HEAD",
	  .prepare = thumb_prepare,
	  .run = thumb_run },
	{ .name = "login",
	  .path = "/login",
	  .allow = "POST",
	  .prepare = login_prepare,
	  .run = login_run,
	  .body_max = login_form_max },
	{ .name = "stats",
	  .path = "/stats",
	  .allow = "GET, HEAD",
	  .answer = stats_answer },
};
#define ROUTES (sizeof(routes) / sizeof(routes[0]))

/* What follows the route's path in @path, or NULL if this is another's. */
static const char *route_rest(const struct route *route, const char *path)
{
	const size_t size = strlen(route->path);

	if (strncmp(path, route->path, size) != 0) {
		return NULL;
	}
	if (route->path[size - 1] == '/') {
		return path[size] == '\0' ? NULL : path + size;
	}
	return path[size] == '\0' ? path + size : NULL;
}

static bool route_allows(const struct route *route, const char *method)
{
	const size_t size = strlen(method);
	const char *at = strstr(route->allow, method);

	return size > 0 && at != NULL && strchr(",", at[size]) != NULL &&
	       (at == route->allow || at[-1] == ' ');
}

static bool route_admit(TALLOC_CTX *mem_ctx, struct message_request *request,
			size_t *ret_body_max, struct message_reply **refusal,
			void *private_data)
{
	struct message_reply *reply = NULL;

	(void)private_data;
	for (size_t i = 0; i < ROUTES && request->route == NULL; i++) {
		if (route_rest(&routes[i], request->path) != NULL) {
			request->route = &routes[i];
		}
	}
	if (request->route == NULL) {
		*refusal = message_text(mem_ctx, 404, "no such route");
		return false;
	}
	if (route_allows(request->route, request->method)) {
		*ret_body_max = request->route->body_max == NULL
					? 0
					: request->route->body_max();
		return true;
	}
	reply = message_text(mem_ctx, 405, "only %s", request->route->allow);
	if (reply != NULL) {
		reply->header = "Allow";
		reply->header_value = request->route->allow;
	}
	*refusal = reply;
	return false;
}

struct route_state {
	struct task *task;
	struct message_reply *reply;
};

static void route_done(struct tevent_req *subreq)
{
	struct tevent_req *req = tevent_req_callback_data(subreq,
							  struct tevent_req);
	struct route_state *state = tevent_req_data(req, struct route_state);
	int ret = 0;

	ret = work_recv(subreq, state, &state->task);
	TALLOC_FREE(subreq);
	switch (ret) {
	case 0:
		state->reply = state->task->reply;
		break;
	case EAGAIN:
		state->reply = message_busy(state, "the queue is full");
		break;
	case ESHUTDOWN:
		state->reply = message_busy(state, "shutting down");
		break;
	case ENOMEM:
	case EMFILE:
	case ENFILE:
		state->reply = message_busy(state, "out of memory or files");
		break;
	default:
		state->reply = message_text(state, 500, "%s", strerror(ret));
		break;
	}
	if (tevent_req_nomem(state->reply, req)) {
		return;
	}
	tevent_req_done(req);
}

static struct tevent_req *route_send(TALLOC_CTX *mem_ctx,
				     struct tevent_context *ev,
				     const struct message_request *request,
				     void *private_data)
{
	const struct route *route = request->route;
	struct shelf *shelf = private_data;
	struct tevent_req *req = NULL;
	struct tevent_req *subreq = NULL;
	struct route_state *state = NULL;
	struct task *task = NULL;

	req = tevent_req_create(mem_ctx, &state, struct route_state);
	if (req == NULL) {
		return NULL;
	}
	if (route->answer != NULL) {
		state->reply = route->answer(state, shelf);
	} else {
		task = route->prepare(request,
				      route_rest(route, request->path));
		if (tevent_req_nomem(task, req)) {
			return tevent_req_post(req, ev);
		}
		state->reply = task->reply;
	}
	if (state->reply != NULL) {
		(void)talloc_steal(state, task);
		tevent_req_done(req);
		return tevent_req_post(req, ev);
	}
	if (tevent_req_nomem(task, req)) {
		return tevent_req_post(req, ev);
	}
	task->root_fd = shelf->root_fd;
	subreq = work_send(state, ev, shelf->place, route->name, route->run,
			   &task);
	if (tevent_req_nomem(subreq, req)) {
		talloc_free(task);
		return tevent_req_post(req, ev);
	}
	tevent_req_set_callback(subreq, route_done, req);
	return req;
}

static struct message_reply *route_recv(struct tevent_req *req,
					TALLOC_CTX *mem_ctx)
{
	struct route_state *state = tevent_req_data(req, struct route_state);
	enum tevent_req_state how = TEVENT_REQ_INIT;
	struct message_reply *reply = NULL;
	uint64_t error = 0;

	if (!tevent_req_is_error(req, &how, &error)) {
		reply = talloc_move(mem_ctx, &state->reply);
	}
	tevent_req_received(req);
	return reply;
}

static void route_note(const struct message_request *request, unsigned status,
		       uint64_t microseconds, void *private_data)
{
	struct shelf *shelf = private_data;
	size_t index = ROUTES;

	if (request->route != NULL) {
		index = (size_t)(request->route - routes);
	}
	stats_note(shelf->stats, (unsigned)index, status, microseconds);
}

/* The private_data of its functions is a struct shelf. */
const struct http_handler route_handler = {
	.admit = route_admit,
	.send = route_send,
	.recv = route_recv,
	.note = route_note,
};

/* Stats with one series for each route, and one for what belongs to none.
 *
 * Thread: the loop's.  Lock: none.
 * Owns:   the stats are a child of @mem_ctx.
 * Return: NULL without memory.
 */
struct stats *route_stats_create(TALLOC_CTX *mem_ctx)
{
	const char *names[ROUTES + 1];

	for (size_t i = 0; i < ROUTES; i++) {
		names[i] = routes[i].name;
	}
	names[ROUTES] = "none";
	return stats_create(mem_ctx, names, ROUTES + 1);
}
