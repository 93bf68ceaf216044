/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Put: an upload becomes an object.
 *
 *               /-> sum  --\
 *     upload --+--> type ---+--> row --> old file gone, reply
 *               \-> pack --/
 *
 * The three run at the same time, as a group: when one fails, the others are
 * cancelled. What they have found out travels on, in the block of the job that
 * writes the row. Those jobs are serial by the object's name: of two uploads of
 * one name the one that was ready later is the one that stays, whole.
 *
 * A client that leaves takes its jobs along. Only a row that is being written
 * is written: then the object has changed, with nobody to tell.
 *
 * Threads: the loop's, but for row_run(), a worker's.
 */
#include "tools/shelf/put.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include <jansson.h>

#include <weft.h>

#include "tools/shelf/kit.h"
#include "tools/shelf/part.h"
#include "tools/shelf/route.h"
#include "tools/shelf/upload.h"
#include "tools/shelf/work.h"

enum { PART_SUM, PART_TYPE, PART_PACK, PARTS };

/* What travels to write the row. The parts are its children. */
struct row {
	char *name;
	struct part *parts[PARTS];
	bool replaced;
};

struct put_state {
	struct tevent_context *ev;
	struct shelf *shelf;
	struct row *row;
	struct weft_group *group;
	struct tevent_req *reqs[PARTS];
	struct message_reply *reply;
};

/*
 * The row
 */

static int row_run(struct weft_job *job, void *block)
{
	struct row *row = talloc_get_type_abort(block, struct row);
	struct part *pack = row->parts[PART_PACK];
	char old_file[STORE_FILE_SIZE] = { 0 };
	struct store_row entry = { 0 };
	struct sqlite3 *index = NULL;
	int ret = 0;

	entry.sha = row->parts[PART_SUM]->sha;
	entry.type = row->parts[PART_TYPE]->type;
	entry.size = pack->size;
	entry.packed = pack->packed;
	memcpy(entry.file, pack->file, sizeof(entry.file));
	ret = kit_index(job, &index);
	if (ret == 0) {
		ret = store_replace(index, row->name, &entry, old_file);
	}
	if (ret != 0) {
		return ret;
	}
	pack->file[0] = '\0'; /* it is the object's now */
	row->replaced = old_file[0] != '\0';
	if (row->replaced) {
		store_file_remove(pack->store, old_file);
	}
	return 0;
}

static struct message_reply *row_reply(TALLOC_CTX *mem_ctx,
				       const struct row *row)
{
	const struct part *pack = row->parts[PART_PACK];

	return message_json(mem_ctx, row->replaced ? 200 : 201,
			    json_pack("{s:s, s:s, s:s, s:I, s:I}", "name",
				      row->name, "sha256",
				      row->parts[PART_SUM]->sha, "type",
				      row->parts[PART_TYPE]->type, "size",
				      (json_int_t)pack->size, "packed",
				      (json_int_t)pack->packed));
}

static void put_row_done(struct tevent_req *subreq)
{
	struct tevent_req *req = tevent_req_callback_data(subreq,
							  struct tevent_req);
	struct put_state *state = tevent_req_data(req, struct put_state);
	int ret = 0;

	ret = work_recv(subreq, state, &state->row);
	TALLOC_FREE(subreq);
	if (ret != 0) {
		tevent_req_error(req, (uint64_t)ret);
		return;
	}
	state->reply = row_reply(state, state->row);
	if (tevent_req_nomem(state->reply, req)) {
		return;
	}
	tevent_req_done(req);
}

static void put_write_row(struct tevent_req *req, struct put_state *state)
{
	const struct work_order order = {
		.name = "row",
		.location = __location__,
		.fn = row_run,
		.lane = WORK_DISK,
		.serial = true,
		.key = store_name_key(state->row->name),
	};
	struct tevent_req *subreq = NULL;

	subreq = work_send(state, state->ev, state->shelf->place, &order,
			   &state->row);
	if (tevent_req_nomem(subreq, req)) {
		return;
	}
	tevent_req_set_callback(subreq, put_row_done, req);
}

/*
 * The parts
 */

static void put_parts_done(struct tevent_req *subreq)
{
	struct tevent_req *req = tevent_req_callback_data(subreq,
							  struct tevent_req);
	struct put_state *state = tevent_req_data(req, struct put_state);
	int first = 0;

	first = weft_group_wait_recv(subreq);
	TALLOC_FREE(subreq);
	for (int i = 0; i < PARTS; i++) {
		int ret = 0;

		ret = work_recv(state->reqs[i], state->row,
				&state->row->parts[i]);
		TALLOC_FREE(state->reqs[i]);
		if (first == 0) {
			first = ret; /* it was not in the group */
		}
	}
	if (first != 0) {
		tevent_req_error(req, (uint64_t)first);
		return;
	}
	put_write_row(req, state);
}

static int put_send_part(struct put_state *state, int which, int fd)
{
	static const struct work_order orders[PARTS] = {
		{ "sum", __location__, part_sum_run, WORK_CPU, false, 0 },
		{ "type", __location__, part_type_run, WORK_CPU, false, 0 },
		{ "pack", __location__, part_pack_run, WORK_CPU, false, 0 },
	};
	struct part *part = NULL;
	int ret = 0;

	part = part_create(state->shelf->store, fd);
	if (part == NULL) {
		return ENOMEM;
	}
	state->reqs[which] = work_send(state, state->ev, state->shelf->place,
				       &orders[which], &part);
	if (state->reqs[which] == NULL) {
		talloc_free(part);
		return ENOMEM;
	}
	if (!tevent_req_is_in_progress(state->reqs[which])) {
		return 0; /* it was done here */
	}
	ret = weft_group_add(state->group, state->reqs[which]);
	return ret == ECANCELED ? 0 : ret; /* another one has failed */
}

/* Each part gets a descriptor; the upload's own is the last one's. */
static int put_send_parts(struct put_state *state, struct upload *upload)
{
	const int fd = upload_take_fd(upload);
	int ret = 0;

	for (int i = 0; i < PARTS; i++) {
		int own = fd;

		if (fd >= 0 && i < PARTS - 1) {
			own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
			ret = own < 0 ? errno : 0;
		}
		if (ret == 0) {
			ret = put_send_part(state, i, own);
		}
		if (ret != 0 && i < PARTS - 1 && fd >= 0) {
			(void)close(fd);
		}
		if (ret != 0) {
			return ret;
		}
	}
	return 0;
}

static int put_start(struct tevent_req *req, struct put_state *state,
		     struct upload *upload, const char *name)
{
	struct tevent_req *subreq = NULL;
	int ret = 0;

	state->row = talloc_zero(state, struct row);
	if (state->row == NULL) {
		return ENOMEM;
	}
	state->row->name = talloc_strdup(state->row, name);
	if (state->row->name == NULL) {
		return ENOMEM;
	}
	ret = weft_group_create(state, state->ev, NULL, &state->group);
	if (ret == 0) {
		ret = put_send_parts(state, upload);
	}
	if (ret != 0) {
		return ret;
	}
	subreq = weft_group_wait_send(state, state->group);
	if (subreq == NULL) {
		return ENOMEM;
	}
	tevent_req_set_callback(subreq, put_parts_done, req);
	return 0;
}

/* Make what @request has brought the object @name. Freeing the request gives
 * it up.
 *
 * Thread: owner of @ev.  Lock: none.
 * Owns:   the request is a child of @mem_ctx.
 * Return: NULL without memory.
 */
struct tevent_req *put_send(TALLOC_CTX *mem_ctx, struct tevent_context *ev,
			    struct shelf *shelf,
			    const struct message_request *request,
			    const char *name)
{
	struct tevent_req *req = NULL;
	struct put_state *state = NULL;
	int ret = 0;

	req = tevent_req_create(mem_ctx, &state, struct put_state);
	if (req == NULL) {
		return NULL;
	}
	state->ev = ev;
	state->shelf = shelf;
	ret = put_start(req, state, request->upload, name);
	if (ret != 0) {
		tevent_req_error(req, (uint64_t)ret);
		return tevent_req_post(req, ev);
	}
	return req;
}

/* Thread: owner.  Lock: none.
 * Owns:   the reply is a child of @mem_ctx.
 * Return: 0 or errno.
 */
int put_recv(struct tevent_req *req, TALLOC_CTX *mem_ctx,
	     struct message_reply **ret_reply)
{
	struct put_state *state = tevent_req_data(req, struct put_state);
	enum tevent_req_state how = TEVENT_REQ_INIT;
	uint64_t error = 0;
	int ret = 0;

	if (tevent_req_is_error(req, &how, &error)) {
		ret = how == TEVENT_REQ_USER_ERROR ? (int)error : ENOMEM;
	} else {
		*ret_reply = talloc_move(mem_ctx, &state->reply);
	}
	tevent_req_received(req);
	return ret;
}
