/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* HTTP: libmicrohttpd turned by our loop, each request an exchange.
 *
 * The library runs no thread of its own. It keeps its sockets in one epoll
 * set, and that set is one descriptor of our loop:
 *
 *     its epoll set is readable --\
 *     its time-out: a timer -------+-> MHD_run -> what next? -> timer or 5.
 *     we resumed: an immediate ---/
 *
 * An exchange is one request from its first line until the library is through
 * with the reply:
 *
 *     uri_seen -> admit -> body ... -> complete -> send ----> recv -> answer
 *                   |                                |
 *                   \-> refused: answered after      \-> suspended: the library
 *                       the body, or at once if          lets the connection be
 *                       that is long                     until the work is done
 *
 * 1. The library decodes leniently (%00 cuts a path, two lengths are fine);
 *    so we take the target as it was sent and judge everything ourselves.
 * 2. A request which is done when send() returns is answered on the spot.
 * 3. While an exchange is suspended its socket is ours to watch, for errors
 *    alone: bytes are the library's business. When the client leaves, freeing
 *    the request cancels the work. The watch is gone before the library gets
 *    the connection back.
 * 4. MHD_run is called from the loop only, never from a callback of its own,
 *    and MHD_stop_daemon only when nothing is suspended (it would abort).
 * 5. If the library says it has more to do, the loop is not turned by an
 *    immediate: those go before all descriptors, so one client that sends
 *    without end would keep the results of everybody's jobs away. A
 *    descriptor that is always readable takes its turn with the others.
 *
 * 6. When it has stopped accepting (too many clients, no descriptor) it begins
 *    again only in the turn after the one that closed a connection, and does
 *    not say so: that turn is ours to make.
 *
 * Threads: the loop's only.
 * Not here: the routes (route.c), refusals (judge.c), replies (message.c).
 */
#include "tools/shelf/http.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <time.h>
#include <unistd.h>

#include <microhttpd.h>

#include "tools/shelf/judge.h"
#include "tools/shelf/listen.h"

/* Without a byte either way for this long, a connection is closed. */
#define IDLE_SECONDS   30
/* A refused request's body is read and dropped up to here, so that the client
 * sees the answer and keeps its connection; a longer one is cut off. */
#define DISCARD_MAX    (1024 * 1024)
#define LOG_PAUSE_US   1000000
#define LOG_LINE_BYTES 160

struct exchange {
	LIST_ENTRY(exchange) entry; /* on server->live once complete */
	struct http_server *server;
	struct MHD_Connection *connection;
	struct message_request request;
	char *target;                /* as sent */
	char *body;                  /* request.body, while it is filled */
	size_t body_max;             /* allocated, without the NUL */
	struct message_reply *early; /* a refusal that waits for the body */
	struct tevent_req *req;      /* while suspended */
	struct tevent_fd *watch;     /* while suspended */
	struct timespec started;
	bool admitted;
	bool complete;
	bool gone;  /* abandoned: the client or our time */
	bool close; /* the connection cannot be trusted any more */
};

struct http_server {
	struct tevent_context *ev;
	struct MHD_Daemon *daemon;
	const struct http_handler *handler;
	void *private_data;
	/* complete and not yet through */
	LIST_HEAD(exchange_list, exchange) live;
	struct tevent_immediate *turn;
	struct tevent_timer *timer;
	struct tevent_fd *set;   /* the library's epoll set */
	struct tevent_fd *again; /* on an eventfd that is always readable */
	int listen_fd;           /* until the library owns it */
	uint16_t port;
	struct timespec logged;
	unsigned connections; /* after the last turn */
	bool draining;
	http_drained_fn_t drained; /* called once, then NULL */
	void *drained_data;
};

static uint64_t elapsed_us(const struct timespec *since)
{
	struct timespec now = { 0 };
	int64_t us = 0;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	us = (int64_t)(now.tv_sec - since->tv_sec) * 1000000;
	us += (now.tv_nsec - since->tv_nsec) / 1000;
	return us < 0 ? 0 : (uint64_t)us;
}

static void server_turn(struct tevent_context *ev, struct tevent_immediate *im,
			void *private_data);

/* To ask is to let the library free what it has closed: never from within one
 * of its callbacks. */
static unsigned server_count(const struct http_server *server)
{
	const union MHD_DaemonInfo *info = NULL;

	info = MHD_get_daemon_info(server->daemon,
				   MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
	return info == NULL ? 0 : info->num_connections;
}

/* Let the library look at what we have resumed; several cost one turn. */
static void server_turn_soon(struct http_server *server)
{
	tevent_schedule_immediate(server->turn, server->ev, server_turn,
				  server);
}

/*
 * Replies
 */

/* Hand @reply to the library; it copies what it needs. */
static enum MHD_Result exchange_answer(struct exchange *x,
				       const struct message_reply *reply)
{
	struct http_server *server = x->server;
	struct MHD_Response *response = NULL;
	enum MHD_Result result = MHD_NO;

	if (reply == NULL) { /* no memory: the connection is closed */
		return MHD_NO;
	}
	response = MHD_create_response_from_buffer(reply->size, reply->data,
						   MHD_RESPMEM_MUST_COPY);
	if (response == NULL) {
		return MHD_NO;
	}
	result = MHD_add_response_header(response, "Content-Type", reply->type);
	if (result == MHD_YES && reply->header != NULL) {
		result = MHD_add_response_header(response, reply->header,
						 reply->header_value);
	}
	if (result == MHD_YES && (x->close || server->draining)) {
		result = MHD_add_response_header(response, "Connection",
						 "close");
	}
	if (result == MHD_YES) {
		result = MHD_queue_response(x->connection, reply->status,
					    response);
	}
	MHD_destroy_response(response);
	return result;
}

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
	return exchange_answer(x, reply);
}

/* Give the connection back to the library, with an answer. */
static void exchange_resume(struct exchange *x,
			    const struct message_reply *reply)
{
	TALLOC_FREE(x->watch);
	(void)exchange_finish(x, reply);
	MHD_resume_connection(x->connection);
	server_turn_soon(x->server);
}

static void exchange_done(struct tevent_req *req)
{
	struct exchange *x = tevent_req_callback_data(req, struct exchange);
	struct message_reply *reply = NULL;

	reply = x->server->handler->recv(req, x);
	TALLOC_FREE(x->req);
	exchange_resume(x, reply);
}

/* Nobody waits for this any more, or nobody may. The answer reaches clients
 * that only closed their sending side. */
static void exchange_abandon(struct exchange *x, const char *why)
{
	TALLOC_FREE(x->req);
	x->gone = true;
	x->close = true;
	exchange_resume(x, message_busy(x, why));
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

/*
 * Requests
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

static enum MHD_Result exchange_body(struct exchange *x, const char *data,
				     size_t *size)
{
	if (x->early == NULL) {
		if (*size > x->body_max - x->request.body_size) {
			return MHD_NO; /* more than it announced */
		}
		memcpy(&x->body[x->request.body_size], data, *size);
		x->request.body_size += *size;
	}
	*size = 0;
	return MHD_YES;
}

/* Do the work; the connection sleeps until it is done. */
static enum MHD_Result exchange_start(struct exchange *x)
{
	struct http_server *server = x->server;
	const union MHD_ConnectionInfo *info = NULL;
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
	x->req = req;
	tevent_req_set_callback(req, exchange_done, x);
	info = MHD_get_connection_info(x->connection,
				       MHD_CONNECTION_INFO_CONNECTION_FD);
	/* Without memory for the watch nobody notices when the client leaves;
	 * the work is done all the same. */
	x->watch = tevent_add_fd(server->ev, x, info->connect_fd,
				 TEVENT_FD_ERROR, exchange_watch, x);
	MHD_suspend_connection(x->connection);
	return MHD_YES;
}

static int exchange_destructor(struct exchange *x)
{
	LIST_REMOVE(x, entry);
	return 0;
}

/* The request is completely read: from here on it will be answered. */
static enum MHD_Result exchange_complete(struct exchange *x)
{
	struct http_server *server = x->server;

	x->complete = true;
	LIST_INSERT_HEAD(&server->live, x, entry);
	talloc_set_destructor(x, exchange_destructor);
	(void)clock_gettime(CLOCK_MONOTONIC, &x->started);
	if (x->early != NULL) {
		return exchange_finish(x, x->early);
	}
	if (server->draining) {
		return exchange_finish(x, message_busy(x, "shutting down"));
	}
	return exchange_start(x);
}

/* The library's callbacks. */

static void *uri_seen(void *private_data, const char *uri,
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
	}
	return x;
}

static enum MHD_Result access_seen(void *private_data,
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

static void completed_seen(void *private_data,
			   struct MHD_Connection *connection, void **exchange,
			   enum MHD_RequestTerminationCode code)
{
	struct exchange *x = *exchange;

	(void)private_data;
	(void)connection;
	(void)code;
	*exchange = NULL;
	TALLOC_FREE(x);
}

/* Clients decide how often the library complains, so it is given one line a
 * second. */
static void log_seen(void *private_data, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));
static void log_seen(void *private_data, const char *format, va_list args)
{
	struct http_server *server = private_data;
	char line[LOG_LINE_BYTES] = { 0 };

	if (server->logged.tv_sec != 0 &&
	    elapsed_us(&server->logged) < LOG_PAUSE_US) {
		return;
	}
	(void)clock_gettime(CLOCK_MONOTONIC, &server->logged);
	(void)vsnprintf(line, sizeof(line), format, args);
	line[strcspn(line, "\r\n")] = '\0';
	(void)fprintf(stderr, "weft-shelf: http: %s\n", line);
}

/*
 * Turning
 */

static void server_timer(struct tevent_context *ev, struct tevent_timer *te,
			 struct timeval now, void *private_data);

static void server_set_timer(struct http_server *server, uint64_t ms)
{
	struct timeval when = { 0 };

	when = tevent_timeval_current_ofs((uint32_t)(ms / 1000),
					  (uint32_t)(ms % 1000) * 1000);
	if (server->timer != NULL) {
		tevent_update_timer(server->timer, when);
		return;
	}
	server->timer = tevent_add_timer(server->ev, server, when, server_timer,
					 server);
}

static void server_run(struct http_server *server)
{
	const unsigned before = server->connections;
	MHD_UNSIGNED_LONG_LONG ms = 0;
	enum MHD_Result timed = MHD_NO;
	bool again = false;

	(void)MHD_run(server->daemon);
	timed = MHD_get_timeout(server->daemon, &ms);
	server->connections = server_count(server);
	again = (timed == MHD_YES && ms == 0) || server->connections < before;
	tevent_fd_set_flags(server->again, again ? TEVENT_FD_READ : 0);
	if (timed != MHD_YES) {
		TALLOC_FREE(server->timer);
	} else if (ms > 0) {
		server_set_timer(server, ms);
	}
	if (server->drained != NULL && LIST_EMPTY(&server->live)) {
		http_drained_fn_t drained = server->drained;

		server->drained = NULL;
		drained(server->drained_data);
	}
}

static void server_timer(struct tevent_context *ev, struct tevent_timer *te,
			 struct timeval now, void *private_data)
{
	struct http_server *server = private_data;

	(void)ev;
	(void)te;
	(void)now;
	server->timer = NULL; /* the loop frees it */
	server_run(server);
}

static void server_turn(struct tevent_context *ev, struct tevent_immediate *im,
			void *private_data)
{
	(void)ev;
	(void)im;
	server_run(private_data);
}

static void server_readable(struct tevent_context *ev, struct tevent_fd *fde,
			    uint16_t flags, void *private_data)
{
	(void)ev;
	(void)fde;
	(void)flags;
	server_run(private_data);
}

/*
 * Life
 */

static int server_destructor(struct http_server *server)
{
	struct exchange *x = NULL;

	server->drained = NULL;
	server->draining = true;
	LIST_FOREACH(x, &server->live, entry)
	{
		if (x->req != NULL) {
			exchange_abandon(x, "shutting down, out of time");
		}
	}
	TALLOC_FREE(server->set); /* before its descriptor goes */
	if (server->daemon != NULL) {
		(void)MHD_run(server->daemon);
		MHD_stop_daemon(server->daemon);
	}
	if (server->listen_fd >= 0) {
		(void)close(server->listen_fd);
	}
	return 0;
}

static int server_start_daemon(struct http_server *server)
{
	server->daemon = MHD_start_daemon(
		MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0,
		NULL, NULL, access_seen, server, MHD_OPTION_EXTERNAL_LOGGER,
		log_seen, server, MHD_OPTION_LISTEN_SOCKET, server->listen_fd,
		MHD_OPTION_URI_LOG_CALLBACK, uri_seen, server,
		MHD_OPTION_NOTIFY_COMPLETED, completed_seen, NULL,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS,
		MHD_OPTION_CONNECTION_LIMIT, listen_connections_max(),
		MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_END);
	if (server->daemon == NULL) {
		return EIO; /* the library has logged why */
	}
	server->listen_fd = -1;
	return 0;
}

/* Join the library to the loop: its epoll set, and the descriptor for "more
 * to do". */
static int server_join_loop(struct http_server *server)
{
	const union MHD_DaemonInfo *info = NULL;
	int fd = -1;

	info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	if (info == NULL) {
		return EIO;
	}
	server->set = tevent_add_fd(server->ev, server, info->epoll_fd,
				    TEVENT_FD_READ, server_readable, server);
	if (server->set == NULL) {
		return ENOMEM;
	}
	fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0) {
		return errno;
	}
	server->again = tevent_add_fd(server->ev, server, fd, 0,
				      server_readable, server);
	if (server->again == NULL) {
		(void)close(fd);
		return ENOMEM;
	}
	tevent_fd_set_auto_close(server->again);
	return 0;
}

/* Listen on 127.0.0.1 (@port 0: any free one) and serve from now on.
 *
 * Thread: owner of @ev.  Lock: none.
 * Owns:   the server is a child of @mem_ctx; freeing it ends every exchange.
 * Return: 0 or errno.
 */
int http_server_start(TALLOC_CTX *mem_ctx, struct tevent_context *ev,
		      uint16_t port, const struct http_handler *handler,
		      void *private_data, struct http_server **ret_server)
{
	struct http_server *server = NULL;
	int ret = 0;

	server = talloc_zero(mem_ctx, struct http_server);
	if (server == NULL) {
		return ENOMEM;
	}
	server->ev = ev;
	server->handler = handler;
	server->private_data = private_data;
	server->listen_fd = -1;
	LIST_INIT(&server->live);
	talloc_set_destructor(server, server_destructor);
	server->turn = tevent_create_immediate(server);
	ret = server->turn == NULL
		      ? ENOMEM
		      : listen_open(port, &server->listen_fd, &server->port);
	if (ret == 0) {
		ret = server_start_daemon(server);
	}
	if (ret == 0) {
		ret = server_join_loop(server);
	}
	if (ret != 0) {
		talloc_free(server);
		return ret;
	}
	*ret_server = server;
	return 0;
}

/* Thread: owner.  Lock: none.
 * Owns:   nothing.
 * Return: the port it listens on, or did until the drain.
 */
uint16_t http_server_port(const struct http_server *server)
{
	return server->port;
}

/* Thread: owner.  Lock: none.
 * Owns:   nothing.
 * Return: how many clients were connected after the last turn.
 */
unsigned http_server_connections(const struct http_server *server)
{
	return server->connections;
}

/* Take no more connections, answer what has been completely read, refuse
 * what comes later on the connections there are; then call @drained, once,
 * from the loop.
 *
 * Thread: owner.  Lock: none.
 * Owns:   nothing; @private_data must live until the call or the server's end.
 * Return: nothing.
 */
void http_server_drain(struct http_server *server, http_drained_fn_t drained,
		       void *private_data)
{
	MHD_socket fd = MHD_INVALID_SOCKET;

	server->draining = true;
	server->drained = drained;
	server->drained_data = private_data;
	fd = MHD_quiesce_daemon(server->daemon);
	if (fd != MHD_INVALID_SOCKET) {
		(void)close(fd);
	}
	server_turn_soon(server);
}
