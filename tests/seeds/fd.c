/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The tevent tutorial (part of Samba, LGPL-3.0-or-later), chapter 2, "File
 * descriptor event": its fragment made a program that reads from a pipe.
 *
 * Changed, since the fragment does not compile: handler() is no `struct`, sets
 * the close function of the event it is given, and reads into the buffer;
 * tevent_loop_once() gets its context.
 *
 * Output:
 *      flags: 1
 *      handler: 7 bytes: a pipe
 *      closed: 1
 */
#include <stdio.h>
#include <string.h>
#include <tevent.h>
#include <unistd.h>

static int closed;

static void close_fd(struct tevent_context *ev, struct tevent_fd *fd_event,
		     int fd, void *private_data)
{
	// processing when fd_event is freed
	closed += close(fd) == 0;
}

static void handler(struct tevent_context *ev, struct tevent_fd *fde,
		    uint16_t flags, void *private_data)
{
	char *buffer = private_data;
	int fd;

	// handling event; reading from a file descriptor
	memcpy(&fd, buffer, sizeof(fd));
	printf("handler: %zd bytes: ", read(fd, buffer, 7));
	printf("%s\n", buffer);
	tevent_fd_set_close_fn(fde, close_fd);
}

int run(TALLOC_CTX *mem_ctx, struct tevent_context *event_ctx, int fd,
	uint16_t flags, char *buffer)
{
	struct tevent_fd *fd_event = NULL;

	if (flags & TEVENT_FD_READ) {
		fd_event = tevent_add_fd(event_ctx, mem_ctx, fd, flags, handler,
					 buffer);
	}
	if (fd_event == NULL) {
		// error handling
		return -1;
	}
	printf("flags: %d\n", tevent_fd_get_flags(fd_event));
	return tevent_loop_once(event_ctx);
}

int main(void)
{
	TALLOC_CTX *mem_ctx = talloc_new(NULL);
	struct tevent_context *event_ctx = tevent_context_init(mem_ctx);
	char *buffer = talloc_zero_array(mem_ctx, char, 64);
	int ends[2];

	if (event_ctx == NULL || buffer == NULL || pipe(ends) != 0 ||
	    write(ends[1], "a pipe", 7) != 7) {
		return EXIT_FAILURE;
	}
	// the handler's own argument says where to read
	memcpy(buffer, &ends[0], sizeof(ends[0]));
	if (run(mem_ctx, event_ctx, ends[0], TEVENT_FD_READ, buffer) != 0) {
		return EXIT_FAILURE;
	}
	talloc_free(mem_ctx);
	close(ends[1]);
	printf("closed: %d\n", closed);
	return EXIT_SUCCESS;
}
