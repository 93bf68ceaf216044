/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Talk: what the programs of this folder and a weft loop have to say; talk.c.
 *
 * All but talk_open() belongs to the program's thread and mailbox.
 */
#pragma once

#include <stdbool.h>

#include <weft.h>

struct talk;

/* How often a program does something of its own meanwhile. */
enum { TALK_TICK_MS = 10 };

/* Reads the options, and explains them where they are wrong (exit). @name is
 * the program's. Return: never NULL. */
struct talk *talk_open(const char *name, int argc, char **argv);

/* Starts the weft loop and makes the first call. @mailbox is the program's,
 * with options.private_data = @talk. */
void talk_begin(struct talk *talk, struct weft_mailbox *mailbox);

/* The program was woken for its mailbox, and @ran messages have run. */
void talk_woken(struct talk *talk, int ran);

/* TALK_TICK_MS have passed. Return: false: all is said, the program may end. */
bool talk_tick(struct talk *talk);

/* Says what has happened, after the program has left its loop. */
void talk_end(struct talk *talk);

/* Says what went wrong and exits with status 1. */
__attribute__((__noreturn__)) void talk_fail(const char *what, int error);
