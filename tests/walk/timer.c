/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Timer: times are zero, long past (and often equal), or far away, so that the
 * clock decides nothing. */
#include "tests/walk/walk.h"

#include <stdio.h>

enum {
	TIMER_MAX = 12,
	FAR = 4102444800, /* the year 2100 */
};

struct timeval some_time(bool *ret_far)
{
	struct timeval when = { 0, 0 };

	*ret_far = false;
	switch (choose(8)) {
	case 0:
	case 1:
	case 2:
		break;
	case 3: /* zero may overtake it in the original */
		when.tv_sec = walk.wild ? -1 - (time_t)choose(2) : 0;
		break;
	case 4:
		when.tv_usec = 1;
		break;
	case 5:
	case 6:
		when.tv_sec = (time_t)choose(3);
		when.tv_usec = (suseconds_t)choose(3);
		break;
	default:
		*ret_far = !walk.finite;
		when.tv_sec = walk.finite ? 5 : FAR + (time_t)choose(3);
	}
	return when;
}

const char *time_name(struct timeval when)
{
	static char name[64];

	(void)snprintf(name, sizeof(name), "%lld.%06lld",
		       (long long)when.tv_sec, (long long)when.tv_usec);
	return name;
}

static void timer_ran(struct tevent_context *ev, struct tevent_timer *te,
		      struct timeval now, void *private_data)
{
	struct thing *t = private_data;
	struct thing *place = t->wrap != NULL ? t->wrap : t->ev;

	walk.ran++;
	say("%s at %s%s%s tag %s", thing_name(t),
	    tevent_timeval_is_zero(&now) ? "zero" : "now",
	    place != NULL && ev == place->ptr ? "" : " stray",
	    t->ptr == te ? "" : " other", tag_name(tevent_timer_get_tag(te)));
	t->timer.fired = true;
	enter(t);
	act(3);
	leave(t);
}

bool step_timer_new(void)
{
	struct thing *t = NULL;
	struct tevent_context *ev = NULL;
	struct timeval when;
	void *home = NULL;

	if (thing_count(KIND_TIMER) >= TIMER_MAX || some_ev() == NULL) {
		return false;
	}
	t = thing_new(KIND_TIMER);
	ev = some_place(t);
	home = some_home(t, true);
	when = some_time(&t->timer.far);
	say("new %s on %s %s home %s at %s", thing_name(t), thing_name(t->ev),
	    thing_name(t->wrap), thing_name(t->home), time_name(when));
	walk.newborn = t;
	thing_born(t, tevent_add_timer(ev, home, when, timer_ran, t));
	walk.newborn = NULL;
	if (t->dead) {
		say("failed");
		return true;
	}
	tevent_timer_set_tag(t->ptr, tag_of(t));
	return true;
}

static bool waits(const struct thing *t)
{
	return t->ev != NULL && !t->ev->dead && (!t->timer.fired || walk.wild);
}

bool step_timer_move(void)
{
	struct thing *t = thing_pick(KIND_TIMER, waits);
	struct timeval when;

	if (t == NULL) {
		return false;
	}
	when = some_time(&t->timer.far);
	say("move %s to %s", thing_name(t), time_name(when));
	t->timer.fired = false;
	tevent_update_timer(t->ptr, when);
	return true;
}

bool step_timer_free(void)
{
	return thing_free_any(thing_pick(KIND_TIMER, NULL));
}

bool step_timer_tag(void)
{
	struct thing *t = thing_pick(KIND_TIMER, NULL);

	if (t == NULL) {
		return false;
	}
	say("tag %s was %s", thing_name(t),
	    tag_name(tevent_timer_get_tag(t->ptr)));
	tevent_timer_set_tag(t->ptr, tag_of(t) + choose(9));
	return true;
}

void timer_clear(const struct thing *ev)
{
	struct thing *t = NULL;

	while ((t = thing_next(t, KIND_TIMER)) != NULL) {
		if (t->ev == ev && t->timer.far) {
			thing_free(t);
		}
	}
}
