/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Screen: a page on a terminal, and keys.
 */
#include "tools/top/screen.h"

#include <locale.h>

#include <curses.h>

#define ESCAPE_MS 25

/* The first line that is shown, and how many there are. */
static size_t first;
static size_t lines;

void screen_begin(void)
{
	(void)setlocale(LC_ALL, "");
	(void)initscr();
	(void)cbreak();
	(void)noecho();
	(void)nonl();
	(void)curs_set(0);
	(void)keypad(stdscr, TRUE);
	(void)nodelay(stdscr, TRUE);
	(void)set_escdelay(ESCAPE_MS);
}

void screen_end(void)
{
	(void)endwin();
}

static attr_t look_of(enum page_look look)
{
	switch (look) {
	case PAGE_TITLE:
		return A_BOLD;
	case PAGE_HEAD:
		return A_REVERSE;
	case PAGE_ALERT:
		return A_BOLD | A_UNDERLINE;
	default:
		return A_NORMAL;
	}
}

void screen_show(const struct page *page, const char *note)
{
	size_t room = LINES > 1 ? (size_t)LINES - 1 : 0;
	size_t i = 0;

	lines = page->count;
	if (lines <= room) {
		first = 0;
	}
	(void)erase();
	for (i = 0; i < room && first + i < lines; i++) {
		const struct page_line *line = &page->lines[first + i];

		(void)attrset((int)look_of(line->look));
		(void)mvaddnstr((int)i, 0, line->text, COLS);
	}
	(void)attrset(A_DIM);
	(void)mvaddnstr(LINES - 1, 0, note, COLS - 1);
	(void)attrset(A_NORMAL);
	(void)refresh();
}

int screen_key(void)
{
	int key = getch();
	size_t page = LINES > 2 ? (size_t)LINES - 2 : 1;

	switch (key) {
	case KEY_DOWN:
		first += first + 1 < lines ? 1 : 0;
		break;
	case KEY_NPAGE:
		first += first + page < lines ? page : 0;
		break;
	case KEY_UP:
		first -= first > 0 ? 1 : 0;
		break;
	case KEY_PPAGE:
		first -= first > page ? page : first;
		break;
	case ERR:
		return -1;
	default:
		break;
	}
	return key;
}

void screen_prompt(const char *question, char *ret_line, int size)
{
	(void)nodelay(stdscr, FALSE);
	(void)echo();
	(void)curs_set(1);
	(void)move(LINES - 1, 0);
	(void)clrtoeol();
	(void)addnstr(question, COLS - size);
	if (getnstr(ret_line, size - 1) == ERR) {
		ret_line[0] = '\0';
	}
	(void)curs_set(0);
	(void)noecho();
	(void)nodelay(stdscr, TRUE);
}
