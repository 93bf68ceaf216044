/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Shelf: bytes come to weft-shelf's HTTP side as a client would send them.
 *
 * The server is the daemon's own (tools/shelf/http.c and what belongs to it)
 * with libmicrohttpd below it; behind it stands a handler of ours in place of
 * the daemon's routes. It decides by the path and by bytes of the input:
 * requests are refused, taken whole, or in pieces, and answered at once or in a
 * later pass. Forms and queries are taken apart as the daemon does.
 *
 * The first byte of an input says how many bytes go out at a time, the second
 * is for the handler; all others are sent. Then the client says that it is
 * through, and reads: nothing, or replies. A field that was found must be one
 * that was sent.
 *
 * Threads: one.
 */
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tools/fuzz/bytes.h"
#include "tools/shelf/http.h"

#define BODY_MAX 512
#define TURNS    12

#define MUST(holds)                                                   \
	do {                                                          \
		if (!(holds)) {                                       \
			fprintf(stderr, "%s:%d: does not hold: %s\n", \
				__FILE__, __LINE__, #holds);          \
			abort();                                      \
		}                                                     \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
	struct tevent_context *ev;
	struct http_server *server;
	unsigned how; /* this input's second byte */
} world;

struct task_state {
	struct tevent_immediate *im;
	unsigned status;
};

/* ---- what stands in for the daemon ---- */

static void task_later(struct tevent_context *ev, struct tevent_immediate *im,
		       void *private_data)
{
	struct tevent_req *req = private_data;

	(void)ev;
	(void)im;
	tevent_req_done(req);
}

/* A piece of work: done at once, or in a later pass. */
static struct tevent_req *task_send(TALLOC_CTX *mem_ctx,
				    struct tevent_context *ev, unsigned status)
{
	struct task_state *state = NULL;
	struct tevent_req *req = tevent_req_create(mem_ctx, &state,
						   struct task_state);

	MUST(req != NULL);
	state->status = status;
	if ((world.how & 1) != 0) {
		tevent_req_done(req);
		return tevent_req_post(req, ev);
	}
	state->im = tevent_create_immediate(state);
	MUST(state->im != NULL);
	tevent_schedule_immediate(state->im, ev, task_later, req);
	return req;
}

/* Looks at a form as a log-in does. */
static void read_form(TALLOC_CTX *mem_ctx, const char *form)
{
	char *value = NULL;
	int ret = message_field(mem_ctx, form, "a", &value);

	MUST(ret == 0 || ret == ENOENT || ret == EINVAL);
	if (ret == 0) {
		MUST(strstr(form, "a=") != NULL);
		MUST(strlen(value) <= strlen(form));
	}
	talloc_free(value);
}

static bool shelf_admit(TALLOC_CTX *mem_ctx, struct message_request *request,
			size_t *ret_body_max, struct message_reply **refusal,
			void *private_data)
{
	(void)private_data;
	MUST(request->path != NULL && request->query != NULL);
	read_form(mem_ctx, request->query);
	if ((world.how & 2) != 0 && strncmp(request->path, "/r", 2) == 0) {
		*refusal = message_text(mem_ctx, 404, "no %s", request->path);
		return false;
	}
	*ret_body_max = (world.how & 4) != 0 ? 0 : BODY_MAX;
	if (strncmp(request->path, "/u", 2) == 0) {
		/* Nobody looks into it but the handler. */
		request->upload = (struct upload *)&world;
		*ret_body_max = SIZE_MAX;
	}
	return true;
}

static struct tevent_req *shelf_feed(TALLOC_CTX *mem_ctx,
				     struct tevent_context *ev,
				     const struct message_request *request,
				     uint8_t *piece, void *private_data)
{
	(void)request;
	(void)private_data;
	talloc_free(piece);
	return task_send(mem_ctx, ev, 200);
}

static bool shelf_fed(struct tevent_req *req, TALLOC_CTX *mem_ctx,
		      struct message_reply **refusal)
{
	(void)req;
	if ((world.how & 8) != 0) {
		*refusal = message_text(mem_ctx, 507, "full");
		return false;
	}
	return true;
}

static struct tevent_req *shelf_send(TALLOC_CTX *mem_ctx,
				     struct tevent_context *ev,
				     const struct message_request *request,
				     void *private_data)
{
	(void)private_data;
	if (request->upload == NULL) {
		MUST(request->body_size <= BODY_MAX);
		if (request->body_size > 0) {
			read_form(mem_ctx, request->body);
		}
	}
	return task_send(mem_ctx, ev, 200);
}

static struct message_reply *shelf_recv(struct tevent_req *req,
					TALLOC_CTX *mem_ctx)
{
	const struct task_state *state = tevent_req_data(req,
							 struct task_state);

	return message_text(mem_ctx, state->status, "done");
}

static void shelf_note(const struct message_request *request, unsigned status,
		       uint64_t microseconds, void *private_data)
{
	(void)request;
	(void)microseconds;
	(void)private_data;
	MUST(status == 0 || (status >= 200 && status < 600));
}

static const struct http_handler handler = {
	.admit = shelf_admit,
	.feed = shelf_feed,
	.fed = shelf_fed,
	.send = shelf_send,
	.recv = shelf_recv,
	.note = shelf_note,
};

/* ---- the client ---- */

static int dial(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	struct linger linger = { .l_onoff = 1 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	to.sin_port = htons(http_server_port(world.server));
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	MUST(fd >= 0);
	/* Closed with a reset: ports are not to run out. */
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	MUST(connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0);
	return fd;
}

/* Reads what is there. Return: false at the end. */
static bool hear(int fd, bool *heard)
{
	char reply[4096];
	ssize_t got = recv(fd, reply, sizeof(reply), MSG_DONTWAIT);

	if (got > 0 && !*heard) {
		*heard = true;
		MUST(got >= 9 && memcmp(reply, "HTTP/1.", 7) == 0);
	}
	return got > 0 || (got < 0 && errno == EAGAIN);
}

/* The server sees a client that has closed at once, but one that has only shut
 * its side down along with a request not before it idles: libmicrohttpd looks
 * for the end only when the kernel says that something is new. */
static void talk(struct bytes *in, size_t piece)
{
	int fd = dial();
	bool heard = false;
	bool open = true;

	for (unsigned turns = 0; open && turns < TURNS; turns++) {
		size_t now = in->left < piece ? in->left : piece;

		if (now > 0 &&
		    send(fd, in->next, now, MSG_NOSIGNAL) == (ssize_t)now) {
			in->next += now;
			in->left -= now;
			turns = 0;
		}
		(void)tevent_loop_once(world.ev);
		open = hear(fd, &heard);
	}
	(void)close(fd);
	while (http_server_connections(world.server) > 0) {
		(void)tevent_loop_once(world.ev);
	}
}

static void beacon_ran(struct tevent_context *ev, struct tevent_fd *fde,
		       uint16_t flags, void *private_data)
{
	(void)ev;
	(void)fde;
	(void)flags;
	(void)private_data;
}

/* A descriptor that is always readable keeps a pass from waiting. */
static void start(void)
{
	world.ev = tevent_context_init(NULL);
	MUST(world.ev != NULL);
	MUST(http_server_start(world.ev, world.ev, 0, &handler, NULL,
			       &world.server) == 0);
	MUST(tevent_add_fd(world.ev, world.ev, eventfd(1, EFD_CLOEXEC),
			   TEVENT_FD_READ, beacon_ran, NULL) != NULL);
	(void)signal(SIGPIPE, SIG_IGN);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = { data, size };
	size_t piece = 0;

	if (world.ev == NULL) {
		start();
	}
	if (size < 3) {
		return 0;
	}
	piece = 1 + bytes_take(&in) * 4;
	world.how = bytes_take(&in);
	talk(&in, piece);
	return 0;
}
