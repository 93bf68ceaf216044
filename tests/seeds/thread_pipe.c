/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The tevent tutorial (part of Samba, LGPL-3.0-or-later), chapter 6, "Tevent
 * with threads": the fragment with the pipe made a program. The thread that is
 * not shown there writes three words and closes its end; the handler, which the
 * text does not show either, then frees its event, and the loop exits.
 *
 * Output:
 *      read: one two three
 *      the writer has left
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <tevent.h>
#include <unistd.h>

struct reader {
	int fd;
	size_t got;
	char text[64];
};

static void pipe_read_handler(struct tevent_context *ev, struct tevent_fd *fde,
			      uint16_t flags, void *private_data)
{
	struct reader *reader = private_data;
	ssize_t n = read(reader->fd, reader->text + reader->got,
			 sizeof(reader->text) - 1 - reader->got);

	if (n > 0) {
		reader->got += n;
		return;
	}
	printf("read:%s\n", reader->text);
	printf("the writer has left\n");
	talloc_free(fde);
}

static void *thread_fn(void *private_ptr)
{
	static const char *const words[] = { " one", " two", " three" };
	int fd = *(int *)private_ptr;
	size_t i;

	for (i = 0; i < 3; i++) {
		if (write(fd, words[i], strlen(words[i])) == -1) {
			break;
		}
	}
	close(fd);
	return NULL;
}

int main(void)
{
	talloc_disable_null_tracking();

	struct tevent_context *master_ev = tevent_context_init(NULL);
	void *mem_ctx = talloc_new(master_ev);
	struct reader *reader = talloc_zero(mem_ctx, struct reader);
	pthread_t thread;

	// Create file descriptor to monitor.
	int pipefds[2];

	if (pipe(pipefds) != 0) {
		return EXIT_FAILURE;
	}
	reader->fd = pipefds[0];

	struct tevent_fd *fde = tevent_add_fd(
		master_ev, mem_ctx,
		pipefds[0], // read side of pipe
		TEVENT_FD_READ,
		pipe_read_handler, // callback function
		reader);

	// Create sub thread, pass pipefds[1] write side of pipe to it.
	if (fde == NULL ||
	    pthread_create(&thread, NULL, thread_fn, &pipefds[1]) != 0) {
		return EXIT_FAILURE;
	}

	// Process events.
	tevent_loop_wait(master_ev);

	// Cleanup if loop exits.
	pthread_join(thread, NULL);
	talloc_free(master_ev);
	close(pipefds[0]);
	return EXIT_SUCCESS;
}
