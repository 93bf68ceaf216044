/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Place: which thread did something, by which call, and from where.
 *
 * Taken whenever a tree gets another owner, and printed only in a report; so
 * it holds addresses, no names.
 *
 * Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Frames kept, of which those in the checker itself are not shown. */
#define OWNER_FRAMES       12
#define OWNER_FRAMES_SHOWN 6
#define OWNER_THREAD_NAME  16
#define OWNER_TEXT_MAX     8192

/* What a program has called. */
struct owner_call {
	const char *name;     /* as the program writes it */
	const char *location; /* "file:line", where the call says it, or NULL */
};

struct owner_place {
	struct owner_call call;
	pid_t thread;
	char thread_name[OWNER_THREAD_NAME];
	int depth;
	void *frames[OWNER_FRAMES];
};

/* What is to be said; what does not fit is cut off. */
struct owner_text {
	size_t used;
	char text[OWNER_TEXT_MAX];
};

/* Thread: any.  Lock: none, and the caller holds none: it may allocate.
 * Return: nothing; @ret_place is where the caller's thread stands. */
void owner_place_take(struct owner_place *ret_place,
		      const struct owner_call *call);

/* Thread: any.  Lock: none.
 * Return: nothing; @text is longer. */
void owner_text_add(struct owner_text *text, const char *fmt, ...)
	__attribute__((__format__(__printf__, 2, 3)));

/* Adds the thread and its call behind @what, and a line for each frame.
 *
 * Thread: any.  Lock: none.
 * Return: nothing; @text is longer. */
void owner_place_print(const struct owner_place *place, const char *what,
		       struct owner_text *text);
