/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Server: all connections of a listening socket, as a request.
 *
 *      server_send ---> accept_send ---> server_accepted ---> accept_send ...
 *                           ^                 |      |
 *                           |    no more      |      +---> echo_send
 *                           |    descriptors  v                |
 *                      server_rested <--- wakeup_send    server_echo_done
 *
 * Every echo is a child of the server's state: when the server is freed, so are
 * they, and their cleanup functions close what is open.
 */
#include "tests/echo/server.h"

#include <errno.h>
#include <stdbool.h>
#include <unistd.h>

#include "tests/echo/echo.h"
#include "tests/echo/socket.h"

/* For how long nobody is accepted when the system has no room. */
#define SERVER_REST_MS 50

struct server_state {
	struct tevent_context *ev;
	int listener;
	uint32_t idle_ms;
	struct server_counts *counts;
};

static void server_accepted(struct tevent_req *subreq);
static void server_rested(struct tevent_req *subreq);

static void server_accept(struct tevent_req *req)
{
	struct server_state *state = tevent_req_data(req, struct server_state);
	struct tevent_req *subreq = NULL;

	subreq = accept_send(state, state->ev, state->listener);
	if (tevent_req_nomem(subreq, req)) {
		return;
	}
	tevent_req_set_callback(subreq, server_accepted, req);
}

/* The socket stays readable while nobody can be accepted, so it must not be
 * watched meanwhile: that would be a busy loop. */
static void server_rest(struct tevent_req *req)
{
	struct server_state *state = tevent_req_data(req, struct server_state);
	struct tevent_req *subreq = NULL;

	state->counts->pauses++;
	subreq = tevent_wakeup_send(
		state, state->ev,
		tevent_timeval_current_ofs(0, SERVER_REST_MS * 1000));
	if (tevent_req_nomem(subreq, req)) {
		return;
	}
	tevent_req_set_callback(subreq, server_rested, req);
}

static void server_rested(struct tevent_req *subreq)
{
	struct tevent_req *req = tevent_req_callback_data(subreq,
							  struct tevent_req);
	bool ok = tevent_wakeup_recv(subreq);

	TALLOC_FREE(subreq);
	if (!ok) {
		tevent_req_oom(req);
		return;
	}
	server_accept(req);
}

static void server_echo_done(struct tevent_req *subreq)
{
	struct tevent_req *req = tevent_req_callback_data(subreq,
							  struct tevent_req);
	struct server_state *state = tevent_req_data(req, struct server_state);
	int ret = echo_recv(subreq);

	TALLOC_FREE(subreq);
	state->counts->open--;
	if (ret == 0) {
		state->counts->closed++;
	} else if (ret == ETIMEDOUT) {
		state->counts->timed_out++;
	} else {
		state->counts->broken++;
	}
}

/* One connection is one subrequest. If there is no memory for it, the client
 * is sent away and the others are served on. */
static void server_serve(struct tevent_req *req, int fd)
{
	struct server_state *state = tevent_req_data(req, struct server_state);
	struct tevent_req *subreq = NULL;

	subreq = echo_send(state, state->ev, fd, state->idle_ms);
	if (subreq == NULL) {
		(void)close(fd);
		state->counts->broken++;
		return;
	}
	state->counts->open++;
	tevent_req_set_callback(subreq, server_echo_done, req);
}

static void server_accepted(struct tevent_req *subreq)
{
	struct tevent_req *req = tevent_req_callback_data(subreq,
							  struct tevent_req);
	int fd = -1;
	int ret = accept_recv(subreq, &fd);

	TALLOC_FREE(subreq);
	switch (ret) {
	case 0:
		server_serve(req, fd);
		server_accept(req);
		return;
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
		server_rest(req);
		return;
	default:
		(void)tevent_req_error(req, (uint64_t)ret);
		return;
	}
}

struct tevent_req *server_send(TALLOC_CTX *mem_ctx, struct tevent_context *ev,
			       int listener, uint32_t idle_ms,
			       struct server_counts *counts)
{
	struct server_state *state = NULL;
	struct tevent_req *req = NULL;

	req = tevent_req_create(mem_ctx, &state, struct server_state);
	if (req == NULL) {
		return NULL;
	}
	state->ev = ev;
	state->listener = listener;
	state->idle_ms = idle_ms;
	state->counts = counts;
	server_accept(req);
	if (!tevent_req_is_in_progress(req)) {
		return tevent_req_post(req, ev);
	}
	return req;
}

int server_recv(struct tevent_req *req)
{
	int ret = req_errno(req);

	tevent_req_received(req);
	return ret;
}
