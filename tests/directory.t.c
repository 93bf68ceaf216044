/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Directory: what is remembered of a context dies with it. */
#include "threadpool/directory.h"
#include "tests/tap.h"
#include "threadpool/cpus.h"

#define CONTEXTS 500

static struct wf_place places[CONTEXTS];
static char contexts[CONTEXTS][16];
static unsigned visited;

static void visit(struct wf_place *place)
{
	(void)place;
	visited++;
}

int main(void)
{
	unsigned wrong = 0;
	unsigned i = 0;
	struct wf_place another;

	is_ptr(wf_directory_find(contexts[0]), NULL, "nothing is there");
	for (i = 0; i < CONTEXTS; i++) {
		wf_directory_add(&places[i], contexts[i]);
	}
	for (i = 0; i < CONTEXTS; i++) {
		wrong += wf_directory_find(contexts[i]) != &places[i];
		wrong += wf_directory_find(contexts[i]) != &places[i];
	}
	is_uint(wrong, 0, "%u are found, and found again", CONTEXTS);
	wf_directory_lock();
	wf_directory_each_locked(visit);
	wf_directory_unlock();
	is_uint(visited, CONTEXTS, "a walk sees each");

	is_ptr(wf_directory_find(contexts[7]), &places[7],
	       "this thread has "
	       "it in mind");
	wf_directory_remove(&places[7]);
	is_ptr(wf_directory_find(contexts[7]), NULL, "until it is removed");
	wf_directory_add(&another, contexts[7]);
	is_ptr(wf_directory_find(contexts[7]), &another,
	       "a new one at the same address is the new one");
	for (i = 0; i < CONTEXTS; i++) {
		wf_directory_remove(i == 7 ? &another : &places[i]);
	}
	is_ptr(wf_directory_find(contexts[3]), NULL, "all gone");

	ok(wf_cpus_usable() >= 1, "there is a processor to use");
	return done();
}
