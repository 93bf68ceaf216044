/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Req out of memory: each allocation of profiled requests fails once. A request
 * is made with its profile or not at all.
 */
#include "tests/sweep.h"

struct some_state {
	char bytes[100];
};

static unsigned count_below(struct tevent_req *req)
{
	const struct tevent_req_profile *sub = NULL;
	unsigned count = 0;

	if (tevent_req_get_profile(req) == NULL) {
		return 0;
	}
	sub = tevent_req_profile_get_subprofiles(tevent_req_get_profile(req));
	while (sub != NULL) {
		count++;
		sub = tevent_req_profile_next(sub);
	}
	return count;
}

/* One more below @req. Return: whether it is as it should be. */
static bool play_sub(struct sweep *sweep, struct tevent_req *req, void *state)
{
	struct some_state *sub_state = NULL;
	bool profiled = tevent_req_get_profile(req) != NULL;
	unsigned before = count_below(req);
	struct tevent_req *sub = tevent_req_create(state, &sub_state,
						   struct some_state);

	(void)sweep_made(sweep, sub);
	if (sub == NULL) {
		return sub_state == NULL && count_below(req) == before;
	}
	if (!profiled) {
		return tevent_req_get_profile(sub) == NULL;
	}
	if (tevent_req_get_profile(sub) == NULL ||
	    count_below(req) != before + 1) {
		return false;
	}
	tevent_req_done(sub);
	return tevent_req_get_profile(sub) == NULL;
}

static void play_profiles(struct sweep *sweep)
{
	struct some_state *state = NULL;
	struct tevent_req *req = tevent_req_create(sweep->mem, &state,
						   struct some_state);
	bool good = true;

	sweep->accepted++;
	if (sweep_made(sweep, req) == NULL) {
		sweep->ran++;
		return;
	}
	/* A name of its own has to be copied. */
	talloc_set_name_const(state, "renamed");
	if (!tevent_req_set_profile(req)) {
		sweep->refused++;
		good = tevent_req_is_in_progress(req) &&
		       tevent_req_get_profile(req) == NULL;
	}
	good = play_sub(sweep, req, state) && good;
	good = play_sub(sweep, req, state) && good;
	sweep->ran += good ? 1 : 0;
	TALLOC_FREE(req);
}

static void play_own_profile(struct sweep *sweep)
{
	struct tevent_req_profile *profile = NULL;
	struct timeval when = { 1, 2 };

	sweep->accepted++;
	sweep->ran++;
	profile = tevent_req_profile_create(sweep->mem);
	if (sweep_made(sweep, profile) == NULL) {
		return;
	}
	if (!tevent_req_profile_set_name(profile, "name")) {
		sweep->refused++;
	}
	if (!tevent_req_profile_set_start(profile, "start.c:1", when)) {
		sweep->refused++;
	}
	if (!tevent_req_profile_set_stop(profile, "stop.c:1", when)) {
		sweep->refused++;
	}
}

int main(int argc, char **argv)
{
	(void)argc;
	if (TEST_ON_STOCK) {
		skip_all("B852 stock takes profiles from the request's chunk");
	}
	sweep_begin(argv);
	sweep_run("B850 B852 profiled requests", play_profiles, NULL,
		  SHIM_MALLOC, 0);
	sweep_run("6.4 profiles", play_own_profile, NULL, SHIM_MALLOC, 0);
	return done();
}
