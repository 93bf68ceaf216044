/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Listen: the daemon's own socket on the loopback address.
 *
 * Ours rather than the HTTP library's, so that the reason of a failure can be
 * told, and so that port 0 is known before the first client.
 */
#include "tools/shelf/listen.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG          512
/* Descriptors kept back from clients: the files of jobs, the loop's own. */
#define DESCRIPTORS_KEPT 64
#define CONNECTIONS_MAX  4096
#define CONNECTIONS_MIN  8

/* Listen on 127.0.0.1, on any free port when @port is 0.
 *
 * Thread: any.  Lock: none.
 * Owns:   the caller closes the socket.
 * Return: 0 or errno.
 */
int listen_open(uint16_t port, int *ret_fd, uint16_t *ret_port)
{
	struct sockaddr_in address = { 0 };
	socklen_t size = sizeof(address);
	const int yes = 1;
	int fd = -1;
	int ret = 0;

	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		return errno;
	}
	address.sin_family = AF_INET;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	address.sin_port = htons(port);
	ret = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (ret == 0) {
		ret = bind(fd, (struct sockaddr *)&address, size);
	}
	if (ret == 0) {
		ret = listen(fd, BACKLOG);
	}
	if (ret == 0) {
		ret = getsockname(fd, (struct sockaddr *)&address, &size);
	}
	if (ret != 0) {
		ret = errno;
		(void)close(fd);
		return ret;
	}
	*ret_fd = fd;
	*ret_port = ntohs(address.sin_port);
	return 0;
}

/* How many clients may be connected so that the work still finds descriptors.
 *
 * Thread: any.  Lock: none.
 * Owns:   nothing.
 * Return: a number.
 */
unsigned listen_connections_max(void)
{
	struct rlimit limit = { 0 };
	int ret = 0;

	ret = getrlimit(RLIMIT_NOFILE, &limit);
	if (ret != 0 || limit.rlim_cur > CONNECTIONS_MAX + DESCRIPTORS_KEPT) {
		return CONNECTIONS_MAX;
	}
	if (limit.rlim_cur < CONNECTIONS_MIN + DESCRIPTORS_KEPT) {
		return CONNECTIONS_MIN;
	}
	return (unsigned)(limit.rlim_cur - DESCRIPTORS_KEPT);
}
