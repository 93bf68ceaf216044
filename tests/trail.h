/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Trail: what ran, in which order, as one line of words.
 *
 * Most rules of the loop are about order, so most engine tests attach a word
 * to each event, turn the loop and compare the trail with the line the rule
 * promises. trail_pass() ends each pass that ran anything with a bar: a pass
 * in which only the library's own descriptors turned leaves no mark, because
 * its position is nobody's business (B107).
 *
 *      struct step a = { &trail, "a" };
 *      tevent_schedule_immediate(im, fx->ev, step_immediate, &a);
 *      trail_pass(&trail, fx->ev);
 *      is_str(trail.text, "a |", "...");
 *
 * Nothing here waits for time: settle() proves that a descriptor stays silent
 * by giving a descriptor that is always ready several turns; as turns go round
 * (B320), whoever was ready has had one by then.
 */
#pragma once

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <tevent.h>

#include "tests/fixture.h"
#include "tests/tap.h"

#define TRAIL_UNUSED __attribute__((__unused__))

struct trail {
	char text[1024];
};

struct step {
	struct trail *trail;
	const char *word;
};

static inline void trail_add(struct trail *trail, const char *word)
{
	size_t used = strlen(trail->text);

	(void)snprintf(trail->text + used, sizeof(trail->text) - used, "%s%s",
		       used != 0 ? " " : "", word);
}

static inline void trail_clear(struct trail *trail)
{
	trail->text[0] = '\0';
}

/* One pass that must not fail. */
static inline void turn(struct tevent_context *ev)
{
	int ret = tevent_loop_once(ev);

	if (ret != 0) {
		bail_out("tevent_loop_once: %d", ret);
	}
}

/* One pass; a bar if anything ran. */
static inline void trail_pass(struct trail *trail, struct tevent_context *ev)
{
	size_t before = strlen(trail->text);

	turn(ev);
	if (strlen(trail->text) != before) {
		trail_add(trail, "|");
	}
}

/* Passes until @count of them ran something. */
static inline void trail_passes(struct trail *trail, struct tevent_context *ev,
				unsigned count)
{
	while (count > 0) {
		size_t before = strlen(trail->text);

		trail_pass(trail, ev);
		count -= strlen(trail->text) != before ? 1 : 0;
	}
}

static inline void step_immediate(struct tevent_context *ev TRAIL_UNUSED,
				  struct tevent_immediate *im TRAIL_UNUSED,
				  void *private_data)
{
	struct step *step = private_data;

	trail_add(step->trail, step->word);
}

static inline void step_timer(struct tevent_context *ev TRAIL_UNUSED,
			      struct tevent_timer *te TRAIL_UNUSED,
			      struct timeval now TRAIL_UNUSED,
			      void *private_data)
{
	struct step *step = private_data;

	trail_add(step->trail, step->word);
}

/* The word and what was ready: "fR", "fRW". */
static inline void step_fd(struct tevent_context *ev TRAIL_UNUSED,
			   struct tevent_fd *fde TRAIL_UNUSED, uint16_t flags,
			   void *private_data)
{
	struct step *step = private_data;
	char word[64];

	(void)snprintf(word, sizeof(word), "%s%s%s%s", step->word,
		       (flags & TEVENT_FD_READ) != 0 ? "R" : "",
		       (flags & TEVENT_FD_WRITE) != 0 ? "W" : "",
		       (flags & 4) != 0 ? "E" : "");
	trail_add(step->trail, word);
}

/* The word and how many came: "s2". */
static inline void step_signal(struct tevent_context *ev TRAIL_UNUSED,
			       struct tevent_signal *se TRAIL_UNUSED,
			       int signum TRAIL_UNUSED, int count,
			       void *siginfo TRAIL_UNUSED, void *private_data)
{
	struct step *step = private_data;
	char word[64];

	(void)snprintf(word, sizeof(word), "%s%d", step->word, count);
	trail_add(step->trail, word);
}

static inline void settle_probe(struct tevent_context *ev TRAIL_UNUSED,
				struct tevent_fd *fde TRAIL_UNUSED,
				uint16_t flags TRAIL_UNUSED, void *private_data)
{
	unsigned *rounds = private_data;

	(*rounds)++;
}

/* Passes until everything that is ready has had at least @rounds - 1 turns. */
static inline void settle(struct tevent_context *ev, unsigned rounds)
{
	struct tevent_fd *fde = NULL;
	unsigned turns = 0;
	int fds[2] = { -1, -1 };

	fixture_pipe(fds);
	if (write(fds[1], "x", 1) != 1) {
		bail_out("a fresh pipe takes no byte");
	}
	fde = tevent_add_fd(ev, ev, fds[0], TEVENT_FD_READ, settle_probe,
			    &turns);
	if (fde == NULL) {
		bail_out("no memory for a probe");
	}
	while (turns < rounds) {
		turn(ev);
	}
	TALLOC_FREE(fde);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

/* A timer's time, @seconds from now (negative: ago). */
static inline struct timeval seconds_from_now(int seconds)
{
	struct timeval now = tevent_timeval_current();

	now.tv_sec += seconds;
	return now;
}

/* Stock keeps two small things for the life of the process, which are no
 * leak: they are made here, before anybody counts. Ours keeps nothing. */
static inline void warm_up(void)
{
	struct tevent_context *ev = NULL;

	if (TEST_ON_STOCK) {
		ev = tevent_context_init(NULL);
		(void)tevent_add_signal(ev, ev, SIGURG, 0, step_signal, NULL);
		talloc_free(ev);
	}
}
