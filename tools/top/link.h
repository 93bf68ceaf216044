/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Link: the line to a program's monitor; link.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct link {
	int fd;
	bool asked;  /* and not heard yet */
	char *text;  /* what has come of the answer */
	size_t used; /* bytes of it */
	size_t room;
};

/* What came of listening. */
enum link_heard {
	LINK_LINE,   /* an answer, whole */
	LINK_SILENT, /* none within the time */
	LINK_GONE,   /* the program has hung up */
};

/* Thread: main.  Lock: none.
 * Return: 0, or an errno: nobody listens there. */
int link_open(struct link *link, const char *path);
void link_close(struct link *link);

/* Sends a command, one line without its end, unless one is out.
 * Return: false: the program has hung up. */
bool link_ask(struct link *link, const char *command);

/* Waits for the answer.
 *
 * @ret_line  malloc's, the caller's; set with LINK_LINE only */
enum link_heard link_hear(struct link *link, int timeout_ms, char **ret_line);
