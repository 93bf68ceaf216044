/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Act: the other thread, and what may be done to a thing; see cases.h. */
#include "tests/owner/cases.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <talloc.h>

static struct {
	sem_t go;
	sem_t done;
	act_fn act; /* Q: go, done */
	void *arg;  /* Q: go, done */
} other;

void must(bool held)
{
	if (!held) {
		(void)fprintf(stderr, "owner_cases: something went wrong\n");
		exit(3);
	}
}

static void *other_main(void *arg)
{
	(void)arg;
	(void)pthread_setname_np(pthread_self(), "other");
	for (;;) {
		(void)sem_wait(&other.go);
		other.act(other.arg);
		(void)sem_post(&other.done);
	}
	return NULL;
}

void other_start(void)
{
	pthread_t thread;

	(void)sem_init(&other.go, 0, 0);
	(void)sem_init(&other.done, 0, 0);
	must(pthread_create(&thread, NULL, other_main, NULL) == 0);
}

void elsewhere(act_fn act, void *arg)
{
	other.act = act;
	other.arg = arg;
	(void)sem_post(&other.go);
	(void)sem_wait(&other.done);
}

struct thing *thing_new(void)
{
	struct thing *thing = talloc_zero(NULL, struct thing);

	must(thing != NULL);
	thing->text = talloc_strdup(thing, "some");
	return thing;
}

void act_free(void *arg)
{
	(void)talloc_free(arg);
}

void act_free_text(void *arg)
{
	struct thing *thing = arg;

	TALLOC_FREE(thing->text);
}

void act_allocate(void *arg)
{
	(void)talloc_size(arg, 1);
}

void act_append(void *arg)
{
	struct thing *thing = arg;

	thing->text = talloc_asprintf_append(thing->text, "%d", THING_ROOM);
}

void act_grow(void *arg)
{
	struct thing *thing = arg;

	thing->text = talloc_realloc(thing, thing->text, char, THING_ROOM);
}

void act_steal_text(void *arg)
{
	struct thing *thing = arg;

	(void)talloc_steal(NULL, thing->text);
}

void act_take_in(void *arg)
{
	struct thing *mine = thing_new();

	(void)talloc_steal(arg, mine);
}

void act_refer(void *arg)
{
	(void)talloc_reference(thing_new(), arg);
}

int keep(struct thing *thing)
{
	(void)thing;
	return -1;
}

void act_guard(void *arg)
{
	struct thing *thing = arg;

	talloc_set_destructor(thing, keep);
}

void act_rename(void *arg)
{
	(void)talloc_set_name(arg, "thing %d", 1);
}

void act_sum(void *arg)
{
	(void)talloc_total_size(arg);
}

void act_free_children(void *arg)
{
	talloc_free_children(arg);
}

void act_look(void *arg)
{
	struct thing *thing = talloc_get_type_abort(arg, struct thing);

	must(talloc_parent(thing->text) == thing);
	must(strcmp(talloc_get_name(thing), "struct thing") == 0);
	must(talloc_reference_count(thing) == 0);
	must(talloc_get_size(thing) == sizeof(*thing));
}

void act_nothing(void *arg)
{
	(void)arg;
}
