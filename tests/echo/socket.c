/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Socket: accept, read and write as requests.
 *
 * The states of the three look alike: what to work on, the event that tells
 * when, the result. So does their life:
 *
 *      _send           creates request and event
 *      handler         the descriptor is ready: tries the call, ends the
 *                      request, or stays for another turn of readiness
 *      cleanup         runs on every way out, be it success, an error, an end
 *                      time or a free: the descriptor is watched no longer
 *      _recv           hands the result out
 *
 * Ending a request is the last thing a function does with it: the callback
 * frees it.
 */
#include "tests/echo/socket.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

int req_errno(struct tevent_req *req)
{
	enum tevent_req_state req_state = TEVENT_REQ_INIT;
	uint64_t error = 0;

	if (!tevent_req_is_error(req, &req_state, &error)) {
		return 0;
	}
	switch (req_state) {
	case TEVENT_REQ_USER_ERROR:
		return (int)error;
	case TEVENT_REQ_TIMED_OUT:
		return ETIMEDOUT;
	case TEVENT_REQ_NO_MEMORY:
		return ENOMEM;
	default:
		return EINVAL; /* unfinished, or received before */
	}
}

/* Whether a call that failed with @error is worth another try when the
 * descriptor is ready again. */
static bool try_again(int error)
{
	return error == EAGAIN || error == EINTR;
}

/* ------------------------------------------------------------------------
 * Accept
 */

struct accept_state {
	int listener;
	int fd; /* the connection, until somebody takes it; else -1 */
	struct tevent_fd *fde;
};

static void accept_cleanup(struct tevent_req *req,
			   enum tevent_req_state req_state)
{
	struct accept_state *state = tevent_req_data(req, struct accept_state);

	TALLOC_FREE(state->fde);
	if (req_state == TEVENT_REQ_RECEIVED && state->fd != -1) {
		(void)close(state->fd);
		state->fd = -1;
	}
}

static void accept_ready(struct tevent_context *ev, struct tevent_fd *fde,
			 uint16_t flags, void *private_data)
{
	struct tevent_req *req = talloc_get_type_abort(private_data,
						       struct tevent_req);
	struct accept_state *state = tevent_req_data(req, struct accept_state);

	(void)ev;
	(void)fde;
	(void)flags;
	state->fd = accept4(state->listener, NULL, NULL,
			    SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (state->fd != -1) {
		tevent_req_done(req);
		return;
	}
	/* That client has gone; the next may come. */
	if (try_again(errno) || errno == ECONNABORTED || errno == EPROTO) {
		return;
	}
	(void)tevent_req_error(req, (uint64_t)errno);
}

struct tevent_req *accept_send(TALLOC_CTX *mem_ctx, struct tevent_context *ev,
			       int listener)
{
	struct accept_state *state = NULL;
	struct tevent_req *req = NULL;

	req = tevent_req_create(mem_ctx, &state, struct accept_state);
	if (req == NULL) {
		return NULL;
	}
	state->listener = listener;
	state->fd = -1;
	tevent_req_set_cleanup_fn(req, accept_cleanup);

	state->fde = tevent_add_fd(ev, state, listener, TEVENT_FD_READ,
				   accept_ready, req);
	if (tevent_req_nomem(state->fde, req)) {
		return tevent_req_post(req, ev);
	}
	return req;
}

int accept_recv(struct tevent_req *req, int *ret_fd)
{
	struct accept_state *state = tevent_req_data(req, struct accept_state);
	int ret = req_errno(req);

	if (ret == 0) {
		*ret_fd = state->fd;
		state->fd = -1;
	}
	tevent_req_received(req);
	return ret;
}

/* ------------------------------------------------------------------------
 * Read
 */

struct read_state {
	int fd;
	struct tevent_fd *fde;
	size_t max;
	uint8_t *data;
	size_t size;
};

static void read_cleanup(struct tevent_req *req,
			 enum tevent_req_state req_state)
{
	struct read_state *state = tevent_req_data(req, struct read_state);

	(void)req_state;
	TALLOC_FREE(state->fde);
}

static void read_ready(struct tevent_context *ev, struct tevent_fd *fde,
		       uint16_t flags, void *private_data)
{
	struct tevent_req *req = talloc_get_type_abort(private_data,
						       struct tevent_req);
	struct read_state *state = tevent_req_data(req, struct read_state);
	ssize_t size = 0;

	(void)ev;
	(void)fde;
	(void)flags;
	state->data = talloc_array(state, uint8_t, state->max);
	if (tevent_req_nomem(state->data, req)) {
		return;
	}
	size = recv(state->fd, state->data, state->max, 0);
	if (size > 0) {
		state->size = (size_t)size;
		tevent_req_done(req);
		return;
	}
	TALLOC_FREE(state->data);
	if (size == 0) {
		tevent_req_done(req);
	} else if (!try_again(errno)) {
		(void)tevent_req_error(req, (uint64_t)errno);
	}
}

struct tevent_req *read_send(TALLOC_CTX *mem_ctx, struct tevent_context *ev,
			     int fd, size_t max)
{
	struct read_state *state = NULL;
	struct tevent_req *req = NULL;

	req = tevent_req_create(mem_ctx, &state, struct read_state);
	if (req == NULL) {
		return NULL;
	}
	state->fd = fd;
	state->max = max;
	tevent_req_set_cleanup_fn(req, read_cleanup);

	state->fde = tevent_add_fd(ev, state, fd, TEVENT_FD_READ, read_ready,
				   req);
	if (tevent_req_nomem(state->fde, req)) {
		return tevent_req_post(req, ev);
	}
	return req;
}

int read_recv(struct tevent_req *req, TALLOC_CTX *mem_ctx, uint8_t **ret_data,
	      size_t *ret_size)
{
	struct read_state *state = tevent_req_data(req, struct read_state);
	int ret = req_errno(req);

	if (ret == 0) {
		/* A few bytes need not keep the room for many. */
		if (state->size > 0 && state->size < state->max / 2) {
			uint8_t *fitted = talloc_realloc(state, state->data,
							 uint8_t, state->size);

			state->data = fitted != NULL ? fitted : state->data;
		}
		*ret_data = talloc_move(mem_ctx, &state->data);
		*ret_size = state->size;
	}
	tevent_req_received(req);
	return ret;
}

/* ------------------------------------------------------------------------
 * Write
 */

/* A peer that breaks off while nothing can be written is noticed at once where
 * errors can be asked for, which is since tevent 0.16. */
#ifdef TEVENT_FD_ERROR
#define WRITE_FLAGS (TEVENT_FD_WRITE | TEVENT_FD_ERROR)
#else
#define WRITE_FLAGS TEVENT_FD_WRITE
#endif

struct write_state {
	struct tevent_context *ev;
	int fd;
	struct tevent_fd *fde;
	const uint8_t *data;
	size_t left;
};

static void write_cleanup(struct tevent_req *req,
			  enum tevent_req_state req_state)
{
	struct write_state *state = tevent_req_data(req, struct write_state);

	(void)req_state;
	TALLOC_FREE(state->fde);
}

/* Writes what the socket takes.
 * Return: false when the request is finished, and perhaps freed. */
static bool write_some(struct tevent_req *req)
{
	struct write_state *state = tevent_req_data(req, struct write_state);
	ssize_t size = send(state->fd, state->data, state->left, MSG_NOSIGNAL);

	if (size == -1 && !try_again(errno)) {
		(void)tevent_req_error(req, (uint64_t)errno);
		return false;
	}
	if (size > 0) {
		state->data += size;
		state->left -= (size_t)size;
	}
	if (state->left == 0) {
		tevent_req_done(req);
		return false;
	}
	return true;
}

static void write_ready(struct tevent_context *ev, struct tevent_fd *fde,
			uint16_t flags, void *private_data)
{
	struct tevent_req *req = talloc_get_type_abort(private_data,
						       struct tevent_req);

	(void)ev;
	if (!write_some(req)) {
		return;
	}
	/* An error that does not keep us from writing is a peer that has only
	 * closed its own side. It would be told for ever: look away. */
	if ((flags & TEVENT_FD_WRITE) == 0) {
		tevent_fd_set_flags(fde, TEVENT_FD_WRITE);
	}
}

/* It is this request's turn. Most writes are through at once. */
static void write_trigger(struct tevent_req *req, void *private_data)
{
	struct write_state *state = tevent_req_data(req, struct write_state);

	(void)private_data;
	if (!write_some(req)) {
		return;
	}
	state->fde = tevent_add_fd(state->ev, state, state->fd, WRITE_FLAGS,
				   write_ready, req);
	(void)tevent_req_nomem(state->fde, req);
}

struct tevent_req *write_send(TALLOC_CTX *mem_ctx, struct tevent_context *ev,
			      struct tevent_queue *queue, int fd,
			      const uint8_t *data, size_t size)
{
	struct write_state *state = NULL;
	struct tevent_req *req = NULL;

	req = tevent_req_create(mem_ctx, &state, struct write_state);
	if (req == NULL) {
		return NULL;
	}
	state->ev = ev;
	state->fd = fd;
	state->data = data;
	state->left = size;
	tevent_req_set_cleanup_fn(req, write_cleanup);

	if (!tevent_queue_add(queue, ev, req, write_trigger, NULL)) {
		tevent_req_oom(req);
		return tevent_req_post(req, ev);
	}
	return req;
}

int write_recv(struct tevent_req *req)
{
	int ret = req_errno(req);

	tevent_req_received(req);
	return ret;
}
