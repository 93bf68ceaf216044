/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Passed, engine: what is written before one of the library's releases is seen
 * after the acquire that finds it, and no lock helps. Made for ThreadSanitizer;
 * elsewhere little can go wrong. The private functions are called, because on
 * the way through a program something else orders nearly everything as well.
 */
#include <signal.h>

#include "engine/registry.h"
#include "engine/report.h"
#include "engine/signal_home.h"
#include "engine/signal_queue.h"
#include "engine/word.h"
#include "tests/passed.h"

static const struct tevent_ops ops;
static struct tev_word word;
static struct tev_word_node node;
static struct tev_signal_home *home;
static bool aborted;

static void abort_early(const char *reason)
{
	(void)reason;
}

static void abort_late(const char *reason)
{
	(void)reason;
	aborted = true;
}

static void give_backend(void)
{
	(void)tevent_register_backend("passed", &ops);
}

static bool got_backend(void)
{
	return tevent_find_ops_byname("passed") == &ops;
}

static void give_abort(void)
{
	tevent_set_abort_fn(abort_late);
}

static bool got_abort(void)
{
	tev_abort(NULL, "for nothing");
	return aborted;
}

static void give_count(void)
{
	tev_signal_queue_count(SIGUSR1);
}

static bool got_count(void)
{
	return tev_signal_queue_point(SIGUSR1).counted != 0;
}

static void give_ring(void)
{
	(void)tev_signal_queue_want(SIGUSR2);
}

static bool got_ring(void)
{
	return tev_signal_queue_wanted(SIGUSR2);
}

static void give_information(void)
{
	const siginfo_t info = { .si_signo = SIGUSR2 };

	(void)tev_signal_queue_push(SIGUSR2, &info);
}

static bool got_information(void)
{
	return tev_signal_queue_point(SIGUSR2).queued != 0;
}

static void give_flag(void)
{
	tev_signal_home_raise_all();
}

static bool got_flag(void)
{
	return tev_signal_home_take(home);
}

/* The receiver falls asleep; who wakes it sees what it did before. */
static void give_sleep(void)
{
	(void)tev_word_arm(&word);
}

static bool got_sleep(void)
{
	return tev_word_pending(&word) &&
	       tev_word_push(&word, &node) == TEV_WORD_RING;
}

int main(void)
{
	static const struct passed_pair pairs[] = {
		{ "RG1 a backend", give_backend, got_backend },
		{ "RA1 the abort function", give_abort, got_abort },
		{ "SQ1 a delivery is counted", give_count, got_count },
		{ "SQ4 the ring", give_ring, got_ring },
		{ "SQ2 a delivery in the ring", give_information,
		  got_information },
		{ "SH2 a home is flagged", give_flag, got_flag },
		{ "W2 the receiver sleeps", give_sleep, got_sleep },
	};

	tevent_set_abort_fn(abort_early);
	tev_word_init(&word);
	home = tev_signal_home_open(NULL);
	if (home == NULL) {
		bail_out("no memory for a home");
	}
	/* Opened, it is flagged. */
	(void)tev_signal_home_take(home);
	passed_all(pairs, sizeof(pairs) / sizeof(pairs[0]));
	tev_signal_home_close(home);
	return done();
}
