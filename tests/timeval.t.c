/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Timeval: the helpers of the API, chapter 13 of the specification. */
#include <sys/time.h>

#include "tests/fixture.h"
#include "tests/tap.h"

static void is_timeval(struct timeval got, long sec, long usec,
		       const char *name)
{
	is_int(got.tv_sec, sec, "%s: seconds", name);
	is_int(got.tv_usec, usec, "%s: microseconds", name);
}

static void test_compare(void)
{
	static const struct {
		struct timeval a;
		struct timeval b;
		int want;
	} rows[] = {
		{ { 0, 0 }, { 0, 0 }, 0 },
		{ { 1, 0 }, { 0, 999999 }, 1 },
		{ { 0, 999999 }, { 1, 0 }, -1 },
		{ { 5, 1 }, { 5, 2 }, -1 },
		{ { 5, 2 }, { 5, 1 }, 1 },
		{ { -1, 0 }, { 0, 0 }, -1 },
		/* Field by field: what is not normalised stays as it is. */
		{ { 1, 2000000 }, { 2, 0 }, -1 },
		{ { 4000000000, 1 }, { 4000000000, 1 }, 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		is_int(tevent_timeval_compare(&rows[i].a, &rows[i].b),
		       rows[i].want, "compare %ld.%06ld with %ld.%06ld",
		       (long)rows[i].a.tv_sec, (long)rows[i].a.tv_usec,
		       (long)rows[i].b.tv_sec, (long)rows[i].b.tv_usec);
	}
}

static void test_set(void)
{
	struct timeval zero = tevent_timeval_zero();
	struct timeval tiny = { 0, 1 };
	struct timeval whole = { 1, 0 };

	is_timeval(zero, 0, 0, "zero");
	ok(tevent_timeval_is_zero(&zero), "is_zero of zero");
	ok(!tevent_timeval_is_zero(&tiny), "is_zero of a microsecond");
	ok(!tevent_timeval_is_zero(&whole), "is_zero of a second");
	is_timeval(tevent_timeval_set(4000000000U, 5000000U), 4000000000L,
		   5000000L, "set keeps what it gets");
	is_timeval(tevent_timeval_set(UINT32_MAX, UINT32_MAX), UINT32_MAX,
		   UINT32_MAX, "set takes unsigned numbers");
}

static void test_until(void)
{
	struct timeval early = { 5, 900000 };
	struct timeval late = { 6, 100000 };

	is_timeval(tevent_timeval_until(&early, &late), 0, 200000,
		   "until, with a borrow");
	is_timeval(tevent_timeval_until(&late, &early), 0, 0,
		   "until something past");
	is_timeval(tevent_timeval_until(&late, &late), 0, 0,
		   "until the same time");
	early.tv_usec = 50000;
	is_timeval(tevent_timeval_until(&early, &late), 1, 50000,
		   "until, without a borrow");
}

static void test_add(void)
{
	struct timeval base = { 5, 900000 };

	is_timeval(tevent_timeval_add(&base, 1, 3200000), 10, 100000,
		   "add normalises microseconds above a second");
	is_timeval(tevent_timeval_add(&base, 0, 0), 5, 900000, "add nothing");
	is_timeval(tevent_timeval_add(&base, 0, 100000), 6, 0,
		   "add up to a whole second");
	is_timeval(tevent_timeval_add(&base, 3000000000U, 0), 3000000005L,
		   900000, "add more than 2^31 seconds");
}

static void test_current(void)
{
	struct timeval before = { 0, 0 };
	struct timeval after = { 0, 0 };
	struct timeval now = { 0, 0 };
	struct timeval later = { 0, 0 };

	(void)gettimeofday(&before, NULL);
	now = tevent_timeval_current();
	later = tevent_timeval_current_ofs(10, 1500000);
	(void)gettimeofday(&after, NULL);

	ok(tevent_timeval_compare(&before, &now) <= 0 &&
		   tevent_timeval_compare(&now, &after) <= 0,
	   "current is the time of day");
	before = tevent_timeval_add(&before, 11, 500000);
	after = tevent_timeval_add(&after, 11, 500000);
	ok(tevent_timeval_compare(&before, &later) <= 0 &&
		   tevent_timeval_compare(&later, &after) <= 0,
	   "current_ofs is the time of day and the offset");
}

int main(void)
{
	test_compare();
	test_set();
	test_until();
	test_add();
	test_current();
	return done();
}
