/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* "The tevent_queue tutorial" (part of Samba, LGPL-3.0-or-later): the example
 * that its text asks for and leaves out. Three buffers, each larger than the
 * socket takes at once, are written at the same time into one socket whose
 * tevent_queue makes them follow each other; the other end checks that.
 *
 * Output:
 *      3 writes are queued
 *      written: a
 *      written: b
 *      written: c
 *      read: 1000000 times a
 *      read: 1000000 times b
 *      read: 1000000 times c
 *      0 writes are queued
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <tevent.h>
#include <unistd.h>

#define LUMP 1000000

struct write_state {
	struct tevent_context *ev;
	int fd;
	const char *buffer;
	size_t left;
};

static void write_trigger(struct tevent_req *req, void *private_data);
static void write_ready(struct tevent_context *ev, struct tevent_fd *fde,
			uint16_t flags, void *private_data);

static struct tevent_req *write_send(TALLOC_CTX *mem_ctx,
				     struct tevent_context *ev,
				     struct tevent_queue *queue, int fd,
				     const char *buffer, size_t size)
{
	struct tevent_req *req;
	struct write_state *state;

	req = tevent_req_create(mem_ctx, &state, struct write_state);
	if (req == NULL) {
		return NULL;
	}
	state->ev = ev;
	state->fd = fd;
	state->buffer = buffer;
	state->left = size;

	/* Instead of starting: wait for its turn. */
	if (!tevent_queue_add(queue, ev, req, write_trigger, NULL)) {
		tevent_req_oom(req);
		return tevent_req_post(req, ev);
	}
	return req;
}

/* It is this request's turn: nobody else writes until it is freed. */
static void write_trigger(struct tevent_req *req, void *private_data)
{
	struct write_state *state = tevent_req_data(req, struct write_state);
	struct tevent_fd *fde;

	fde = tevent_add_fd(state->ev, state, state->fd, TEVENT_FD_WRITE,
			    write_ready, req);
	tevent_req_nomem(fde, req);
}

static void write_ready(struct tevent_context *ev, struct tevent_fd *fde,
			uint16_t flags, void *private_data)
{
	struct tevent_req *req = private_data;
	struct write_state *state = tevent_req_data(req, struct write_state);
	ssize_t n = write(state->fd, state->buffer, state->left);

	if (n == -1) {
		tevent_req_error(req, errno);
		return;
	}
	state->buffer += n;
	state->left -= n;
	if (state->left == 0) {
		talloc_free(fde);
		tevent_req_done(req);
	}
}

static bool write_recv(struct tevent_req *req)
{
	enum tevent_req_state req_state;
	uint64_t error;
	bool ok = !tevent_req_is_error(req, &req_state, &error);

	tevent_req_received(req);
	return ok;
}

static void write_done(struct tevent_req *req)
{
	const char *buffer = tevent_req_callback_data_void(req);

	if (write_recv(req)) {
		printf("written: %c\n", buffer[0]);
	}
	talloc_free(req); /* lets the next one begin */
}

/* The other end: how often each byte came in a row. */
struct reader {
	int fd;
	size_t runs;
	size_t total;
	struct {
		char byte;
		size_t count;
	} run[16];
};

static void read_ready(struct tevent_context *ev, struct tevent_fd *fde,
		       uint16_t flags, void *private_data)
{
	struct reader *reader = private_data;
	char piece[65536];
	ssize_t n = read(reader->fd, piece, sizeof(piece));
	ssize_t i;

	for (i = 0; i < n; i++) {
		size_t last = reader->runs - 1;

		if (reader->runs == 0 || reader->run[last].byte != piece[i]) {
			if (reader->runs == 16) {
				abort();
			}
			last = reader->runs++;
			reader->run[last].byte = piece[i];
		}
		reader->run[last].count++;
	}
	reader->total += n;
	if (reader->total == 3 * LUMP) {
		talloc_free(fde);
	}
}

static char *lump(TALLOC_CTX *mem_ctx, char byte)
{
	char *buffer = talloc_array(mem_ctx, char, LUMP);

	memset(buffer, byte, LUMP);
	return buffer;
}

int main(void)
{
	struct tevent_context *ev = tevent_context_init(NULL);
	struct tevent_queue *queue = tevent_queue_create(ev, "writes");
	struct reader reader = { .runs = 0 };
	struct tevent_req *req;
	int ends[2];
	size_t i;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) != 0) {
		return EXIT_FAILURE;
	}
	for (i = 0; i < 3; i++) {
		char *buffer = lump(ev, "abc"[i]);

		req = write_send(ev, ev, queue, ends[0], buffer, LUMP);
		tevent_req_set_callback(req, write_done, buffer);
	}
	printf("%zu writes are queued\n", tevent_queue_length(queue));

	reader.fd = ends[1];
	tevent_add_fd(ev, ev, ends[1], TEVENT_FD_READ, read_ready, &reader);
	tevent_loop_wait(ev);

	for (i = 0; i < reader.runs; i++) {
		printf("read: %zu times %c\n", reader.run[i].count,
		       reader.run[i].byte);
	}
	printf("%zu writes are queued\n", tevent_queue_length(queue));
	talloc_free(ev);
	close(ends[0]);
	close(ends[1]);
	return EXIT_SUCCESS;
}
