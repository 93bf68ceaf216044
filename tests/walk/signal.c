/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Signal: raised here, so delivered at once; handlers run in the next pass.
 *
 * An SA_SIGINFO event is added only where the original can bear it: when the
 * first event on the signal was one, and nothing is pending (B503, B504).
 * SA_RESETHAND events come alone (B507).
 */
#include "tests/walk/walk.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	SIGNAL_MAX = 8,
	NUMBERS = 5,
};

static struct {
	bool info;        /* the kernel is asked for information */
	bool once;        /* the first event was SA_RESETHAND */
	unsigned pending; /* may be */
} states[NUMBERS];

static int number_of(unsigned which)
{
	const int numbers[NUMBERS] = { SIGHUP, SIGUSR1, SIGUSR2, SIGRTMIN + 1,
				       SIGRTMIN + 2 };

	return numbers[which];
}

static unsigned which_of(int number)
{
	unsigned i = 0;

	while (number_of(i) != number) {
		i++;
	}
	return i;
}

static void signal_ran(struct tevent_context *ev, struct tevent_signal *se,
		       int number, int count, void *siginfo, void *private_data)
{
	struct thing *t = private_data;
	struct thing *place = t->wrap != NULL ? t->wrap : t->ev;
	siginfo_t *info = siginfo;

	walk.ran++;
	states[which_of(t->sig.number)].pending = 0;
	say("%s number %u count %d%s%s%s tag %s", thing_name(t),
	    which_of(t->sig.number), count,
	    number == t->sig.number ? "" : " wrong",
	    place != NULL && ev == place->ptr ? "" : " stray",
	    t->ptr == se ? "" : " other", tag_name(tevent_signal_get_tag(se)));
	if (info != NULL) {
		say("info %u code %d value %d", which_of(info->si_signo),
		    info->si_code,
		    info->si_code == SI_QUEUE ? info->si_value.sival_int : 0);
	}
	enter(t);
	act(3);
	leave(t);
	if (t->sig.once) {
		t->dead = true; /* the library frees it */
	}
}

static struct thing *on_number(int number)
{
	struct thing *t = NULL;

	while ((t = thing_next(t, KIND_SIGNAL)) != NULL) {
		/* What its context has left behind does not count. */
		if (t->ev != NULL && t->sig.number == number) {
			return t;
		}
	}
	return NULL;
}

bool step_signal_new(void)
{
	struct thing *t = NULL;
	struct tevent_context *ev = NULL;
	unsigned which = choose(NUMBERS);
	bool first = on_number(number_of(which)) == NULL;
	bool info = chance(2);
	void *home = NULL;
	int flags = chance(3) ? SA_RESTART : 0;

	if (thing_count(KIND_SIGNAL) >= SIGNAL_MAX || some_ev() == NULL ||
	    walk.finite) {
		return false;
	}
	if (!walk.wild && (states[which].pending > 0 || in_signal(0) ||
			   (!first && !states[which].info))) {
		info = false;
	}
	if (!first && states[which].once) {
		return false;
	}
	t = thing_new(KIND_SIGNAL);
	t->sig.number = number_of(which);
	if (first) {
		states[which].info = info;
		states[which].once = !info && chance(4);
	}
	t->sig.once = states[which].once || (!info && chance(8));
	flags |= info ? SA_SIGINFO : 0;
	flags |= t->sig.once ? (int)SA_RESETHAND : 0;
	ev = some_place(t);
	home = some_home(t, true);
	say("new %s on %s %s home %s number %u%s%s", thing_name(t),
	    thing_name(t->ev), thing_name(t->wrap), thing_name(t->home), which,
	    info ? " info" : "", t->sig.once ? " once" : "");
	walk.newborn = t;
	thing_born(t, tevent_add_signal(ev, home, t->sig.number, flags,
					signal_ran, t));
	walk.newborn = NULL;
	if (t->dead) {
		say("failed");
		return true;
	}
	tevent_signal_set_tag(t->ptr, tag_of(t));
	return true;
}

bool step_signal_free(void)
{
	return thing_free_any(thing_pick(KIND_SIGNAL, NULL));
}

bool step_signal_raise(void)
{
	unsigned which = choose(NUMBERS);
	int number = number_of(which);
	union sigval value = { .sival_int = (int)choose(100) };
	struct sigaction now;

	(void)sigaction(number, NULL, &now);
	if (now.sa_handler == SIG_DFL) {
		say("default %u", which);
		return true;
	}
	say("raise %u %d", which, value.sival_int);
	states[which].pending++;
	(void)sigqueue(getpid(), number, value);
	(void)poll(NULL, 0, 0); /* the thread sanitizer delivers it here */
	return true;
}

bool step_signal_look(void)
{
	struct thing *t = thing_pick(KIND_SIGNAL, NULL);
	unsigned i = 0;

	for (i = 0; i < NUMBERS; i++) {
		struct sigaction now;

		(void)sigaction(number_of(i), NULL, &now);
		if (now.sa_handler != SIG_DFL) {
			say("caught %u", i);
		}
	}
	if (t == NULL) {
		return false;
	}
	say("tag %s was %s", thing_name(t),
	    tag_name(tevent_signal_get_tag(t->ptr)));
	tevent_signal_set_tag(t->ptr, tag_of(t) + choose(9));
	return true;
}

void signal_clear(const struct thing *ev)
{
	struct thing *t = NULL;

	while ((t = thing_next(t, KIND_SIGNAL)) != NULL) {
		if (t->ev == ev) {
			thing_free(t);
		}
	}
}
