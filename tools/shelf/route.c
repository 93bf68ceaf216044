/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Route: which request is answered by what.
 *
 * A route answers at once, from the loop; or prepares a task whose work is done
 * elsewhere (work.c) and brings the reply home; or takes several steps, as a
 * request of its own:
 *
 *     route_send -> prepare -> work_send ...... route_worked -> route_recv
 *          \           |          the task           |              /
 *           \          |        travels, with        |             /
 *            \         \-> refused  the reply        \-> reply    /
 *             \-> send ................................ route_done /
 *
 * Threads: the loop's only.
 */
#include "tools/shelf/route.h"

#include <errno.h>
#include <string.h>

#include <weft.h>

#include "tools/shelf/jobs.h"
#include "tools/shelf/login.h"
#include "tools/shelf/put.h"
#include "tools/shelf/resolve.h"
#include "tools/shelf/stats.h"
#include "tools/shelf/store.h"
#include "tools/shelf/task.h"
#include "tools/shelf/upload.h"
#include "tools/shelf/work.h"

struct route {
	const char *name;
	const char *path; /* ends in '/': more must follow */
	const char *methods;
	const char *allow; /* of all routes of this path; NULL: methods */
	/* Optional: looks before the body comes; route_admit() says how. */
	bool (*admit)(TALLOC_CTX *mem_ctx, struct shelf *shelf,
		      struct message_request *request, const char *rest,
		      struct message_reply **refusal);
	/* NULL: takes no body. */
	size_t (*body_max)(const struct shelf *shelf);
	/* Either this, */
	struct message_reply *(*answer)(TALLOC_CTX *mem_ctx,
					struct shelf *shelf, const char *rest);
	/* or these, */
	struct task *(*prepare)(const struct message_request *request,
				const char *rest);
	weft_job_fn_t run;
	enum work_lane lane;
	/* or these two. */
	struct tevent_req *(*send)(TALLOC_CTX *mem_ctx,
				   struct tevent_context *ev,
				   struct shelf *shelf,
				   const struct message_request *request,
				   const char *rest);
	int (*recv)(struct tevent_req *req, TALLOC_CTX *mem_ctx,
		    struct message_reply **ret_reply);
};

/*
 * What is answered from the loop
 */

static struct message_reply *ping_answer(TALLOC_CTX *mem_ctx,
					 struct shelf *shelf, const char *rest)
{
	(void)shelf;
	(void)rest;
	return message_text(mem_ctx, 200, "pong");
}

static struct message_reply *stats_answer(TALLOC_CTX *mem_ctx,
					  struct shelf *shelf, const char *rest)
{
	(void)rest;
	return stats_reply(mem_ctx, shelf->stats, work_place_pool(shelf->place),
			   http_server_connections(shelf->http));
}

static struct message_reply *jobs_answer(TALLOC_CTX *mem_ctx,
					 struct shelf *shelf, const char *rest)
{
	(void)rest;
	return jobs_reply(mem_ctx, work_place_pool(shelf->place));
}

static struct message_reply *cancel_answer(TALLOC_CTX *mem_ctx,
					   struct shelf *shelf,
					   const char *rest)
{
	return jobs_cancel_reply(mem_ctx, work_place_jobs(shelf->place), rest);
}

/*
 * What is looked at before a body comes
 */

static size_t login_body_max(const struct shelf *shelf)
{
	(void)shelf;
	return login_form_max();
}

static size_t object_body_max(const struct shelf *shelf)
{
	return shelf->upload_max;
}

static bool object_admit(TALLOC_CTX *mem_ctx, struct shelf *shelf,
			 struct message_request *request, const char *rest,
			 struct message_reply **refusal)
{
	(void)request;
	if (shelf->store == NULL) {
		*refusal = message_text(mem_ctx, 404, "there is no store here");
		return false;
	}
	if (!store_name_is_good(rest)) {
		*refusal = message_text(mem_ctx, 400,
					"not a name for an object");
		return false;
	}
	return true;
}

static bool upload_admit(TALLOC_CTX *mem_ctx, struct shelf *shelf,
			 struct message_request *request, const char *rest,
			 struct message_reply **refusal)
{
	if (!object_admit(mem_ctx, shelf, request, rest, refusal)) {
		return false;
	}
	if (shelf->uploads >= shelf->uploads_max) {
		*refusal = message_busy(mem_ctx, "too many uploads");
		return false;
	}
	request->upload = upload_create(mem_ctx, &shelf->uploads);
	return request->upload != NULL;
}

static const struct route routes[] = {
	{ .name = "ping",
	  .path = "/ping",
	  .methods = "GET, HEAD",
	  .answer = ping_answer },
	{ .name = "sum",
	  .path = "/sum/",
	  .methods = "GET, HEAD",
	  .prepare = sum_prepare,
	  .run = sum_run,
	  .lane = WORK_CPU },
	{ .name = "thumb",
	  .path = "/thumb/",
	  .methods = "GET, HEAD",
	  .prepare = thumb_prepare,
	  .run = thumb_run,
	  .lane = WORK_CPU },
	{ .name = "login",
	  .path = "/login",
	  .methods = "POST",
	  .prepare = login_prepare,
	  .run = login_run,
	  .lane = WORK_LOGIN,
	  .body_max = login_body_max },
	{ .name = "resolve",
	  .path = "/resolve/",
	  .methods = "GET, HEAD",
	  .send = resolve_send,
	  .recv = resolve_recv },
	{ .name = "get",
	  .path = "/o/",
	  .methods = "GET, HEAD",
	  .allow = "GET, HEAD, PUT",
	  .admit = object_admit,
	  .prepare = get_prepare,
	  .run = get_run,
	  .lane = WORK_CPU },
	{ .name = "put",
	  .path = "/o/",
	  .methods = "PUT",
	  .allow = "GET, HEAD, PUT",
	  .admit = upload_admit,
	  .body_max = object_body_max,
	  .send = put_send,
	  .recv = put_recv },
	{ .name = "jobs",
	  .path = "/jobs",
	  .methods = "GET, HEAD",
	  .answer = jobs_answer },
	{ .name = "cancel",
	  .path = "/jobs/",
	  .methods = "DELETE",
	  .answer = cancel_answer },
	{ .name = "stats",
	  .path = "/stats",
	  .methods = "GET, HEAD",
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
	const char *at = strstr(route->methods, method);

	return size > 0 && at != NULL && strchr(",", at[size]) != NULL &&
	       (at == route->methods || at[-1] == ' ');
}

/* The route of this path, and of this method if there is one of both. */
static const struct route *route_find(const struct message_request *request)
{
	const struct route *found = NULL;

	for (size_t i = 0; i < ROUTES; i++) {
		if (route_rest(&routes[i], request->path) == NULL) {
			continue;
		}
		found = &routes[i];
		if (route_allows(found, request->method)) {
			break;
		}
	}
	return found;
}

static struct message_reply *route_refuse_method(TALLOC_CTX *mem_ctx,
						 const struct route *route)
{
	struct message_reply *reply = NULL;
	const char *allow = route->allow;

	if (allow == NULL) {
		allow = route->methods;
	}
	reply = message_text(mem_ctx, 405, "only %s", allow);
	if (reply != NULL) {
		reply->header = "Allow";
		reply->header_value = allow;
	}
	return reply;
}

static bool route_admit(TALLOC_CTX *mem_ctx, struct message_request *request,
			size_t *ret_body_max, struct message_reply **refusal,
			void *private_data)
{
	const struct route *route = route_find(request);
	struct shelf *shelf = private_data;

	request->route = route;
	if (route == NULL) {
		*refusal = message_text(mem_ctx, 404, "no such route");
		return false;
	}
	if (!route_allows(route, request->method)) {
		*refusal = route_refuse_method(mem_ctx, route);
		return false;
	}
	*ret_body_max = route->body_max == NULL ? 0 : route->body_max(shelf);
	return route->admit == NULL ||
	       route->admit(mem_ctx, shelf, request,
			    route_rest(route, request->path), refusal);
}

/*
 * Uploads
 */

static struct tevent_req *route_feed(TALLOC_CTX *mem_ctx,
				     struct tevent_context *ev,
				     const struct message_request *request,
				     uint8_t *piece, void *private_data)
{
	struct shelf *shelf = private_data;

	return upload_feed_send(mem_ctx, ev, shelf->place, request->upload,
				piece);
}

static bool route_fed(struct tevent_req *req, TALLOC_CTX *mem_ctx,
		      struct message_reply **refusal)
{
	const int ret = upload_feed_recv(req);

	if (ret != 0) {
		*refusal = message_failure(mem_ctx, ret);
	}
	return ret == 0;
}

/*
 * Requests
 */

struct route_state {
	const struct route *route;
	struct task *task;
	struct message_reply *reply;
};

/* The work has ended with @error, 0: with a reply. */
static void route_finish(struct tevent_req *req, struct route_state *state,
			 int error)
{
	if (error != 0) {
		state->reply = message_failure(state, error);
	}
	if (tevent_req_nomem(state->reply, req)) {
		return;
	}
	tevent_req_done(req);
}

static void route_worked(struct tevent_req *subreq)
{
	struct tevent_req *req = tevent_req_callback_data(subreq,
							  struct tevent_req);
	struct route_state *state = tevent_req_data(req, struct route_state);
	int ret = 0;

	ret = work_recv(subreq, state, &state->task);
	TALLOC_FREE(subreq);
	if (ret == 0) {
		state->reply = state->task->reply;
	}
	route_finish(req, state, ret);
}

/* Do the work of a task, unless its preparation has refused it. */
static bool route_work(struct tevent_req *req, struct tevent_context *ev,
		       const struct message_request *request,
		       struct shelf *shelf)
{
	struct route_state *state = tevent_req_data(req, struct route_state);
	const struct route *route = state->route;
	const struct work_order order = { .name = route->name,
					  .location = __location__,
					  .fn = route->run,
					  .lane = route->lane };
	struct tevent_req *subreq = NULL;
	struct task *task = NULL;

	task = route->prepare(request, route_rest(route, request->path));
	if (tevent_req_nomem(task, req)) {
		return false;
	}
	if (task->reply != NULL) {
		state->task = talloc_steal(state, task);
		state->reply = task->reply;
		tevent_req_done(req);
		return false;
	}
	task->root_fd = shelf->root_fd;
	subreq = work_send(state, ev, shelf->place, &order, &task);
	if (tevent_req_nomem(subreq, req)) {
		talloc_free(task);
		return false;
	}
	tevent_req_set_callback(subreq, route_worked, req);
	return true;
}

static void route_done(struct tevent_req *subreq)
{
	struct tevent_req *req = tevent_req_callback_data(subreq,
							  struct tevent_req);
	struct route_state *state = tevent_req_data(req, struct route_state);
	int ret = 0;

	ret = state->route->recv(subreq, state, &state->reply);
	TALLOC_FREE(subreq);
	route_finish(req, state, ret);
}

static struct tevent_req *route_send(TALLOC_CTX *mem_ctx,
				     struct tevent_context *ev,
				     const struct message_request *request,
				     void *private_data)
{
	const struct route *route = request->route;
	const char *rest = route_rest(route, request->path);
	struct shelf *shelf = private_data;
	struct tevent_req *req = NULL;
	struct tevent_req *subreq = NULL;
	struct route_state *state = NULL;
	bool under_way = false;

	req = tevent_req_create(mem_ctx, &state, struct route_state);
	if (req == NULL) {
		return NULL;
	}
	state->route = route;
	if (route->answer != NULL) {
		state->reply = route->answer(state, shelf, rest);
		route_finish(req, state, 0);
	} else if (route->prepare != NULL) {
		under_way = route_work(req, ev, request, shelf);
	} else {
		subreq = route->send(state, ev, shelf, request, rest);
		under_way = !tevent_req_nomem(subreq, req);
	}
	if (!under_way) {
		return tevent_req_post(req, ev);
	}
	if (subreq != NULL) {
		tevent_req_set_callback(subreq, route_done, req);
	}
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
	.feed = route_feed,
	.fed = route_fed,
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
