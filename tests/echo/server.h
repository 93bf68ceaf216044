/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Server: all connections of a listening socket, as a request. */
#pragma once

#include <stdint.h>

#include <talloc.h>

#include <tevent.h>

/* What has become of the connections so far. */
struct server_counts {
	unsigned open;
	unsigned closed;    /* ended well: everything was sent back */
	unsigned timed_out; /* nothing moved for too long */
	unsigned broken;    /* any other end */
	unsigned pauses;    /* without accepting, for want of descriptors */
};

/* Serves echoes on @listener until it is freed, or until accept fails for a
 * reason that will not pass.
 *
 * Thread: owner of @ev.  Lock: none.
 * Owns:   @listener and *@counts stay the caller's and outlive the request;
 *         the connections are the request's and die with it.
 * Return: the request, child of @mem_ctx; NULL when out of memory.
 *         server_recv: the errno.
 */
struct tevent_req *server_send(TALLOC_CTX *mem_ctx, struct tevent_context *ev,
			       int listener, uint32_t idle_ms,
			       struct server_counts *counts);
int server_recv(struct tevent_req *req);
