/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Monitortest: what the tests of the monitor have in common: a place for its
 * socket, and clients that live in the same thread as its loop. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/pooltest.h"

/* A folder of this process, gone at the end of the test. */
struct nest {
	char folder[80];
	char path[96];
};

static inline int nest_destructor(struct nest *nest)
{
	(void)unlink(nest->path);
	(void)rmdir(nest->folder);
	return 0;
}

static inline struct nest *nest_new(TALLOC_CTX *mem_ctx)
{
	const char *base = getenv("TMPDIR");
	struct nest *nest = talloc_zero(mem_ctx, struct nest);

	if (base == NULL || strlen(base) > 40) {
		base = P_tmpdir;
	}
	(void)snprintf(nest->folder, sizeof(nest->folder),
		       "%s/weft-monitor.%ld", base, (long)getpid());
	if (mkdir(nest->folder, 0700) != 0) {
		bail_out("no place for a socket");
	}
	(void)snprintf(nest->path, sizeof(nest->path), "%s/socket",
		       nest->folder);
	talloc_set_destructor(nest, nest_destructor);
	return nest;
}

static inline struct weft_monitor *monitortest_open(
	struct fixture *fx, const char *path,
	const struct weft_monitor_options *options)
{
	struct weft_monitor *monitor = NULL;
	int ret = weft_monitor_create(fx->mem, fx->ev, path, options, &monitor);

	if (ret != 0) {
		bail_out("weft_monitor_create: %d", ret);
	}
	return monitor;
}

/* Return: -1 if nobody listens. */
static inline int client_connect(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd == -1) {
		bail_out("no socket");
	}
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		int error = errno;

		(void)close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

/* The same, when those who have come before are let in. */
static inline int client_come(struct fixture *fx, const char *path)
{
	int fd = -1;

	while ((fd = client_connect(path)) == -1) {
		if (errno != EAGAIN || tevent_loop_once(fx->ev) != 0) {
			bail_out("nobody lets a client in");
		}
	}
	return fd;
}

static inline void client_say(int fd, const char *text)
{
	size_t length = strlen(text);

	if (send(fd, text, length, MSG_NOSIGNAL) != (ssize_t)length) {
		bail_out("the monitor does not take a command");
	}
}

/* Turns the loop until a line has come. Return: it, without its end; "": the
 * monitor has hung up. Below @fx->mem. */
static inline char *client_hear(struct fixture *fx, int fd)
{
	char *line = talloc_strdup(fx->mem, "");
	char c = '\0';

	for (;;) {
		ssize_t got = recv(fd, &c, 1, 0);

		if (got == 0 || (got == 1 && c == '\n') ||
		    (got == -1 && errno == ECONNRESET)) {
			return line;
		}
		if (got == 1) {
			line = talloc_strndup_append_buffer(line, &c, 1);
		} else if (errno != EAGAIN || tevent_loop_once(fx->ev) != 0) {
			bail_out("nothing to hear");
		}
	}
}

/* One question of a client of its own. */
static inline char *client_ask(struct fixture *fx, const char *path,
			       const char *command)
{
	int fd = client_come(fx, path);
	char *line = NULL;

	client_say(fd, command);
	line = client_hear(fx, fd);
	(void)close(fd);
	return line;
}

static inline void has(const char *text, const char *part, const char *name)
{
	if (!ok(strstr(text, part) != NULL, "%s", name)) {
		diag("no '%s' in %s", part, text);
	}
}

static inline void has_not(const char *text, const char *part, const char *name)
{
	if (!ok(strstr(text, part) == NULL, "%s", name)) {
		diag("'%s' in %s", part, text);
	}
}
