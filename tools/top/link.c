/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Link: the line to a program's monitor.
 *
 * One command is out at a time. An answer that is late is waited for again the
 * next time, so what is heard always belongs to what was asked last.
 */
#include "tools/top/link.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define LINK_PIECE 16384

int link_open(struct link *link, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int ret = 0;

	*link = (struct link){ .fd = -1 };
	if (strlen(path) >= sizeof(address.sun_path)) {
		return ENAMETOOLONG;
	}
	strcpy(address.sun_path, path);
	link->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (link->fd == -1) {
		return errno;
	}
	if (connect(link->fd, (struct sockaddr *)&address, sizeof(address)) !=
	    0) {
		ret = errno;
		link_close(link);
	}
	return ret;
}

void link_close(struct link *link)
{
	(void)close(link->fd);
	free(link->text);
	*link = (struct link){ .fd = -1 };
}

bool link_ask(struct link *link, const char *command)
{
	char line[256];
	int length = snprintf(line, sizeof(line), "%s\n", command);

	if (link->asked) {
		return true;
	}
	if (length < 0 || (size_t)length >= sizeof(line)) {
		return false;
	}
	link->asked = true;
	return send(link->fd, line, (size_t)length, MSG_NOSIGNAL) == length;
}

static int64_t now_ms(void)
{
	struct timespec now = { 0, 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Return: false: there is no more. */
static bool link_read(struct link *link)
{
	ssize_t got = 0;

	if (link->room - link->used < LINK_PIECE) {
		char *more = realloc(link->text, link->room + LINK_PIECE);

		if (more == NULL) {
			return false;
		}
		link->text = more;
		link->room += LINK_PIECE;
	}
	do {
		got = recv(link->fd, link->text + link->used,
			   link->room - link->used, 0);
	} while (got == -1 && errno == EINTR);
	if (got <= 0) {
		return false;
	}
	link->used += (size_t)got;
	return true;
}

enum link_heard link_hear(struct link *link, int timeout_ms, char **ret_line)
{
	int64_t end_ms = now_ms() + timeout_ms;
	struct pollfd ready = { .fd = link->fd, .events = POLLIN };

	while (link->used == 0 || link->text[link->used - 1] != '\n') {
		int64_t left_ms = end_ms - now_ms();
		int ret = poll(&ready, 1, left_ms > 0 ? (int)left_ms : 0);

		/* Interrupted: the screen's size has changed. */
		if (ret <= 0) {
			return LINK_SILENT;
		}
		if (!link_read(link)) {
			return LINK_GONE;
		}
	}
	link->text[link->used - 1] = '\0';
	*ret_line = link->text;
	link->text = NULL;
	link->used = 0;
	link->room = 0;
	link->asked = false;
	return LINK_LINE;
}
