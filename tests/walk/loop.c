/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Loop: contexts and passes that never wait.
 *
 * Each context has a beacon, a descriptor that is always ready. As ready
 * descriptors take turns (B320), whatever was ready has been served by the time
 * the beacon was for the fourth time: then nothing is left to do.
 *
 * Which of several ready descriptors comes first is not the libraries' promise.
 * So before a pass they are run in a burst, of which the set is told, and then
 * all but one are silenced.
 */
#include "tests/walk/walk.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
	IDLE_TURNS = 4,
	LOOPS_MAX = 3,
};

static int beacon_fd = -1;

static void beacon_ran(struct tevent_context *ev WALK_UNUSED,
		       struct tevent_fd *fde WALK_UNUSED,
		       uint16_t flags WALK_UNUSED,
		       void *private_data WALK_UNUSED)
{
	walk.idle++;
}

static void beacon_on(struct thing *ev)
{
	if (beacon_fd < 0) {
		beacon_fd = eventfd(1, EFD_CLOEXEC);
	}
	trace_off(ev);
	ev->ctx.beacon = tevent_add_fd(ev->ptr, ev->ptr, beacon_fd,
				       TEVENT_FD_READ, beacon_ran, NULL);
	if (ev->ctx.beacon == NULL) {
		abort();
	}
	tevent_fd_set_tag(ev->ctx.beacon, UINT64_MAX);
	trace_on(ev);
}

static int hook_ran(struct tevent_context *ev WALK_UNUSED, void *private_data,
		    uint32_t level, bool begin, void *stack WALK_UNUSED,
		    const char *location)
{
	if (!walk.burst) {
		say("hook %s level %u %s %s", thing_name(private_data),
		    (unsigned)level, begin ? "begin" : "end",
		    place_name(location));
	}
	if (begin && walk.refuse) {
		walk.refuse = false;
		return -3;
	}
	return 0;
}

static void debug_ran(void *context, enum tevent_debug_level level,
		      const char *fmt, va_list ap) PRINTF_ATTRIBUTE(3, 0);

static void debug_ran(void *context WALK_UNUSED,
		      enum tevent_debug_level level WALK_UNUSED,
		      const char *fmt, va_list ap)
{
	char line[512];

	(void)vsnprintf(line, sizeof(line), fmt, ap);
}

bool step_ev_new(void)
{
	static const char *const names[] = { "epoll", "poll", "standard" };
	struct thing *t = NULL;
	const char *name = NULL;

	if (thing_count(KIND_EV) >= 3) {
		return false;
	}
	t = thing_new(KIND_EV);
	name = names[choose(3)];
	thing_born(t, tevent_context_init_byname(NULL, name));
	if (t->dead) {
		abort();
	}
	t->ctx.nests = chance(2);
	t->ctx.traced = !chance(3);
	say("new %s %s%s%s", thing_name(t), name, t->ctx.nests ? " nests" : "",
	    t->ctx.traced ? " traced" : "");
	if (chance(3)) {
		(void)tevent_set_debug(t->ptr, debug_ran, NULL);
	}
	beacon_on(t);
	if (t->ctx.nests) {
		tevent_loop_allow_nesting(t->ptr);
	}
	if (chance(2)) {
		tevent_loop_set_nesting_hook(t->ptr, hook_ran, t);
	}
	return true;
}

static bool ev_any(const struct thing *t WALK_UNUSED)
{
	return true;
}

struct thing *some_ev(void)
{
	return thing_pick(KIND_EV, ev_any);
}

bool wrap_lives(const struct thing *t)
{
	return t->ev != NULL;
}

struct tevent_context *some_place(struct thing *t)
{
	t->wrap = chance(3) ? thing_pick(KIND_WRAP, wrap_lives) : NULL;
	if (t->wrap != NULL) {
		t->ev = t->wrap->ev;
		return t->wrap->ptr;
	}
	t->ev = some_ev();
	return t->ev == NULL ? NULL : t->ev->ptr;
}

struct tevent_context *some_place_of(struct thing *t, bool wrapper)
{
	t->wrap = wrapper ? thing_pick(KIND_WRAP, wrap_lives) : NULL;
	t->ev = wrapper ? NULL : some_ev();
	if (t->wrap != NULL) {
		t->ev = t->wrap->ev;
		return t->wrap->ptr;
	}
	return t->ev == NULL ? NULL : t->ev->ptr;
}

void *some_home(struct thing *t, bool else_ev)
{
	t->home = chance(2) ? thing_pick(KIND_PEN, NULL) : NULL;
	if (t->home != NULL) {
		return t->home->ptr;
	}
	t->home = else_ev ? t->ev : NULL;
	return NULL;
}

bool step_pen_new(void)
{
	struct thing *t = NULL;

	if (thing_count(KIND_PEN) >= 4) {
		return false;
	}
	t = thing_new(KIND_PEN);
	t->home = chance(3) ? thing_pick(KIND_PEN, NULL) : NULL;
	say("new %s on %s", thing_name(t), thing_name(t->home));
	thing_born(t, talloc_new(t->home == NULL ? NULL : t->home->ptr));
	return true;
}

bool step_pen_free(void)
{
	return thing_free_any(thing_pick(KIND_PEN, NULL));
}

void ev_free(struct thing *t)
{
	walk.ending = true;
	thing_free(t);
	walk.ending = false;
	trace_end();
	thing_detach(t, NULL);
}

/* Whatever was on it may go. */
static bool ends(const struct thing *ev)
{
	struct thing *t = NULL;

	if (ev == NULL || walk.finite || (!walk.wild && depth() > 0)) {
		return false;
	}
	if ((!walk.wild && ev->ctx.posted > 0) || req_holds(ev, NULL)) {
		return false;
	}
	while ((t = thing_next(t, KIND_WRAP)) != NULL) {
		if (t->ev == ev && !thing_loose(t)) {
			return false;
		}
	}
	return true;
}

bool step_ev_free(void)
{
	struct thing *t = some_ev();

	if (!ends(t)) {
		return false;
	}
	ev_free(t);
	return true;
}

bool step_ev_reinit(void)
{
	struct thing *t = some_ev();
	int ret = 0;

	if (depth() > 0 || !ends(t)) {
		return false;
	}
	say("re-initialise %s", thing_name(t));
	walk.ending = true;
	ret = tevent_re_initialise(t->ptr);
	walk.ending = false;
	trace_end();
	say("= %d", ret);
	thing_detach(t, NULL);
	(void)talloc_free(t->ctx.beacon);
	beacon_on(t);
	return true;
}

static int turn(struct thing *ev)
{
	int ret = 0;

	walk.loop++;
	ev->ctx.level++;
	ret = tevent_loop_once(ev->ptr);
	ev->ctx.level--;
	walk.loop--;
	return ret;
}

/* Lets all that are ready have their turns, handlers only talk. */
static void burst(struct thing *ev)
{
	bool quiet = walk.quiet;
	bool was = walk.burst;
	unsigned idle = walk.idle;

	say("burst %s", thing_name(ev));
	walk.quiet = true;
	walk.burst = true;
	fd_burst_begin(ev);
	while (!ev->dead && walk.idle - idle < IDLE_TURNS) {
		int ret = turn(ev);

		if (ret != 0) {
			say("burst failed: %d", ret);
			break;
		}
	}
	walk.quiet = quiet;
	walk.burst = was;
	fd_burst_end();
}

static void calm(struct thing *ev)
{
	if (fd_ready(ev) > 1) {
		burst(ev);
		fd_silence(ev);
	}
}

/* A wrapper that is in use cannot be used again, by signals of all. */
static bool wrapped(void)
{
	struct thing *t = NULL;

	while ((t = thing_next(t, KIND_WRAP)) != NULL) {
		if (t->frames > 0) {
			return true;
		}
	}
	return false;
}

static bool may_loop(const struct thing *ev)
{
	return ev != NULL && !walk.pins && !walk.finite && !walk.quiet &&
	       walk.loop < LOOPS_MAX && !wrapped() &&
	       (!in_signal(0) || (walk.wild && depth() < 8)) &&
	       (ev->ctx.level == 0 || ev->ctx.nests);
}

/* Return: false when there was nothing to do. */
static bool pass(struct thing *ev)
{
	unsigned idle = walk.idle;

	calm(ev);
	say("pass %s", thing_name(ev));
	while (!ev->dead && walk.idle - idle < IDLE_TURNS) {
		size_t mark = say_mark();
		unsigned ran = walk.ran;
		int ret = turn(ev);

		if (ret == 0 && walk.ran == ran) {
			say_cut(mark);
			continue;
		}
		say("= %d", ret);
		return true;
	}
	say("nothing");
	return false;
}

bool loop_still(struct thing *ev)
{
	unsigned i = 0;

	for (i = 0; i < 10000; i++) {
		if (!pass(ev)) {
			return true;
		}
	}
	return false;
}

bool step_pass(void)
{
	struct thing *ev = some_ev();

	if (!may_loop(ev)) {
		return false;
	}
	walk.refuse = chance(24);
	(void)pass(ev);
	walk.refuse = false;
	return true;
}

struct until {
	const struct thing *ev;
	unsigned ran, wanted, idle, seen;
	size_t mark;
};

static bool until_ended(void *private_data)
{
	struct until *until = private_data;

	if (walk.ran == until->seen) {
		say_cut(until->mark);
	} else {
		until->idle = walk.idle;
	}
	until->seen = walk.ran;
	until->mark = say_mark();
	return until->ev->dead || walk.ran - until->ran >= until->wanted ||
	       walk.idle - until->idle >= IDLE_TURNS || fd_ready(until->ev) > 1;
}

bool step_until(void)
{
	struct thing *ev = some_ev();
	struct until until;
	int ret = 0;

	if (!may_loop(ev)) {
		return false;
	}
	calm(ev);
	until.ev = ev;
	until.ran = walk.ran;
	until.seen = walk.ran - 1;
	until.idle = walk.idle;
	until.wanted = 1 + choose(6);
	say("until %s %u", thing_name(ev), until.wanted);
	until.mark = say_mark();
	walk.loop++;
	ev->ctx.level++;
	ret = tevent_loop_until(ev->ptr, until_ended, &until);
	ev->ctx.level--;
	walk.loop--;
	say("= %d", ret);
	return true;
}

/* tevent_loop_wait() with work that ends, and without what keeps it. */
bool step_wait(void)
{
	struct thing *ev = some_ev();
	unsigned i = 0;

	if (ev == NULL || depth() > 0 || ev->ctx.posted > 0) {
		return false;
	}
	walk.finite = true;
	walk.quiet = true;
	calm(ev);
	fd_clear(ev);
	signal_clear(ev);
	timer_clear(ev);
	req_clear(ev);
	proxy_clear(ev);
	(void)loop_still(ev);
	walk.quiet = false;
	(void)talloc_free(ev->ctx.beacon);
	for (i = 0; i < 4; i++) {
		(void)step_timer_new();
		(void)step_im_schedule();
		(void)step_req_post();
	}
	say("wait %s", thing_name(ev));
	walk.loop++;
	ev->ctx.level++;
	say("= %d", tevent_loop_wait(ev->ptr));
	ev->ctx.level--;
	walk.loop--;
	walk.finite = false;
	beacon_on(ev);
	return true;
}
