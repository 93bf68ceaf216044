/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Turn: real threads, one at a time, in an order that a seed chooses.
 *
 * A story is a function that starts threads, lets them meet, and joins them. It
 * is played once for each seed, in a process of its own: of its threads exactly
 * one moves, the one that has the token. sched.c tells who gets it when, and
 * what this does not show; docs/testing.md how it is used.
 *
 *      static void story(void)
 *      {
 *              ... threads, pools, loops; TURN_CHECK(what must hold); ...
 *      }
 *
 *      int main(int argc, char **argv)
 *      {
 *              static const struct turn_story stories[] = {
 *                      { "one", story }, { NULL, NULL },
 *              };
 *              return turn_main(stories, argc, argv);
 *      }
 *
 * When it has returned, nobody moves any more and no descriptor may be left.
 */
#pragma once

#include <stdbool.h>

struct turn_story {
	const char *name;
	void (*play)(void);
};

/* Plays what the arguments say: see turn_main() in play.c.
 * Return: what main() returns. */
int turn_main(const struct turn_story *stories, int argc, char **argv);

/* A number below @count, by the seed. Thread: of a story. */
unsigned turn_choose(unsigned count);

/* The story has gone wrong: ends it. Thread: any. */
void turn_fail(const char *why, ...)
	__attribute__((__noreturn__, __format__(__printf__, 1, 2)));

#define TURN_CHECK(held)  \
	((held) ? (void)0 \
		: turn_fail("%s:%d: not %s", __FILE__, __LINE__, #held))
