/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Linger: a worker that has run dry looks on for a moment before it sleeps.
 *
 *      search, nothing ---> take the token ---> look, pause, look ... 5 us
 *                             |    (park.c)       |             |
 *                             |                   `-> found     `-> park
 *                             `-> another one has it: park
 *
 * Where a loop sends job after job, each a little later than a worker has run
 * the one before, that worker would fall asleep and be woken for each. Both
 * cost several times as much as what it would have waited.
 *
 *  1. It has the token meanwhile, so who sends a job wakes nobody, and one
 *     worker at a time does this. Else it is as any that searches: when it
 *     finds a job it gives the token back and looks whether there are more;
 *     when it does not, it announces sleep, gives it back, and looks once
 *     more [PK1].
 *  2. It takes no longer than to fall asleep and be woken. If nothing has come
 *     in that time it does not linger when it runs dry the next time, then not
 *     the next two times, and so on up to LINGER_PENALTY_MAX; a job that comes
 *     halves that. So who has a job now and then, and who shares one processor
 *     with his loop, pays next to nothing.
 *
 * Threads: the worker.  Ordering: through park.h.
 */
#include "threadpool/linger.h"

#include "threadpool/gate.h"
#include "threadpool/now.h"

#define LINGER_NS          5000
#define LINGER_PAUSES      64
#define LINGER_PENALTY_MAX 256

static void linger_pause(void)
{
	unsigned i = 0;

	for (i = 0; i < LINGER_PAUSES; i++) {
#if defined(__x86_64__) || defined(__i386__)
		__builtin_ia32_pause();
#elif defined(__aarch64__)
		__asm__ volatile("yield");
#endif
	}
}

/* Return: whether there are jobs. */
static bool linger_look(struct wf_crew *crew)
{
	uint64_t until_ns = wf_now_ns() + LINGER_NS;

	do {
		if (wf_crew_has_jobs(crew)) {
			return true;
		}
		linger_pause();
	} while (wf_now_ns() < until_ns);
	return false;
}

bool wf_linger(struct wf_worker *worker, bool *token)
{
	struct wf_linger *linger = &worker->linger;
	bool found = false;

	if (linger->sits_out > 0) {
		linger->sits_out--;
		return false;
	}
	*token = *token || wf_park_take_token(&worker->crew->park);
	if (!*token) {
		return false;
	}
	found = linger_look(worker->crew);
	if (found) {
		linger->penalty /= 2;
		return true;
	}
	linger->penalty = linger->penalty < LINGER_PENALTY_MAX
				  ? 2 * linger->penalty + 1
				  : LINGER_PENALTY_MAX;
	linger->sits_out = linger->penalty;
	return false;
}
