/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Echo: one connection as a request that is made of requests.
 *
 *      echo_send
 *          |
 *      echo_next <--------------------+-------------------+
 *          |  room for more?          |                   |
 *          +---> read_send ---> echo_read_done            |
 *          |                      +---> write_send ---> echo_write_done
 *          |  all is written?           (queue)
 *          +---> done
 *
 * At most one read is on its way, and up to ECHO_WRITES_MAX writes, which the
 * connection's queue puts one behind the other. Each callback takes the result
 * of its subrequest, frees it, and asks echo_next() what there is to do now.
 *
 * Whatever ends the connection passes through echo_cleanup(): the last byte, an
 * error of a subrequest, the end time, or somebody who frees the request. The
 * subrequests are freed before the descriptor is closed, since they watch it.
 */
#include "tests/echo/echo.h"

#include <stdbool.h>
#include <unistd.h>

#include "tests/echo/socket.h"

#define ECHO_PIECE      16384
#define ECHO_WRITES_MAX 8

struct echo_state {
	struct tevent_context *ev;
	int fd;
	uint32_t idle_ms;
	struct tevent_queue *queue; /* parent of the writes */
	struct tevent_req *reading; /* NULL when no read is on its way */
	bool ended;                 /* the peer has closed its side */
};

static void echo_cleanup(struct tevent_req *req,
			 enum tevent_req_state req_state)
{
	struct echo_state *state = tevent_req_data(req, struct echo_state);

	(void)req_state;
	TALLOC_FREE(state->reading);
	TALLOC_FREE(state->queue);
	if (state->fd != -1) {
		(void)close(state->fd);
		state->fd = -1;
	}
}

/* Something has moved: the end is far again.
 * Return: false when the request is finished, and perhaps freed. */
static bool echo_moved(struct tevent_req *req)
{
	struct echo_state *state = tevent_req_data(req, struct echo_state);
	struct timeval end = tevent_timeval_current_ofs(
		state->idle_ms / 1000, state->idle_ms % 1000 * 1000);

	return tevent_req_set_endtime(req, state->ev, end);
}

static void echo_read_done(struct tevent_req *subreq);
static void echo_write_done(struct tevent_req *subreq);

/* Finds out what there is to do now; the last thing a callback does. */
static void echo_next(struct tevent_req *req)
{
	struct echo_state *state = tevent_req_data(req, struct echo_state);
	size_t writes = tevent_queue_length(state->queue);

	if (state->ended) {
		if (writes == 0) {
			tevent_req_done(req);
		}
		return;
	}
	if (state->reading != NULL || writes == ECHO_WRITES_MAX) {
		return;
	}
	state->reading = read_send(state, state->ev, state->fd, ECHO_PIECE);
	if (tevent_req_nomem(state->reading, req)) {
		return;
	}
	tevent_req_set_callback(state->reading, echo_read_done, req);
}

struct tevent_req *echo_send(TALLOC_CTX *mem_ctx, struct tevent_context *ev,
			     int fd, uint32_t idle_ms)
{
	struct echo_state *state = NULL;
	struct tevent_req *req = NULL;

	req = tevent_req_create(mem_ctx, &state, struct echo_state);
	if (req == NULL) {
		return NULL;
	}
	state->ev = ev;
	state->fd = fd;
	state->idle_ms = idle_ms;
	tevent_req_set_cleanup_fn(req, echo_cleanup);

	state->queue = tevent_queue_create(state, "echo");
	if (!tevent_req_nomem(state->queue, req) && echo_moved(req)) {
		echo_next(req);
	}
	/* Nobody could set a callback yet. */
	if (!tevent_req_is_in_progress(req)) {
		return tevent_req_post(req, ev);
	}
	return req;
}

/* Sends @data back, and frees it when that is done.
 * Return: false when the request is finished, and perhaps freed. */
static bool echo_write(struct tevent_req *req, uint8_t *data, size_t size)
{
	struct echo_state *state = tevent_req_data(req, struct echo_state);
	struct tevent_req *subreq = NULL;

	subreq = write_send(state->queue, state->ev, state->queue, state->fd,
			    data, size);
	if (tevent_req_nomem(subreq, req)) {
		return false;
	}
	(void)talloc_steal(subreq, data);
	tevent_req_set_callback(subreq, echo_write_done, req);
	return true;
}

static void echo_read_done(struct tevent_req *subreq)
{
	struct tevent_req *req = tevent_req_callback_data(subreq,
							  struct tevent_req);
	struct echo_state *state = tevent_req_data(req, struct echo_state);
	uint8_t *data = NULL;
	size_t size = 0;
	int ret = 0;

	ret = read_recv(subreq, state, &data, &size);
	TALLOC_FREE(state->reading);
	if (ret != 0) {
		(void)tevent_req_error(req, (uint64_t)ret);
		return;
	}
	if (!echo_moved(req)) {
		return;
	}
	if (size == 0) {
		state->ended = true;
	} else if (!echo_write(req, data, size)) {
		return;
	}
	echo_next(req);
}

static void echo_write_done(struct tevent_req *subreq)
{
	struct tevent_req *req = tevent_req_callback_data(subreq,
							  struct tevent_req);
	int ret = 0;

	ret = write_recv(subreq);
	TALLOC_FREE(subreq);
	if (ret != 0) {
		(void)tevent_req_error(req, (uint64_t)ret);
		return;
	}
	if (!echo_moved(req)) {
		return;
	}
	echo_next(req);
}

int echo_recv(struct tevent_req *req)
{
	int ret = req_errno(req);

	tevent_req_received(req);
	return ret;
}
