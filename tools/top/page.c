/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Page: lines of text, each with a look, for whatever shows them.
 *
 * What stands in them comes from another program: nothing of it may reach the
 * terminal as a command.
 */
#include "tools/top/page.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void page_out_of_memory(void)
{
	(void)fputs("weft-top: no memory\n", stderr);
	exit(1);
}

void page_add(struct page *page, enum page_look look, const char *format, ...)
{
	struct page_line *lines = NULL;
	char *text = NULL;
	char *at = NULL;
	va_list args;
	int length = 0;

	va_start(args, format);
	length = vasprintf(&text, format, args);
	va_end(args);
	lines = realloc(page->lines, (page->count + 1) * sizeof(*lines));
	if (length < 0 || lines == NULL) {
		page_out_of_memory();
	}
	for (at = text; *at != '\0'; at++) {
		if ((unsigned char)*at < 0x20 || *at == 0x7f) {
			*at = '?';
		}
	}
	while (at != text && at[-1] == ' ') {
		at--;
	}
	*at = '\0';
	page->lines = lines;
	page->lines[page->count] = (struct page_line){ look, text };
	page->count++;
}

void page_clear(struct page *page)
{
	size_t i = 0;

	for (i = 0; i < page->count; i++) {
		free(page->lines[i].text);
	}
	free(page->lines);
	*page = (struct page){ .lines = NULL };
}
