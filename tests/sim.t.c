/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* One simulated loop: virtual time, and who comes first. */
#include <errno.h>
#include <unistd.h>

#include "tests/simtest.h"

#define HOUR 3600

static bool test_now_is(long sec, long usec, const char *name)
{
	struct timeval now = tevent_timeval_current();

	return ok(now.tv_sec == sec && now.tv_usec == usec, "%s: %ld.%06ld",
		  name, (long)now.tv_sec, (long)now.tv_usec);
}

#define EPOCH 946684800L

struct ticker {
	unsigned left;
	unsigned count;
	struct timeval last;
};

static void tick(struct tevent_context *ev, struct tevent_timer *te,
		 struct timeval now, void *private_data)
{
	struct ticker *ticker = private_data;

	(void)te;
	ticker->last = now;
	ticker->count++;
	if (--ticker->left > 0 &&
	    tevent_add_timer(ev, ev, tevent_timeval_add(&now, HOUR, 1), tick,
			     ticker) == NULL) {
		bail_out("no memory for a timer");
	}
}

static void ticker_start(struct tevent_context *ev, struct ticker *ticker,
			 unsigned count)
{
	ticker->left = count;
	ticker->count = 0;
	if (tevent_add_timer(ev, ev, tevent_timeval_current_ofs(HOUR, 1), tick,
			     ticker) == NULL) {
		bail_out("no memory for a timer");
	}
}

static void test_a_year_of_hours(struct fixture *fx)
{
	struct tevent_context *ev = simtest_context();
	struct ticker ticker;

	(void)fx;
	test_now_is(EPOCH, 0, "the clock begins in 2000");
	ticker_start(ev, &ticker, 366 * 24);
	is_int(tevent_loop_wait(ev), 0, "a leap year passes");
	is_uint(ticker.count, 366 * 24, "hour by hour");
	test_now_is(EPOCH + 366L * 24 * HOUR, 366 * 24,
		    "and the clock stands at its end");
	is_int(ticker.last.tv_sec, EPOCH + 366L * 24 * HOUR,
	       "which its last handler was told");
	talloc_free(ev);
	ok(tevent_timeval_current().tv_sec > EPOCH + 20L * 366 * 24 * HOUR,
	   "then it is this year again");
}

static void test_nothing_can_come(struct fixture *fx)
{
	struct tevent_context *ev = simtest_context();
	int fds[2];

	(void)fx;
	fixture_pipe(fds);
	if (tevent_add_fd(ev, ev, fds[0], TEVENT_FD_READ,
			  (tevent_fd_handler_t)abort, NULL) == NULL) {
		bail_out("no memory for an fd event");
	}
	errno = 0;
	is_int(tevent_loop_once(ev), -1, "a wait that has no end fails");
	is_int(errno, EDEADLK, "and says so");
	is_int(tevent_loop_wait(ev), -1, "so does the loop");
	test_now_is(EPOCH, 0, "no time has passed");
	talloc_free(ev);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void test_two_loops_one_clock(struct fixture *fx)
{
	struct tevent_context *a = simtest_context();
	struct tevent_context *b = simtest_context();
	struct ticker of_a;
	struct ticker of_b;

	(void)fx;
	ticker_start(a, &of_a, 2);
	ticker_start(b, &of_b, 1);
	is_int(tevent_loop_wait(a), 0, "one loop turns");
	is_uint(of_b.count, 0, "without a simulation it turns alone");
	is_int(tevent_loop_once(b), 0, "the other one");
	is_uint(of_b.count, 1, "finds its timer due");
	test_now_is(EPOCH + 2L * HOUR, 2, "by the clock of both");
	talloc_free(a);
	talloc_free(b);
}

static void test_by_name_only(struct fixture *fx)
{
	const char **names = tevent_backend_list(fx->mem);
	bool listed = false;
	size_t i = 0;

	for (i = 0; names != NULL && names[i] != NULL; i++) {
		listed = listed || strcmp(names[i], "sim") == 0;
	}
	ok(!listed, "programs that choose from the list do not get it");
	ok(tevent_find_ops_byname("sim") != NULL, "one names it");
}

static void test_one_a_thread(struct fixture *fx)
{
	struct weft_sim *sim = NULL;
	struct weft_sim *other = NULL;
	struct tevent_context *ev = simtest_context();

	is_int(weft_sim_create(fx->mem, NULL, &sim), EBUSY,
	       "not beside a context that has a world already");
	talloc_free(ev);
	is_int(weft_sim_create(fx->mem, NULL, &sim), 0, "one a thread");
	is_int(weft_sim_create(fx->mem, NULL, &other), EBUSY, "not two");
	talloc_free(sim);
}

static void request_note(struct tevent_req *req)
{
	bool *noted = tevent_req_callback_data_void(req);

	*noted = true;
}

static void test_all_clocks(struct fixture *fx)
{
	const struct weft_sim_options options = { .start = { 1000000, 5 } };
	struct weft_sim *sim = NULL;
	struct tevent_context *ev = NULL;
	struct tevent_req *req = NULL;
	uint64_t deadline = 0;
	bool noted = false;
	struct ticker *state = NULL;

	if (weft_sim_create(fx->mem, &options, &sim) != 0) {
		bail_out("no simulation");
	}
	ev = simtest_context();
	test_now_is(1000000, 5, "it begins where it is told to");
	deadline = weft_deadline_ms(1500);
	req = tevent_req_create(ev, &state, struct ticker);
	tevent_req_set_callback(req, request_note, &noted);
	ok(tevent_req_set_endtime(req, ev, tevent_timeval_current_ofs(1, 0)),
	   "a request has an end time");
	is_int(weft_sim_run_until(sim, (struct timeval){ 1000000, 999999 }), 0,
	       "shortly before");
	ok(!noted, "it has not ended");
	is_int(weft_sim_run(sim), 0, "all that can happen");
	ok(noted, "it has");
	test_now_is(1000001, 5, "to the microsecond");
	is_uint(weft_deadline_ms(500), deadline, "deadlines have that clock");
	is_int(weft_sim_run_until(sim, (struct timeval){ 2000000, 0 }), 0,
	       "nothing for days");
	test_now_is(2000000, 0, "and it is then");
	is_int(weft_sim_step(sim), ENOENT, "nothing will ever happen");
	talloc_free(ev);
	talloc_free(sim);
}

static void test_limit_of_steps(struct fixture *fx)
{
	const struct weft_sim_options options = { .max_steps = 10 };
	struct weft_sim *sim = NULL;
	struct tevent_context *ev = NULL;
	struct ticker ticker;

	if (weft_sim_create(fx->mem, &options, &sim) != 0) {
		bail_out("no simulation");
	}
	ev = simtest_context();
	ticker_start(ev, &ticker, 100);
	is_int(weft_sim_run(sim), E2BIG, "a program without an end is stopped");
	is_uint(weft_sim_steps(sim), 10, "after so many steps");
	is_int(weft_sim_step(sim), E2BIG, "for good");
	is_int(tevent_loop_wait(ev), -1, "its loops do not wait any more");
	talloc_free(ev);
	talloc_free(sim);
}

/* ---- who comes first ---- */

struct street {
	struct trail trail;
	int left[2];
	int right[2];
};

static void street_timer(struct tevent_context *ev, struct tevent_timer *te,
			 struct timeval now, void *private_data)
{
	struct street *street = private_data;

	(void)ev;
	(void)te;
	(void)now;
	trail_add(&street->trail, "timer");
}

static void street_immediate(struct tevent_context *ev,
			     struct tevent_immediate *im, void *private_data)
{
	struct street *street = private_data;

	(void)ev;
	(void)im;
	trail_add(&street->trail, "immediate");
}

static void street_left(struct tevent_context *ev, struct tevent_fd *fde,
			uint16_t flags, void *private_data)
{
	struct street *street = private_data;

	(void)ev;
	(void)flags;
	trail_add(&street->trail, "left");
	talloc_free(fde);
}

static void street_right(struct tevent_context *ev, struct tevent_fd *fde,
			 uint16_t flags, void *private_data)
{
	struct street *street = private_data;

	(void)ev;
	(void)flags;
	trail_add(&street->trail, "right");
	talloc_free(fde);
}

/* Everything is due at the same time. */
static void street_play(struct street *street, uint64_t seed, bool chaos)
{
	const struct weft_sim_options options = { .seed = seed,
						  .chaos = chaos };
	struct weft_sim *sim = NULL;
	struct tevent_context *ev = NULL;
	struct tevent_immediate *im = NULL;

	if (weft_sim_create(NULL, &options, &sim) != 0) {
		bail_out("no simulation");
	}
	ev = simtest_context();
	im = tevent_create_immediate(ev);
	trail_clear(&street->trail);
	tevent_schedule_immediate(im, ev, street_immediate, street);
	if (tevent_add_timer(ev, ev, tevent_timeval_current(), street_timer,
			     street) == NULL ||
	    tevent_add_fd(ev, ev, street->left[1], TEVENT_FD_WRITE, street_left,
			  street) == NULL ||
	    tevent_add_fd(ev, ev, street->right[1], TEVENT_FD_WRITE,
			  street_right, street) == NULL) {
		bail_out("no memory for events");
	}
	if (weft_sim_run(sim) != 0) {
		bail_out("it did not end");
	}
	talloc_free(ev);
	talloc_free(sim);
}

static void test_strict_order(struct fixture *fx)
{
	struct street street;
	unsigned kept = 0;
	unsigned left = 0;
	unsigned right = 0;
	unsigned seed = 0;

	(void)fx;
	fixture_pipe(street.left);
	fixture_pipe(street.right);
	for (seed = 0; seed < 100; seed++) {
		street_play(&street, seed, false);
		left += strcmp(street.trail.text,
			       "immediate timer left right") == 0;
		right += strcmp(street.trail.text,
				"immediate timer right left") == 0;
	}
	is_uint(left + right, 100, "the order of kinds is tevent's");
	ok(left > 20 && right > 20,
	   "that of descriptors is the seed's: %u and %u", left, right);
	for (seed = 0; seed < 100; seed++) {
		street_play(&street, seed, true);
		kept += strncmp(street.trail.text, "immediate timer", 15) == 0;
	}
	ok(kept > 5 && kept < 95, "with chaos it is too: %u kept", kept);
	(void)close(street.left[0]);
	(void)close(street.left[1]);
	(void)close(street.right[0]);
	(void)close(street.right[1]);
}

/* ---- the program turns its loops itself ---- */

static void test_others_move_meanwhile(struct fixture *fx)
{
	struct weft_sim *sim = NULL;
	struct tevent_context *mine = NULL;
	struct tevent_context *other = NULL;
	struct ticker ticker;
	struct tevent_req *req = NULL;

	if (weft_sim_create(fx->mem, NULL, &sim) != 0) {
		bail_out("no simulation");
	}
	mine = simtest_context();
	other = simtest_context();
	ticker_start(other, &ticker, 5);
	req = tevent_wakeup_send(mine, mine,
				 tevent_timeval_current_ofs(3 * HOUR, 10));
	ok(req != NULL && tevent_req_poll(req, mine),
	   "a loop that is waited for");
	is_uint(ticker.count, 3, "lets the others move");
	talloc_free(req);
	is_int(tevent_loop_once(mine), -1, "it can wait for ever");
	is_uint(ticker.count, 5, "which is told when nobody moves any more");
	talloc_free(other);
	talloc_free(mine);
	talloc_free(sim);
}

static void other_frees(struct tevent_context *ev, struct tevent_immediate *im,
			void *private_data)
{
	struct tevent_context **victim = private_data;

	(void)ev;
	(void)im;
	TALLOC_FREE(*victim);
}

static void test_freed_while_it_waits(struct fixture *fx)
{
	struct weft_sim *sim = NULL;
	struct tevent_context *mine = NULL;
	struct tevent_context *other = NULL;
	struct tevent_immediate *im = NULL;

	if (weft_sim_create(fx->mem, NULL, &sim) != 0) {
		bail_out("no simulation");
	}
	mine = simtest_context();
	other = simtest_context();
	im = tevent_create_immediate(other);
	tevent_schedule_immediate(im, other, other_frees, &mine);
	(void)tevent_loop_once(mine);
	ok(mine == NULL, "a loop that waits is freed by another's handler");
	talloc_free(other);
	talloc_free(sim);
}

static void test_again_after_re_initialise(struct fixture *fx)
{
	struct weft_sim *sim = NULL;
	struct tevent_context *ev = NULL;
	struct ticker ticker;

	if (weft_sim_create(fx->mem, NULL, &sim) != 0) {
		bail_out("no simulation");
	}
	ev = simtest_context();
	is_int(tevent_re_initialise(ev), 0, "it is made anew");
	ticker_start(ev, &ticker, 3);
	is_int(weft_sim_run(sim), 0, "and turned");
	is_uint(ticker.count, 3, "as before");
	talloc_free(ev);
	talloc_free(sim);
}

int main(void)
{
	struct weft_sim *sim = NULL;

	if (TEST_ON_STOCK) {
		is_int(weft_sim_create(NULL, NULL, &sim), ENOTSUP,
		       "another libtevent has no simulation, and that is said");
		return done();
	}
	SIMTEST(test_a_year_of_hours);
	SIMTEST(test_nothing_can_come);
	SIMTEST(test_two_loops_one_clock);
	SIMTEST(test_by_name_only);
	SIMTEST(test_one_a_thread);
	SIMTEST(test_all_clocks);
	SIMTEST(test_limit_of_steps);
	SIMTEST(test_strict_order);
	SIMTEST(test_others_move_meanwhile);
	SIMTEST(test_freed_while_it_waits);
	SIMTEST(test_again_after_re_initialise);
	return done();
}
