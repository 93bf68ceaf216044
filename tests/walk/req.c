/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Req: requests, some below others, in every state.
 *
 * A request is not finished again after its callback has run at its end
 * (B814), and only freed and looked at after it was received.
 */
#include "tests/walk/walk.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	REQ_MAX = 14,
};

struct walk_state {
	struct thing *thing;
	char room[40];
};

/* The text without addresses. */
static const char *plain(const char *text)
{
	static char clean[512];
	size_t used = 0;

	while (*text != '\0' && used + 2 < sizeof(clean)) {
		if (strncmp(text, "0x", 2) == 0 && isxdigit(text[2]) &&
		    isxdigit(text[3]) && isxdigit(text[4])) {
			text += 2 + strspn(text + 2, "0123456789abcdef");
			clean[used++] = '@';
			continue;
		}
		clean[used++] = *text++;
	}
	clean[used] = '\0';
	return clean;
}

static void look(struct thing *t)
{
	enum tevent_req_state state = TEVENT_REQ_INIT;
	uint64_t error = 77;
	bool is_error = tevent_req_is_error(t->ptr, &state, &error);
	char *text = NULL;

	say("%s error %d state %d value %" PRIu64 " progress %d", thing_name(t),
	    is_error, (int)state, error, tevent_req_is_in_progress(t->ptr));
	if (t->req.foreign || t->req.lost) {
		return; /* its own names; a timer that was left behind */
	}
	text = tevent_req_print(NULL, t->ptr);
	*strstr(text, "] finish[") = '\0';
	say("%s", plain(text));
	(void)talloc_free(text);
}

static void req_ran(struct tevent_req *req)
{
	struct thing *t = tevent_req_callback_data_void(req);

	walk.ran++;
	say("callback %s%s", thing_name(t), t->ptr == req ? "" : " other");
	if (!tevent_req_is_in_progress(req)) {
		t->req.notified = true;
	}
	t->req.defer_ev = NULL;
	t->req.defer_wrap = NULL;
	enter(t);
	look(t);
	if (!walk.quiet) {
		switch (choose(4)) {
		case 0:
			(void)thing_free_any(t);
			break;
		case 1:
			if (t->req.foreign) {
				(void)thing_free_any(t);
			} else if (thing_loose(t) && !t->req.received) {
				say("receive %s", thing_name(t));
				t->req.received = true;
				tevent_req_received(req);
			}
			break;
		default:
			break;
		}
	}
	act(3);
	leave(t);
}

static void req_cleaned(struct tevent_req *req, enum tevent_req_state state)
{
	struct walk_state *data = tevent_req_data(req, struct walk_state);
	struct thing *t = data->thing;

	say("cleanup %s state %d progress %d", thing_name(t), (int)state,
	    tevent_req_is_in_progress(req));
	walk.pins++;
	enter(t);
	act(1);
	leave(t);
	walk.pins--;
}

static bool req_cancelled(struct tevent_req *req)
{
	struct walk_state *data = tevent_req_data(req, struct walk_state);
	struct thing *t = data->thing;

	say("cancel fn %s", thing_name(t));
	if (req_fresh(t) && thing_loose(t) && chance(2)) {
		req_finish(t);
		return true;
	}
	return chance(2);
}

static bool req_ours(const struct thing *t)
{
	return !t->req.foreign && !t->req.received;
}

bool req_fresh(const struct thing *t)
{
	return req_ours(t) && (!t->req.notified || walk.wild);
}

static bool parent_fits(const struct thing *t)
{
	return req_ours(t) && thing_loose(t);
}

void req_slots(struct thing *t)
{
	unsigned which = choose(8);

	say("slots %s %u", thing_name(t), which);
	if ((which & 1) != 0 || !t->req.foreign) {
		tevent_req_set_callback(t->ptr, req_ran, t);
	}
	if (t->req.foreign) {
		return;
	}
	if ((which & 2) != 0) {
		tevent_req_set_cleanup_fn(t->ptr, req_cleaned);
	}
	if ((which & 4) != 0) {
		tevent_req_set_cancel_fn(t->ptr, req_cancelled);
	}
}

bool step_req_new(void)
{
	struct thing *t = NULL;
	struct tevent_req *req = NULL;
	struct walk_state *state = NULL;
	struct walk_state *outer = NULL;

	if (thing_count(KIND_REQ) >= REQ_MAX) {
		return false;
	}
	t = thing_new(KIND_REQ);
	t->home = chance(2) ? thing_pick(KIND_REQ, parent_fits) : NULL;
	t->req.wrapped = chance(4);
	if (t->home != NULL) {
		outer = tevent_req_data(t->home->ptr, struct walk_state);
	}
	say("new %s below %s", thing_name(t), thing_name(t->home));
	req = tevent_req_create(outer, &state, struct walk_state);
	thing_born(t, req);
	if (t->dead || state->thing != NULL) {
		abort();
	}
	state->thing = t;
	if (chance(5)) {
		say("profile %d", tevent_req_set_profile(req));
	}
	if (!chance(4)) {
		req_slots(t);
	}
	return true;
}

bool step_req_wakeup(void)
{
	struct thing *t = NULL;
	struct tevent_context *ev = NULL;
	struct timeval when;

	if (thing_count(KIND_REQ) >= REQ_MAX || some_ev() == NULL) {
		return false;
	}
	t = thing_new(KIND_REQ);
	ev = some_place(t);
	t->req.foreign = true;
	when = some_time(&t->req.far);
	say("wakeup %s on %s %s at %s", thing_name(t), thing_name(t->ev),
	    thing_name(t->wrap), time_name(when));
	thing_born(t, tevent_wakeup_send(NULL, ev, when));
	if (t->dead) {
		say("failed");
		return true;
	}
	say("= %d", tevent_wakeup_recv(t->ptr));
	tevent_req_set_callback(t->ptr, req_ran, t);
	return true;
}

static bool finishable(const struct thing *t)
{
	return req_fresh(t) && thing_loose(t);
}

void req_finish(struct thing *t)
{
	unsigned how = choose(6);
	uint64_t error = choose(3);
	void *ptr = t->ptr;
	bool ret = false;

	say("finish %s how %u %" PRIu64, thing_name(t), how, error);
	switch (how) {
	case 0:
	case 1:
		tevent_req_done(ptr);
		break;
	case 2:
		ret = tevent_req_error(ptr, error);
		break;
	case 3:
		ret = tevent_req_nomem(error == 0 ? NULL : &error, ptr);
		break;
	case 4:
		tevent_req_oom(ptr);
		break;
	default:
		tevent_req_notify_callback(ptr);
	}
	say("= %d", ret);
}

bool step_req_finish(void)
{
	struct thing *t = thing_pick(KIND_REQ, finishable);

	if (t == NULL) {
		return false;
	}
	req_finish(t);
	return true;
}

bool step_req_post(void)
{
	struct thing *t = thing_pick(KIND_REQ, finishable);
	struct tevent_context *ev = NULL;

	if (t == NULL || some_ev() == NULL) {
		return false;
	}
	ev = some_place_of(t, t->req.wrapped);
	if (ev == NULL) {
		return false;
	}
	if (t->wrap != NULL) {
		t->req.post_wrap = t->wrap;
	}
	if (chance(3)) {
		say("defer %s on %s %s", thing_name(t), thing_name(t->ev),
		    thing_name(t->wrap));
		t->req.defer_ev = t->ev;
		t->req.defer_wrap = t->wrap;
		tevent_req_defer_callback(t->ptr, ev);
		return true;
	}
	say("post %s on %s %s", thing_name(t), thing_name(t->ev),
	    thing_name(t->wrap));
	(void)tevent_req_post(t->ptr, ev);
	return true;
}

/* An end that comes after the callback would finish it again (B814). */
static bool endable(const struct thing *t)
{
	return finishable(t) && tevent_req_is_in_progress(t->ptr);
}

bool step_req_endtime(void)
{
	struct thing *t = thing_pick(KIND_REQ, endable);
	struct tevent_context *ev = NULL;
	struct thing place = { .kind = KIND_COUNT };
	struct timeval when;

	if (t == NULL || some_ev() == NULL) {
		return false;
	}
	if (chance(4)) {
		say("no end %s", thing_name(t));
		t->req.far = false;
		tevent_req_reset_endtime(t->ptr);
		return true;
	}
	ev = some_place(&place);
	when = some_time(&t->req.far);
	t->req.end_ev = place.ev;
	t->req.end_wrap = place.wrap;
	t->req.lost = false;
	say("end %s on %s %s at %s", thing_name(t), thing_name(place.ev),
	    thing_name(place.wrap), time_name(when));
	say("= %d", tevent_req_set_endtime(t->ptr, ev, when));
	return true;
}

bool step_req_slots(void)
{
	struct thing *t = thing_pick(KIND_REQ, req_ours);

	if (t == NULL) {
		return false;
	}
	if (chance(4)) {
		say("no slots %s", thing_name(t));
		tevent_req_set_callback(t->ptr, NULL, NULL);
		tevent_req_set_cancel_fn(t->ptr, NULL);
		return true;
	}
	req_slots(t);
	return true;
}

static bool receivable(const struct thing *t)
{
	return req_ours(t) && thing_loose(t);
}

bool step_req_received(void)
{
	struct thing *t = thing_pick(KIND_REQ, receivable);

	if (t == NULL) {
		return false;
	}
	say("receive %s", thing_name(t));
	t->req.received = true;
	tevent_req_received(t->ptr);
	look(t);
	return true;
}

bool step_req_free(void)
{
	return thing_free_any(thing_pick(KIND_REQ, NULL));
}

bool step_req_cancel(void)
{
	struct thing *t = thing_pick(KIND_REQ, receivable);

	if (t == NULL) {
		return false;
	}
	say("cancel %s", thing_name(t));
	say("= %d", tevent_req_cancel(t->ptr));
	return true;
}

bool step_req_look(void)
{
	struct thing *t = thing_pick(KIND_REQ, NULL);

	if (t == NULL) {
		return false;
	}
	look(t);
	return true;
}

static void say_profile(const struct tevent_req_profile *profile, unsigned deep)
{
	const char *name = NULL;
	const char *start = NULL;
	const char *stop = NULL;
	struct timeval from, to;
	enum tevent_req_state state = TEVENT_REQ_INIT;
	uint64_t error = 0;
	pid_t pid = -1;

	tevent_req_profile_get_name(profile, &name);
	tevent_req_profile_get_start(profile, &start, &from);
	tevent_req_profile_get_stop(profile, &stop, &to);
	tevent_req_profile_get_status(profile, &pid, &state, &error);
	say("profile %u %s from %s to %s%s%s pid %d state %d error %" PRIu64,
	    deep, name, start, stop == NULL ? "-" : place_name(stop),
	    tevent_timeval_is_zero(&from) ? " never began" : "",
	    tevent_timeval_is_zero(&to) ? "" : " ended", (int)pid, (int)state,
	    error);
	profile = tevent_req_profile_get_subprofiles(profile);
	for (; profile != NULL; profile = tevent_req_profile_next(profile)) {
		say_profile(profile, deep + 1);
	}
}

bool step_req_profile(void)
{
	struct thing *t = thing_pick(KIND_REQ, NULL);
	const struct tevent_req_profile *profile = NULL;

	if (t == NULL) {
		return false;
	}
	profile = tevent_req_get_profile(t->ptr);
	say("profile of %s%s", thing_name(t), profile == NULL ? " none" : "");
	if (profile != NULL) {
		say_profile(profile, 0);
	}
	return true;
}

/* Ends for sure: the request has an end in the past. */
bool step_req_poll(void)
{
	struct thing *t = thing_pick(KIND_REQ, finishable);
	struct thing *ev = some_ev();
	struct timeval when;

	if (t == NULL || ev == NULL || depth() > 0 || walk.finite ||
	    !tevent_req_is_in_progress(t->ptr)) {
		return false;
	}
	walk.quiet = true;
	if (fd_ready(ev) > 0 || !loop_still(ev) || fd_ready(ev) > 0 ||
	    t->dead || !tevent_req_is_in_progress(t->ptr)) {
		walk.quiet = false;
		return true;
	}
	walk.finite = true;
	when = some_time(&t->req.far);
	say("poll %s on %s until %s", thing_name(t), thing_name(ev),
	    time_name(when));
	tevent_req_set_callback(t->ptr, NULL, NULL);
	(void)tevent_req_set_endtime(t->ptr, ev->ptr, when);
	say("= %d", tevent_req_poll(t->ptr, ev->ptr));
	walk.finite = false;
	walk.quiet = false;
	look(t);
	return true;
}

bool req_holds(const struct thing *ev, const struct thing *wrap)
{
	struct thing *t = NULL;

	while ((t = thing_next(t, KIND_REQ)) != NULL) {
		if ((ev != NULL && t->req.defer_ev == ev) ||
		    (wrap != NULL &&
		     (t->req.defer_wrap == wrap || t->req.post_wrap == wrap))) {
			return !walk.wild;
		}
		if (t->req.queue == NULL || t->req.queue->dead) {
			continue;
		}
		if ((ev != NULL && t->req.turn_ev == ev) ||
		    (wrap != NULL && t->req.turn_wrap == wrap)) {
			return !walk.wild;
		}
	}
	return false;
}

void req_clear(const struct thing *ev)
{
	struct thing *t = NULL;

	while ((t = thing_next(t, KIND_REQ)) != NULL) {
		if (!t->req.far || t->req.received) {
			continue;
		}
		if (t->req.foreign) {
			if (t->ev == ev) {
				thing_free(t);
			}
			continue;
		}
		t->req.far = false;
		tevent_req_reset_endtime(t->ptr);
	}
}
