/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Main: what goes wrong, and the table of all cases; see cases.h. */
#include "tests/owner/cases.h"

#include <stdio.h>
#include <string.h>

#include <talloc.h>

/* talloc_set_memlimit() */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

/* Nobody has let go. */
static void kept(act_fn act)
{
	elsewhere(act, thing_new());
}

/* Handed over with the tree that it hangs in still here. */
static void kept_parent(act_fn act)
{
	struct thing *root = thing_new();

	elsewhere(act, talloc_steal(root, thing_new()));
}

/* Used again after it was handed over. */
static void used_again(act_fn act)
{
	struct thing *thing = thing_new();

	(void)talloc_steal(NULL, thing);
	elsewhere(act_allocate, thing);
	act(thing);
}

/* Parentless objects of all threads hang together. */
static void null_tracking(act_fn act)
{
	talloc_enable_null_tracking();
	(void)thing_new();
	elsewhere(act, NULL);
}

/* ---- tied ones ---- */

static void referred_to(act_fn act)
{
	struct thing *thing = thing_new();

	(void)talloc_reference(thing_new(), thing->text);
	(void)talloc_steal(NULL, thing);
	elsewhere(act, thing);
}

static void refers(act_fn act)
{
	struct thing *thing = thing_new();

	(void)talloc_reference(thing, thing_new());
	(void)talloc_steal(NULL, thing);
	elsewhere(act, thing);
}

static void of_a_pool(act_fn act)
{
	void *pool = talloc_pool(NULL, THING_ROOM);
	struct thing *thing = talloc_zero(pool, struct thing);

	(void)talloc_steal(NULL, thing);
	elsewhere(act, thing);
}

static void around_a_pool(act_fn act)
{
	struct thing *thing = thing_new();
	void *pool = talloc_pooled_object(thing, struct thing, 1, THING_ROOM);

	(void)talloc_strdup(pool, "pooled");
	(void)talloc_steal(NULL, thing);
	elsewhere(act, thing);
}

static void limited(act_fn act)
{
	struct thing *thing = thing_new();

	must(talloc_set_memlimit(thing, THING_ROOM) == 0);
	(void)talloc_steal(NULL, thing);
	elsewhere(act, thing);
}

/* Its members are still counted where they came from. */
static void taken_from_limited(act_fn act)
{
	struct thing *root = thing_new();
	struct thing *child = NULL;

	must(talloc_set_memlimit(root, THING_ROOM) == 0);
	child = talloc_zero(root, struct thing);
	child->text = talloc_strdup(child, "counted");
	(void)talloc_steal(NULL, child);
	elsewhere(act, child);
	must(talloc_free(root) == 0);
}

static const struct owner_case {
	const char *kind;
	const char *name;
	void (*play)(act_fn act);
	act_fn act;
} cases[] = {
	{ "wrong", "free", kept, act_free },
	{ "wrong", "free_child", kept, act_free_text },
	{ "wrong", "free_children", kept, act_free_children },
	{ "wrong", "allocate", kept, act_allocate },
	{ "wrong", "append", kept, act_append },
	{ "wrong", "grow", kept, act_grow },
	{ "wrong", "steal", kept, act_steal_text },
	{ "wrong", "take_in", kept, act_take_in },
	{ "wrong", "refer", kept, act_refer },
	{ "wrong", "guard", kept, act_guard },
	{ "wrong", "rename", kept, act_rename },
	{ "wrong", "sum", kept, act_sum },
	{ "wrong", "part_of_a_tree", kept_parent, act_free },
	{ "wrong", "used_again", used_again, act_allocate },
	{ "wrong", "freed_again", used_again, act_free },
	{ "wrong", "null_tracking", null_tracking, act_allocate },
	{ "wrong", "proxy_foreign", proxied, act_proxy_foreign },
	{ "tied", "referred_to", referred_to, act_allocate },
	{ "tied", "refers", refers, act_allocate },
	{ "tied", "of_a_pool", of_a_pool, act_allocate },
	{ "tied", "around_a_pool", around_a_pool, act_allocate },
	{ "tied", "limited", limited, act_allocate },
	{ "tied", "taken_from_limited", taken_from_limited, act_free },
	{ "right", "look", kept, act_look },
	{ "right", "nothing", kept, act_nothing },
	{ "right", "let_go_by_steal", let_go_by_steal, act_free },
	{ "right", "let_go_by_move", let_go_by_move, act_free },
	{ "right", "there_and_back", there_and_back, act_append },
	{ "right", "start_and_end", start_and_end, NULL },
	{ "right", "families", families, act_family },
	{ "right", "refused", refused, act_append },
	{ "right", "stays_here", stays_here, NULL },
	{ "right", "refers_to_itself", refers_to_itself, act_free },
	{ "right", "own_ancestor", own_ancestor, NULL },
	{ "right", "forked", forked, act_free },
	{ "right", "threaded", threaded, act_threaded },
	{ "right", "threaded_own", threaded_own, act_threaded_own },
	{ "right", "proxy", proxied, act_proxy },
	{ "right", "job", job, NULL },
};

int main(int argc, char **argv)
{
	bool list = argc == 2 && strcmp(argv[1], "--list") == 0;

	other_start();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct owner_case *one = &cases[i];

		if (list) {
			(void)printf("%s %s\n", one->kind, one->name);
		} else if (argc == 2 && strcmp(argv[1], one->name) == 0) {
			one->play(one->act);
			return 0;
		}
	}
	return list ? 0 : 2;
}
