/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Loops: a set of loops that do the same.
 *
 * The handles hang below the set. What any thread may ask for, the addresses
 * and which loop is for which processor, is written before the set is given
 * out; only the turn of weft_loops_next() moves.
 *
 * Threads: at, next, here: any; all others: the owner of the set.
 * Ordering: none: the turn is a number to share out.
 * Not here: what a loop is (loop.c).
 */
#include <errno.h>
#include <sched.h>
#include <stdatomic.h>

#include "threadpool/cpus.h"
#include "threadpool/loop.h"
#include "threadpool/request.h"

struct weft_loops {
	unsigned count;           /* I: */
	struct weft_loop **loops; /* I: children of the set */
	weft_addr_t *addrs;       /* I: */
	unsigned *cpus;           /* I: the processors of the set, in order */
	unsigned cpu_count;       /* I: */
	unsigned *places;         /* I: by processor: which loop is for it */
	unsigned place_count;     /* I: */
	atomic_uint turn;         /* A: relaxed: of next */
};

/* ---- start ---- */

/* The processors that the options name, or that are ours. */
static int loops_list_cpus(struct weft_loops *set,
			   const struct weft_loop_options *options)
{
	struct wf_cpus mine;
	unsigned count = options->cpu_count;
	unsigned cpu = 0;

	if (options->cpus != NULL) {
		set->cpus = talloc_memdup(set, options->cpus,
					  count * sizeof(*set->cpus));
		set->cpu_count = count;
		return set->cpus != NULL ? 0 : ENOMEM;
	}
	count = wf_cpus_mine(&mine);
	set->cpus = talloc_array(set, unsigned, count);
	if (set->cpus == NULL) {
		return ENOMEM;
	}
	for (cpu = 0; cpu < WF_CPUS_MAX; cpu++) {
		if (wf_cpus_has(&mine, cpu)) {
			set->cpus[set->cpu_count++] = cpu;
		}
	}
	return 0;
}

static int loops_place_cpus(struct weft_loops *set)
{
	unsigned i = 0;

	for (i = 0; i < set->cpu_count; i++) {
		if (set->cpus[i] >= WF_CPUS_MAX) {
			return EINVAL;
		}
		if (set->cpus[i] >= set->place_count) {
			set->place_count = set->cpus[i] + 1;
		}
	}
	set->places = talloc_array(set, unsigned, set->place_count);
	if (set->places == NULL) {
		return ENOMEM;
	}
	/* A processor that is not of the set has to go somewhere, too. */
	for (i = 0; i < set->place_count; i++) {
		set->places[i] = i % set->count;
	}
	/* Backwards: named twice, the first place counts. */
	for (i = set->cpu_count; i > 0; i--) {
		set->places[set->cpus[i - 1]] = (i - 1) % set->count;
	}
	return 0;
}

static int loops_start_all(struct weft_loops *set,
			   const struct weft_loop_options *options)
{
	struct weft_loop_options one = *options;
	unsigned i = 0;

	set->loops = talloc_array(set, struct weft_loop *, set->count);
	set->addrs = talloc_array(set, weft_addr_t, set->count);
	if (set->loops == NULL || set->addrs == NULL) {
		return ENOMEM;
	}
	for (i = 0; i < set->count; i++) {
		int ret = 0;

		if (options->pin) {
			one.cpus = &set->cpus[i % set->cpu_count];
			one.cpu_count = 1;
		}
		ret = wf_loop_start(set, &one, (int)i, &set->loops[i]);
		if (ret != 0) {
			return ret;
		}
		set->addrs[i] = weft_loop_addr(set->loops[i]);
	}
	return 0;
}

int weft_loops_start_sized(TALLOC_CTX *mem_ctx, unsigned count,
			   const struct weft_loop_options *given,
			   size_t options_size, struct weft_loops **ret_loops)
{
	struct weft_loop_options options;
	struct weft_loops *set = NULL;
	int ret = 0;

	wf_loop_options(given, options_size, &options);
	if ((options.cpus == NULL) != (options.cpu_count == 0)) {
		return EINVAL;
	}
	if (count == 0) {
		count = options.cpus != NULL ? options.cpu_count
					     : wf_cpus_usable();
	}
	set = talloc_zero(mem_ctx, struct weft_loops);
	if (set == NULL) {
		return ENOMEM;
	}
	set->count = count;
	atomic_init(&set->turn, 0);
	ret = loops_list_cpus(set, &options);
	if (ret == 0) {
		ret = loops_place_cpus(set);
	}
	if (ret == 0) {
		ret = loops_start_all(set, &options);
	}
	if (ret != 0) {
		talloc_free(set);
		return ret;
	}
	*ret_loops = set;
	return 0;
}

/* ---- which ---- */

unsigned weft_loops_count(const struct weft_loops *set)
{
	return set->count;
}

struct weft_loop *weft_loops_get(struct weft_loops *set, unsigned index)
{
	return index < set->count ? set->loops[index] : NULL;
}

weft_addr_t weft_loops_at(const struct weft_loops *set, unsigned index)
{
	return set->addrs[index % set->count];
}

weft_addr_t weft_loops_next(struct weft_loops *set)
{
	/* Relaxed: a number to share out. */
	return weft_loops_at(set, atomic_fetch_add_explicit(
					  &set->turn, 1, memory_order_relaxed));
}

weft_addr_t weft_loops_here(const struct weft_loops *set)
{
	int cpu = sched_getcpu();
	unsigned at = cpu >= 0 ? (unsigned)cpu : 0;

	return weft_loops_at(set, at < set->place_count ? set->places[at] : at);
}

/* ---- stop ---- */

struct loops_stop_state {
	struct tevent_req *req;
	struct tevent_context *ev;
	TALLOC_CTX *asked; /* the requests to the loops hang here */
	unsigned left;     /* of them */
	int error;         /* the first one */
};

static bool loops_stop_cancel(struct tevent_req *req)
{
	struct loops_stop_state *state = tevent_req_data(
		req, struct loops_stop_state);

	if (!tevent_req_is_in_progress(req)) {
		return false;
	}
	TALLOC_FREE(state->asked);
	tevent_req_defer_callback(req, state->ev);
	(void)tevent_req_error(req, ECANCELED);
	return true;
}

static void loops_stop_end(struct loops_stop_state *state)
{
	if (state->left > 0) {
		return;
	}
	if (state->error != 0) {
		(void)tevent_req_error(state->req, (uint64_t)state->error);
	} else {
		tevent_req_done(state->req);
	}
}

static void loops_stop_done(struct tevent_req *subreq)
{
	struct loops_stop_state *state = tevent_req_callback_data(
		subreq, struct loops_stop_state);
	int ret = weft_loop_stop_recv(subreq);

	TALLOC_FREE(subreq);
	if (state->error == 0) {
		state->error = ret;
	}
	state->left--;
	loops_stop_end(state);
}

/* One that cannot be asked counts as an error, and is told all the same. */
static void loops_stop_begin(struct loops_stop_state *state,
			     struct weft_loops *set)
{
	unsigned i = 0;

	state->asked = talloc_new(state);
	for (i = 0; i < set->count; i++) {
		struct tevent_req *subreq = NULL;

		wf_loop_tell(set->loops[i]);
		if (state->asked != NULL) {
			subreq = weft_loop_stop_send(state->asked, state->ev,
						     set->loops[i]);
		}
		if (subreq == NULL) {
			state->error = ENOMEM;
			continue;
		}
		tevent_req_set_callback(subreq, loops_stop_done, state);
		state->left++;
	}
}

struct tevent_req *weft_loops_stop_send_located(TALLOC_CTX *mem_ctx,
						struct tevent_context *ev,
						struct weft_loops *set,
						const char *location)
{
	struct loops_stop_state *state = NULL;
	struct tevent_req *req = NULL;

	req = _tevent_req_create(mem_ctx, &state, sizeof(*state),
				 "struct loops_stop_state", location);
	if (req == NULL) {
		return NULL;
	}
	state->req = req;
	state->ev = ev;
	tevent_req_set_cancel_fn(req, loops_stop_cancel);
	loops_stop_begin(state, set);
	loops_stop_end(state);
	return tevent_req_is_in_progress(req) ? req : tevent_req_post(req, ev);
}

int weft_loops_stop_recv(struct tevent_req *req)
{
	return weft_loop_stop_recv(req);
}
