/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Queue: requests that wait for their turn, with triggers that do anything.
 *
 * When an entry goes before its immediate has fired, and the next one is
 * triggered by tevent_queue_add_optimize_empty() itself, the original triggers
 * that one twice. So this function is only called on an empty queue whose
 * immediate has surely fired.
 */
#include "tests/walk/walk.h"

enum {
	QUEUE_MAX = 3,
};

static unsigned turns;

bool step_queue_new(void)
{
	struct thing *t = NULL;

	if (thing_count(KIND_QUEUE) >= QUEUE_MAX) {
		return false;
	}
	t = thing_new(KIND_QUEUE);
	t->queue.wrapped = chance(3);
	say("new %s", thing_name(t));
	thing_born(t, tevent_queue_create(NULL, "walk"));
	return true;
}

/* A queue remembers the last wrapper in the original. */
bool queue_holds(const struct thing *wrap)
{
	struct thing *t = NULL;

	while ((t = thing_next(t, KIND_QUEUE)) != NULL) {
		if (t->queue.wrap == wrap) {
			return true;
		}
	}
	return false;
}

bool step_queue_free(void)
{
	return thing_free_any(thing_pick(KIND_QUEUE, NULL));
}

static void say_queue(struct thing *t)
{
	say("%s length %zu running %d", thing_name(t),
	    tevent_queue_length(t->ptr), tevent_queue_running(t->ptr));
}

static void triggered(struct tevent_req *req, void *private_data)
{
	struct thing *t = private_data;
	struct thing *queue = t->req.queue;

	walk.ran++;
	say("trigger %s%s", thing_name(t), t->ptr == req ? "" : " other");
	enter(t);
	enter(queue);
	say_queue(queue);
	if (tevent_queue_length(queue->ptr) == 1) {
		queue->queue.stale = false;
	}
	if (!walk.quiet) {
		switch (choose(4)) {
		case 0:
			if (req_fresh(t) && thing_loose(t)) {
				req_finish(t);
			}
			break;
		case 1:
			(void)thing_free_any(t);
			break;
		default:
			break;
		}
	}
	act(2);
	leave(queue);
	leave(t);
}

static bool unqueued(const struct thing *t)
{
	return !t->req.foreign && !t->req.received && t->req.queue == NULL &&
	       thing_loose(t);
}

static bool queue_loose(const struct thing *t)
{
	return thing_loose(t);
}

bool step_queue_add(void)
{
	struct thing *queue = thing_pick(KIND_QUEUE, queue_loose);
	struct thing *t = thing_pick(KIND_REQ, unqueued);
	struct thing *entry = NULL;
	struct tevent_context *ev = NULL;
	struct tevent_queue_entry *got = NULL;
	tevent_queue_trigger_fn_t fn = chance(6) ? NULL : triggered;
	unsigned how = choose(3);

	if (queue == NULL || t == NULL || some_ev() == NULL) {
		return false;
	}
	ev = some_place_of(t, queue->queue.wrapped);
	if (ev == NULL) {
		return false;
	}
	say("queue %s in %s on %s %s how %u%s", thing_name(t),
	    thing_name(queue), thing_name(t->ev), thing_name(t->wrap), how,
	    fn == NULL ? " blocks" : "");
	t->req.queue = queue;
	t->req.turn = ++turns;
	t->req.turn_ev = t->ev;
	t->req.turn_wrap = t->wrap;
	if (t->wrap != NULL) {
		queue->queue.wrap = t->wrap;
	}
	entry = thing_new(KIND_ENTRY);
	entry->home = t;
	walk.newborn = entry;
	if (how == 2 && queue->queue.stale && !walk.wild &&
	    tevent_queue_length(queue->ptr) == 0) {
		how = 1;
	}
	queue->queue.stale = true;
	if (how == 0) {
		say("= %d", tevent_queue_add(queue->ptr, ev, t->ptr, fn, t));
	} else if (how == 1) {
		got = tevent_queue_add_entry(queue->ptr, ev, t->ptr, fn, t);
	} else {
		got = tevent_queue_add_optimize_empty(queue->ptr, ev, t->ptr,
						      fn, t);
	}
	walk.newborn = NULL;
	if (got != NULL && !t->dead && !queue->dead) {
		thing_born(entry, got);
		tevent_queue_entry_set_tag(got, tag_of(entry));
		say("as %s", thing_name(entry));
	}
	return true;
}

bool step_queue_wait(void)
{
	struct thing *queue = thing_pick(KIND_QUEUE, queue_loose);
	struct thing *t = NULL;
	struct tevent_context *ev = NULL;

	if (queue == NULL || some_ev() == NULL || thing_count(KIND_REQ) > 14) {
		return false;
	}
	t = thing_new(KIND_REQ);
	ev = some_place_of(t, queue->queue.wrapped);
	if (ev == NULL) {
		return false;
	}
	t->req.foreign = true;
	t->req.queue = queue;
	t->req.turn = ++turns;
	t->req.turn_ev = t->ev;
	t->req.turn_wrap = t->wrap;
	queue->queue.stale = true;
	if (t->wrap != NULL) {
		queue->queue.wrap = t->wrap;
	}
	say("wait %s in %s on %s %s", thing_name(t), thing_name(queue),
	    thing_name(t->ev), thing_name(t->wrap));
	thing_born(t, tevent_queue_wait_send(NULL, ev, queue->ptr));
	req_slots(t);
	if (chance(6)) {
		t->req.received = true;
		say("= %d", tevent_queue_wait_recv(t->ptr));
	}
	return true;
}

bool step_queue_turn(void)
{
	struct thing *t = thing_pick(KIND_QUEUE, queue_loose);

	if (t == NULL) {
		return false;
	}
	t->queue.stopped = chance(2);
	t->queue.stale = true;
	say("%s %s", t->queue.stopped ? "stop" : "start", thing_name(t));
	if (t->queue.stopped) {
		tevent_queue_stop(t->ptr);
	} else {
		tevent_queue_start(t->ptr);
	}
	return true;
}

bool step_queue_look(void)
{
	struct thing *t = thing_pick(KIND_QUEUE, NULL);

	if (t == NULL) {
		return false;
	}
	say_queue(t);
	return true;
}

static bool entry_lives(const struct thing *t)
{
	return !t->home->dead && !t->home->req.queue->dead;
}

static bool entry_loose(const struct thing *t)
{
	return entry_lives(t) && thing_loose(t->home) &&
	       thing_loose(t->home->req.queue) && t->home->frames == 0;
}

bool step_entry_free(void)
{
	struct thing *t = thing_pick(KIND_ENTRY, entry_loose);

	if (t == NULL) {
		return false;
	}
	thing_free(t);
	t->home->req.queue = NULL;
	return true;
}

/* Of a stopped queue, and its head. */
static bool heads(const struct thing *t)
{
	const struct thing *queue = t->home->req.queue;
	struct thing *req = NULL;

	if (!entry_loose(t) || !queue->queue.stopped) {
		return false;
	}
	while ((req = thing_next(req, KIND_REQ)) != NULL) {
		if (req->req.queue == queue &&
		    req->req.turn < t->home->req.turn) {
			return false;
		}
	}
	return true;
}

bool step_entry_untrigger(void)
{
	struct thing *t = thing_pick(KIND_ENTRY, heads);

	if (t == NULL) {
		return false;
	}
	say("untrigger %s", thing_name(t));
	tevent_queue_entry_untrigger(t->ptr);
	return true;
}

bool step_entry_tag(void)
{
	struct thing *t = thing_pick(KIND_ENTRY, entry_lives);

	if (t == NULL) {
		return false;
	}
	say("tag %s was %s", thing_name(t),
	    tag_name(tevent_queue_entry_get_tag(t->ptr)));
	tevent_queue_entry_set_tag(t->ptr, tag_of(t) + choose(9));
	return true;
}
