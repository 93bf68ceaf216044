/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* HTTP: libmicrohttpd turned by our loop, each request an exchange.
 *
 * The library runs no thread of its own. It keeps its sockets in one epoll
 * set, and that set is one descriptor of our loop:
 *
 *     its epoll set is readable --\
 *     its time-out: a timer -------+-> MHD_run -> what next? -> timer or 2.
 *     we resumed: an immediate ---/
 *
 * 1. MHD_run is called from the loop only, never from a callback of its own,
 *    and MHD_stop_daemon only when nothing is suspended (it would abort).
 * 2. If the library says it has more to do, the loop is not turned by an
 *    immediate: those go before all descriptors, so one client that sends
 *    without end would keep the results of everybody's jobs away. A
 *    descriptor that is always readable takes its turn with the others.
 * 3. When it has stopped accepting (too many clients, no descriptor) it begins
 *    again only in the turn after the one that closed a connection, and does
 *    not say so: that turn is ours to make.
 *
 * Threads: the loop's only.
 * Not here: what becomes of a request (exchange.c).
 */
#include "tools/shelf/http.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <microhttpd.h>

#include "tools/shelf/elapsed.h"
#include "tools/shelf/exchange.h"
#include "tools/shelf/listen.h"

/* Without a byte either way for this long, a connection is closed. */
#define IDLE_SECONDS   30
#define LOG_PAUSE_US   1000000
#define LOG_LINE_BYTES 160

/* To ask is to let the library free what it has closed: never from within one
 * of its callbacks. */
static unsigned server_count(const struct http_server *server)
{
	const union MHD_DaemonInfo *info = NULL;

	info = MHD_get_daemon_info(server->daemon,
				   MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
	return info == NULL ? 0 : info->num_connections;
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
	server->drained = NULL;
	server->draining = true;
	exchange_abandon_all(server, "shutting down, out of time");
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
		NULL, NULL, exchange_access, server, MHD_OPTION_EXTERNAL_LOGGER,
		log_seen, server, MHD_OPTION_LISTEN_SOCKET, server->listen_fd,
		MHD_OPTION_URI_LOG_CALLBACK, exchange_open, server,
		MHD_OPTION_NOTIFY_COMPLETED, exchange_close, NULL,
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
	server->on_turn = server_turn;
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
