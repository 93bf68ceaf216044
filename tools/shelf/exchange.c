/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Exchange: one request, from its first line until the library is through with
 * the reply.
 *
 *     open -> admit -> body ... -> complete -> send ----> recv -> answer
 *               |        |                       |
 *               |        |                       \-> suspended: the library
 *               |        |                           lets the connection be
 *               |        |                           until the work is done
 *               |        \-> a piece is full: suspended until somebody took it
 *               \-> refused: answered after the body, or at once if that is
 *                   long
 *
 * 1. The library decodes leniently (%00 cuts a path, two lengths are fine);
 *    so we take the target as it was sent and judge everything ourselves.
 * 2. A request which is done when send() returns is answered on the spot.
 * 3. While an exchange is suspended its socket is ours to watch, for errors
 *    alone: bytes are the library's business. When the client leaves, freeing
 *    the request cancels the work. The watch is gone before the library gets
 *    the connection back.
 * 4. A body is collected as a whole where it is a short form, or handed on in
 *    pieces, one at a time, so that an upload takes the same small memory
 *    however long it is. Nothing can be answered in its middle: what comes
 *    after a piece that was refused is dropped, then the refusal is said.
 *
 * Threads: the loop's only.
 * Not here: routes (route.c), refusals (judge.c), replies (message.c).
 */
#include "tools/shelf/exchange.h"

#include <string.h>

#include "tools/shelf/answer.h"
#include "tools/shelf/elapsed.h"
#include "tools/shelf/judge.h"

/* A refused request's body is read and dropped up to here, so that the client
 * sees the answer and keeps its connection; a longer one is cut off. */
#define DISCARD_MAX (1024 * 1024)
/* Of a body that is handed on in pieces. */
#define PIECE_BYTES (256 * 1024)

struct exchange {
	LIST_ENTRY(exchange) entry; /* on server->live, while listed */
	struct http_server *server;
	struct MHD_Connection *connection;
	struct message_request request;
	char *target;                /* as sent */
	char *body;                  /* request.body, while it is filled */
	size_t body_max;             /* allocated, without the NUL */
	uint8_t *piece;              /* of an upload, being filled, or NULL */
	size_t piece_max;            /* allocated */
	size_t piece_size;           /* filled */
	uint64_t left;               /* of an upload's body, to come */
	struct message_reply *early; /* a refusal that waits for the body */
	struct tevent_req *req;      /* while suspended */
	struct tevent_fd *watch;     /* while suspended */
	struct timespec started;
	bool listed;
	bool admitted;
	bool complete;
	bool gone;  /* abandoned: the client or our time */
	bool close; /* the connection cannot be trusted any more */
	bool lost;  /* no memory even for a refusal */
};

/* Answer and count. */
static enum MHD_Result exchange_finish(struct exchange *x,
				       const struct message_reply *reply)
{
	struct http_server *server = x->server;

	if (reply != NULL) {
		server->handler->note(&x->request, x->gone ? 0 : reply->status,
				      elapsed_us(&x->started),
				      server->private_data);
	}
	return answer_queue(x->connection, reply, x->close || server->draining);
}

/*
 * Sleep
 */

static void exchange_list(struct exchange *x)
{
	if (!x->listed) {
		x->listed = true;
		LIST_INSERT_HEAD(&x->server->live, x, entry);
	}
}

static void exchange_unlist(struct exchange *x)
{
	if (x->listed) {
		x->listed = false;
		LIST_REMOVE(x, entry);
	}
}

/* What is to be said of the body when its end has come. */
static void exchange_refuse(struct exchange *x, struct message_reply *reply)
{
	x->early = reply;
	x->lost = reply == NULL;
}

/* Give the connection back to the library. */
static void exchange_wake(struct exchange *x)
{
	TALLOC_FREE(x->watch);
	if (!x->complete) {
		exchange_unlist(x);
	}
	MHD_resume_connection(x->connection);
	server_turn_soon(x->server);
}

/* Nobody waits for this any more, or nobody may. The answer reaches clients
 * that only closed their sending side. */
static void exchange_abandon(struct exchange *x, const char *why)
{
	struct message_reply *reply = NULL;

	TALLOC_FREE(x->req);
	x->gone = true;
	x->close = true;
	reply = message_busy(x, why);
	if (x->complete) {
		(void)exchange_finish(x, reply);
	} else {
		exchange_refuse(x, reply);
	}
	exchange_wake(x);
}

/* The client of a suspended exchange closed its side, or is gone. */
static void exchange_watch(struct tevent_context *ev, struct tevent_fd *fde,
			   uint16_t flags, void *private_data)
{
	(void)ev;
	(void)fde;
	(void)flags;
	exchange_abandon(private_data, "the client closed its side");
}

/* The connection sleeps until @req is done. */
static void exchange_sleep(struct exchange *x, struct tevent_req *req,
			   tevent_req_fn done)
{
	const union MHD_ConnectionInfo *info = NULL;

	x->req = req;
	tevent_req_set_callback(req, done, x);
	exchange_list(x);
	info = MHD_get_connection_info(x->connection,
				       MHD_CONNECTION_INFO_CONNECTION_FD);
	/* Without memory for the watch nobody notices when the client leaves;
	 * the work is done all the same. */
	x->watch = tevent_add_fd(x->server->ev, x, info->connect_fd,
				 TEVENT_FD_ERROR, exchange_watch, x);
	MHD_suspend_connection(x->connection);
}

/* End the sleep of every exchange, with a refusal: nothing may be suspended
 * when the library is stopped.
 *
 * Thread: owner of @server.  Lock: none.
 * Owns:   nothing.
 * Return: nothing.
 */
void exchange_abandon_all(struct http_server *server, const char *why)
{
	struct exchange *x = LIST_FIRST(&server->live);

	while (x != NULL) {
		struct exchange *next = LIST_NEXT(x, entry);

		if (x->req != NULL) {
			exchange_abandon(x, why);
		}
		x = next;
	}
}

/*
 * The body
 */

static enum MHD_Result framing_see(void *private_data, enum MHD_ValueKind kind,
				   const char *key, size_t key_size,
				   const char *value, size_t value_size)
{
	(void)kind;
	judge_header(private_data, key, key_size, value, value_size);
	return MHD_YES;
}

static enum MHD_Result exchange_make_room(struct exchange *x, uint64_t size)
{
	if (x->request.upload != NULL) {
		x->left = size;
		return MHD_YES;
	}
	x->body = talloc_zero_array(x, char, size + 1);
	if (x->body == NULL) {
		return MHD_NO;
	}
	x->body_max = size;
	x->request.body = x->body;
	return MHD_YES;
}

/* The header lines are in. */
static enum MHD_Result exchange_admit(struct exchange *x, const char *method,
				      const char *version)
{
	struct http_server *server = x->server;
	struct judge_framing framing = { 0 };
	struct message_reply *reply = NULL;
	size_t body_max = 0;
	bool ok = false;

	x->admitted = true;
	x->request.method = method;
	x->request.content_type = MHD_lookup_connection_value(
		x->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_TYPE);
	(void)MHD_get_connection_values_n(x->connection, MHD_HEADER_KIND,
					  framing_see, &framing);
	ok = judge_framing(x, &framing, version, &reply);
	if (!ok) {
		x->close = true;
		return exchange_finish(x, reply);
	}
	ok = judge_target(x, x->target, &x->request, &reply);
	if (ok) {
		ok = server->handler->admit(x, &x->request, &body_max, &reply,
					    server->private_data);
	}
	if (ok) {
		ok = judge_body(x, &framing, body_max, &reply);
	}
	if (ok) {
		return exchange_make_room(x, framing.length);
	}
	if (reply != NULL && framing.length <= DISCARD_MAX &&
	    !framing.expects) {
		x->early = reply;
		return MHD_YES;
	}
	x->close = true;
	return exchange_finish(x, reply);
}

/* Somebody has taken the piece, or refused it. */
static void exchange_take_fed(struct exchange *x, struct tevent_req *req)
{
	struct message_reply *reply = NULL;

	if (!x->server->handler->fed(req, x, &reply)) {
		exchange_refuse(x, reply);
	}
	talloc_free(req);
}

static void exchange_fed(struct tevent_req *req)
{
	struct exchange *x = tevent_req_callback_data(req, struct exchange);

	x->req = NULL;
	exchange_take_fed(x, req);
	exchange_wake(x);
}

static void exchange_feed(struct exchange *x)
{
	struct http_server *server = x->server;
	struct tevent_req *req = NULL;

	req = server->handler->feed(x, server->ev, &x->request,
				    talloc_move(x, &x->piece),
				    server->private_data);
	if (req == NULL) {
		exchange_refuse(x, message_busy(x, "no memory"));
	} else if (!tevent_req_is_in_progress(req)) {
		exchange_take_fed(x, req);
	} else {
		exchange_sleep(x, req, exchange_fed);
	}
}

/* Put some of what came into the piece, and hand that on when it is full.
 * Return: how much. */
static size_t exchange_fill(struct exchange *x, const char *data, size_t size)
{
	size_t n = 0;

	if (x->piece == NULL) {
		x->piece_max = x->left < PIECE_BYTES ? (size_t)x->left
						     : PIECE_BYTES;
		x->piece_size = 0;
		x->piece = talloc_array(x, uint8_t, x->piece_max);
		if (x->piece == NULL) {
			exchange_refuse(x, message_busy(x, "no memory"));
			return size;
		}
	}
	n = x->piece_max - x->piece_size;
	n = size < n ? size : n;
	memcpy(&x->piece[x->piece_size], data, n);
	x->piece_size += n;
	x->left -= n;
	if (x->piece_size == x->piece_max) {
		exchange_feed(x);
	}
	return n;
}

/* What the library is told is not taken it keeps while the exchange sleeps. */
static enum MHD_Result exchange_upload(struct exchange *x, const char *data,
				       size_t *size)
{
	if (*size > x->left) {
		return MHD_NO; /* more than it announced */
	}
	if (x->server->draining) {
		exchange_refuse(x, message_busy(x, "shutting down"));
	}
	while (*size > 0 && x->req == NULL && x->early == NULL && !x->lost) {
		const size_t n = exchange_fill(x, data, *size);

		data += n;
		*size -= n;
	}
	if (x->early != NULL) {
		*size = 0; /* it is dropped */
	}
	return x->lost ? MHD_NO : MHD_YES;
}

static enum MHD_Result exchange_body(struct exchange *x, const char *data,
				     size_t *size)
{
	if (x->lost) {
		return MHD_NO;
	}
	if (x->early != NULL) {
		*size = 0;
		return MHD_YES;
	}
	if (x->request.upload != NULL) {
		return exchange_upload(x, data, size);
	}
	if (*size > x->body_max - x->request.body_size) {
		return MHD_NO; /* more than it announced */
	}
	memcpy(&x->body[x->request.body_size], data, *size);
	x->request.body_size += *size;
	*size = 0;
	return MHD_YES;
}

/*
 * The work
 */

static void exchange_done(struct tevent_req *req)
{
	struct exchange *x = tevent_req_callback_data(req, struct exchange);
	struct message_reply *reply = NULL;

	reply = x->server->handler->recv(req, x);
	TALLOC_FREE(x->req);
	(void)exchange_finish(x, reply);
	exchange_wake(x);
}

static enum MHD_Result exchange_start(struct exchange *x)
{
	struct http_server *server = x->server;
	struct tevent_req *req = NULL;

	req = server->handler->send(x, server->ev, &x->request,
				    server->private_data);
	if (req == NULL) {
		return exchange_finish(x, message_busy(x, "no memory"));
	}
	if (!tevent_req_is_in_progress(req)) {
		struct message_reply *reply = server->handler->recv(req, x);

		talloc_free(req);
		return exchange_finish(x, reply);
	}
	exchange_sleep(x, req, exchange_done);
	return MHD_YES;
}

/* The request is completely read: from here on it will be answered. */
static enum MHD_Result exchange_complete(struct exchange *x)
{
	struct http_server *server = x->server;

	if (x->lost) {
		return MHD_NO;
	}
	x->complete = true;
	exchange_list(x);
	(void)clock_gettime(CLOCK_MONOTONIC, &x->started);
	if (x->early != NULL) {
		return exchange_finish(x, x->early);
	}
	if (server->draining) {
		return exchange_finish(x, message_busy(x, "shutting down"));
	}
	return exchange_start(x);
}

/*
 * The library's callbacks
 */

/* A request's first line is in.
 *
 * Thread: owner of @server.  Lock: none.
 * Owns:   the exchange is the server's until exchange_close().
 * Return: NULL without memory.
 */
void *exchange_open(void *private_data, const char *uri,
		    struct MHD_Connection *connection)
{
	struct http_server *server = private_data;
	struct exchange *x = NULL;

	x = talloc_zero(server, struct exchange);
	if (x == NULL) {
		return NULL;
	}
	x->server = server;
	x->connection = connection;
	x->request.path = "";
	x->request.query = "";
	x->request.body = "";
	(void)clock_gettime(CLOCK_MONOTONIC, &x->started);
	x->target = talloc_strdup(x, uri == NULL ? "" : uri);
	if (x->target == NULL) {
		TALLOC_FREE(x);
		return NULL;
	}
	return x;
}

/* The headers are in; a part of the body is; all of it is.
 *
 * Thread: owner of the server.  Lock: none.
 * Owns:   nothing.
 * Return: MHD_NO: the connection is to be closed.
 */
enum MHD_Result exchange_access(void *private_data,
				struct MHD_Connection *connection,
				const char *url, const char *method,
				const char *version, const char *data,
				size_t *size, void **exchange)
{
	struct exchange *x = *exchange;

	(void)private_data;
	(void)connection;
	(void)url;
	if (x == NULL || x->complete) {
		return MHD_NO;
	}
	if (!x->admitted) {
		return exchange_admit(x, method, version);
	}
	if (*size > 0) {
		return exchange_body(x, data, size);
	}
	return exchange_complete(x);
}

/* The library is through with it, in one way or another.
 *
 * Thread: owner of the server.  Lock: none.
 * Owns:   frees the exchange.
 * Return: nothing.
 */
void exchange_close(void *private_data, struct MHD_Connection *connection,
		    void **exchange, enum MHD_RequestTerminationCode code)
{
	struct exchange *x = *exchange;

	(void)private_data;
	(void)connection;
	(void)code;
	*exchange = NULL;
	if (x != NULL) {
		exchange_unlist(x);
		talloc_free(x);
	}
}
