/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Port lull: results that come fast are heard in handfuls.
 *
 * To wake a loop that sleeps costs more than a short job: the worker's write,
 * and two changes of thread on a CPU that another worker would use. If results
 * come one by one while many more are out, nobody is served by that. So the
 * port, in place of arming its word, lulls it (word.h), and is rung for once
 * for a handful:
 *
 *      lulled, timer set --> quiet posts are counted --> the quota: rings
 *                       |--> any other post -----------------------> rings
 *                       '--> the timer: the owner looks by itself
 *
 *  1. The owner decides each time it goes to sleep, by how many results came
 *     home in the last LULL_PERIOD_NS, and how many jobs are out. The quota is
 *     what comes in one such period, but at most half of what is out, so the
 *     workers have as much left when the bell rings. With less than
 *     LULL_QUOTA_MIN it arms: a job that is alone, and the last ones of a flow,
 *     are heard at once.
 *  2. It arms as well where a job is out for less than LULL_OUT_NS (what is out
 *     over what comes: Little's law). There so many come with each wake-up that
 *     it costs little, and the workers would run dry before the loop is there.
 *  3. No worker owes anything, and nobody is to be rescued: that a post may be
 *     quiet stands in the word, and who lulls it has set the timer before. A
 *     result is heard within LULL_LATEST_NS, whatever becomes of the flow.
 *  4. If the timer ran out and there was no ring since it was set, the flow is
 *     not what it seemed (much is out, but with others, who are slow). The port
 *     sits out a period, the next time two, up to LULL_PENALTY_MAX; a ring in a
 *     lull halves that.
 *  5. What is not the end of a job that ran, and that of a job of the highest
 *     priority, rings as ever, and takes the quiet ones before it along.
 *  6. LULLED carries a reference for the bell, as ARMED does (port.c).
 *
 * Quota and count are hints: who reads old ones rings too early, or leaves it
 * to the next one or the timer.
 *
 * The timer is a descriptor, made when first needed, with an event beside that
 * of the bell. To set it takes 13 microseconds on a virtual machine, more than
 * a ring, so it is not set for each lull: it runs out, and only then is set
 * anew. So there is one more wake-up each millisecond while there are lulls,
 * and one after the last. A forked child has its own, under the same number.
 * Foreign loops watch one descriptor, and simulated ones have another time:
 * neither is lulled, nor one that can have no timer.
 *
 * Two workers, 256 jobs out, two CPUs: of the CPU time jobs of 10 microseconds
 * have 94 per cent themselves, 77 without lulls; those of one 86, and 55. libuv
 * comes to 96 and 65. It has no such thing: its loop, woken by a worker that it
 * has put off the CPU in the middle of that, yields, and then waits itself, for
 * one to three milliseconds. Workers with short jobs run dry in that time.
 *
 * Threads: the owner; the child handler; quiet posts (port.c): any.
 * Ordering: [W1] [W2] in word.h; docs/models/word.pml has this as its variant
 * LULL.
 */
#include "threadpool/port_inside.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include "threadpool/bell.h"
#include "threadpool/now.h"
#include "threadpool/port.h"

#define LULL_PERIOD_NS   250000
#define LULL_OUT_NS      120000
#define LULL_LATEST_NS   1000000
#define LULL_QUOTA_MIN   4
#define LULL_PENALTY_MAX 1024

/* ---- the timer ---- */

static int lull_open(void)
{
	return timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
}

static void lull_set(struct wf_lull *lull)
{
	const struct itimerspec after = {
		.it_value = { .tv_nsec = LULL_LATEST_NS },
	};

	(void)timerfd_settime(lull->fd, 0, &after, NULL);
	lull->set = true;
	lull->rung = false;
}

void wf_lull_end(struct wf_lull *lull)
{
	TALLOC_FREE(lull->fde);
	/* It may run out unheard: the next lull sets it anew. */
	lull->set = false;
}

void wf_lull_close(struct wf_lull *lull)
{
	TALLOC_FREE(lull->fde);
	wf_bell_close(lull->fd);
	lull->fd = -1;
}

/* With the parent's it would stop the parent's timer. */
void wf_lull_replace(struct wf_lull *lull)
{
	if (lull->fd >= 0) {
		wf_bell_close(lull->fd);
		lull->fd = wf_bell_move(lull_open(), lull->fd);
	}
	lull->set = false;
}

static void lull_over(struct tevent_context *ev, struct tevent_fd *fde,
		      uint16_t flags, void *private_data)
{
	struct wf_port *port = private_data;
	struct wf_lull *lull = &port->lull;

	(void)ev;
	(void)fde;
	(void)flags;
	wf_bell_silence(lull->fd);
	lull->set = false;
	wf_port_check_fork(port);
	if (!lull->on) {
		return;
	}
	if (wf_port_take(port) && !lull->rung) {
		lull->pace = 0;
		lull->sits_out = lull->penalty;
		lull->penalty = lull->penalty < LULL_PENALTY_MAX
					? 2 * lull->penalty
					: LULL_PENALTY_MAX;
	}
	port->rounds = 0;
	wf_port_schedule(port);
}

void wf_lull_rung(struct wf_lull *lull)
{
	lull->rung = true;
	lull->penalty = lull->penalty > 1 ? lull->penalty / 2 : 1;
}

/* ---- before the port sleeps ---- */

/* A period is over: what came in it is what will come in the next. */
static void lull_judge(struct wf_lull *lull, uint64_t now_ns)
{
	uint64_t ns = now_ns - lull->since_ns;
	uint64_t simulated_ns = 0;

	lull->pace = lull->came * (uint64_t)LULL_PERIOD_NS / ns;
	lull->since_ns = now_ns;
	lull->came = 0;
	if (lull->sits_out > 0) {
		lull->sits_out--;
		lull->pace = 0;
	}
	if (wf_now_is_simulated(&simulated_ns)) {
		lull->pace = 0;
	}
}

/* How many results may come before we are rung for; 0: none. */
static unsigned lull_quota(struct wf_lull *lull, int64_t out)
{
	uint64_t now_ns = 0;
	uint64_t half = (uint64_t)out / 2;
	uint64_t quota = 0;

	if (out < 2 * LULL_QUOTA_MIN) {
		return 0;
	}
	now_ns = wf_now_ns();
	if (now_ns - lull->since_ns >= LULL_PERIOD_NS) {
		lull_judge(lull, now_ns);
	}
	if ((uint64_t)out * LULL_PERIOD_NS < lull->pace * LULL_OUT_NS) {
		return 0;
	}
	quota = lull->pace < half ? lull->pace : half;
	return quota < LULL_QUOTA_MIN ? 0 : (unsigned)quota;
}

/* Return: whether it is there, and is heard. */
static bool lull_listen(struct wf_port *port)
{
	struct wf_lull *lull = &port->lull;

	if (tev_likely(lull->fde != NULL)) {
		return true;
	}
	if (lull->fd < 0) {
		lull->fd = lull_open();
	}
	if (lull->fd >= 0) {
		lull->fde = tevent_add_fd(port->ev, port->anchor, lull->fd,
					  TEVENT_FD_READ, lull_over, port);
	}
	if (lull->fde == NULL) {
		lull->pace = 0;
		lull->sits_out = LULL_PENALTY_MAX;
	}
	return lull->fde != NULL;
}

bool wf_port_rest(struct wf_port *port)
{
	struct wf_lull *lull = &port->lull;
	unsigned quota = 0;

	if (port->fde != NULL && port->waiters > 0) {
		quota = lull_quota(lull, port->owed);
	}
	if (quota == 0 || !lull_listen(port)) {
		return wf_port_arm(port, false);
	}
	/* Relaxed, both: hints, see above. */
	atomic_store_explicit(&port->quota, quota, memory_order_relaxed);
	atomic_store_explicit(&port->hushed, 0, memory_order_relaxed);
	if (!lull->set) {
		lull_set(lull);
	}
	return wf_port_arm(port, true);
}
