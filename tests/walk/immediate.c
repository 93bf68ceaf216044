/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Immediate: scheduled here, and posted as if by another thread.
 *
 * Posts come in one go to a context that has none: while some are being worked
 * off, a local immediate may overtake later ones here (B1101).
 */
#include "tests/walk/walk.h"

enum {
	IM_MAX = 12,
	THREADED_MAX = 3,
};

static void im_ran(struct tevent_context *ev, struct tevent_immediate *im,
		   void *private_data)
{
	struct thing *t = private_data;
	struct thing *place = t->wrap != NULL ? t->wrap : t->ev;

	walk.ran++;
	say("%s%s%s%s tag %s", thing_name(t), t->im.posted ? " posted" : "",
	    place != NULL && ev == place->ptr ? "" : " stray",
	    t->ptr == im ? "" : " other",
	    tag_name(tevent_immediate_get_tag(im)));
	if (t->im.posted && t->ev != NULL) {
		t->ev->ctx.posted--;
	}
	t->im.posted = false;
	t->ev = NULL;
	enter(t);
	act(3);
	leave(t);
}

bool step_im_new(void)
{
	struct thing *t = NULL;
	void *home = NULL;

	if (thing_count(KIND_IM) >= IM_MAX) {
		return false;
	}
	t = thing_new(KIND_IM);
	home = some_home(t, false);
	say("new %s home %s", thing_name(t), thing_name(t->home));
	thing_born(t, tevent_create_immediate(home));
	tevent_immediate_set_tag(t->ptr, tag_of(t));
	return true;
}

/* Not posted, and not run by an outer loop. */
static bool movable(const struct thing *t)
{
	return !t->im.posted && !t->im.spoiled &&
	       (thing_loose(t) || t->frames == 0);
}

/* What has been on a wrapper keeps to wrappers: in the original some of the
 * wrapper stays with it. */
static struct tevent_context *im_place(struct thing *t)
{
	if (!t->im.wrapped) {
		struct tevent_context *ev = some_place(t);

		t->im.wrapped = t->wrap != NULL;
		return ev;
	}
	return some_place_of(t, true);
}

bool step_im_schedule(void)
{
	struct thing *t = thing_pick(KIND_IM, movable);
	struct tevent_context *ev = NULL;
	bool cancel = chance(6);

	if (t == NULL || some_ev() == NULL) {
		return false;
	}
	ev = im_place(t);
	if (ev == NULL) {
		return false;
	}
	say("%s %s on %s %s", cancel ? "cancel" : "schedule", thing_name(t),
	    thing_name(t->ev), thing_name(t->wrap));
	if (cancel) {
		t->ev = NULL;
		tevent_schedule_immediate(t->ptr, ev, NULL, t);
	} else {
		tevent_schedule_immediate(t->ptr, ev, im_ran, t);
	}
	return true;
}

bool step_im_free(void)
{
	return thing_free_any(thing_pick(KIND_IM, NULL));
}

bool step_im_tag(void)
{
	struct thing *t = thing_pick(KIND_IM, movable);

	if (t == NULL) {
		return false;
	}
	say("tag %s was %s", thing_name(t),
	    tag_name(tevent_immediate_get_tag(t->ptr)));
	tevent_immediate_set_tag(t->ptr, tag_of(t) + choose(9));
	return true;
}

bool step_threaded_new(void)
{
	struct thing *t = NULL;
	struct tevent_context *ev = NULL;
	void *home = NULL;

	if (thing_count(KIND_THREADED) >= THREADED_MAX || some_ev() == NULL) {
		return false;
	}
	t = thing_new(KIND_THREADED);
	ev = some_place(t);
	home = some_home(t, false);
	say("new %s on %s %s home %s", thing_name(t), thing_name(t->ev),
	    thing_name(t->wrap), thing_name(t->home));
	thing_born(t, tevent_threaded_context_create(home, ev));
	if (t->dead) {
		say("failed");
	}
	return true;
}

bool step_threaded_free(void)
{
	return thing_free_any(thing_pick(KIND_THREADED, NULL));
}

/* A schedule that was never made, or has been worked off. */
static bool rests(const struct thing *t)
{
	return t->ev == NULL && !t->im.wrapped && !t->im.posted &&
	       t->frames == 0;
}

/* One of a wrapper that has gone takes notice of it later than the original. */
static bool quiet_tctx(const struct thing *t)
{
	if (t->wrap != NULL && t->wrap->dead) {
		return false;
	}
	return t->ev == NULL || t->ev->ctx.posted == 0 || walk.wild;
}

bool step_threaded_post(void)
{
	struct thing *threaded = thing_pick(KIND_THREADED, quiet_tctx);
	struct thing *t = NULL;
	unsigned count = 1 + choose(4);

	if (threaded == NULL) {
		return false;
	}
	for (; count > 0; count--) {
		t = thing_pick(KIND_IM, rests);
		if (t == NULL) {
			return false;
		}
		say("post %s by %s%s", thing_name(t), thing_name(threaded),
		    threaded->ev == NULL ? " cut off" : "");
		t->ev = threaded->ev;
		t->wrap = threaded->wrap;
		t->im.posted = t->ev != NULL;
		t->im.wrapped = t->wrap != NULL;
		if (t->ev != NULL) {
			t->ev->ctx.posted++;
		}
		tevent_threaded_schedule_immediate(threaded->ptr, t->ptr,
						   im_ran, t);
		say("tag %s",
		    t->ev == NULL ? tag_name(tevent_immediate_get_tag(t->ptr))
				  : "?");
	}
	return true;
}
