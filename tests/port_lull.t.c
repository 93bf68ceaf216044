/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Port lull: results that come fast are heard in handfuls, each of them in
 * time, and the last ones at once. What posts here is the loop's own thread: so
 * at each step it is known what has been posted and what has been heard.
 */
#include "threadpool/port_inside.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/fixture.h"
#include "threadpool/port.h"

#define OUT    1000
#define TRIES  20000 /* results, for what a loaded machine may put off */
#define LATEST 1000  /* passes of a loop that has nothing else to do */

/* A message that comes home, and may be sent again. */
struct ball {
	struct wf_msg msg;
	struct flow *flow;
	bool out;
};

struct flow {
	struct tevent_context *ev;
	struct wf_port *port;
	unsigned home;
	unsigned gone;
	struct ball balls[OUT];
};

static void ball_deliver(struct wf_msg *msg, struct tevent_context *ev,
			 bool gone)
{
	struct ball *ball = tev_container_of(msg, struct ball, msg);

	(void)ev;
	wf_port_home(ball->flow->port);
	ball->out = false;
	ball->flow->home++;
	ball->flow->gone += gone;
}

static void ball_send(struct ball *ball)
{
	ball->msg.deliver = ball_deliver;
	ball->out = true;
	wf_port_expect(ball->flow->port);
}

/* @count jobs are sent, and one more is waited for: so the loop is. */
static struct flow *flow_open(struct fixture *fx, unsigned count)
{
	struct flow *flow = talloc_zero(fx->mem, struct flow);
	unsigned i = 0;

	flow->ev = fx->ev;
	if (wf_port_get(fx->ev, &flow->port) != 0 ||
	    wf_port_wait_begin(flow->port) != 0) {
		bail_out("no port");
	}
	for (i = 0; i < OUT; i++) {
		flow->balls[i].flow = flow;
	}
	for (i = 0; i < count; i++) {
		ball_send(&flow->balls[i]);
	}
	return flow;
}

static void flow_close(struct flow *flow)
{
	unsigned i = 0;

	for (i = 0; i < OUT; i++) {
		if (flow->balls[i].out) {
			wf_port_unexpect(flow->port);
		}
	}
	wf_port_wait_end(flow->port);
}

/* One result, and the loop is turned until it is home. */
static void flow_step(struct flow *flow, unsigned at)
{
	struct ball *ball = &flow->balls[at];
	unsigned home = flow->home;

	(void)wf_port_post_quiet(flow->port, &ball->msg);
	while (flow->home == home) {
		(void)tevent_loop_once(flow->ev);
	}
}

/* The loop is turned until it would sleep. */
static void flow_settle(struct flow *flow)
{
	while (!flow->port->armed) {
		(void)tevent_loop_once(flow->ev);
	}
}

/* A flow, until the port is lulled. */
static bool flow_lull(struct flow *flow)
{
	unsigned i = 0;

	for (i = 0; i < TRIES && !flow->port->lull.on; i++) {
		flow_step(flow, 0);
		ball_send(&flow->balls[0]);
		flow_settle(flow);
	}
	return flow->port->lull.on;
}

static bool is_lulled(const struct flow *flow)
{
	return tev_word_is_lulled(&flow->port->word);
}

static void quota(struct fixture *fx)
{
	struct flow *flow = flow_open(fx, OUT);
	unsigned want = 0;
	unsigned i = 0;

	ok(!is_lulled(flow), "not before anything has come");
	ok(flow_lull(flow), "results that come fast lull their port");
	want = (unsigned)atomic_load(&flow->port->quota);
	ok(want >= 4 && want <= OUT / 2, "until a part of them is there");
	flow->home = 0;
	for (i = 1; i < want; i++) {
		(void)wf_port_post_quiet(flow->port, &flow->balls[i].msg);
	}
	ok(is_lulled(flow), "before that nobody rings");
	(void)wf_port_post_quiet(flow->port, &flow->balls[0].msg);
	ok(!is_lulled(flow), "then somebody does");
	while (flow->home < want) {
		(void)tevent_loop_once(flow->ev);
	}
	is_uint(flow->home, want, "and all are heard");
	flow_close(flow);
}

static void others(struct fixture *fx)
{
	struct flow *flow = flow_open(fx, OUT);

	ok(flow_lull(flow), "a port is lulled");
	flow->home = 0;
	(void)wf_port_post_quiet(flow->port, &flow->balls[1].msg);
	ok(is_lulled(flow), "a result does not ring");
	(void)wf_port_post(flow->port, &flow->balls[2].msg);
	ok(!is_lulled(flow), "anything else does");
	while (flow->home < 2) {
		(void)tevent_loop_once(flow->ev);
	}
	ok(flow->port->lull.rung, "and it was not the timer");
	flow_close(flow);
}

static void bounded(struct fixture *fx)
{
	struct flow *flow = flow_open(fx, OUT);
	unsigned penalty = 0;
	unsigned round = 0;

	for (round = 0; round < 3; round++) {
		ok(flow_lull(flow), "a port is lulled");
		penalty = flow->port->lull.penalty;
		/* The timer was perhaps set for an earlier one. */
		flow->port->lull.rung = false;
		do {
			flow->home = 0;
			(void)wf_port_post_quiet(flow->port,
						 &flow->balls[0].msg);
			while (flow->home == 0) {
				(void)tevent_loop_once(flow->ev);
			}
			ball_send(&flow->balls[0]);
			flow_settle(flow);
		} while (is_lulled(flow));
		ok(flow->port->lull.penalty > penalty,
		   "a flow that ends in it is heard, and is not believed");
	}
	flow_close(flow);
}

static void last_ones(struct fixture *fx)
{
	struct flow *flow = flow_open(fx, OUT);
	unsigned i = 0;

	ok(flow_lull(flow), "a port is lulled");
	flow->home = 0;
	(void)wf_port_post(flow->port, &flow->balls[0].msg);
	for (i = 1; i < OUT - 7; i++) {
		(void)wf_port_post_quiet(flow->port, &flow->balls[i].msg);
	}
	while (flow->home < OUT - 7) {
		(void)tevent_loop_once(flow->ev);
	}
	flow_settle(flow);
	ok(!is_lulled(flow), "with few out it is armed");
	for (; i < OUT; i++) {
		flow_step(flow, i);
		flow_settle(flow);
		if (is_lulled(flow)) {
			break;
		}
	}
	is_uint(i, OUT, "so the last ones are heard one by one");
	flow_close(flow);
}

/* One job at a time, as fast as can be. */
static void alone(struct fixture *fx)
{
	struct flow *flow = flow_open(fx, 1);
	unsigned i = 0;

	for (i = 0; i < LATEST && !is_lulled(flow); i++) {
		flow_step(flow, 0);
		ball_send(&flow->balls[0]);
		flow_settle(flow);
	}
	is_uint(i, LATEST, "a job that is alone never waits");
	is_int(flow->port->lull.fd, -1, "there is no timer");
	flow_close(flow);
}

/* As when the limit of descriptors is reached. */
static void no_timer(struct fixture *fx)
{
	struct flow *flow = flow_open(fx, OUT);
	struct rlimit limit;
	struct rlimit none;
	int next = 0;
	bool sat_out = false;
	unsigned i = 0;

	flow_settle(flow);
	next = dup(STDOUT_FILENO);
	(void)close(next);
	(void)getrlimit(RLIMIT_NOFILE, &limit);
	none = limit;
	none.rlim_cur = (rlim_t)next;
	(void)setrlimit(RLIMIT_NOFILE, &none);
	for (i = 0; i < TRIES && !sat_out; i++) {
		flow_step(flow, 0);
		ball_send(&flow->balls[0]);
		flow_settle(flow);
		sat_out = flow->port->lull.sits_out > 0;
	}
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	ok(sat_out, "without a timer the port is not lulled for a while");
	ok(!is_lulled(flow), "but armed");
	is_int(flow->port->lull.fd, -1, "and nothing is left");
	flow_close(flow);
}

static void loop_ends(struct fixture *fx)
{
	struct flow *flow = flow_open(fx, OUT);
	unsigned i = 0;

	ok(flow_lull(flow), "a port is lulled");
	flow->home = 0;
	for (i = 0; i < 3; i++) {
		(void)wf_port_post_quiet(flow->port, &flow->balls[i].msg);
	}
	for (i = 3; i < OUT; i++) {
		wf_port_unexpect(flow->port);
	}
	TALLOC_FREE(fx->ev);
	is_uint(flow->home, 3, "what was not yet heard when the loop ends");
	is_uint(flow->gone, 3, "is told so");
}

/* Nobody waits any more while the port is lulled. */
static void nobody_waits(struct fixture *fx)
{
	struct flow *flow = flow_open(fx, OUT);

	ok(flow_lull(flow), "a port is lulled");
	flow->home = 0;
	(void)wf_port_post_quiet(flow->port, &flow->balls[0].msg);
	/* It is on its way home, as nothing else is. */
	flow->balls[0].out = false;
	flow_close(flow);
	is_int(tevent_loop_wait(flow->ev), 0, "its loop ends");
	is_uint(flow->home, 1, "what was posted was heard");
	ok(flow->port->lull.fde == NULL, "and the timer keeps nobody");
	ok(!flow->port->lull.set, "nor counts as set when it is not heard");
}

/* Its events are gone, with the timer's. */
static void re_initialised(struct fixture *fx)
{
	struct flow *flow = flow_open(fx, OUT);

	ok(flow_lull(flow), "a port is lulled");
	flow->home = 0;
	(void)wf_port_post_quiet(flow->port, &flow->balls[0].msg);
	is_int(tevent_re_initialise(flow->ev), 0, "its loop re-initialised");
	is_int(wf_port_get(flow->ev, &flow->port), 0, "who asks for the port");
	while (flow->home == 0) {
		(void)tevent_loop_once(flow->ev);
	}
	is_uint(flow->home, 1, "brings it back, with what was there");
	flow_close(flow);
}

static int child_main(void *arg)
{
	struct flow *flow = arg;
	unsigned home = 0;
	unsigned i = 0;

	if (tevent_re_initialise(flow->ev) != 0) {
		return 1;
	}
	/* Forks are noticed by who next asks for the port. */
	if (wf_port_get(flow->ev, &flow->port) != 0 ||
	    wf_port_wait_begin(flow->port) != 0) {
		return 2;
	}
	if (flow->port->lull.on || flow->port->lull.set) {
		return 3;
	}
	for (i = 0; i < OUT; i++) {
		ball_send(&flow->balls[i]);
	}
	if (!flow_lull(flow)) {
		return 4;
	}
	home = flow->home;
	(void)wf_port_post_quiet(flow->port, &flow->balls[0].msg);
	while (flow->home == home) {
		(void)tevent_loop_once(flow->ev);
	}
	return 0;
}

static void forked(struct fixture *fx)
{
	struct flow *flow = flow_open(fx, OUT);
	struct fixture_child child;

	ok(flow_lull(flow), "a port is lulled");
	child = fixture_child(child_main, flow);
	child_exited(&child, 0, "a child begins anew, with its own timer");
	flow->home = 0;
	(void)wf_port_post_quiet(flow->port, &flow->balls[0].msg);
	while (flow->home == 0) {
		(void)tevent_loop_once(flow->ev);
	}
	is_uint(flow->home, 1, "the parent still hears");
	flow_close(flow);
}

int main(void)
{
	fixture_each_backend_flags("quota", quota, FIXTURE_THREADS);
	fixture_each_backend_flags("others", others, FIXTURE_THREADS);
	fixture_each_backend_flags("bounded", bounded, FIXTURE_THREADS);
	fixture_each_backend_flags("last_ones", last_ones, FIXTURE_THREADS);
	fixture_run_flags("alone", alone, FIXTURE_THREADS);
	fixture_run_flags("no_timer", no_timer, FIXTURE_THREADS);
	fixture_each_backend_flags("loop_ends", loop_ends, FIXTURE_THREADS);
	fixture_each_backend_flags("nobody_waits", nobody_waits,
				   FIXTURE_THREADS);
	fixture_run_flags("re_initialised", re_initialised, FIXTURE_THREADS);
	fixture_run_flags("forked", forked, FIXTURE_THREADS);
	return done();
}
