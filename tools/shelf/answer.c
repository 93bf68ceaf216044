/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Answer: a reply as the HTTP library wants it.
 *
 * The reply's bytes become the response's, without a copy: they may be many.
 *
 * Threads: the loop's only.
 */
#include "tools/shelf/answer.h"

static void data_free(void *data)
{
	talloc_free(data);
}

static struct MHD_Response *response_create(const struct message_reply *reply)
{
	struct MHD_Response *response = NULL;

	if (reply->size == 0) {
		return MHD_create_response_from_buffer(0, NULL,
						       MHD_RESPMEM_PERSISTENT);
	}
	response = MHD_create_response_from_buffer_with_free_callback(
		reply->size, reply->data, data_free);
	if (response != NULL) {
		(void)talloc_steal(NULL, reply->data);
	}
	return response;
}

/* Hand @reply (NULL: there was no memory for one) to the library; it is the
 * @last one of its connection.
 *
 * Thread: owner of the connection.  Lock: none.
 * Owns:   takes the reply's bytes, not the reply.
 * Return: MHD_NO: the connection is to be closed.
 */
enum MHD_Result answer_queue(struct MHD_Connection *connection,
			     const struct message_reply *reply, bool last)
{
	struct MHD_Response *response = NULL;
	enum MHD_Result result = MHD_NO;

	response = reply == NULL ? NULL : response_create(reply);
	if (response == NULL) {
		return MHD_NO;
	}
	result = MHD_add_response_header(response, "Content-Type", reply->type);
	if (result == MHD_YES && reply->header != NULL) {
		result = MHD_add_response_header(response, reply->header,
						 reply->header_value);
	}
	if (result == MHD_YES && last) {
		result = MHD_add_response_header(response, "Connection",
						 "close");
	}
	if (result == MHD_YES) {
		result = MHD_queue_response(connection, reply->status,
					    response);
	}
	MHD_destroy_response(response);
	return result;
}
