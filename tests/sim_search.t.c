/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Finding what goes wrong once in a while: a small daemon under simulation.
 *
 * The daemon has two places. A visitor takes one, a job looks something up for
 * him, and when that is through, or after 50 ms, the place is free again. Each
 * flaw shows only when two things happen in one order and not in the other:
 *
 *      TWICE      a look-up that is late gives back a place that was given
 *                 back by the time-out
 *      ASLEEP     a clerk on a loop of its own is woken only if it has said
 *                 that it sleeps; it looks, and says so a moment later
 *
 * docs/testing.md goes through the first one.
 */
#include <errno.h>
#include <stdio.h>

#include "tests/simtest.h"

#define PLACES   2
#define VISITORS 4

enum flaw {
	FLAW_NONE,
	FLAW_TWICE,
	FLAW_ASLEEP,
};

struct clerk {
	struct tevent_context *ev;
	weft_addr_t addr;
	unsigned seen; /* entries, when it looked last */
	bool sleeps;
};

struct daemon {
	struct tevent_context *ev;
	struct weft_pool *pool;
	struct clerk clerk;
	enum flaw flaw;
	unsigned places;
	unsigned most; /* places that were free at once */
	unsigned visits;
	unsigned entries; /* what the clerk is to see */
};

struct visit {
	struct daemon *daemon;
	struct tevent_timer *late;
	bool over;
};

/* The books are written: it is not before now that it says so. */
static void clerk_rests(struct tevent_context *ev, struct tevent_timer *te,
			struct timeval now, void *private_data)
{
	struct daemon *daemon = private_data;

	(void)ev;
	(void)te;
	(void)now;
	daemon->clerk.sleeps = true;
}

/* It looks at all there is, and writes its books. */
static void clerk_wakes(struct weft_mailbox *mailbox, void *block)
{
	struct daemon *daemon = weft_mailbox_private(mailbox);
	struct tevent_context *ev = daemon->clerk.ev;

	(void)block;
	daemon->clerk.sleeps = false;
	daemon->clerk.seen = daemon->entries;
	if (tevent_add_timer(ev, ev, tevent_timeval_current_ofs(0, 10000),
			     clerk_rests, daemon) == NULL) {
		bail_out("no memory for a timer");
	}
}

static void clerk_open(struct daemon *daemon)
{
	const struct weft_mailbox_options options = { .private_data = daemon };
	struct clerk *clerk = &daemon->clerk;
	struct weft_mailbox *mailbox = NULL;

	clerk->ev = simtest_context();
	clerk->sleeps = true;
	if (weft_mailbox_create(clerk->ev, clerk->ev, &options, &mailbox) !=
	    0) {
		bail_out("no mailbox");
	}
	clerk->addr = weft_mailbox_addr(mailbox);
}

/* Something for the clerk. */
static void clerk_enter(struct daemon *daemon)
{
	daemon->entries++;
	if (daemon->flaw == FLAW_ASLEEP && !daemon->clerk.sleeps) {
		return;
	}
	if (weft_post(daemon->clerk.addr, clerk_wakes, NULL) != 0) {
		bail_out("a message was refused");
	}
}

static void place_free(struct visit *visit)
{
	struct daemon *daemon = visit->daemon;

	if (visit->over && daemon->flaw != FLAW_TWICE) {
		return;
	}
	visit->over = true;
	daemon->places++;
	if (daemon->places > daemon->most) {
		daemon->most = daemon->places;
	}
	clerk_enter(daemon);
}

static void visit_late(struct tevent_context *ev, struct tevent_timer *te,
		       struct timeval now, void *private_data)
{
	struct visit *visit = private_data;

	(void)ev;
	(void)te;
	(void)now;
	visit->late = NULL;
	place_free(visit);
}

static void visit_through(struct tevent_req *req)
{
	struct visit *visit = tevent_req_callback_data(req, struct visit);

	(void)weft_job_recv(req, req, NULL);
	TALLOC_FREE(visit->late);
	place_free(visit);
}

static int visit_look_up(struct weft_job *job, void *block)
{
	(void)job;
	(void)block;
	return 0;
}

static void visit_begin(struct tevent_context *ev, struct tevent_timer *te,
			struct timeval now, void *private_data)
{
	struct daemon *daemon = private_data;
	struct visit *visit = talloc_zero(ev, struct visit);
	struct tevent_req *req = NULL;

	(void)te;
	if (visit == NULL) {
		bail_out("no memory for a visit");
	}
	if (daemon->places == 0) {
		return;
	}
	daemon->places--;
	daemon->visits++;
	visit->daemon = daemon;
	visit->late = tevent_add_timer(ev, visit,
				       tevent_timeval_add(&now, 0, 50000),
				       visit_late, visit);
	req = weft_job_send(visit, ev, daemon->pool, visit_look_up, NULL, NULL);
	if (visit->late == NULL || req == NULL) {
		bail_out("no memory for a visit");
	}
	tevent_req_set_callback(req, visit_through, visit);
}

/* One life of the daemon. Return: whether something was wrong at the end. */
static bool daemon_fails(struct weft_sim *sim, void *private_data)
{
	enum flaw *flaw = private_data;
	struct daemon daemon = { .flaw = *flaw, .places = PLACES };
	unsigned i = 0;
	int ret = 0;

	daemon.ev = simtest_context();
	clerk_open(&daemon);
	if (weft_pool_create(NULL, NULL, &daemon.pool) != 0) {
		bail_out("no pool");
	}
	for (i = 0; i < VISITORS; i++) {
		unsigned ms = weft_sim_choose(sim, 200);

		if (tevent_add_timer(daemon.ev, daemon.ev,
				     tevent_timeval_current_ofs(0, ms * 1000),
				     visit_begin, &daemon) == NULL) {
			bail_out("no memory for a visitor");
		}
	}
	ret = weft_sim_run(sim);
	talloc_free(daemon.pool);
	talloc_free(daemon.ev);
	talloc_free(daemon.clerk.ev);
	return ret != 0 || daemon.most > PLACES || daemon.places != PLACES ||
	       daemon.clerk.seen != daemon.entries;
}

static unsigned log_weight(const unsigned *log)
{
	unsigned weight = 0;
	size_t i = 0;

	for (i = 0; i < talloc_array_length(log); i++) {
		weight += log[i] != 0;
	}
	return weight;
}

/* One run. Return: its hash, and whether it failed. */
static uint64_t play(const struct weft_sim_options *options, enum flaw flaw,
		     bool *ret_failed, size_t *ret_decisions)
{
	struct weft_sim *sim = NULL;
	uint64_t hash = 0;

	if (weft_sim_create(NULL, options, &sim) != 0) {
		bail_out("no simulation");
	}
	*ret_failed = daemon_fails(sim, &flaw);
	(void)weft_sim_log(sim, ret_decisions);
	hash = weft_sim_hash(sim);
	talloc_free(sim);
	return hash;
}

static void find(struct fixture *fx, enum flaw flaw, const char *name)
{
	struct weft_sim_options options = { .job_us = 55000 };
	unsigned *log = NULL;
	uint64_t hash = 0;
	uint64_t again = 0;
	size_t decisions = 0;
	bool failed = false;
	int ret = 0;

	ret = weft_sim_search(&options, 1000, daemon_fails, &flaw,
			      &options.seed);
	if (!is_int(ret, 0, "%s: it is found, by seed %llu", name,
		    (unsigned long long)options.seed)) {
		return;
	}
	hash = play(&options, flaw, &failed, &decisions);
	ok(failed, "%s: the seed has it again", name);
	again = play(&options, flaw, &failed, &decisions);
	is_uint(again, hash, "%s: to the letter", name);
	ret = weft_sim_shrink(fx->mem, &options, daemon_fails, &flaw, &log);
	if (!is_int(ret, 0, "%s: it can be told in a plainer way", name)) {
		return;
	}
	ok(log_weight(log) <= 6 && talloc_array_length(log) <= decisions,
	   "%s: %u decisions of %zu matter", name, log_weight(log), decisions);
	options.log = log;
	options.log_count = talloc_array_length(log);
	(void)play(&options, flaw, &failed, &decisions);
	ok(failed, "%s: that log has it, too", name);
	(void)play(&options, FLAW_NONE, &failed, &decisions);
	ok(!failed, "%s: and without the flaw it is well", name);
}

static void test_given_back_twice(struct fixture *fx)
{
	find(fx, FLAW_TWICE, "given back twice");
}

static void test_lost_wake_up(struct fixture *fx)
{
	find(fx, FLAW_ASLEEP, "a lost wake-up");
}

static void test_nothing_to_find(struct fixture *fx)
{
	struct weft_sim_options options = { .job_us = 55000, .chaos = true };
	enum flaw flaw = FLAW_NONE;
	unsigned *log = NULL;
	uint64_t seed = 0;

	is_int(weft_sim_search(&options, 1000, daemon_fails, &flaw, &seed),
	       ENOENT, "without a flaw nothing is found");
	is_int(weft_sim_shrink(fx->mem, &options, daemon_fails, &flaw, &log),
	       ENOENT, "and nothing can be shrunk");
	ok(log == NULL, "there is no log");
}

/* What a log says is what a dump shows. */
static void test_dump(struct fixture *fx)
{
	const unsigned given[] = { 150, 3, 0, 77, 1, 1, 1 };
	const struct weft_sim_options options = { .log = given,
						  .log_count = 7,
						  .job_us = 55000 };
	struct weft_sim *sim = NULL;
	enum flaw flaw = FLAW_NONE;
	const unsigned *log = NULL;
	char text[4096] = "";
	FILE *to = fmemopen(text, sizeof(text), "w");
	size_t count = 0;

	if (to == NULL || weft_sim_create(fx->mem, &options, &sim) != 0) {
		bail_out("no simulation");
	}
	ok(!daemon_fails(sim, &flaw), "a run by a log of one's own");
	log = weft_sim_log(sim, &count);
	ok(count > 7 && memcmp(log, given, 4 * sizeof(*log)) == 0,
	   "begins with that");
	is_uint(log[count - 1], 0, "and goes on with zeros");
	is_int(weft_sim_dump(sim, to), 0, "it is shown");
	(void)fclose(to);
	ok(strstr(text, "946684800.003000 clock\n") != NULL,
	   "when time has passed");
	ok(strstr(text, " loop 1\n") != NULL, "which loop has turned");
	ok(strstr(text, " worker 1\n") != NULL, "which worker has moved");
	ok(strstr(text, "\nlog: 150 3 0 77 ") != NULL, "and the decisions");
	talloc_free(sim);
}

int main(void)
{
	if (TEST_ON_STOCK) {
		skip_all("another libtevent has no simulation");
	}
	SIMTEST(test_given_back_twice);
	SIMTEST(test_lost_wake_up);
	SIMTEST(test_nothing_to_find);
	SIMTEST(test_dump);
	return done();
}
