/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Own names: where a program's tables of operations are found by name. Each
 * test is in a process of its own, where the library has not been used yet.
 */
#include "tests/trail.h"

static const struct tevent_ops nobody; /* stands for a table; never called */

static bool list_is(const char *want)
{
	const char **names = tevent_backend_list(NULL);
	struct trail list = { "" };
	bool same = false;

	for (size_t i = 0; names != NULL && names[i] != NULL; i++) {
		trail_add(&list, names[i]);
	}
	talloc_free(names);
	same = strcmp(list.text, want) == 0;
	if (!same) {
		diag("the list is: %s", list.text);
	}
	return same;
}

static int early_names(void *arg)
{
	(void)arg;
	if (!tevent_register_backend("one", &nobody) ||
	    !tevent_register_backend("epoll", &nobody) ||
	    !tevent_register_backend("two", &nobody)) {
		return 1;
	}
	if (!list_is("standard poll_mt poll two epoll one")) {
		return 2;
	}
	return tevent_find_ops_byname("epoll") == &nobody &&
			       tevent_find_ops_byname("one") == &nobody
		       ? 0
		       : 3;
}

static int late_names(void *arg)
{
	const struct tevent_ops *ours = tevent_find_ops_byname("epoll");

	(void)arg;
	if (!tevent_register_backend("one", &nobody) ||
	    !tevent_register_backend("epoll", &nobody) ||
	    !tevent_register_backend("two", &nobody)) {
		return 1;
	}
	if (!list_is("two one standard epoll poll_mt poll")) {
		return 2;
	}
	return ours != &nobody && ours == tevent_find_ops_byname("epoll") ? 0
									  : 3;
}

static int names_twice(void *arg)
{
	static const struct tevent_ops other;

	(void)arg;
	if (!tevent_register_backend("one", &nobody) ||
	    !tevent_register_backend("one", &other) ||
	    tevent_find_ops_byname("one") != &nobody) {
		return 1;
	}
	if (!tevent_register_backend("one", &other) ||
	    !tevent_register_backend("late", &nobody) ||
	    !tevent_register_backend("late", &other)) {
		return 2;
	}
	return list_is("late standard epoll poll_mt poll one") &&
			       tevent_find_ops_byname("one") == &nobody &&
			       tevent_find_ops_byname("late") == &nobody
		       ? 0
		       : 3;
}

static int default_early(void *arg)
{
	(void)arg;
	tevent_set_default_backend("own");
	if (!tevent_register_backend("own", &nobody)) {
		return 1;
	}
	if (tevent_find_ops_byname(NULL) != &nobody) {
		return 2;
	}
	tevent_set_default_backend("nonsense");
	if (tevent_find_ops_byname(NULL) != NULL ||
	    tevent_context_init(NULL) != NULL) {
		return 3;
	}
	tevent_set_default_backend(NULL);
	return tevent_find_ops_byname(NULL) ==
			       tevent_find_ops_byname("standard")
		       ? 0
		       : 4;
}

static void test_names(void)
{
	static const struct {
		fixture_child_fn fn;
		const char *name;
	} rows[] = {
		{ early_names, "B602 names registered before the first use "
			       "override, and are listed last" },
		{ late_names, "B602 names registered later do not, and are "
			      "listed first" },
		{ names_twice, "B602 a name registered twice stays the first" },
		{ default_early, "B604 the default is looked up when used" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fixture_child child = fixture_child(rows[i].fn, NULL);

		child_exited(&child, 0, rows[i].name);
	}
}

enum { THREADS = 4, NAMES = 16 };

static char thread_names[THREADS + 1][NAMES][24];

/* Each its own names, and all of them the same ones besides. */
static void register_names(unsigned index, void *arg)
{
	unsigned *refused = arg;

	for (unsigned i = 0; i < NAMES; i++) {
		if (!tevent_register_backend(thread_names[index][i], &nobody) ||
		    !tevent_register_backend(thread_names[THREADS][i],
					     &nobody) ||
		    tevent_find_ops_byname(thread_names[index][i]) != &nobody) {
			__atomic_add_fetch(refused, 1, __ATOMIC_RELAXED);
		}
	}
}

static int names_from_threads(void *arg)
{
	const char **names = NULL;
	unsigned refused = 0;
	size_t count = 0;

	(void)arg;
	for (unsigned t = 0; t <= THREADS; t++) {
		for (unsigned i = 0; i < NAMES; i++) {
			(void)snprintf(thread_names[t][i],
				       sizeof(thread_names[t][i]), "%u-%u", t,
				       i);
		}
	}
	(void)tevent_find_ops_byname(NULL);
	fixture_threads_join(
		fixture_threads_start(THREADS, register_names, &refused));
	names = tevent_backend_list(NULL);
	while (names[count] != NULL) {
		count++;
	}
	talloc_free(names);
	if (refused != 0) {
		return 1;
	}
	return count == (THREADS + 1) * NAMES + 4 ? 0 : 2;
}

static void test_threads(void)
{
	struct fixture_child child;

	if (TEST_ON_STOCK) {
		skip("B602 stock's list has no lock");
		return;
	}
	child = fixture_child(names_from_threads, NULL);
	child_exited(&child, 0, "B602 several threads register at once");
}

int main(void)
{
	test_names();
	test_threads();
	return done();
}
