/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Engine: the hot paths of a loop, one thread, through tevent.h alone. */
#include <fcntl.h>
#include <unistd.h>

#include "tools/bench/bench.h"
#include "tools/bench/count/count.h"

#define TIMERS 1000 /* pending beside the one that is looked at */
#define SPREAD 100000
#define FAR_S  3600
#define PAST_S 7200
#define US     1000000
#define PIPES  100
#define STEP   37 /* no factor in common with PIPES */
#define DEPTH  3

static struct timeval later(struct timeval start, uint64_t us)
{
	us += (uint64_t)start.tv_usec;
	start.tv_sec += (time_t)(us / US);
	start.tv_usec = (suseconds_t)(us % US);
	return start;
}

/* ---- immediates ---- */

static void link_runs(struct tevent_context *ev, struct tevent_immediate *im,
		      void *private_data)
{
	uint64_t *left = private_data;

	if (--*left > 0) {
		tevent_schedule_immediate(im, ev, link_runs, left);
	}
}

static void run_chain(uint64_t n)
{
	struct tevent_context *ev = count_context();
	struct tevent_immediate *im = tevent_create_immediate(ev);
	uint64_t left = n;

	tevent_schedule_immediate(im, ev, link_runs, &left);
	while (left > 0) {
		count_turn(ev);
	}
	talloc_free(ev);
}

static void one_runs(struct tevent_context *ev, struct tevent_immediate *im,
		     void *private_data)
{
	uint64_t *done = private_data;

	(void)ev;
	(void)im;
	++*done;
}

static void run_batch(uint64_t n)
{
	struct tevent_context *ev = count_context();
	struct tevent_immediate *im[COUNT_ROUND];
	uint64_t done = 0;
	unsigned i = 0;

	for (i = 0; i < COUNT_ROUND; i++) {
		im[i] = tevent_create_immediate(ev);
	}
	while (done < n) {
		for (i = 0; i < COUNT_ROUND; i++) {
			tevent_schedule_immediate(im[i], ev, one_runs, &done);
		}
		for (i = 0; i < COUNT_ROUND; i++) {
			count_turn(ev);
		}
	}
	count_check(done == n, "immediates are lost");
	talloc_free(ev);
}

/* ---- timers ---- */

/* Whole seconds from now: a comparison of times takes as long in each run. */
static struct timeval seconds_off(int seconds)
{
	struct timeval when = tevent_timeval_current();

	when.tv_sec += seconds;
	when.tv_usec = 0;
	return when;
}

static void fires(struct tevent_context *ev, struct tevent_timer *te,
		  struct timeval now, void *private_data)
{
	uint64_t *fired = private_data;

	(void)ev;
	(void)te;
	(void)now;
	++*fired;
}

static struct tevent_timer *add(struct tevent_context *ev, struct timeval when,
				uint64_t *fired)
{
	struct tevent_timer *te = tevent_add_timer(ev, ev, when, fires, fired);

	count_check(te != NULL, "no timer");
	return te;
}

/* TIMERS of them, far off, at random times. */
static void add_some(struct tevent_context *ev, struct timeval far,
		     struct tevent_timer **timers, uint64_t *fired)
{
	uint64_t dice = 1;
	unsigned i = 0;

	for (i = 0; i < TIMERS; i++) {
		timers[i] = add(ev, later(far, bench_below(&dice, SPREAD)),
				fired);
	}
}

static void run_timer_add(uint64_t n)
{
	struct tevent_context *ev = count_context();
	struct timeval far = seconds_off(FAR_S);
	struct tevent_timer *timers[TIMERS];
	uint64_t dice = 2;
	uint64_t fired = 0;
	uint64_t i = 0;

	add_some(ev, far, timers, &fired);
	for (i = 0; i < n; i++) {
		talloc_free(add(ev, later(far, bench_below(&dice, SPREAD)),
				&fired));
	}
	count_check(fired == 0, "a timer fires that is not due");
	talloc_free(ev);
}

static void run_timer_push(uint64_t n)
{
	struct tevent_context *ev = count_context();
	struct timeval far = seconds_off(FAR_S);
	struct tevent_timer *timers[TIMERS];
	uint64_t dice = 2;
	uint64_t fired = 0;
	uint64_t i = 0;

	add_some(ev, far, timers, &fired);
	for (i = 0; i < n; i++) {
		tevent_update_timer(timers[bench_below(&dice, TIMERS)],
				    later(far, SPREAD + i));
	}
	count_check(fired == 0, "a timer fires that is not due");
	talloc_free(ev);
}

static void run_timer_random(uint64_t n)
{
	struct tevent_context *ev = count_context();
	struct timeval far = seconds_off(FAR_S);
	struct tevent_timer *timers[TIMERS];
	uint64_t dice = 2;
	uint64_t fired = 0;
	uint64_t i = 0;

	add_some(ev, far, timers, &fired);
	for (i = 0; i < n; i++) {
		struct tevent_timer *te = timers[bench_below(&dice, TIMERS)];

		tevent_update_timer(te, later(far, bench_below(&dice, SPREAD)));
	}
	count_check(fired == 0, "a timer fires that is not due");
	talloc_free(ev);
}

static void run_timer_fire(uint64_t n)
{
	struct tevent_context *ev = count_context();
	struct timeval past = seconds_off(-PAST_S);
	uint64_t dice = 2;
	uint64_t fired = 0;
	unsigned i = 0;

	while (fired < n) {
		for (i = 0; i < COUNT_ROUND; i++) {
			add(ev, later(past, bench_below(&dice, SPREAD)),
			    &fired);
		}
		for (i = 0; i < COUNT_ROUND; i++) {
			count_turn(ev);
		}
	}
	count_check(fired == n, "timers are lost");
	talloc_free(ev);
}

/* ---- descriptors ---- */

struct ring {
	int ends[PIPES][2];
	unsigned at;
	uint64_t moved;
};

static void token_arrives(struct tevent_context *ev, struct tevent_fd *fde,
			  uint16_t flags, void *private_data)
{
	struct ring *ring = private_data;
	unsigned next = (ring->at + STEP) % PIPES;
	char byte = 0;

	(void)ev;
	(void)fde;
	count_check(flags == TEVENT_FD_READ &&
			    read(ring->ends[ring->at][0], &byte, 1) == 1 &&
			    write(ring->ends[next][1], &byte, 1) == 1,
		    "a token is lost");
	ring->at = next;
	ring->moved++;
}

static struct tevent_fd *make_ring(struct tevent_context *ev, struct ring *ring)
{
	struct tevent_fd *fde = NULL;
	unsigned i = 0;

	for (i = 0; i < PIPES; i++) {
		count_check(pipe2(ring->ends[i], O_NONBLOCK | O_CLOEXEC) == 0,
			    "no pipe");
		fde = tevent_add_fd(ev, ev, ring->ends[i][0], TEVENT_FD_READ,
				    token_arrives, ring);
		count_check(fde != NULL, "no fd event");
	}
	count_check(write(ring->ends[0][1], "t", 1) == 1, "no token");
	return fde;
}

static void run_fd(uint64_t n)
{
	struct tevent_context *ev = count_context();
	struct ring ring = { .at = 0 };
	uint64_t i = 0;

	(void)make_ring(ev, &ring);
	for (i = 0; i < n; i++) {
		count_turn(ev);
	}
	count_check(ring.moved == n, "a pass without an event");
	talloc_free(ev);
}

static void run_fd_interest(uint64_t n)
{
	struct tevent_context *ev = count_context();
	struct ring ring = { .at = 0 };
	struct tevent_fd *fde = make_ring(ev, &ring);
	uint64_t i = 0;

	count_turn(ev);
	for (i = 0; i < n; i++) {
		tevent_fd_set_flags(fde, TEVENT_FD_READ | TEVENT_FD_WRITE);
		tevent_fd_set_flags(fde, TEVENT_FD_READ);
	}
	count_turn(ev);
	count_check(ring.moved == 2, "a pass without an event");
	talloc_free(ev);
}

/* ---- requests ---- */

/* 56 bytes: what a request of a real program keeps. */
struct work_state {
	struct tevent_context *ev;
	uint64_t rest[6];
};

static void flow_done(struct tevent_req *req)
{
	uint64_t *done = tevent_req_callback_data_void(req);

	++*done;
	talloc_free(req);
}

static struct tevent_req *at_once_send(TALLOC_CTX *mem_ctx,
				       struct tevent_context *ev,
				       const struct timeval *end)
{
	struct work_state *state = NULL;
	struct tevent_req *req = NULL;

	req = tevent_req_create(mem_ctx, &state, struct work_state);
	count_check(req != NULL, "no request");
	state->ev = ev;
	count_check(end == NULL || tevent_req_set_endtime(req, ev, *end),
		    "no end time");
	tevent_req_done(req);
	return tevent_req_post(req, ev);
}

static void nested_done(struct tevent_req *subreq)
{
	struct tevent_req *req = tevent_req_callback_data(subreq,
							  struct tevent_req);

	talloc_free(subreq);
	tevent_req_done(req);
}

static struct tevent_req *nested_send(TALLOC_CTX *mem_ctx,
				      struct tevent_context *ev, unsigned depth)
{
	struct work_state *state = NULL;
	struct tevent_req *subreq = NULL;
	struct tevent_req *req = NULL;

	if (depth == 1) {
		return at_once_send(mem_ctx, ev, NULL);
	}
	req = tevent_req_create(mem_ctx, &state, struct work_state);
	count_check(req != NULL, "no request");
	state->ev = ev;
	subreq = nested_send(state, ev, depth - 1);
	tevent_req_set_callback(subreq, nested_done, req);
	return req;
}

static void flow(uint64_t n, unsigned depth, const struct timeval *end)
{
	struct tevent_context *ev = count_context();
	uint64_t done = 0;
	uint64_t i = 0;

	for (i = 0; i < n; i++) {
		struct tevent_req *req = depth > 1 ? nested_send(ev, ev, depth)
						   : at_once_send(ev, ev, end);

		tevent_req_set_callback(req, flow_done, &done);
		count_turn(ev);
	}
	count_check(done == n, "requests are lost");
	talloc_free(ev);
}

static void run_req(uint64_t n)
{
	flow(n, 1, NULL);
}

static void run_req_nested(uint64_t n)
{
	flow(n, DEPTH, NULL);
}

static void run_req_endtime(uint64_t n)
{
	struct timeval end = seconds_off(FAR_S);

	flow(n, 1, &end);
}

/* ---- a queue of requests ---- */

static void turn_comes(struct tevent_req *req, void *private_data)
{
	(void)private_data;
	tevent_req_done(req);
}

static void run_queue(uint64_t n)
{
	struct tevent_context *ev = count_context();
	struct tevent_queue *queue = tevent_queue_create(ev, "count");
	uint64_t done = 0;
	uint64_t i = 0;

	for (i = 0; i < n; i++) {
		struct work_state *state = NULL;
		struct tevent_req *req = NULL;

		req = tevent_req_create(ev, &state, struct work_state);
		count_check(req != NULL && tevent_queue_add(queue, ev, req,
							    turn_comes, NULL),
			    "no request");
		tevent_req_set_callback(req, flow_done, &done);
		while (done == i) {
			count_turn(ev);
		}
	}
	count_check(done == n, "requests are lost");
	talloc_free(ev);
}

/* ---- posts to oneself ---- */

static void post_runs(struct tevent_context *ev, struct tevent_immediate *im,
		      void *private_data)
{
	uint64_t *done = private_data;

	(void)ev;
	++*done;
	talloc_free(im);
}

static void run_post(uint64_t n)
{
	struct tevent_context *ev = count_context();
	struct tevent_threaded_context *tc = NULL;
	uint64_t done = 0;
	unsigned i = 0;

	tc = tevent_threaded_context_create(ev, ev);
	count_check(tc != NULL, "no threaded context");
	while (done < n) {
		uint64_t target = done + COUNT_ROUND;

		for (i = 0; i < COUNT_ROUND; i++) {
			struct tevent_immediate *im = NULL;

			im = tevent_create_immediate(NULL);
			tevent_threaded_schedule_immediate(tc, im, post_runs,
							   &done);
		}
		while (done < target) {
			count_turn(ev);
		}
	}
	count_check(done == n, "posts are lost");
	talloc_free(ev);
}

const struct count_row count_engine_rows[] = {
	{ "immediate-chain", "an immediate schedules itself", run_chain },
	{ "immediate-batch", "one of 1 000 is scheduled, and runs", run_batch },
	{ "timer-add", "a timer beside 1 000 is added and freed",
	  run_timer_add },
	{ "timer-push", "one of 1 000 timers is pushed behind all others",
	  run_timer_push },
	{ "timer-random", "one of 1 000 timers is pushed to a random time",
	  run_timer_random },
	{ "timer-fire", "one of 1 000 overdue timers is added and fires",
	  run_timer_fire },
	{ "fd-event", "a byte is read and written on, one of 100 pipes",
	  run_fd },
	{ "fd-interest", "interest in writing comes and goes, no pass between",
	  run_fd_interest },
	{ "req", "a request is created, done, posted, called back, freed",
	  run_req },
	{ "req-nested", "one that waits for one that waits for one",
	  run_req_nested },
	{ "req-endtime", "a request with an end time far off",
	  run_req_endtime },
	{ "queue", "a request has its turn in a queue", run_queue },
	{ "post", "one of 1 000 fresh immediates is posted to its own thread",
	  run_post },
	{ .name = NULL },
};
