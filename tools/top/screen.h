/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Screen: a page on a terminal, and keys; screen.c. */
#pragma once

#include <stddef.h>

#include "tools/top/page.h"

/* Thread: main, all. Between begin and end the terminal is curses'. */
void screen_begin(void);
void screen_end(void);

/* Shows @page, and @note below it. */
void screen_show(const struct page *page, const char *note);

/* Return: a key that was pressed, or -1; a page that is larger than the screen
 * is moved here. */
int screen_key(void);

/* Lets a line be typed; @size bytes with the zero. */
void screen_prompt(const char *question, char *ret_line, int size);
