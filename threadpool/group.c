/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Group: many requests, one answer.
 *
 *      group --> open, asked: members --> request (the caller's)
 *        |                                  '-- member (talloc child)
 *        '-----> wait request
 *
 *  1. A request has a member as its talloc child, so the group learns from it
 *     that the request is freed; and the group's callback, by which it learns
 *     that it has ended. Either way the member leaves the group, once.
 *  2. Who has to end is asked once: it moves from open to asked, and then it is
 *     cancelled. That runs code of others, which may end or free any member,
 *     the wait request or the group; so nothing is remembered meanwhile but
 *     whether the group is still there.
 *  3. Nobody's code runs in a destructor: what follows from a member that was
 *     freed is done in the next pass.
 *  4. The callback of the wait request always comes in a later pass, so nobody
 *     who ends a request finds himself called.
 *  5. The context tells when it goes, by an anchor that hangs below it. It is
 *     younger than what the group hangs below, so of a tree that is freed as a
 *     whole it goes first. Nothing ends from then on.
 *
 * Threads: the owner of the context, the group and the requests.
 * Ordering: none.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <talloc.h>

#include "threadpool/tevent_compat.h"

#include "weft.h"

#include "engine/base.h"
#include "engine/list.h"
#include "threadpool/request.h"

struct group_anchor {
	struct weft_group *group;
};

/* What is left for who asks, when the group is freed meanwhile. */
struct group_asker {
	struct weft_group *group; /* NULL: it has gone */
};

struct group_member {
	struct tev_list link;
	struct weft_group *group; /* NULL: it has left */
	struct tevent_req *req;
};

struct weft_group {
	struct tevent_context *ev; /* NULL: it has gone */
	struct group_anchor *anchor;
	struct tevent_immediate *im;
	struct tev_list open;    /* members */
	struct tev_list asked;   /* members that were cancelled */
	struct tevent_req *wait; /* NULL: nobody waits */
	struct group_asker *asker;
	bool asking;
	bool collect;
	bool cancelled; /* by who waited */
	int error;      /* the first one */
};

struct group_wait {
	struct weft_group *group; /* NULL: it has ended */
};

/* ---- the end of it ---- */

static struct tevent_req *group_part(struct weft_group *group)
{
	struct tevent_req *req = group->wait;

	if (req != NULL) {
		struct group_wait *state = tevent_req_data(req,
							   struct group_wait);

		state->group = NULL;
		group->wait = NULL;
	}
	return req;
}

static void group_answer(struct weft_group *group, int error)
{
	struct tevent_req *req = NULL;

	if (group->ev == NULL) {
		return;
	}
	req = group_part(group);
	if (req == NULL) {
		return;
	}
	if (error != 0) {
		(void)tevent_req_error(req, (uint64_t)error);
	} else {
		tevent_req_done(req);
	}
}

static void group_check(struct weft_group *group)
{
	if (tev_list_empty(&group->open) && tev_list_empty(&group->asked)) {
		group_answer(group, group->error);
	}
}

static bool group_has_ended(const struct weft_group *group)
{
	return group->cancelled || (group->error != 0 && !group->collect);
}

/* Cancels those that were not asked yet. Return: false: the group has gone. */
static bool group_ask(struct weft_group *group)
{
	struct group_asker *asker = group->asker;

	if (group->asking) {
		/* Further up somebody does. */
		return true;
	}
	group->asking = true;
	while (asker->group != NULL && !tev_list_empty(&group->open)) {
		struct group_member *member = tev_list_entry(
			tev_list_first(&group->open), struct group_member,
			link);

		tev_list_remove(&member->link);
		tev_list_append(&group->asked, &member->link);
		(void)tevent_req_cancel(member->req);
	}
	if (asker->group == NULL) {
		talloc_free(asker);
		return false;
	}
	group->asking = false;
	return true;
}

/* What follows from what has ended. */
static void group_follow(struct weft_group *group)
{
	if (group_has_ended(group) && !group_ask(group)) {
		return;
	}
	group_check(group);
}

static void group_follow_later(struct tevent_context *ev,
			       struct tevent_immediate *im, void *private_data)
{
	struct weft_group *group = talloc_get_type_abort(private_data,
							 struct weft_group);

	(void)ev;
	(void)im;
	group_follow(group);
}

/* ---- members ---- */

static void group_note(struct weft_group *group, int error)
{
	if (group->error == 0) {
		group->error = error;
	}
}

static void member_leave(struct group_member *member)
{
	tev_list_remove(&member->link);
	member->group = NULL;
}

/* The request is freed. */
static int member_destructor(struct group_member *member)
{
	struct weft_group *group = member->group;

	if (group == NULL) {
		return 0;
	}
	member_leave(member);
	group_note(group, ECANCELED);
	if (group->ev != NULL) {
		tevent_schedule_immediate(group->im, group->ev,
					  group_follow_later, group);
	}
	return 0;
}

static void member_done(struct tevent_req *req)
{
	struct group_member *member = tevent_req_callback_data(
		req, struct group_member);
	struct weft_group *group = member->group;
	int error = 0;

	(void)wf_request_ended(req, &error);
	member_leave(member);
	tevent_req_set_callback(req, NULL, NULL);
	talloc_free(member);
	group_note(group, error);
	group_follow(group);
}

static void member_look(const void *ptr, int depth, int max_depth, int is_ref,
			void *private_data)
{
	bool *found = private_data;

	(void)max_depth;
	if (depth == 1 && is_ref == 0 &&
	    talloc_get_type(ptr, struct group_member) != NULL) {
		*found = true;
	}
}

static bool group_is_member(struct tevent_req *req)
{
	bool found = false;

	talloc_report_depth_cb(req, 0, 1, member_look, &found);
	return found;
}

/* ---- the group ---- */

static int group_anchor_destructor(struct group_anchor *anchor)
{
	anchor->group->ev = NULL;
	anchor->group->anchor = NULL;
	return 0;
}

static void group_drop_all(struct tev_list *members)
{
	for (;;) {
		struct tev_list *link = tev_list_first(members);
		struct group_member *member = NULL;

		if (link == NULL) {
			return;
		}
		member = tev_list_entry(link, struct group_member, link);
		member_leave(member);
		tevent_req_set_callback(member->req, NULL, NULL);
		talloc_free(member);
	}
}

static int group_destructor(struct weft_group *group)
{
	if (group->asking) {
		group->asker->group = NULL;
		(void)talloc_steal(NULL, group->asker);
	}
	group_drop_all(&group->open);
	group_drop_all(&group->asked);
	group_answer(group, ECANCELED);
	(void)group_part(group);
	TALLOC_FREE(group->anchor);
	return 0;
}

int weft_group_create_sized(TALLOC_CTX *mem_ctx, struct tevent_context *ev,
			    const struct weft_group_options *given,
			    size_t options_size, struct weft_group **ret_group)
{
	struct weft_group_options options = { .collect = false };
	struct weft_group *group = talloc_zero(mem_ctx, struct weft_group);

	if (group == NULL) {
		return ENOMEM;
	}
	if (given != NULL) {
		memcpy(&options, given,
		       options_size < sizeof(options) ? options_size
						      : sizeof(options));
	}
	tev_list_init(&group->open);
	tev_list_init(&group->asked);
	group->ev = ev;
	group->collect = options.collect;
	group->im = tevent_create_immediate(group);
	group->asker = talloc_zero(group, struct group_asker);
	group->anchor = talloc_zero(ev, struct group_anchor);
	if (group->im == NULL || group->asker == NULL ||
	    group->anchor == NULL) {
		TALLOC_FREE(group->anchor);
		talloc_free(group);
		return ENOMEM;
	}
	group->asker->group = group;
	group->anchor->group = group;
	talloc_set_destructor(group->anchor, group_anchor_destructor);
	talloc_set_destructor(group, group_destructor);
	*ret_group = group;
	return 0;
}

int weft_group_add(struct weft_group *group, struct tevent_req *req)
{
	bool late = group_has_ended(group);
	struct group_member *member = NULL;
	int error = 0;
	bool ended = wf_request_ended(req, &error);

	if ((!ended && error != EINPROGRESS) || group_is_member(req)) {
		return EINVAL;
	}
	if (ended) {
		tevent_req_set_callback(req, NULL, NULL);
		group_note(group, error);
		group_follow(group);
		return late ? ECANCELED : 0;
	}
	member = talloc_zero(req, struct group_member);
	if (member == NULL) {
		return ENOMEM;
	}
	member->group = group;
	member->req = req;
	tev_list_init(&member->link);
	tev_list_append(&group->open, &member->link);
	talloc_set_destructor(member, member_destructor);
	tevent_req_set_callback(req, member_done, member);
	group_follow(group);
	return late ? ECANCELED : 0;
}

/* ---- waiting ---- */

static void group_wait_cleanup(struct tevent_req *req,
			       enum tevent_req_state req_state)
{
	struct group_wait *state = tevent_req_data(req, struct group_wait);

	(void)req_state;
	if (state->group != NULL) {
		(void)group_part(state->group);
	}
}

static bool group_wait_cancel(struct tevent_req *req)
{
	struct group_wait *state = tevent_req_data(req, struct group_wait);
	struct weft_group *group = state->group;

	if (group == NULL || group->ev == NULL) {
		return false;
	}
	group->cancelled = true;
	group_note(group, ECANCELED);
	group_answer(group, ECANCELED);
	/* The request may be freed by one of them. */
	(void)group_ask(group);
	return true;
}

struct tevent_req *weft_group_wait_send_located(TALLOC_CTX *mem_ctx,
						struct weft_group *group,
						const char *location)
{
	struct group_wait *state = NULL;
	struct tevent_req *req = _tevent_req_create(
		mem_ctx, &state, sizeof(*state), "struct group_wait", location);

	if (req == NULL) {
		return NULL;
	}
	if (group->ev == NULL) {
		/* Nothing of this context ends any more. */
		return req;
	}
	tevent_req_defer_callback(req, group->ev);
	if (group->wait != NULL) {
		(void)tevent_req_error(req, EBUSY);
		return req;
	}
	state->group = group;
	group->wait = req;
	tevent_req_set_cleanup_fn(req, group_wait_cleanup);
	tevent_req_set_cancel_fn(req, group_wait_cancel);
	group_check(group);
	return req;
}

int weft_group_wait_recv(struct tevent_req *req)
{
	int ret = 0;

	if (wf_request_ended(req, &ret)) {
		tevent_req_received(req);
	}
	return ret;
}
