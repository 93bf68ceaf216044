/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Echo: one connection, from its first byte to its last, as a request. */
#pragma once

#include <stdint.h>

#include <talloc.h>

#include <tevent.h>

/* Sends back what arrives on @fd, in order, until the peer has closed its side
 * and everything is written.
 *
 * The peer's memory is not ours: when it does not read, no more is read from it
 * (at most ECHO_WRITES_MAX pieces of ECHO_PIECE bytes wait). When nothing has
 * moved for @idle_ms, the request ends with ETIMEDOUT.
 *
 * Thread: owner of @ev.  Lock: none.
 * Owns:   a request that was created closes @fd, whichever way it ends.
 * Return: the request, child of @mem_ctx; NULL when out of memory, @fd is then
 *         still the caller's. echo_recv: 0 or errno.
 */
struct tevent_req *echo_send(TALLOC_CTX *mem_ctx, struct tevent_context *ev,
			     int fd, uint32_t idle_ms);
int echo_recv(struct tevent_req *req);
