/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Page: lines of text, each with a look; page.c. */
#pragma once

#include <stddef.h>

enum page_look {
	PAGE_PLAIN,
	PAGE_TITLE, /* of all that follows */
	PAGE_HEAD,  /* over columns */
	PAGE_ALERT, /* not as it should be */
};

struct page_line {
	enum page_look look;
	char *text;
};

struct page {
	struct page_line *lines;
	size_t count;
};

/* Adds a line. What cannot be shown becomes '?'. Without memory the program
 * ends. */
void page_add(struct page *page, enum page_look look, const char *format, ...)
	__attribute__((__format__(__printf__, 3, 4)));
void page_clear(struct page *page);
