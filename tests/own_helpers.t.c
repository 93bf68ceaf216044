/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Own helpers: each function for authors of backends (author.h) by itself, on a
 * context whose table waits for nothing.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/eventfd.h>

#include "tests/author.h"
#include "tests/trail.h"

static int plain_init(struct tevent_context *ev)
{
	(void)ev;
	return 0;
}

static int plain_loop_once(struct tevent_context *ev, const char *location)
{
	(void)location;
	return tevent_common_loop_immediate(ev) ? 0 : -1;
}

static const struct tevent_ops plain_ops = {
	.context_init = plain_init,
	.add_fd = tevent_common_add_fd,
	.set_fd_close_fn = tevent_common_fd_set_close_fn,
	.get_fd_flags = tevent_common_fd_get_flags,
	.set_fd_flags = tevent_common_fd_set_flags,
	.add_timer = tevent_common_add_timer,
	.schedule_immediate = tevent_common_schedule_immediate,
	.add_signal = tevent_common_add_signal,
	.loop_once = plain_loop_once,
	.loop_wait = tevent_common_loop_wait,
};

static void plain_open(struct fixture *fx)
{
	fx->ev = tevent_context_init_ops(fx->mem, &plain_ops, NULL);
	if (fx->ev == NULL) {
		bail_out("no context");
	}
}

/* ---- reports ---- */

static int call_abort(void *arg)
{
	tevent_abort(arg, "a reason");
	return 0;
}

static void debug_note(void *context, enum tevent_debug_level level,
		       const char *fmt, va_list ap) PRINTF_ATTRIBUTE(3, 0);

static void debug_note(void *context, enum tevent_debug_level level,
		       const char *fmt, va_list ap)
{
	struct trail *trail = context;
	char text[64];
	int used = snprintf(text, sizeof(text), "%d:", (int)level);

	(void)vsnprintf(text + used, sizeof(text) - (size_t)used, fmt, ap);
	trail_add(trail, text);
}

static void test_reports(struct fixture *fx)
{
	struct fixture_child child;
	struct trail trail = { "" };

	ok(fixture_aborts(call_abort, fx->ev, &child) &&
		   strstr(child.text, "a reason") != NULL,
	   "tevent_abort calls the abort function with the reason");
	tevent_debug(fx->ev, TEVENT_DEBUG_ERROR, "unheard");
	(void)tevent_set_debug(fx->ev, debug_note, &trail);
	tevent_debug(fx->ev, TEVENT_DEBUG_ERROR, "%s %d", "said", 7);
	is_str(trail.text, "1:said 7", "B1301 tevent_debug");
}

static int check_destructor(char *child)
{
	tevent_common_check_double_free(child, "freed twice");
	return 0;
}

static int free_child(void *arg)
{
	talloc_free(arg);
	return 0;
}

static void test_double_free(struct fixture *fx)
{
	char *parent = talloc_strdup(fx->mem, "parent");
	char *one = talloc_strdup(parent, "child");
	struct fixture_child child;

	talloc_set_destructor(one, check_destructor);
	ok(fixture_aborts(free_child, one, &child) &&
		   strstr(child.text, "freed twice") != NULL,
	   "B202 check_double_free: misuse");
	child = fixture_child(free_child, parent);
	child_exited(&child, 0, "B202 but not while the parent is freed");
}

/* ---- contexts ---- */

static bool destroyed;

static int own_destructor(struct tevent_context *ev)
{
	destroyed = true;
	return tevent_common_context_destructor(ev);
}

static void test_context(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "i" };
	struct tevent_immediate *im = tevent_create_immediate(fx->mem);

	plain_open(fx);
	talloc_set_destructor(fx->ev, own_destructor);
	ok(!tevent_common_have_events(fx->ev), "B130 have_events: none");
	is_int(tevent_common_loop_wait(fx->ev, "here"), 0, "B130 loop_wait");
	tevent_schedule_immediate(im, fx->ev, step_immediate, &step);
	ok(tevent_common_have_events(fx->ev), "B130 have_events: one");
	is_int(tevent_common_loop_wait(fx->ev, "here"), 0,
	       "B130 loop_wait: until there are none");
	is_str(trail.text, "i", "B130 it has run");
	tevent_schedule_immediate(im, fx->ev, step_immediate, &step);
	destroyed = false;
	TALLOC_FREE(fx->ev);
	ok(destroyed, "B207 an author's destructor is called");
	TALLOC_FREE(im);
	is_str(trail.text, "i", "B207 and ends what was scheduled");
}

/* ---- fd events ---- */

static void free_fd(struct tevent_context *ev TRAIL_UNUSED,
		    struct tevent_fd *fde, uint16_t flags TRAIL_UNUSED,
		    void *private_data TRAIL_UNUSED)
{
	talloc_free(fde);
}

static void note_close(struct tevent_context *ev TRAIL_UNUSED,
		       struct tevent_fd *fde TRAIL_UNUSED, int fd TRAIL_UNUSED,
		       void *private_data)
{
	struct step *step = private_data;

	trail_add(step->trail, "close");
}

static int own_fd_destructor(struct tevent_fd *fde)
{
	destroyed = true;
	return tevent_common_fd_destructor(fde);
}

static void test_fd(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "f" };
	struct tevent_fd *fde = NULL;
	bool removed = true;
	int fds[2] = { -1, -1 };

	plain_open(fx);
	fixture_pipe(fds);
	fde = tevent_common_add_fd(fx->ev, fx->ev, fds[0], TEVENT_FD_READ,
				   step_fd, &step, "step_fd", "here");
	ok(fde != NULL, "B301 common_add_fd");
	is_uint(tevent_common_fd_get_flags(fde), TEVENT_FD_READ,
		"B301 common_fd_get_flags");
	tevent_common_fd_set_flags(fde, TEVENT_FD_WRITE);
	is_uint(tevent_fd_get_flags(fde), TEVENT_FD_WRITE,
		"B301 common_fd_set_flags");
	is_int(tevent_common_invoke_fd_handler(fde, TEVENT_FD_WRITE, &removed),
	       0, "B301 common_invoke_fd_handler");
	is_str(trail.text, "fW", "B301 the handler gets the flags");
	ok(!removed, "B201 it is not removed");
	(void)tevent_common_invoke_fd_handler(fde, TEVENT_FD_READ, NULL);
	is_str(trail.text, "fW fR", "B301 and nobody need be told");
	trail_clear(&trail);
	tevent_common_fd_set_close_fn(fde, note_close);
	destroyed = false;
	talloc_set_destructor(fde, own_fd_destructor);
	TALLOC_FREE(fde);
	ok(destroyed, "B330 an author's destructor is called");
	is_str(trail.text, "close", "B330 the close function, once");

	fde = tevent_common_add_fd(fx->ev, fx->ev, fds[0], TEVENT_FD_READ,
				   free_fd, &step, "free_fd", "here");
	(void)tevent_common_invoke_fd_handler(fde, TEVENT_FD_READ, &removed);
	ok(removed, "B201 removed when its handler frees it");
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void free_context(struct tevent_context *ev TRAIL_UNUSED,
			 struct tevent_fd *fde TRAIL_UNUSED,
			 uint16_t flags TRAIL_UNUSED, void *private_data)
{
	struct fixture *fx = private_data;

	TALLOC_FREE(fx->ev);
}

/* No pass holds the context's memory here. */
static void test_fd_ends_context(struct fixture *fx)
{
	struct tevent_fd *fde = NULL;
	int fds[2] = { -1, -1 };

	plain_open(fx);
	fixture_pipe(fds);
	fde = tevent_common_add_fd(fx->ev, fx->mem, fds[0], TEVENT_FD_READ,
				   free_context, fx, "free_context", "here");
	(void)tevent_common_invoke_fd_handler(fde, TEVENT_FD_READ, NULL);
	is_ptr(fx->ev, NULL, "B206 the context ends in a handler, no pass");
	is_uint(tevent_fd_get_flags(fde), 0, "B206 and the event is detached");
	TALLOC_FREE(fde);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

/* ---- timers ---- */

static void test_timer_delay(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "t" };
	struct timeval delay;
	struct tevent_timer *te = NULL;

	plain_open(fx);
	delay = tevent_common_loop_timer_delay(fx->ev);
	ok(delay.tv_sec == 30 && delay.tv_usec == 0,
	   "B120 loop_timer_delay without timers: the wait limit");
	te = tevent_add_timer(fx->ev, fx->ev, seconds_from_now(1000),
			      step_timer, &step);
	delay = tevent_common_loop_timer_delay(fx->ev);
	ok(delay.tv_sec > 900 && delay.tv_sec <= 1000,
	   "B108 loop_timer_delay: until the first timer");
	(void)tevent_add_timer(fx->ev, fx->ev, seconds_from_now(-1), step_timer,
			       &step);
	(void)tevent_add_timer(fx->ev, fx->ev, tevent_timeval_zero(),
			       step_timer, &step);
	for (int i = 1; i <= 2; i++) {
		delay = tevent_common_loop_timer_delay(fx->ev);
		ok(tevent_timeval_is_zero(&delay) &&
			   strlen(trail.text) == (size_t)(2 * i - 1),
		   "B102 loop_timer_delay: one that is due runs");
	}
	TALLOC_FREE(te);
}

static void timers_add(struct fixture *fx, struct trail *trail,
		       struct step *steps, const char *const *words, int count)
{
	for (int i = 0; i < count; i++) {
		struct step *step = &steps[i];

		step->trail = trail;
		step->word = words[i];
		if (words[i][0] == 'v') {
			(void)tevent_common_add_timer_v2(
				fx->ev, fx->ev, tevent_timeval_zero(),
				step_timer, step, "step_timer", "here");
		} else {
			(void)tevent_common_add_timer(
				fx->ev, fx->ev, tevent_timeval_zero(),
				step_timer, step, "step_timer", "here");
		}
	}
}

/* "p": common_add_timer; "v": its second version, which the tables have. */
static void test_timer_order(struct fixture *fx)
{
	static const char *const words[] = { "v1", "p1", "v2", "p2", "v3" };
	struct trail trail = { "" };
	struct step steps[5];
	struct timeval delay = { 0, 0 };

	plain_open(fx);
	timers_add(fx, &trail, steps, words, 5);
	while (tevent_timeval_is_zero(&delay)) {
		delay = tevent_common_loop_timer_delay(fx->ev);
	}
	is_str(trail.text, "v1 v2 v3 p1 p2",
	       "B403 zero times of both versions: the order");
}

static struct timeval told;

static void note_time(struct tevent_context *ev TRAIL_UNUSED,
		      struct tevent_timer *te TRAIL_UNUSED, struct timeval now,
		      void *private_data TRAIL_UNUSED)
{
	told = now;
}

static void test_timer_invoke(struct fixture *fx)
{
	struct tevent_timer *te = NULL;
	bool removed = false;

	plain_open(fx);
	te = tevent_add_timer(fx->ev, fx->ev, seconds_from_now(1000), note_time,
			      NULL);
	is_int(tevent_common_invoke_timer_handler(
		       te, tevent_timeval_set(47, 11), &removed),
	       0, "B402 common_invoke_timer_handler");
	ok(told.tv_sec == 47 && told.tv_usec == 11,
	   "B402 its handler is told the time");
	ok(removed, "B402 and it is gone");
	ok(!tevent_common_have_events(fx->ev), "B402 nothing is left");
	te = tevent_add_timer(fx->ev, fx->ev, seconds_from_now(1000), note_time,
			      NULL);
	(void)tevent_common_invoke_timer_handler(te, told, NULL);
	ok(!tevent_common_have_events(fx->ev), "B402 nobody need be told");
}

/* ---- immediates ---- */

static void free_immediate(struct tevent_context *ev TRAIL_UNUSED,
			   struct tevent_immediate *im,
			   void *private_data TRAIL_UNUSED)
{
	talloc_free(im);
}

static void test_immediate(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "i" };
	struct tevent_immediate *im = tevent_create_immediate(fx->mem);
	bool removed = true;

	plain_open(fx);
	ok(!tevent_common_loop_immediate(fx->ev), "B451 loop_immediate: none");
	tevent_common_schedule_immediate(im, fx->ev, step_immediate, &step,
					 "step_immediate", "here");
	ok(tevent_common_loop_immediate(fx->ev), "B451 loop_immediate: one");
	is_str(trail.text, "i", "B451 it has run");
	tevent_schedule_immediate(im, fx->ev, step_immediate, &step);
	is_int(tevent_common_invoke_immediate_handler(im, &removed), 0,
	       "B454 common_invoke_immediate_handler");
	is_str(trail.text, "i i", "B454 it has run");
	ok(!removed, "B454 it is not removed");
	ok(!tevent_common_loop_immediate(fx->ev), "B454 nor to be run again");
	tevent_schedule_immediate(im, fx->ev, step_immediate, &step);
#if TEST_ON_STOCK
	skip("B457 no tevent_common_immediate_cancel before 0.17");
	tevent_schedule_immediate(im, fx->ev, NULL, NULL);
#else
	tevent_common_immediate_cancel(im);
	ok(!tevent_common_loop_immediate(fx->ev),
	   "B457 common_immediate_cancel");
#endif
	tevent_schedule_immediate(im, fx->ev, free_immediate, NULL);
	(void)tevent_common_invoke_immediate_handler(im, &removed);
	ok(removed, "B201 removed when its handler frees it");
}

static void test_activate(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "i" };
	struct tevent_immediate *im = tevent_create_immediate(fx->mem);
	struct tevent_threaded_context *tctx = NULL;

	plain_open(fx);
	tctx = tevent_threaded_context_create(fx->mem, fx->ev);
	tevent_threaded_schedule_immediate(tctx, im, step_immediate, &step);
	ok(!tevent_common_loop_immediate(fx->ev),
	   "B1101 what was posted has not arrived");
	tevent_common_threaded_activate_immediate(fx->ev);
	ok(tevent_common_loop_immediate(fx->ev),
	   "B1101 threaded_activate_immediate: it has");
	is_str(trail.text, "i", "B1101 it has run");
	TALLOC_FREE(tctx);
	TALLOC_FREE(im);
}

/* ---- signals ---- */

static void test_signal(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "s" };
	struct tevent_signal *se = NULL;
	bool removed = true;

	plain_open(fx);
	is_int(tevent_common_check_signal(fx->ev), 0,
	       "B501 check_signal: no events");
	se = tevent_common_add_signal(fx->ev, fx->ev, SIGUSR1, 0, step_signal,
				      &step, "step_signal", "here");
	ok(se != NULL, "B501 common_add_signal");
	is_int(tevent_common_check_signal(fx->ev), 0,
	       "B501 check_signal: nothing pending");
	(void)raise(SIGUSR1);
	ok(tevent_common_check_signal(fx->ev) != 0,
	   "B501 check_signal: something was");
	is_str(trail.text, "s1", "B501 it was called");
	trail_clear(&trail);
	is_int(tevent_common_invoke_signal_handler(se, SIGUSR1, 3, NULL,
						   &removed),
	       0, "B503 common_invoke_signal_handler");
	is_str(trail.text, "s3", "B503 with the count");
	ok(!removed, "B503 it is not removed");
	trail_clear(&trail);
	tevent_cleanup_pending_signal_handlers(se);
	ok(!tevent_common_have_events(fx->ev),
	   "B512 cleanup_pending_signal_handlers: it is taken out");
	ok(signal(SIGUSR1, SIG_DFL) == SIG_DFL,
	   "B506 and the disposition is as before");
	TALLOC_FREE(se);

	se = tevent_add_signal(fx->ev, fx->ev, SIGUSR1, SA_RESETHAND,
			       step_signal, &step);
	(void)tevent_common_invoke_signal_handler(se, SIGUSR1, 1, NULL,
						  &removed);
	ok(removed, "B507 removed when it is to be called once");
	is_str(trail.text, "s1", "B507 it was called");
	ok(!tevent_common_have_events(fx->ev), "B507 nothing is left");
}

/* ---- waking up ---- */

static void test_wakeup(struct fixture *fx)
{
	struct tevent_threaded_context *tctx = NULL;
	unsigned fds = fixture_fd_count();
	eventfd_t count = 0;
	int fd = eventfd(0, EFD_NONBLOCK);

	is_int(tevent_common_wakeup_fd(fd), 0, "B1101 common_wakeup_fd");
	ok(eventfd_read(fd, &count) == 0 && count > 0, "B1101 it was written");
	(void)close(fd);

	plain_open(fx);
	is_int(tevent_common_wakeup(fx->ev), ENOTCONN,
	       "B1101 common_wakeup without a descriptor");
	is_int(tevent_common_wakeup_init(fx->ev), 0,
	       "B1101 common_wakeup_init");
	is_uint(fixture_fd_count(), fds + 1, "B1101 now there is one");
	is_int(tevent_common_wakeup_init(fx->ev), 0, "B1101 again");
	tctx = tevent_threaded_context_create(fx->mem, fx->ev);
	is_uint(fixture_fd_count(), fds + 1, "B1101 still one");
	is_int(tevent_common_wakeup(fx->ev), 0, "B1101 common_wakeup");
	TALLOC_FREE(tctx);
}

/* By a context of ours: the wake-up ends its wait. */
static void test_wakeup_ends_wait(struct fixture *fx)
{
	is_int(tevent_common_wakeup_init(fx->ev), 0, "B1101 a descriptor");
	is_int(tevent_common_wakeup(fx->ev), 0, "B1101 a wake-up");
	is_int(tevent_loop_once(fx->ev), 0, "B107 one pass, without a wait");
}

/* ---- traces ---- */

static void trace_word(struct trail *trail, const char *kind, const void *event,
		       const void *want, int point)
{
	char word[16];

	(void)snprintf(word, sizeof(word), "%s%d%s", kind, point,
		       event == want ? "" : "?");
	trail_add(trail, word);
}

static const void *traced; /* what the callback should be given */

static void trace_point(enum tevent_trace_point point, void *private_data)
{
	trace_word(private_data, "l", NULL, NULL, (int)point);
}

#define TRACE_WORD(word, type)                                              \
	static void trace_##word(struct type *event,                        \
				 enum tevent_event_trace_point point,       \
				 void *private_data)                        \
	{                                                                   \
		trace_word(private_data, #word, event, traced, (int)point); \
	}

TRACE_WORD(fd, tevent_fd)
TRACE_WORD(te, tevent_timer)
TRACE_WORD(im, tevent_immediate)
TRACE_WORD(se, tevent_signal)
TRACE_WORD(qe, tevent_queue_entry)

static void tell_all(struct tevent_context *ev)
{
	static char event;
	void *any = &event; /* only its address is looked at */

	traced = any;
	tevent_trace_point_callback(ev, TEVENT_TRACE_BEFORE_WAIT);
	tevent_trace_fd_callback(ev, any, TEVENT_EVENT_TRACE_ATTACH);
	tevent_trace_timer_callback(ev, any, TEVENT_EVENT_TRACE_DETACH);
	tevent_trace_immediate_callback(ev, any,
					TEVENT_EVENT_TRACE_BEFORE_HANDLER);
	tevent_trace_signal_callback(ev, any, TEVENT_EVENT_TRACE_ATTACH);
	tevent_trace_queue_callback(ev, any, TEVENT_EVENT_TRACE_DETACH);
}

static void test_traces(struct fixture *fx)
{
	struct trail trail = { "" };

	plain_open(fx);
	tell_all(fx->ev);
	is_str(trail.text, "", "B1201 nobody listens");
	tevent_set_trace_callback(fx->ev, trace_point, &trail);
	tevent_set_trace_fd_callback(fx->ev, trace_fd, &trail);
	tevent_set_trace_timer_callback(fx->ev, trace_te, &trail);
	tevent_set_trace_immediate_callback(fx->ev, trace_im, &trail);
	tevent_set_trace_signal_callback(fx->ev, trace_se, &trail);
	tevent_set_trace_queue_callback(fx->ev, trace_qe, &trail);
	tell_all(fx->ev);
	is_str(trail.text, "l0 fd0 te1 im2 se0 qe1",
	       "B1201 B1202 B1203 B1204 B1205 B1207 each is told");
}

int main(void)
{
	warm_up();
	fixture_run("B1301 reports", test_reports);
	fixture_run("B202 double free", test_double_free);
	fixture_run_flags("B130 context", test_context, FIXTURE_NO_CONTEXT);
	fixture_run_flags("B301 fd", test_fd, FIXTURE_NO_CONTEXT);
	fixture_run_flags("B206 fd ends context", test_fd_ends_context,
			  FIXTURE_NO_CONTEXT);
	fixture_run_flags("B120 timers", test_timer_delay, FIXTURE_NO_CONTEXT);
	fixture_run_flags("B403 order", test_timer_order, FIXTURE_NO_CONTEXT);
	fixture_run_flags("B402 invoke", test_timer_invoke, FIXTURE_NO_CONTEXT);
	fixture_run_flags("B451 immediate", test_immediate, FIXTURE_NO_CONTEXT);
	fixture_run_flags("B1101 activate", test_activate, FIXTURE_NO_CONTEXT);
	fixture_run_flags("B501 signal", test_signal, FIXTURE_NO_CONTEXT);
	fixture_run_flags("B1101 wake-up", test_wakeup, FIXTURE_NO_CONTEXT);
	fixture_each_backend("B107 wake-up", test_wakeup_ends_wait);
	fixture_run_flags("B1201 traces", test_traces, FIXTURE_NO_CONTEXT);
	return done();
}
