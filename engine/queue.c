/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Queue: requests that wait for each other.
 *
 *      queue      entry --- entry --- entry        children of their requests
 *      running    head      only waits
 *
 *   waiting --> triggered --> gone                 each entry
 *
 * Only the head is ever triggered, once (untrigger takes it back to waiting),
 * and it stays head until it is freed, as a rule with its request (B901). Then
 * the next one is the head.
 *
 * A trigger runs from an immediate, so a chain of requests that end in their
 * own trigger does not nest (B903). The queue has one immediate as a part of
 * itself, so nothing that is accepted can fail later. It is scheduled on the
 * context of the head, anew with each event that finds the head waiting: added
 * to, freed from, started (B902). A stopped queue leaves it alone; it fires
 * and finds nothing to do (B904).
 *
 * Each entry names a context of its own and watches it. When the context goes
 * first, its entries are never triggered any more; one of them that is the
 * head blocks the queue until it is freed, since what comes behind it relies
 * on its place.
 *
 * Not touched after a trigger: the queue, the entry, the request. All may have
 * been freed in it (B908).
 *
 * Threads: one, which owns every context that is named.
 */
#include <errno.h>
#include <stdlib.h>

#include "include/tevent.h"

#include "engine/author.h"
#include "engine/context.h"
#include "engine/depth.h"
#include "engine/immediate.h"
#include "engine/list.h"
#include "engine/req.h"
#include "engine/trace.h"

struct tevent_queue {
	struct tev_list entries; /* O: the head first */
	size_t length;           /* O: of them */
	bool running;
	struct tevent_immediate immediate; /* triggers the head */
	const char *name;
	const char *location;
};

struct tevent_queue_entry {
	struct tev_list node; /* O: in queue->entries */
	struct tevent_queue *queue;
	struct tevent_context *ev; /* O: NULL once that is gone */
	struct tev_context_watch watch;
	struct tevent_req *req; /* I: the talloc parent */
	tevent_queue_trigger_fn_t trigger;
	void *private_data;
	const char *trigger_name;
	uint64_t tag;
	bool triggered;
};

static struct tevent_queue_entry *queue_head(const struct tevent_queue *queue)
{
	struct tev_list *first = tev_list_first(&queue->entries);

	return first != NULL
		       ? tev_list_entry(first, struct tevent_queue_entry, node)
		       : NULL;
}

static void entry_trace(struct tevent_queue_entry *entry,
			struct tevent_context *ev,
			enum tevent_event_trace_point point)
{
	if (tev_traced(ev, TEV_TRACE_QUEUE)) {
		tevent_trace_queue_callback(ev, entry, point);
	}
}

/* The depth is looked up only where somebody listens. */
static void entry_flow(const struct tevent_queue_entry *entry,
		       enum tevent_thread_call_depth_cmd cmd)
{
	if (tev_unlikely(tev_depth_wanted())) {
		tev_depth_tell(cmd, entry->req, tev_req_depth(entry->req),
			       entry->trigger_name);
	}
}

/* The entry, its request and its queue may be gone after this. */
static void entry_trigger(struct tevent_queue_entry *entry)
{
	entry->triggered = true;
	entry_trace(entry, entry->ev, TEVENT_EVENT_TRACE_BEFORE_HANDLER);
	if (entry->trigger != NULL) {
		entry->trigger(entry->req, entry->private_data);
	}
}

/* Whether there is somebody to trigger. */
static bool queue_ready(const struct tevent_queue *queue)
{
	const struct tevent_queue_entry *head = queue_head(queue);

	return queue->running && head != NULL && !head->triggered &&
	       head->ev != NULL;
}

static void queue_fire(struct tevent_context *ev, struct tevent_immediate *im,
		       void *private_data)
{
	struct tevent_queue *queue = private_data;

	(void)ev;
	(void)im;
	if (queue_ready(queue)) {
		struct tevent_queue_entry *head = queue_head(queue);

		entry_flow(head, TEVENT_CALL_FLOW_REQ_QUEUE_TRIGGER);
		entry_trigger(head);
	}
}

static void queue_schedule(struct tevent_queue *queue)
{
	if (queue_ready(queue)) {
		tev_immediate_schedule(&queue->immediate, queue_head(queue)->ev,
				       queue_fire, queue, "tevent_queue",
				       queue->location);
	}
}

/* The context of an entry is gone; what was scheduled there is not any more. */
static void entry_stranded(struct tev_context_watch *watch)
{
	struct tevent_queue_entry *entry = tev_container_of(
		watch, struct tevent_queue_entry, watch);

	entry_trace(entry, entry->ev, TEVENT_EVENT_TRACE_DETACH);
	entry->ev = NULL;
}

/* B1207, B1406: who hears of it is decided by the head, although another one
 * may leave; after that the head may be another. */
static int entry_destructor(struct tevent_queue_entry *entry)
{
	struct tevent_queue *queue = entry->queue;
	struct tevent_queue_entry *head = queue_head(queue);

	if (entry->ev != NULL) {
		entry_trace(entry, head->ev != NULL ? head->ev : entry->ev,
			    TEVENT_EVENT_TRACE_DETACH);
		tev_context_unwatch(&entry->watch);
	}
	entry_flow(head, TEVENT_CALL_FLOW_REQ_QUEUE_LEAVE);

	tev_list_remove(&entry->node);
	queue->length--;
	queue_schedule(queue);
	return 0;
}

/* Adds an entry and schedules nothing.
 * Return: NULL when out of memory, or when @ev takes nothing any more. */
static struct tevent_queue_entry *queue_append(struct tevent_queue *queue,
					       struct tevent_context *ev,
					       struct tevent_req *req,
					       tevent_queue_trigger_fn_t fn,
					       const char *fn_name,
					       void *private_data)
{
	struct tevent_queue_entry *entry = NULL;

	if (ev->closed) {
		errno = EINVAL;
		return NULL;
	}
	entry = talloc(req, struct tevent_queue_entry);
	if (entry == NULL) {
		return NULL;
	}
	entry->queue = queue;
	entry->ev = ev;
	entry->req = req;
	entry->trigger = fn;
	entry->private_data = private_data;
	entry->trigger_name = fn_name;
	entry->tag = 0;
	entry->triggered = false;

	tev_list_append(&queue->entries, &entry->node);
	queue->length++;
	tev_context_watch(ev, &entry->watch, entry_stranded);
	talloc_set_destructor(entry, entry_destructor);
	entry_trace(entry, ev, TEVENT_EVENT_TRACE_ATTACH);
	entry_flow(entry, TEVENT_CALL_FLOW_REQ_QUEUE_ENTER);
	return entry;
}

struct tevent_queue_entry *_tevent_queue_add_entry(
	struct tevent_queue *queue, struct tevent_context *ev,
	struct tevent_req *req, tevent_queue_trigger_fn_t trigger,
	const char *trigger_name, void *private_data)
{
	struct tevent_queue_entry *entry = queue_append(
		queue, ev, req, trigger, trigger_name, private_data);

	if (entry != NULL) {
		queue_schedule(queue);
	}
	return entry;
}

/* In parentheses: the names are macros too. */
struct tevent_queue_entry *(
	tevent_queue_add_entry)(struct tevent_queue *queue,
				struct tevent_context *ev,
				struct tevent_req *req,
				tevent_queue_trigger_fn_t trigger,
				void *private_data)
{
	return _tevent_queue_add_entry(queue, ev, req, trigger, NULL,
				       private_data);
}

bool _tevent_queue_add(struct tevent_queue *queue, struct tevent_context *ev,
		       struct tevent_req *req,
		       tevent_queue_trigger_fn_t trigger,
		       const char *trigger_name, void *private_data)
{
	return _tevent_queue_add_entry(queue, ev, req, trigger, trigger_name,
				       private_data) != NULL;
}

bool(tevent_queue_add)(struct tevent_queue *queue, struct tevent_context *ev,
		       struct tevent_req *req,
		       tevent_queue_trigger_fn_t trigger, void *private_data)
{
	return _tevent_queue_add(queue, ev, req, trigger, NULL, private_data);
}

/* A request that has a callback already would be surprised by being called
 * back from here (B905). */
struct tevent_queue_entry *_tevent_queue_add_optimize_empty(
	struct tevent_queue *queue, struct tevent_context *ev,
	struct tevent_req *req, tevent_queue_trigger_fn_t trigger,
	const char *trigger_name, void *private_data)
{
	struct tevent_queue_entry *entry = queue_append(
		queue, ev, req, trigger, trigger_name, private_data);

	if (entry == NULL) {
		return NULL;
	}
	if (queue->running && queue->length == 1 &&
	    !tev_req_has_callback(req)) {
		entry_trigger(entry);
	} else {
		queue_schedule(queue);
	}
	return entry;
}

struct tevent_queue_entry *(
	tevent_queue_add_optimize_empty)(struct tevent_queue *queue,
					 struct tevent_context *ev,
					 struct tevent_req *req,
					 tevent_queue_trigger_fn_t trigger,
					 void *private_data)
{
	return _tevent_queue_add_optimize_empty(queue, ev, req, trigger, NULL,
						private_data);
}

void tevent_queue_entry_untrigger(struct tevent_queue_entry *entry)
{
	if (entry->queue->running || queue_head(entry->queue) != entry) {
		abort();
	}
	entry->triggered = false;
}

void tevent_queue_entry_set_tag(struct tevent_queue_entry *qe, uint64_t tag)
{
	if (qe != NULL) {
		qe->tag = tag;
	}
}

uint64_t tevent_queue_entry_get_tag(const struct tevent_queue_entry *qe)
{
	return qe != NULL ? qe->tag : 0;
}

/* Stopped first, so that nobody is scheduled as the entries go. */
static int queue_destructor(struct tevent_queue *queue)
{
	struct tevent_queue_entry *head = NULL;

	queue->running = false;
	while ((head = queue_head(queue)) != NULL) {
		talloc_free(head);
	}
	tev_immediate_cancel(&queue->immediate);
	return 0;
}

struct tevent_queue *_tevent_queue_create(TALLOC_CTX *mem_ctx, const char *name,
					  const char *location)
{
	struct tevent_queue *queue = talloc(mem_ctx, struct tevent_queue);

	if (queue == NULL) {
		return NULL;
	}
	queue->name = talloc_strdup(queue, name);
	if (queue->name == NULL) {
		TALLOC_FREE(queue);
		return NULL;
	}
	tev_list_init(&queue->entries);
	queue->length = 0;
	queue->running = true;
	queue->location = location;
	tev_immediate_init(&queue->immediate, location);
	queue->immediate.embedded = true;
	talloc_set_destructor(queue, queue_destructor);
	return queue;
}

void tevent_queue_start(struct tevent_queue *queue)
{
	if (!queue->running) {
		queue->running = true;
		queue_schedule(queue);
	}
}

void tevent_queue_stop(struct tevent_queue *queue)
{
	queue->running = false;
}

size_t tevent_queue_length(struct tevent_queue *queue)
{
	return queue->length;
}

bool tevent_queue_running(struct tevent_queue *queue)
{
	return queue->running;
}

/* Under stock's name, for talloc_get_type(). */
struct tevent_queue_wait_state {
	uint8_t nothing;
};

static void queue_wait_trigger(struct tevent_req *req, void *private_data)
{
	(void)private_data;
	tevent_req_done(req);
}

struct tevent_req *tevent_queue_wait_send(TALLOC_CTX *mem_ctx,
					  struct tevent_context *ev,
					  struct tevent_queue *queue)
{
	struct tevent_req *req = NULL;
	struct tevent_queue_wait_state *state = NULL;

	req = tevent_req_create(mem_ctx, &state,
				struct tevent_queue_wait_state);
	if (req == NULL) {
		return NULL;
	}
	if (!tevent_queue_add(queue, ev, req, queue_wait_trigger, NULL)) {
		tevent_req_oom(req);
		return tevent_req_post(req, ev);
	}
	return req;
}

bool tevent_queue_wait_recv(struct tevent_req *req)
{
	enum tevent_req_state state = TEVENT_REQ_INIT;
	uint64_t error = 0;
	bool ok = !tevent_req_is_error(req, &state, &error);

	tevent_req_received(req);
	return ok;
}
