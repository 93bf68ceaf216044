/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* After the SSSD developer guide's page on tevent, "Read from a remote
 * connection whenever some data is ready", of which only the calls are left: a
 * server sends two lines. Like there it does not end of itself.
 *
 * Changed: the port is an argument; `addr` is zeroed and `errno` cleared, which
 * are used unset there. Added: lines are written at once also where no terminal
 * is.
 *
 * Output:
 *      File descriptor is readable!
 *      ret = 6, errno = 0
 *      Data read: hello
 *
 *      File descriptor is readable!
 *      ret = 6, errno = 0
 *      Data read: world
 *
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <tevent.h>
#include <unistd.h>

int open_socket(int port, int *_fd)
{
	struct sockaddr_in addr = { 0 };
	int ret;
	int fd;

	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (fd == -1) {
		fprintf(stderr, "Unable to create socket\n");
		return EIO;
	}

	addr.sin_family = AF_INET;
	addr.sin_port = htons(port);
	addr.sin_addr.s_addr = inet_addr("127.0.0.1");
	ret = connect(fd, (struct sockaddr *)&addr, sizeof(addr));
	if (ret != 0) {
		ret = errno;
		fprintf(stderr, "Unable to connect to localhost:%d [%d]: %s\n",
			port, ret, strerror(ret));
		return ret;
	}

	*_fd = fd;
	return 0;
}

static void fd_readable_handler(struct tevent_context *ev,
				struct tevent_fd *fde, uint16_t flags,
				void *pvt)
{
	int fd = *(int *)pvt;
	char buf[255] = { 0 };
	int ret;

	puts("File descriptor is readable!");

	errno = 0;
	ret = read(fd, &buf, 254);
	printf("ret = %d, errno = %d\n", ret, errno);
	printf("Data read: %s\n", buf);
}

int main(int argc, char **argv)
{
	struct tevent_context *ev;
	struct tevent_fd *fde;
	int ret;
	int fd;

	setvbuf(stdout, NULL, _IOLBF, 0);

	/* Initialize tevent context. */
	ev = tevent_context_init(NULL);
	if (ev == NULL) {
		puts("Unable to create tevent context.");
		return 1;
	}

	/* Open socket. */
	ret = open_socket(argc == 2 ? atoi(argv[1]) : 3333, &fd);
	if (ret != 0) {
		puts("Unable to open socket.");
		return 1;
	}

	/* Register event handler - executed when the fd is readable */
	fde = tevent_add_fd(ev, NULL, fd, TEVENT_FD_READ, fd_readable_handler,
			    &fd);
	if (fde == NULL) {
		puts("Unable to create fde.");
		return 1;
	}

	/* Enter the event loop. */
	while (true) {
		tevent_loop_once(ev);
	}
}
