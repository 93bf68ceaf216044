/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Passed: two threads, of which one writes something and then lets the library
 * say so; the other asks until it says so, and reads. No lock between them.
 */
#pragma once

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "tests/tap.h"

struct passed_pair {
	const char *name;
	void (*give)(void);
	bool (*got)(void);
};

struct passed_race {
	const struct passed_pair *pair;
	int thing; /* what the ordering is for */
	int seen;
};

static void *passed_taker(void *arg)
{
	struct passed_race *race = arg;

	while (!race->pair->got()) {
		(void)sched_yield();
	}
	race->seen = race->thing;
	return NULL;
}

static inline void passed_one(const struct passed_pair *pair)
{
	struct passed_race race = { .pair = pair };
	pthread_t taker;

	if (pthread_create(&taker, NULL, passed_taker, &race) != 0) {
		bail_out("no thread");
	}
	/* Now and then it looks before. */
	(void)sched_yield();
	race.thing = 1;
	pair->give();
	(void)pthread_join(taker, NULL);
	is_int(race.seen, 1, "%s: what came before is seen", pair->name);
}

static inline void passed_all(const struct passed_pair *pairs, size_t count)
{
	size_t i = 0;

	for (i = 0; i < count; i++) {
		passed_one(&pairs[i]);
	}
}
