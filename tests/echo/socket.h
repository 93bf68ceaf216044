/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Socket: accept, read and write as requests.
 *
 * Each of the three does its call once, when the descriptor is ready, and ends
 * with the call's result. All follow the same pattern:
 *
 *      NAME_send       creates the request, child of @mem_ctx; NULL when out of
 *                      memory. It then waits on @ev and never blocks.
 *      NAME_recv       gives 0 or an errno, and the result.
 *
 * The caller sets a callback, calls _recv in it and frees the request. It may
 * also free the request at any moment before, or give it an end time with
 * tevent_req_set_endtime(): _recv then gives ETIMEDOUT. Descriptors must be
 * non-blocking and stay open while a request is on them.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <talloc.h>

#include <tevent.h>

/* How a request ended: 0 when it is done, else an errno. For _recv functions.
 *
 * Thread: owner of the loop.  Lock: none.
 * Owns:   nothing.
 * Return: 0 or errno.
 */
int req_errno(struct tevent_req *req);

/* Takes the next connection from @listener; it is non-blocking and closed on
 * exec.
 *
 * Thread: owner of @ev.  Lock: none.
 * Owns:   after accept_recv() the caller closes *@ret_fd.
 * Return: as above.
 */
struct tevent_req *accept_send(TALLOC_CTX *mem_ctx, struct tevent_context *ev,
			       int listener);
int accept_recv(struct tevent_req *req, int *ret_fd);

/* Reads what has arrived on @fd, at most @max bytes; none at the end of the
 * stream. No buffer is held while nothing has arrived.
 *
 * Thread: owner of @ev.  Lock: none.
 * Owns:   *@ret_data becomes a child of @mem_ctx; NULL at the end.
 * Return: as above.
 */
struct tevent_req *read_send(TALLOC_CTX *mem_ctx, struct tevent_context *ev,
			     int fd, size_t max);
int read_recv(struct tevent_req *req, TALLOC_CTX *mem_ctx, uint8_t **ret_data,
	      size_t *ret_size);

/* Writes all @size bytes to @fd when it is this request's turn in @queue: one
 * queue per descriptor keeps writes in order and whole. The turn ends when the
 * request is freed.
 *
 * Thread: owner of @ev.  Lock: none.
 * Owns:   @data stays the caller's, unchanged until the request ends.
 * Return: as above.
 */
struct tevent_req *write_send(TALLOC_CTX *mem_ctx, struct tevent_context *ev,
			      struct tevent_queue *queue, int fd,
			      const uint8_t *data, size_t size);
int write_recv(struct tevent_req *req);
