/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Upload: the body of a request on its way into a file.
 *
 * The file has no name: it goes when the last descriptor is closed, whatever
 * happens. It is made by the job that writes the first piece. Between two
 * pieces the descriptor is the loop's; while one is written it travels with
 * that, so whoever drops the one drops the other.
 *
 * How many there are is counted, because each takes memory for a piece, and
 * room on the disk, for as long as its client likes.
 *
 * Threads: the loop's, but for feed_run(), a worker's.
 */
#include "tools/shelf/upload.h"

#include <errno.h>
#include <unistd.h>

#include "tools/shelf/file.h"
#include "tools/shelf/kit.h"
#include "tools/shelf/store.h"
#include "tools/shelf/work.h"

struct upload {
	unsigned *count;
	int fd; /* below 0: nothing has come, or it travels */
	uint64_t size;
};

/* What travels. */
struct feed {
	uint8_t *piece;
	int fd;
	uint64_t offset;
};

struct feed_state {
	struct upload *upload;
	int error;
};

static int upload_destructor(struct upload *upload)
{
	(*upload->count)--;
	if (upload->fd >= 0) {
		(void)close(upload->fd);
	}
	return 0;
}

/* @count, which must outlive it, is how many there are.
 *
 * Thread: the loop's.  Lock: none.
 * Owns:   the upload is a child of @mem_ctx.
 * Return: NULL without memory.
 */
struct upload *upload_create(TALLOC_CTX *mem_ctx, unsigned *count)
{
	struct upload *upload = NULL;

	upload = talloc_zero(mem_ctx, struct upload);
	if (upload == NULL) {
		return NULL;
	}
	upload->count = count;
	upload->fd = -1;
	(*count)++;
	talloc_set_destructor(upload, upload_destructor);
	return upload;
}

/* The whole of it, for whoever works on it now.
 *
 * Thread: the loop's.  Lock: none.
 * Owns:   the caller closes the descriptor.
 * Return: below 0: it is empty.
 */
int upload_take_fd(struct upload *upload)
{
	const int fd = upload->fd;

	upload->fd = -1;
	return fd;
}

/*
 * A piece
 */

static int feed_destructor(struct feed *feed)
{
	if (feed->fd >= 0) {
		(void)close(feed->fd);
	}
	return 0;
}

static int feed_run(struct weft_job *job, void *block)
{
	struct feed *feed = talloc_get_type_abort(block, struct feed);
	char file[STORE_FILE_SIZE] = { 0 };
	int ret = 0;

	if (feed->fd < 0) {
		ret = store_file_create(kit_store(job), false, file, &feed->fd);
		if (ret != 0) {
			return ret;
		}
	}
	return file_write(feed->fd, feed->piece, talloc_get_size(feed->piece),
			  feed->offset);
}

static void feed_done(struct tevent_req *subreq)
{
	struct tevent_req *req = tevent_req_callback_data(subreq,
							  struct tevent_req);
	struct feed_state *state = tevent_req_data(req, struct feed_state);
	struct feed *feed = NULL;
	int ret = 0;

	ret = work_recv(subreq, state, &feed);
	TALLOC_FREE(subreq);
	if (ret != 0) {
		state->error = ret;
		tevent_req_error(req, (uint64_t)ret);
		return;
	}
	state->upload->fd = feed->fd;
	state->upload->size += talloc_get_size(feed->piece);
	feed->fd = -1;
	talloc_free(feed);
	tevent_req_done(req);
}

/* Write the next piece. The upload must outlive the request.
 *
 * Thread: owner of @ev.  Lock: none.
 * Owns:   takes @piece.
 * Return: NULL without memory.
 */
struct tevent_req *upload_feed_send(TALLOC_CTX *mem_ctx,
				    struct tevent_context *ev,
				    struct work_place *place,
				    struct upload *upload, uint8_t *piece)
{
	const struct work_order order = { .name = "write",
					  .location = __location__,
					  .fn = feed_run,
					  .lane = WORK_DISK };
	struct tevent_req *req = NULL;
	struct tevent_req *subreq = NULL;
	struct feed_state *state = NULL;
	struct feed *feed = NULL;

	req = tevent_req_create(mem_ctx, &state, struct feed_state);
	feed = talloc_zero(NULL, struct feed);
	if (req == NULL || feed == NULL) {
		talloc_free(piece);
		talloc_free(feed);
		talloc_free(req);
		return NULL;
	}
	state->upload = upload;
	feed->piece = talloc_steal(feed, piece);
	feed->offset = upload->size;
	feed->fd = upload_take_fd(upload);
	talloc_set_destructor(feed, feed_destructor);
	subreq = work_send(state, ev, place, &order, &feed);
	if (subreq == NULL) {
		talloc_free(feed);
		talloc_free(req);
		return NULL;
	}
	tevent_req_set_callback(subreq, feed_done, req);
	if (!tevent_req_is_in_progress(subreq)) { /* it was done here */
		feed_done(subreq);
		return tevent_req_post(req, ev);
	}
	return req;
}

/* Thread: owner.  Lock: none.
 * Owns:   nothing.
 * Return: 0 or errno: the upload has come to nothing.
 */
int upload_feed_recv(struct tevent_req *req)
{
	struct feed_state *state = tevent_req_data(req, struct feed_state);
	enum tevent_req_state how = TEVENT_REQ_INIT;
	uint64_t error = 0;
	int ret = 0;

	if (tevent_req_is_error(req, &how, &error)) {
		ret = how == TEVENT_REQ_USER_ERROR ? state->error : ENOMEM;
	}
	tevent_req_received(req);
	return ret;
}
