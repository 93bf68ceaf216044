/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Signal info: handlers that asked for SA_SIGINFO, alone and beside others. */
#include <errno.h>
#include <signal.h>

#include "tests/trail.h"

#define SIGNAL (SIGRTMIN + 3)
#define RING   256

/* What a handler was called with, one entry a call. */
struct heard {
	unsigned calls;
	int counts[2048];
	int values[2048]; /* -1: no siginfo */
	unsigned wrong;
};

static void heard_signal(struct tevent_context *ev, struct tevent_signal *se,
			 int signum, int count, void *siginfo,
			 void *private_data)
{
	struct heard *heard = private_data;
	siginfo_t *info = siginfo;
	unsigned call = heard->calls++;

	(void)ev;
	(void)se;
	if (call >= 2048 || signum != SIGNAL ||
	    (info != NULL && info->si_signo != SIGNAL)) {
		heard->wrong++;
		return;
	}
	heard->counts[call] = count;
	heard->values[call] = info != NULL ? info->si_value.sival_int : -1;
}

static struct tevent_signal *add(struct fixture *fx, int flags,
				 struct heard *heard)
{
	return tevent_add_signal(fx->ev, fx->mem, SIGNAL, flags, heard_signal,
				 heard);
}

static void queue(int first, int count)
{
	for (int i = 0; i < count; i++) {
		union sigval value = { .sival_int = first + i };

		if (sigqueue(getpid(), SIGNAL, value) != 0) {
			bail_out("sigqueue: %s", strerror(errno));
		}
	}
}

/* True if calls @from.. were one each with the values @first.. in order. */
static bool in_order(const struct heard *heard, unsigned from, int first,
		     unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (heard->counts[from + i] != 1 ||
		    heard->values[from + i] != first + (int)i) {
			return false;
		}
	}
	return heard->wrong == 0;
}

static void test_each(struct fixture *fx)
{
	struct heard *heard = talloc_zero(fx->mem, struct heard);
	struct tevent_signal *se = add(fx, SA_SIGINFO, heard);

	for (int round = 0; round < 100; round++) {
		unsigned before = heard->calls;

		queue(round * 7, 7);
		while (heard->calls == before) {
			turn(fx->ev);
		}
		if (heard->calls != before + 7 ||
		    !in_order(heard, before, round * 7, 7)) {
			break;
		}
	}
	is_uint(heard->calls, 700,
		"B503 one call a delivery, in order, each with its siginfo");
	TALLOC_FREE(se);
	TALLOC_FREE(heard);
}

static void test_ring(struct fixture *fx)
{
	static const unsigned want[] = { 256, 256, 256, 232 };
	struct heard *heard = talloc_zero(fx->mem, struct heard);
	struct tevent_signal *se = add(fx, SA_SIGINFO, heard);
	sigset_t mask;

	if (!fixture_mask_obeyed()) {
		skip("B505 the mask of a handler is not obeyed here");
		return;
	}
	queue(0, 1000);
	for (size_t i = 0; i < 4; i++) {
		unsigned before = heard->calls;

		while (heard->calls == before) {
			turn(fx->ev);
		}
		is_uint(heard->calls - before, want[i],
			"B505 a thousand pending: pass %zu", i);
	}
	ok(in_order(heard, 0, 0, 1000), "B505 none is lost, in order");
	(void)pthread_sigmask(SIG_SETMASK, NULL, &mask);
	ok(!sigismember(&mask, SIGNAL), "B505 the signal is not blocked later");
	settle(fx->ev, 3);
	is_uint(heard->calls, 1000, "B505 and none comes twice");
	TALLOC_FREE(se);
	TALLOC_FREE(heard);
}

static void test_two(struct fixture *fx)
{
	struct heard *one = talloc_zero(fx->mem, struct heard);
	struct heard *two = talloc_zero(fx->mem, struct heard);
	struct tevent_signal *se_one = add(fx, SA_SIGINFO, one);
	struct tevent_signal *se_two = add(fx, SA_SIGINFO, two);

	queue(5, 3);
	while (one->calls == 0) {
		turn(fx->ev);
	}
	ok(one->calls == 3 && in_order(one, 0, 5, 3),
	   "B503 two handlers with siginfo: the first hears each");
	ok(two->calls == 3 && in_order(two, 0, 5, 3),
	   "B503 two handlers with siginfo: the second hears each");
	TALLOC_FREE(se_two);
	queue(8, 2);
	while (one->calls == 3) {
		turn(fx->ev);
	}
	ok(one->calls == 5 && in_order(one, 3, 8, 2),
	   "B503 one of them freed, the other goes on");
	TALLOC_FREE(se_one);
	TALLOC_FREE(one);
	TALLOC_FREE(two);
}

static void test_mixed(struct fixture *fx, bool info_first)
{
	struct heard *plain = talloc_zero(fx->mem, struct heard);
	struct heard *info = talloc_zero(fx->mem, struct heard);
	struct tevent_signal *se_info = NULL;
	struct tevent_signal *se_plain = NULL;

	if (info_first) {
		se_info = add(fx, SA_SIGINFO, info);
		se_plain = add(fx, 0, plain);
	} else {
		se_plain = add(fx, 0, plain);
		se_info = add(fx, SA_SIGINFO, info);
	}
	queue(1, 4);
	while (info->calls == 0) {
		turn(fx->ev);
	}
	ok(plain->calls == 1 && plain->counts[0] == 4 && plain->values[0] == -1,
	   "B503 the plain handler gets the count and no siginfo");
	is_uint(info->calls, 4, "B503 the other one a call each");
	if (info_first) {
		ok(in_order(info, 0, 1, 4), "B503 each with its siginfo");
	} else {
		ok(in_order(info, 0, 1, 4) ||
			   (info->values[0] == -1 && info->values[3] == -1),
		   "B504 4.3 each with its siginfo, or none");
	}
	TALLOC_FREE(se_info);
	TALLOC_FREE(se_plain);
	TALLOC_FREE(plain);
	TALLOC_FREE(info);
}

static void test_info_first(struct fixture *fx)
{
	test_mixed(fx, true);
}

static void test_plain_first(struct fixture *fx)
{
	if (TEST_ON_STOCK) {
		skip("B504 wild pointers on stock");
		return;
	}
	test_mixed(fx, false);
}

/* The one with siginfo comes and goes while the plain one stays. */
static void test_come_and_go(struct fixture *fx)
{
	struct heard *plain = talloc_zero(fx->mem, struct heard);
	struct heard *info = talloc_zero(fx->mem, struct heard);
	struct tevent_signal *se_plain = NULL;

	if (TEST_ON_STOCK) {
		skip("B504 wild pointers on stock");
		talloc_free(plain);
		talloc_free(info);
		return;
	}
	se_plain = add(fx, 0, plain);
	for (unsigned i = 0; i < 5; i++) {
		struct tevent_signal *se_info = NULL;

		/* Counted before the handler with siginfo exists (B508). */
		queue(100, 2);
		se_info = add(fx, SA_SIGINFO, info);
		queue(200, 2);
		while (plain->calls == i) {
			turn(fx->ev);
		}
		TALLOC_FREE(se_info);
	}
	is_int(plain->counts[4], 4, "B508 4.3 the plain handler counts all");
	is_uint(info->calls, 20,
		"B508 4.3 the one with siginfo is called once for each");
	is_uint(info->wrong, 0, "B504 4.3 with its own siginfo or none");
	TALLOC_FREE(se_plain);
	TALLOC_FREE(plain);
	TALLOC_FREE(info);
}

/* More than the ring holds, for a handler that needs no ring. */
static void test_mixed_overflow(struct fixture *fx)
{
	struct heard *plain = talloc_zero(fx->mem, struct heard);
	struct heard *info = talloc_zero(fx->mem, struct heard);
	struct tevent_signal *se_info = add(fx, SA_SIGINFO, info);
	struct tevent_signal *se_plain = add(fx, 0, plain);
	int sum = 0;

	if (!fixture_mask_obeyed()) {
		skip("B505 the mask of a handler is not obeyed here");
		return;
	}
	queue(0, RING + 44);
	while (info->calls < RING + 44) {
		turn(fx->ev);
	}
	for (unsigned i = 0; i < plain->calls; i++) {
		sum += plain->counts[i];
	}
	is_int(sum, RING + 44, "B505 the plain handler's counts add up");
	ok(in_order(info, 0, 0, RING + 44), "B505 the other one hears each");
	TALLOC_FREE(se_info);
	TALLOC_FREE(se_plain);
	TALLOC_FREE(plain);
	TALLOC_FREE(info);
}

struct killer {
	struct heard *heard;
	struct tevent_signal *victim;
	unsigned calls;
};

static void kill_in_run(struct tevent_context *ev, struct tevent_signal *se,
			int signum, int count, void *siginfo,
			void *private_data)
{
	struct killer *killer = private_data;

	(void)ev;
	(void)se;
	(void)signum;
	(void)count;
	(void)siginfo;
	if (++killer->calls == 2) {
		TALLOC_FREE(killer->victim);
	}
}

/* Freed at its second delivery of five. */
static void test_freed_in_run(struct fixture *fx)
{
	struct killer killer = { .calls = 0 };

	killer.victim = tevent_add_signal(fx->ev, fx->mem, SIGNAL, SA_SIGINFO,
					  kill_in_run, &killer);
	queue(0, 5);
	settle(fx->ev, 3);
	is_uint(killer.calls, 2,
		"B201 freed in its handler, the deliveries left are dropped");
	is_ptr(killer.victim, NULL, "B201 it was freed");
}

static void test_reset_hand(struct fixture *fx)
{
	struct heard *heard = talloc_zero(fx->mem, struct heard);
	struct heard *keep = talloc_zero(fx->mem, struct heard);
	struct tevent_signal *se = add(fx, SA_SIGINFO, keep);

	(void)add(fx, SA_SIGINFO | SA_RESETHAND, heard);
	queue(1, 1);
	while (keep->calls == 0) {
		turn(fx->ev);
	}
	queue(2, 1);
	while (keep->calls == 1) {
		turn(fx->ev);
	}
	ok(heard->calls == 1 && in_order(heard, 0, 1, 1),
	   "B507 SA_RESETHAND with siginfo: once");
	ok(keep->calls == 2 && in_order(keep, 0, 1, 2),
	   "B507 the other one goes on");
	TALLOC_FREE(se);
	TALLOC_FREE(heard);
	TALLOC_FREE(keep);
}

int main(void)
{
	if (TEST_TSAN) {
		skip_all("ThreadSanitizer keeps one delivery of each signal");
	}
	warm_up();
	fixture_each_backend("B503 each", test_each);
	fixture_each_backend("B505 ring", test_ring);
	fixture_each_backend("B503 two", test_two);
	fixture_each_backend("B503 siginfo first", test_info_first);
	fixture_each_backend("B504 plain first", test_plain_first);
	fixture_each_backend("B508 come and go", test_come_and_go);
	fixture_each_backend("B505 mixed overflow", test_mixed_overflow);
	fixture_each_backend("B201 freed in run", test_freed_in_run);
	fixture_each_backend("B507 reset hand", test_reset_hand);
	return done();
}
