/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Owner cases: what tests/owner.t runs under weft-owner, one case a process.
 *
 *      owner_cases CASE     runs it; 0: it came to its end
 *      owner_cases --list   "wrong CASE", "tied CASE" or "right CASE" a line
 *
 * A case is a way of handing over and what the other thread does then. Without
 * the checker each comes to its end: the two threads take turns, and nothing is
 * written at the same time. The other thread is there from the beginning to
 * the end, so that neither its start nor its end hands anything over.
 *
 *   act.c      the other thread, and what may be done to a thing
 *   right.c    hand-overs of talloc's own
 *   between.c  hand-overs of tevent's and weft's
 *   main.c     wrong ones, and the table
 */
#pragma once

#include <stdbool.h>

struct thing {
	char *text;
	bool *unpacked; /* set when it has arrived */
};

#define THING_ROOM 4096

typedef void (*act_fn)(void *arg);

/* Ends the process with status 3 unless it held. */
void must(bool held);
struct thing *thing_new(void);

void other_start(void);
/* The other thread does it, and waits for the next thing. */
void elsewhere(act_fn act, void *arg);

/* Done to a thing, or to nothing. */
void act_free(void *arg);
void act_free_text(void *arg);
void act_allocate(void *arg);
void act_append(void *arg);
void act_grow(void *arg);
void act_steal_text(void *arg);
void act_take_in(void *arg);
void act_refer(void *arg);
void act_guard(void *arg);
void act_rename(void *arg);
void act_sum(void *arg);
void act_free_children(void *arg);
void act_look(void *arg);
void act_nothing(void *arg);
void act_family(void *arg);

/* A destructor that refuses. */
int keep(struct thing *thing);

void let_go_by_steal(act_fn act);
void let_go_by_move(act_fn act);
void own_ancestor(act_fn act);
void there_and_back(act_fn act);
void start_and_end(act_fn act);
void families(act_fn act);
void refused(act_fn act);
void stays_here(act_fn act);
void refers_to_itself(act_fn act);
void forked(act_fn act);

/* Done by the other thread to a loop of the first. */
void act_threaded(void *arg);
void act_threaded_own(void *arg);
void act_proxy(void *arg);
void act_proxy_foreign(void *arg);

void threaded(act_fn act);
void threaded_own(act_fn act);
void proxied(act_fn act);
void job(act_fn act);
