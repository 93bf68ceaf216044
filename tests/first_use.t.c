/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* First use: several threads meet the library at the same moment, before
 * anything else in the process has touched it. Alone in its program, because
 * only one call can be the first.
 */
#include "tests/trail.h"

#define THREADS 4

struct first_use {
	int worked[THREADS]; /* each thread its own */
};

static void use_library(unsigned index, void *arg)
{
	struct first_use *all = arg;
	struct trail trail = { "" };
	struct step step = { &trail, "t" };
	struct tevent_context *ev = tevent_context_init(NULL);
	const char **names = tevent_backend_list(NULL);

	if (ev != NULL && names != NULL && names[0] != NULL &&
	    tevent_add_timer(ev, ev, tevent_timeval_zero(), step_timer,
			     &step) != NULL) {
		trail_pass(&trail, ev);
	}
	all->worked[index] = strcmp(trail.text, "t |") == 0;
	talloc_free(names);
	talloc_free(ev);
}

static void test_first_use(struct fixture *fx)
{
	struct first_use all = { { 0 } };

	(void)fx;
	if (TEST_ON_STOCK) {
		skip("4.3 first use by several threads (undefined on stock)");
		return;
	}
	fixture_threads_join(fixture_threads_start(THREADS, use_library, &all));
	for (unsigned i = 0; i < THREADS; i++) {
		ok(all.worked[i],
		   "4.3 first use by several threads at once: "
		   "thread %u",
		   i);
	}
}

int main(void)
{
	fixture_run_flags("4.3 first use", test_first_use,
			  FIXTURE_THREADS | FIXTURE_NO_CONTEXT);
	return done();
}
