/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Req: asynchronous computations with one result.
 *
 *   IN_PROGRESS --> DONE | USER_ERROR | TIMED_OUT | NO_MEMORY --> RECEIVED
 *
 * Two talloc chunks: the request, and its state as a child. What a request
 * needs to notify later (an immediate) and to time out (a timer) is part of
 * it, so that finishing, posting and calling back need no memory (B804).
 *
 * Finishing is one sequence (B810): the end time is cancelled, the state set,
 * the cleanup function called, the profile told, and then the callback, after
 * which the request is not touched again, since the callback may have freed
 * it. A post repeats the sequence from a later pass with the state as it is
 * then (B820).
 *
 * Cleanup runs once for each increase of the state (B830), so a resource is
 * given back exactly once on whatever way out.
 *
 * Finished again. Before its callback has run for a final state a request may
 * be finished again, and the last word counts (B814). After that, stock calls
 * back a second time, as a rule into freed memory; here it is reported through
 * the debug sink, with both locations, and ignored.
 *
 * Freed in its cleanup function, or in a callback that came of finishing it
 * again there (B832), a request stays until the outermost cleanup is through,
 * and nobody is called any more.
 *
 * Deferred. The context that a notification is deferred to may be freed before
 * the request finishes: it is watched, and the notification is dropped then,
 * like a post that its context did not live to deliver.
 *
 * The state is freed first of all children, by pointer (B210).
 *
 * Parents. A request whose parent's parent is a request was made below that
 * one (B803): it takes part in its profile, and lies one deeper (B1404). To
 * look the parent up costs as much as it has siblings, so it is only done
 * where somebody wants to know: when the thread has a call-depth callback or
 * the process has used profiles. What was made before has its depth counted
 * from the talloc tree when it is first told.
 *
 * Threads: the owner of the loop that the request works on.
 */
#include "engine/req.h"

#include <string.h>

#include "engine/context.h"
#include "engine/report.h"
#include "engine/req_profile.h"

/* Not part of the usual way, which stays short without it. */
#define REQ_ASIDE __attribute__((noinline))

/* By its address, which no other chunk's name has, a chunk is known to be a
 * request. */
static const char req_chunk_name[] = "struct tevent_req";

/* The request that @req was made below, or NULL. */
static struct tevent_req *req_parent(struct tevent_req *req)
{
	void *mem_ctx = talloc_parent(req);
	void *parent = mem_ctx != NULL ? talloc_parent(mem_ctx) : NULL;

	if (parent == NULL || talloc_get_name(parent) != req_chunk_name) {
		return NULL;
	}
	return parent;
}

/* How many requests are above @req (B1404).
 *
 * Thread: owner.  Lock: none.
 * Owns:   nothing.
 * Return: 0 for one that was not made below another. */
size_t tev_req_depth(struct tevent_req *req)
{
	struct tevent_req *at = req;
	struct tevent_req *parent = NULL;
	uint32_t steps = 0;

	while (at->depth == REQ_DEPTH_UNKNOWN &&
	       (parent = req_parent(at)) != NULL) {
		at = parent;
		steps++;
	}
	if (at->depth == REQ_DEPTH_UNKNOWN) {
		at->depth = 0;
	}
	req->depth = at->depth + steps;
	return req->depth;
}

/* Tells the thread's callback, which is there, of @req.
 *
 * Thread: owner.  Lock: none; runs user code, which frees nothing.
 * Owns:   nothing.
 * Return: nothing. */
void tev_req_tell_now(struct tevent_req *req,
		      enum tevent_thread_call_depth_cmd cmd, const char *name)
{
	size_t depth = tev_req_depth(req);

	/* The callback lies where who waits for @req does. */
	if (cmd == TEVENT_CALL_FLOW_REQ_NOTIFY_CB && depth > 0) {
		depth--;
	}
	tev_depth_tell(cmd, req, depth, name);
}

static REQ_ASIDE bool req_run_cleanup(struct tevent_req *req)
{
	bool outer = req->cleaning;

	if (req->cleanup_state >= req->state) {
		return false;
	}
	req->cleanup_state = req->state;
	req->cleaning = true;
	req->cleanup_fn(req, req->state);
	req->cleaning = outer;
	if (req->freed && !outer) {
		talloc_free(req);
		return true;
	}
	return req->freed;
}

/* Return: whether @req was freed meanwhile, and must not be touched. */
static inline bool req_cleanup(struct tevent_req *req)
{
	tev_req_tell(req, TEVENT_CALL_FLOW_REQ_CLEANUP, req->cleanup_name);
	return req->cleanup_fn != NULL && req_run_cleanup(req);
}

static void req_post(struct tevent_req *req, struct tevent_context *ev);

static void req_undefer(struct tevent_req *req)
{
	if (!req->deferred) {
		return;
	}
	req->deferred = false;
	if (req->defer_ev != NULL) {
		tev_context_unwatch(&req->defer_watch);
	}
}

static void req_defer_ev_gone(struct tev_context_watch *watch)
{
	tev_container_of(watch, struct tevent_req, defer_watch)
		->defer_ev = NULL;
}

/* Posts what was deferred, unless the context is gone. */
static REQ_ASIDE void req_notify_deferred(struct tevent_req *req)
{
	req_undefer(req);
	if (req->defer_ev != NULL) {
		req_post(req, req->defer_ev);
	}
}

static inline void req_notify(struct tevent_req *req, const char *location)
{
	req->finish_location = location;
	if (tev_unlikely(req->deferred)) {
		req_notify_deferred(req);
		return;
	}
	if (req->fn != NULL) {
		req->called = req->state > TEVENT_REQ_IN_PROGRESS;
		tev_req_tell(req, TEVENT_CALL_FLOW_REQ_NOTIFY_CB, req->fn_name);
		req->fn(req);
	}
}

static inline void req_stop_timer(struct tevent_req *req)
{
	if (req->timer.ev != NULL) {
		tev_timer_stop(&req->timer);
	}
}

static REQ_ASIDE void req_stop_profile(struct tevent_req *req)
{
	if (tev_profile_stop(req->profile, req->finish_location, req->state,
			     req->error)) {
		req->profile = NULL;
	}
}

/* The whole sequence; @req may be gone after. */
static inline void req_conclude(struct tevent_req *req,
				enum tevent_req_state state,
				const char *location)
{
	req_stop_timer(req);
	req->state = state;
	req->finish_location = location;
	if (req_cleanup(req)) {
		return;
	}
	if (tev_unlikely(req->profile != NULL)) {
		req_stop_profile(req);
	}
	req_notify(req, location);
}

static REQ_ASIDE void req_finished_again(struct tevent_req *req,
					 const char *location)
{
	tev_debug(tev_report_context, TEVENT_DEBUG_ERROR,
		  "tevent_req %p [%s] finished at %s again: it was at %s\n",
		  (void *)req, req->trigger.location, location,
		  req->finish_location);
	req_undefer(req);
}

/* The same on behalf of the program, who may do so once too often. */
static bool req_finish(struct tevent_req *req, enum tevent_req_state state,
		       uint64_t error, const char *location)
{
	if (tev_unlikely(req->called)) {
		req_finished_again(req, location);
		return false;
	}
	req->error = error;
	req_conclude(req, state, location);
	return true;
}

static void req_trigger(struct tevent_context *ev, struct tevent_immediate *im,
			void *private_data)
{
	struct tevent_req *req = private_data;

	(void)ev;
	(void)im;
	req_conclude(req, req->state, req->finish_location);
}

static void req_post(struct tevent_req *req, struct tevent_context *ev)
{
	tev_immediate_schedule(&req->trigger, ev, req_trigger, req,
			       "tevent_req_trigger", req->trigger.location);
}

static void req_timed_out(struct tevent_context *ev, struct tev_timer *timer,
			  struct timeval now)
{
	struct tevent_req *req = tev_container_of(timer, struct tevent_req,
						  timer);

	(void)ev;
	(void)now;
	tev_timer_stop(timer);
	(void)req_finish(req, TEVENT_REQ_TIMED_OUT, req->error,
			 "tevent_req_timedout");
}

static inline void req_disarm(struct tevent_req *req)
{
	if (req->trigger.ev != NULL || req->trigger.ending) {
		tev_immediate_cancel(&req->trigger);
	}
	req_stop_timer(req);
}

void tevent_req_received(struct tevent_req *req)
{
	req->print_fn = NULL;
	req->cancel_fn = NULL;
	req->cancel_name = NULL;
	req_disarm(req);
	req->state = TEVENT_REQ_RECEIVED;
	if (!req_cleanup(req)) {
		TALLOC_FREE(req->data);
	}
}

/* What was armed as the request was received, or after, goes too. */
static int req_destructor(struct tevent_req *req)
{
	if (tev_unlikely(req->cleaning)) {
		req->freed = true;
		return -1;
	}
	if (req->state != TEVENT_REQ_RECEIVED) {
		tevent_req_received(req);
	}
	req_undefer(req);
	req_disarm(req);
	return 0;
}

/* Plain stores: a memset of this size costs more than all the rest. */
static void req_init(struct tevent_req *req, const char *type,
		     const char *location)
{
	req->fn = NULL;
	req->private_data = NULL;
	req->fn_name = NULL;
	req->cleanup_fn = NULL;
	req->cleanup_name = NULL;
	req->cancel_fn = NULL;
	req->cancel_name = NULL;
	req->print_fn = NULL;
	req->profile = NULL;
	req->finish_location = NULL;
	req->error = 0;
	req->data = NULL;
	req->called = false;
	req->deferred = false;
	req->cleaning = false;
	req->freed = false;
	req->state = TEVENT_REQ_IN_PROGRESS;
	req->cleanup_state = TEVENT_REQ_IN_PROGRESS;
	req->depth = REQ_DEPTH_UNKNOWN;
	req->type = type;
	tev_immediate_init(&req->trigger, location);
	req->trigger.embedded = true;
	tev_timer_init(&req->timer, req_timed_out);
}

/* Begins a profile with the name of the state, which the program may have
 * renamed to a text of any lifetime. It comes last below @above or is alone.
 *
 * Thread: owner.  Lock: none.
 * Owns:   nothing; the profile is the request's.
 * Return: false when out of memory. */
bool tev_req_start_profile(struct tevent_req *req,
			   struct tevent_req_profile *above)
{
	const char *name = req->type;

	if (req->data != NULL) {
		name = talloc_get_name(req->data);
	}
	req->profile = tev_profile_start(req, above, req->type,
					 req->trigger.location);
	if (req->profile == NULL || name == req->type ||
	    tevent_req_profile_set_name(req->profile, name)) {
		return req->profile != NULL;
	}
	TALLOC_FREE(req->profile);
	return false;
}

/* Takes over from the parent what a new request inherits. */
static REQ_ASIDE bool req_inherit(struct tevent_req *req)
{
	struct tevent_req *parent = req_parent(req);

	if (parent == NULL) {
		req->depth = 0;
		return true;
	}
	req->depth = (uint32_t)tev_req_depth(parent) + 1;
	return parent->profile == NULL ||
	       tev_req_start_profile(req, parent->profile);
}

struct tevent_req *__tevent_req_create(TALLOC_CTX *mem_ctx, void *pstate,
				       size_t state_size, const char *type,
				       const char *func, const char *location)
{
	void **ret_state = pstate;
	struct tevent_req *req = NULL;

	req = talloc_named_const(mem_ctx, sizeof(*req), req_chunk_name);
	if (req == NULL) {
		return NULL;
	}
	req_init(req, type, location);
	req->data = talloc_named_const(req, state_size, type);
	if (req->data == NULL) {
		TALLOC_FREE(req);
		return NULL;
	}
	memset(req->data, 0, state_size);
	if (tev_unlikely(tev_depth_wanted() || tev_profile_wanted()) &&
	    !req_inherit(req)) {
		TALLOC_FREE(req);
		return NULL;
	}
	talloc_set_destructor(req, req_destructor);
	tev_req_tell(req, TEVENT_CALL_FLOW_REQ_CREATE, func);
	*ret_state = req->data;
	return req;
}

struct tevent_req *_tevent_req_create(TALLOC_CTX *mem_ctx, void *pstate,
				      size_t state_size, const char *type,
				      const char *location)
{
	return __tevent_req_create(mem_ctx, pstate, state_size, type, NULL,
				   location);
}

bool tevent_req_set_endtime(struct tevent_req *req, struct tevent_context *ev,
			    struct timeval endtime)
{
	req_stop_timer(req);
	if (!tev_timer_start(&req->timer, ev, endtime)) {
		tevent_req_oom(req);
		return false;
	}
	return true;
}

void tevent_req_reset_endtime(struct tevent_req *req)
{
	req_stop_timer(req);
}

void _tevent_req_notify_callback(struct tevent_req *req, const char *location)
{
	req_notify(req, location);
}

void _tevent_req_done(struct tevent_req *req, const char *location)
{
	(void)req_finish(req, TEVENT_REQ_DONE, req->error, location);
}

bool _tevent_req_error(struct tevent_req *req, uint64_t error,
		       const char *location)
{
	if (error == 0) {
		return false;
	}
	(void)req_finish(req, TEVENT_REQ_USER_ERROR, error, location);
	return true;
}

void _tevent_req_oom(struct tevent_req *req, const char *location)
{
	(void)req_finish(req, TEVENT_REQ_NO_MEMORY, req->error, location);
}

bool _tevent_req_nomem(const void *p, struct tevent_req *req,
		       const char *location)
{
	if (p != NULL) {
		return false;
	}
	_tevent_req_oom(req, location);
	return true;
}

struct tevent_req *tevent_req_post(struct tevent_req *req,
				   struct tevent_context *ev)
{
	req_post(req, ev);
	return req;
}

void tevent_req_defer_callback(struct tevent_req *req,
			       struct tevent_context *ev)
{
	req_undefer(req);
	if (ev == NULL) {
		return;
	}
	req->deferred = true;
	req->defer_ev = NULL;
	if (!ev->closed) {
		req->defer_ev = ev;
		tev_context_watch(ev, &req->defer_watch, req_defer_ev_gone);
	}
}
