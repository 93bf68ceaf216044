/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Main: the choice of the next step, for the walker and for handlers. */
#include "tests/walk/walk.h"

static const struct step {
	step_fn fn;
	unsigned weight;
	bool light; /* also where nothing may be freed */
	bool wild;
	bool few; /* of requests and queues, or what they need */
} steps[] = {
	{ step_pass, 60, false, false, true },
	{ step_until, 6, false, false, true },
	{ step_wait, 1, false, false, true },
	{ step_ev_new, 6, false, false, true },
	{ step_ev_free, 1, false, false, true },
	{ step_ev_reinit, 1, false, false, true },
	{ step_pen_new, 4, false, false, true },
	{ step_pen_free, 2, false, false, true },
	{ step_fd_new, 12, false, false, false },
	{ step_fd_share, 3, false, false, false },
	{ step_fd_dup, 3, false, false, false },
	{ step_fd_flags, 16, true, false, false },
	{ step_fd_free, 5, false, false, false },
	{ step_fd_feed, 16, true, false, false },
	{ step_fd_drain, 6, true, false, false },
	{ step_fd_stuff, 3, true, false, false },
	{ step_fd_hang, 4, false, false, false },
	{ step_fd_close_fn, 3, false, false, false },
	{ step_fd_tag, 2, true, false, false },
	{ step_fd_reuse, 2, false, true, false },
	{ step_timer_new, 14, false, false, false },
	{ step_timer_move, 8, true, false, false },
	{ step_timer_free, 5, false, false, false },
	{ step_timer_tag, 2, true, false, false },
	{ step_im_new, 10, false, false, false },
	{ step_im_schedule, 16, true, false, false },
	{ step_im_free, 5, false, false, false },
	{ step_im_tag, 2, true, false, false },
	{ step_threaded_new, 3, false, false, false },
	{ step_threaded_free, 2, false, false, false },
	{ step_threaded_post, 10, false, false, false },
	{ step_signal_new, 8, false, false, false },
	{ step_signal_free, 5, false, false, false },
	{ step_signal_raise, 12, true, false, false },
	{ step_signal_look, 3, true, false, false },
	{ step_req_new, 14, false, false, true },
	{ step_req_wakeup, 3, false, false, true },
	{ step_req_finish, 14, false, false, true },
	{ step_req_post, 10, false, false, true },
	{ step_req_endtime, 8, false, false, true },
	{ step_req_slots, 5, false, false, true },
	{ step_req_received, 3, false, false, true },
	{ step_req_free, 6, false, false, true },
	{ step_req_cancel, 5, false, false, true },
	{ step_req_look, 4, true, false, true },
	{ step_req_profile, 3, true, false, true },
	{ step_req_poll, 1, false, false, true },
	{ step_queue_new, 4, false, false, true },
	{ step_queue_free, 1, false, false, true },
	{ step_queue_add, 16, false, false, true },
	{ step_queue_wait, 4, false, false, true },
	{ step_queue_turn, 6, false, false, true },
	{ step_queue_look, 3, true, false, true },
	{ step_entry_free, 2, false, false, true },
	{ step_entry_untrigger, 3, false, false, true },
	{ step_entry_tag, 2, true, false, true },
	{ step_wrap_new, 4, false, false, true },
	{ step_wrap_free, 2, false, false, true },
	{ step_wrap_use, 4, false, false, true },
	{ step_wrap_look, 2, true, false, true },
	{ step_proxy_new, 2, false, true, false },
	{ step_proxy_free, 1, false, true, false },
	{ step_proxy_post, 6, false, true, false },
};

static bool step_once(void)
{
	const size_t count = sizeof(steps) / sizeof(steps[0]);
	static unsigned sum;
	unsigned at = 0;
	size_t i = 0;

	if (sum == 0) {
		for (i = 0; i < count; i++) {
			sum += steps[i].weight;
		}
	}
	at = choose(sum);
	for (i = 0; at >= steps[i].weight; i++) {
		at -= steps[i].weight;
	}
	if ((walk.pins > 0 && !steps[i].light) ||
	    (steps[i].wild && !walk.wild) || (walk.few && !steps[i].few)) {
		return false;
	}
	return steps[i].fn();
}

void act(unsigned most)
{
	unsigned count = 0;

	if (walk.quiet || depth() > 12) {
		return;
	}
	/* Less than one new thing per handler, or it would not end. */
	count = walk.finite && !chance(4) ? 0 : choose(most + 1);
	while (count-- > 0) {
		(void)step_once();
	}
}

static void aborted(const char *reason WALK_UNUSED)
{
	say("abort");
}

/* Everything goes: what may go before the contexts, and the rest. */
static void tidy(void)
{
	static const enum kind order[] = {
		KIND_QUEUE, KIND_REQ,    KIND_WRAP,     KIND_FD, KIND_PEN,
		KIND_TIMER, KIND_SIGNAL, KIND_THREADED, KIND_IM,
	};
	const size_t count = sizeof(order) / sizeof(order[0]);
	struct thing *t = NULL;
	size_t i = 0;

	for (t = NULL; (t = thing_next(t, KIND_EV)) != NULL;) {
		walk.quiet = true;
		(void)loop_still(t);
		walk.quiet = false;
	}
	for (i = 0; i < count; i++) {
		for (t = NULL; (t = thing_next(t, order[i])) != NULL;) {
			(void)thing_free_any(t);
		}
	}
	for (t = NULL; (t = thing_next(t, KIND_EV)) != NULL;) {
		ev_free(t);
	}
	for (i = 0; i < count; i++) {
		for (t = NULL; (t = thing_next(t, order[i])) != NULL;) {
			thing_free(t);
		}
	}
	fd_reap();
}

void walk_take(unsigned long count)
{
	const bool by_bytes = walk.bytes != NULL;

	tevent_set_abort_fn(aborted);
	(void)step_ev_new();
	while (walk.step++ < count && (!by_bytes || walk.bytes_left > 0)) {
		(void)step_once();
		fd_reap();
		say_flush();
	}
	tidy();
	say("the end");
	say_flush();
}
