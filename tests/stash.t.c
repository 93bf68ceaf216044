/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Stash: pieces of memory that a loop keeps at hand. */
#include "threadpool/stash.h"

#include <stdlib.h>
#include <string.h>

#include "tests/fixture.h"

#define SMALL 200
#define LARGE (WF_STASH_SIZE + 1)

static void *take(struct wf_stash *stash, size_t size)
{
	void *memory = wf_stash_take(stash, size);

	if (memory == NULL) {
		bail_out("no memory");
	}
	/* All of it is there to be written to. */
	memset(memory, 0x5a, size);
	return memory;
}

static void is_handed_out_again(struct fixture *fx)
{
	struct wf_stash stash = { .first = NULL };
	void *one = take(&stash, SMALL);
	void *other = take(&stash, WF_STASH_SIZE);

	(void)fx;
	wf_stash_give(&stash, one, SMALL);
	wf_stash_give(&stash, other, WF_STASH_SIZE);
	if (WF_STASH_MAX == 0) {
		is_uint(stash.count, 0, "sanitizers see each life of a piece");
		return;
	}
	is_uint(stash.count, 2, "two are kept, whatever they were used for");
	is_ptr(take(&stash, WF_STASH_SIZE), other, "the last one comes first");
	is_ptr(take(&stash, SMALL), one, "then the other");
	is_uint(stash.count, 0, "and none is left");
	free(one);
	free(other);
}

static void keeps_a_few(struct fixture *fx)
{
	struct wf_stash stash = { .first = NULL };
	void *pieces[2 * WF_STASH_MAX + 1];
	size_t count = TEV_ARRAY_SIZE(pieces);
	size_t i = 0;

	(void)fx;
	for (i = 0; i < count; i++) {
		pieces[i] = take(&stash, SMALL);
	}
	for (i = 0; i < count; i++) {
		wf_stash_give(&stash, pieces[i], SMALL);
	}
	is_uint(stash.count, WF_STASH_MAX, "no more are kept than said");
	wf_stash_close(&stash);
	is_ptr(stash.first, NULL, "the end frees them");
}

static void keeps_nothing_large(struct fixture *fx)
{
	struct wf_stash stash = { .first = NULL };

	(void)fx;
	wf_stash_give(&stash, take(&stash, LARGE), LARGE);
	is_uint(stash.count, 0, "what is larger than a piece is not kept");
}

static void keeps_nothing_after_its_end(struct fixture *fx)
{
	struct wf_stash stash = { .first = NULL };

	(void)fx;
	wf_stash_close(&stash);
	wf_stash_give(&stash, take(&stash, SMALL), SMALL);
	is_ptr(stash.first, NULL, "what comes after the end is freed at once");
}

int main(void)
{
	fixture_run("is handed out again", is_handed_out_again);
	fixture_run("keeps a few", keeps_a_few);
	fixture_run("keeps nothing large", keeps_nothing_large);
	fixture_run("keeps nothing after its end", keeps_nothing_after_its_end);
	return done();
}
