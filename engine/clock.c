/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Clock: struct timeval, and from times to waiting times.
 *
 * The clock is the wall clock, as tevent's users have it (B405): a step of the
 * system's time moves all timers. Waiting times are rounded up to a
 * millisecond, so that a timer never fires early (B108).
 *
 * Of a thread that has a simulated world (backend_sim.c) it is the clock of
 * that. All others pay one look at a flag, which is set with the first world.
 *
 * Threads: any.  Ordering: none.
 */
#include "engine/clock.h"

#include <limits.h>
#include <stdatomic.h>
#include <time.h>

#include "include/tevent.h"

#include "engine/base.h"

#define CLOCK_USEC_PER_SEC 1000000U

/* Microseconds since 1970; NULL: this thread has the clock of all. */
static _Thread_local const uint64_t *clock_simulated;
static atomic_bool clock_any_simulated; /* A: relaxed: only a thread that has
					 * set it relies on it */

/* Gives the calling thread the clock *@now_us; NULL: that of all again.
 *
 * Thread: any.  Lock: none.
 */
void tev_clock_simulate(const uint64_t *now_us)
{
	clock_simulated = now_us;
	/* Relaxed: as above. */
	atomic_store_explicit(&clock_any_simulated, true, memory_order_relaxed);
}

/* Return: whether this thread's clock is simulated, and its time. */
static __attribute__((noinline)) bool clock_is_simulated(struct timeval *tv)
{
	if (clock_simulated == NULL) {
		return false;
	}
	tv->tv_sec = (time_t)(*clock_simulated / CLOCK_USEC_PER_SEC);
	tv->tv_usec = (suseconds_t)(*clock_simulated % CLOCK_USEC_PER_SEC);
	return true;
}

struct timeval tev_clock_now(void)
{
	struct timespec now = { 0, 0 };
	struct timeval tv;

	/* Relaxed: as above. */
	if (tev_unlikely(atomic_load_explicit(&clock_any_simulated,
					      memory_order_relaxed)) &&
	    clock_is_simulated(&tv)) {
		return tv;
	}
	(void)clock_gettime(CLOCK_REALTIME, &now);
	tv.tv_sec = now.tv_sec;
	tv.tv_usec = now.tv_nsec / 1000;
	return tv;
}

/* Return: @delay in milliseconds for a wait, rounded up and clipped. */
int tev_clock_wait_ms(const struct timeval *delay)
{
	int64_t ms = INT_MAX;

	if (delay->tv_sec < INT_MAX / 1000 &&
	    delay->tv_usec < (int64_t)INT_MAX * 1000) {
		ms = (int64_t)delay->tv_sec * 1000 +
		     (delay->tv_usec + 999) / 1000;
	}
	return ms < INT_MAX ? (int)ms : INT_MAX;
}

/* Return: the wait limit of @secs in milliseconds, -1 for none (B122). */
int tev_clock_limit_ms(uint32_t secs)
{
	if (secs >= INT32_MAX) {
		return -1;
	}
	return secs > INT_MAX / 1000 ? INT_MAX : (int)(secs * 1000);
}

int tevent_timeval_compare(const struct timeval *tv1, const struct timeval *tv2)
{
	if (tv1->tv_sec != tv2->tv_sec) {
		return tv1->tv_sec < tv2->tv_sec ? -1 : 1;
	}
	if (tv1->tv_usec != tv2->tv_usec) {
		return tv1->tv_usec < tv2->tv_usec ? -1 : 1;
	}
	return 0;
}

struct timeval tevent_timeval_zero(void)
{
	struct timeval tv = { 0, 0 };

	return tv;
}

struct timeval tevent_timeval_current(void)
{
	return tev_clock_now();
}

struct timeval tevent_timeval_set(uint32_t secs, uint32_t usecs)
{
	struct timeval tv = { (time_t)secs, (suseconds_t)usecs };

	return tv;
}

struct timeval tevent_timeval_until(const struct timeval *tv1,
				    const struct timeval *tv2)
{
	struct timeval tv = { 0, 0 };

	if (tevent_timeval_compare(tv1, tv2) >= 0) {
		return tv;
	}
	tv.tv_sec = tv2->tv_sec - tv1->tv_sec;
	tv.tv_usec = tv2->tv_usec - tv1->tv_usec;
	if (tv.tv_usec < 0) {
		tv.tv_sec--;
		tv.tv_usec += CLOCK_USEC_PER_SEC;
	}
	return tv;
}

bool tevent_timeval_is_zero(const struct timeval *tv)
{
	return tv->tv_sec == 0 && tv->tv_usec == 0;
}

struct timeval tevent_timeval_add(const struct timeval *tv, uint32_t secs,
				  uint32_t usecs)
{
	struct timeval sum = *tv;

	sum.tv_sec += secs;
	sum.tv_usec += usecs;
	sum.tv_sec += sum.tv_usec / CLOCK_USEC_PER_SEC;
	sum.tv_usec %= CLOCK_USEC_PER_SEC;
	return sum;
}

struct timeval tevent_timeval_current_ofs(uint32_t secs, uint32_t usecs)
{
	struct timeval now = tev_clock_now();

	return tevent_timeval_add(&now, secs, usecs);
}
