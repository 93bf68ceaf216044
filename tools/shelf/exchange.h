/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Exchange: one request and its answer, and the server they belong to.
 *
 * Private to http.c and exchange.c: the two that know the HTTP library.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <time.h>

#include <microhttpd.h>

#include "tools/shelf/http.h"

struct exchange;

struct http_server {
	struct tevent_context *ev;
	struct MHD_Daemon *daemon;
	const struct http_handler *handler;
	void *private_data;
	/* Those that will be answered and are not yet through, and those that
	 * are suspended. */
	LIST_HEAD(exchange_list, exchange) live;
	struct tevent_immediate *turn;
	tevent_immediate_handler_t on_turn;
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

/* Let the library look at what we have resumed; several cost one turn. */
static inline void server_turn_soon(struct http_server *server)
{
	tevent_schedule_immediate(server->turn, server->ev, server->on_turn,
				  server);
}

/* The library's callbacks. */
void *exchange_open(void *private_data, const char *uri,
		    struct MHD_Connection *connection);
enum MHD_Result exchange_access(void *private_data,
				struct MHD_Connection *connection,
				const char *url, const char *method,
				const char *version, const char *data,
				size_t *size, void **exchange);
void exchange_close(void *private_data, struct MHD_Connection *connection,
		    void **exchange, enum MHD_RequestTerminationCode code);

void exchange_abandon_all(struct http_server *server, const char *why);
