/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Right: hand-overs of talloc's own, and what needs none; see cases.h. */
#include "tests/owner/cases.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <talloc.h>

#define FAMILIES 200

void let_go_by_steal(act_fn act)
{
	struct thing *thing = thing_new();

	(void)talloc_steal(NULL, thing);
	elsewhere(act, thing);
}

void let_go_by_move(act_fn act)
{
	struct thing *parent = thing_new();
	struct thing *child = talloc_steal(parent, thing_new());
	struct thing *travels = talloc_move(NULL, &child);

	elsewhere(act, travels);
	must(talloc_free(parent) == 0);
}

/* Nobody can free it any more, and no root is to be found. */
void own_ancestor(act_fn act)
{
	struct thing *thing = thing_new();
	TALLOC_CTX *below = talloc_new(thing);

	(void)act;
	(void)talloc_steal(below, thing);
	must(talloc_new(below) != NULL);
}

void there_and_back(act_fn act)
{
	struct thing *thing = thing_new();

	(void)talloc_steal(NULL, thing);
	elsewhere(act, thing);
	elsewhere(act_steal_text, thing);
	must(talloc_free(thing->text) == 0);
}

static void *thread_free(void *arg)
{
	(void)talloc_free(arg);
	return talloc_steal(NULL, thing_new());
}

static void *thread_make(void *arg)
{
	(void)talloc_free(arg);
	return thing_new();
}

/* What a thread is started with, and what one that has ended left. */
void start_and_end(act_fn act)
{
	void *made = NULL;
	pthread_t thread;

	(void)act;
	must(pthread_create(&thread, NULL, thread_make, thing_new()) == 0);
	must(pthread_join(thread, &made) == 0);
	must(talloc_free(made) == 0);
	must(pthread_create(&thread, NULL, thread_free, thing_new()) == 0);
	must(pthread_join(thread, &made) == 0);
	must(talloc_free(made) == 0);
}

static int drop_text(struct thing *thing)
{
	TALLOC_FREE(thing->text);
	thing->text = talloc_strdup(thing, "last");
	return 0;
}

static int survive(struct thing *thing)
{
	talloc_set_destructor(thing, drop_text);
	return -1;
}

/* Three generations, each of which writes to itself as it is freed; the second
 * one survives the first, and is a tree of its own then. */
void act_family(void *arg)
{
	struct thing *root = thing_new();
	struct thing *child = talloc_steal(root, thing_new());
	struct thing *last = talloc_steal(child, thing_new());

	(void)arg;
	talloc_set_destructor(root, drop_text);
	talloc_set_destructor(child, survive);
	talloc_set_destructor(last, drop_text);
	must(talloc_free(root) == 0);
	must(talloc_parent(child) == NULL);
	must(talloc_free(child) == 0);
}

/* By turns, so that the same memory serves both threads. */
void families(act_fn act)
{
	for (unsigned i = 0; i < FAMILIES; i++) {
		struct thing *thing = thing_new();

		act(NULL);
		elsewhere(act, NULL);
		(void)talloc_steal(NULL, thing);
		elsewhere(act_free, thing);
	}
}

/* What a destructor keeps was let go of by who wanted to free it. */
void refused(act_fn act)
{
	struct thing *thing = thing_new();

	talloc_set_destructor(thing, keep);
	must(talloc_free(thing) == -1);
	elsewhere(act, thing);
}

/* What ties a tree to others does not matter in one thread. */
void stays_here(act_fn act)
{
	struct thing *holder = thing_new();
	struct thing *thing = thing_new();

	(void)act;
	(void)talloc_reference(holder, thing);
	(void)talloc_steal(NULL, thing);
	must(talloc_unlink(NULL, thing) == 0);
	must(talloc_free(holder) == 0);
}

/* A reference inside of the tree travels along. */
void refers_to_itself(act_fn act)
{
	struct thing *root = thing_new();

	(void)talloc_reference(talloc_new(root), root->text);
	(void)talloc_steal(NULL, root);
	elsewhere(act, root);
}

static void act_make(void *arg)
{
	struct thing **ret_thing = arg;

	*ret_thing = thing_new();
}

/* A child is alone: to it the other thread is none. */
void forked(act_fn act)
{
	struct thing *mine = thing_new();
	struct thing *others = NULL;
	int status = 0;
	pid_t pid = -1;

	elsewhere(act_make, &others);
	pid = fork();
	if (pid == 0) {
		must(talloc_free(mine) == 0);
		must(talloc_free(others) == 0);
		must(talloc_free(thing_new()) == 0);
		_exit(0);
	}
	must(waitpid(pid, &status, 0) == pid && status == 0);
	must(talloc_free(mine) == 0);
	elsewhere(act, others);
}
