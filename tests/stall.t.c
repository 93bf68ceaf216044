/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Stall: a handler that takes too long is reported while it does. Handlers
 * here take until they are reported, so nothing waits by the clock. */
#define TEVENT_DEPRECATED 1
#define _DEPRECATED_

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <tevent.h>
#include <weft.h>

#include "tests/fixture.h"

#define STALLTEST(fn) fixture_run_flags(#fn, fn, FIXTURE_THREADS)
#define LIMIT_MS      20
#define FUNCTION_MAX  4096 /* bytes of code of a handler */

/* What was reported last. */
struct heard {
	struct fixture_gate count;
	struct weft_stall_report report;
	char text[4096];
	char loop[32];
	bool inside; /* a frame of stuck() is there */
	void (*handler)(struct tevent_context *ev, struct tevent_immediate *im,
			void *private_data);
};

static void hear(const struct weft_stall_report *report, void *private_data)
{
	struct heard *heard = private_data;
	unsigned i = 0;

	heard->report = *report;
	(void)snprintf(heard->text, sizeof(heard->text), "%s", report->text);
	(void)snprintf(heard->loop, sizeof(heard->loop), "%s", report->loop);
	for (i = 0; i < report->frame_count; i++) {
		size_t at = (size_t)report->frames[i] - (size_t)heard->handler;

		heard->inside = heard->inside || at < FUNCTION_MAX;
	}
	fixture_gate_add(&heard->count, 1);
}

static struct weft_stall *watch_for(struct fixture *fx, struct heard *heard,
				    unsigned limit_ms, int signal_number)
{
	const struct weft_stall_options options = {
		.name = "first",
		.limit_ms = limit_ms,
		.signal = signal_number,
		.stalled = hear,
		.private_data = heard,
	};
	struct weft_stall *stall = NULL;
	int ret = weft_stall_watch(fx->mem, fx->ev, &options, &stall);

	if (ret != 0) {
		bail_out("weft_stall_watch: %d", ret);
	}
	return stall;
}

static struct weft_stall *watch_with(struct fixture *fx, struct heard *heard,
				     int signal_number)
{
	return watch_for(fx, heard, LIMIT_MS, signal_number);
}

static void stuck(struct tevent_context *ev, struct tevent_immediate *im,
		  void *private_data)
{
	struct heard *heard = private_data;

	(void)ev;
	(void)im;
	fixture_gate_wait(&heard->count, 1);
}

static void get_stuck(struct fixture *fx, struct heard *heard)
{
	struct tevent_immediate *im = tevent_create_immediate(fx->mem);

	heard->handler = stuck;
	tevent_schedule_immediate(im, fx->ev, stuck, heard);
	(void)tevent_loop_once(fx->ev);
	talloc_free(im);
}

static void is_label(const struct heard *heard, const char *kind,
		     const char *handler)
{
	is_str(heard->report.kind, kind, "its kind");
	if (TEST_ON_STOCK) {
		is_str(heard->report.handler, "?", "stock has no names");
		return;
	}
	is_str(heard->report.handler, handler, "its name");
	ok(strstr(heard->report.location, "tests/stall.t.c:") != NULL,
	   "and the line that has set it");
}

/* ---- what is reported ---- */

static void an_immediate(struct fixture *fx)
{
	struct heard heard = { .count = { 0 } };

	(void)watch_with(fx, &heard, 0);
	get_stuck(fx, &heard);
	is_label(&heard, "immediate", "stuck");
	is_str(heard.loop, "first", "the loop");
	is_int(heard.report.tid, getpid(), "its thread");
	ok(heard.report.ms >= LIMIT_MS, "not before the limit");
	is_uint(heard.report.frame_count, 0, "without a signal no frames");
	ok(strstr(heard.text, "loop first") == heard.text, "a text for people");
}

static void stuck_timer(struct tevent_context *ev, struct tevent_timer *te,
			struct timeval now, void *private_data)
{
	struct heard *heard = private_data;

	(void)ev;
	(void)te;
	(void)now;
	fixture_gate_wait(&heard->count, 1);
}

static void a_timer(struct fixture *fx)
{
	struct heard heard = { .count = { 0 } };

	(void)watch_with(fx, &heard, 0);
	(void)tevent_add_timer(fx->ev, fx->mem, tevent_timeval_zero(),
			       stuck_timer, &heard);
	(void)tevent_loop_once(fx->ev);
	is_label(&heard, "timer", "stuck_timer");
}

static void stuck_fd(struct tevent_context *ev, struct tevent_fd *fde,
		     uint16_t flags, void *private_data)
{
	struct heard *heard = private_data;

	(void)ev;
	(void)fde;
	(void)flags;
	fixture_gate_wait(&heard->count, 1);
}

static void a_descriptor(struct fixture *fx)
{
	struct heard heard = { .count = { 0 } };
	struct tevent_fd *fde = NULL;
	int fds[2];

	fixture_pipe(fds);
	(void)watch_with(fx, &heard, 0);
	fde = tevent_add_fd(fx->ev, fx->mem, fds[1], TEVENT_FD_WRITE, stuck_fd,
			    &heard);
	(void)tevent_loop_once(fx->ev);
	is_label(&heard, "fd", "stuck_fd");
	talloc_free(fde);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void stuck_signal(struct tevent_context *ev, struct tevent_signal *se,
			 int signum, int count, void *siginfo,
			 void *private_data)
{
	struct heard *heard = private_data;

	(void)ev;
	(void)se;
	(void)signum;
	(void)count;
	(void)siginfo;
	fixture_gate_wait(&heard->count, 1);
}

static void a_signal(struct fixture *fx)
{
	struct heard heard = { .count = { 0 } };
	struct tevent_signal *se = NULL;

	(void)watch_with(fx, &heard, 0);
	se = tevent_add_signal(fx->ev, fx->mem, SIGUSR2, 0, stuck_signal,
			       &heard);
	(void)raise(SIGUSR2);
	while (fixture_gate_value(&heard.count) == 0) {
		(void)tevent_loop_once(fx->ev);
	}
	is_label(&heard, "signal", "stuck_signal");
	talloc_free(se);
}

static void where_it_stands(struct fixture *fx)
{
	struct heard heard = { .count = { 0 } };

	(void)watch_with(fx, &heard, SIGRTMIN + 3);
	get_stuck(fx, &heard);
	if (TEST_TSAN) {
		skip("signals are late under the thread sanitizer");
		return;
	}
	ok(heard.report.frame_count > 1, "the frames of its thread");
	ok(heard.inside, "the handler is among them");
	ok(strstr(heard.text, "\n  ") != NULL, "and in the text");
}

static void asleep(struct tevent_context *ev, struct tevent_immediate *im,
		   void *private_data)
{
	const struct timespec long_time = { 20, 0 };

	(void)ev;
	(void)im;
	(void)private_data;
	(void)nanosleep(&long_time, NULL);
}

/* The signal ends the sleep, and with it the handler. */
static void one_that_the_signal_ends(struct fixture *fx)
{
	struct tevent_immediate *im = tevent_create_immediate(fx->mem);
	struct heard heard = { .count = { 0 } };

	if (TEST_TSAN) {
		skip("signals are late under the thread sanitizer");
		return;
	}
	heard.handler = asleep;
	(void)watch_with(fx, &heard, SIGRTMIN + 3);
	tevent_schedule_immediate(im, fx->ev, asleep, NULL);
	(void)tevent_loop_once(fx->ev);
	fixture_gate_wait(&heard.count, 1);
	is_label(&heard, "immediate", "asleep");
	ok(heard.inside, "it is seen where it stood");
}

static unsigned sink_lines;
static char sink_line[256];

static void sink(void *context, enum tevent_debug_level level, const char *fmt,
		 va_list ap) TAP_PRINTF(3, 0);

static void sink(void *context, enum tevent_debug_level level, const char *fmt,
		 va_list ap)
{
	(void)context;
	if (level == TEVENT_DEBUG_WARNING) {
		(void)vsnprintf(sink_line, sizeof(sink_line), fmt, ap);
		sink_lines++;
	}
}

static void in_the_debug_sink(struct fixture *fx)
{
	struct heard heard = { .count = { 0 } };
	struct tevent_immediate *im = tevent_create_immediate(fx->mem);

	sink_lines = 0;
	(void)tevent_set_debug(fx->ev, sink, NULL);
	(void)watch_with(fx, &heard, 0);
	get_stuck(fx, &heard);
	/* What was told while it stood may only just be known to the loop. */
	tevent_schedule_immediate(im, fx->ev, stuck, &heard);
	(void)tevent_loop_once(fx->ev);
	is_uint(sink_lines, 1, "its own sink hears of it, once");
	ok(strstr(sink_line, "loop first stood for more than 20 ms") ==
		   sink_line,
	   "when it is over");
}

/* ---- what is not ---- */

static void nothing(struct tevent_context *ev, struct tevent_immediate *im,
		    void *private_data)
{
	(void)ev;
	(void)im;
	(void)private_data;
}

struct second {
	struct heard *heard;
	unsigned limit_ms;
	struct weft_stall *stall;
};

static int second_init(struct tevent_context *ev, unsigned index,
		       void **ret_state, void *private_data)
{
	struct second *second = private_data;
	const struct weft_stall_options options = {
		.name = "second",
		.limit_ms = second->limit_ms,
		.stalled = hear,
		.private_data = second->heard,
	};

	(void)index;
	(void)ret_state;
	return weft_stall_watch(ev, ev, &options, &second->stall);
}

static void second_stuck(struct weft_mailbox *mailbox, void *block)
{
	struct second *second = *(struct second **)block;

	(void)mailbox;
	fixture_gate_wait(&second->heard->count, 1);
}

/* While the watch looks for longer at a second loop, which stands. The limit is
 * one that the system does not keep a thread waiting for. */
static void short_ones(struct fixture *fx)
{
	struct heard heard = { .count = { 0 } };
	/* Its loop looks at these until it ends. */
	static struct heard other;
	static struct second second = { .heard = &other, .limit_ms = 500 };
	const struct weft_loop_options options = { .init = second_init,
						   .private_data = &second };
	struct tevent_immediate *im = tevent_create_immediate(fx->mem);
	struct second **block = talloc(NULL, struct second *);
	struct weft_loop *loop = NULL;

	*block = &second;
	(void)watch_for(fx, &heard, 400, 0);
	is_int(weft_loop_start(fx->mem, &options, &loop), 0, "a second loop");
	is_int(weft_post(weft_loop_addr(loop), second_stuck, &block), 0,
	       "which gets stuck");
	while (fixture_gate_value(&other.count) == 0) {
		tevent_schedule_immediate(im, fx->ev, nothing, NULL);
		(void)tevent_loop_once(fx->ev);
	}
	is_str(other.loop, "second", "that is reported");
	is_int(fixture_gate_value(&heard.count), 0,
	       "many short handlers are not, though the loop is always busy");
}

static void once(struct fixture *fx)
{
	struct heard heard = { .count = { 0 } };
	/* Its loop looks at these until it ends. */
	static struct heard other;
	static struct second second = { .heard = &other,
					.limit_ms = 3 * LIMIT_MS };
	const struct weft_loop_options options = { .init = second_init,
						   .private_data = &second };
	struct tevent_immediate *im = tevent_create_immediate(fx->mem);
	struct second **block = talloc(NULL, struct second *);
	struct weft_loop *loop = NULL;

	*block = &second;
	(void)watch_with(fx, &heard, 0);
	is_int(weft_loop_start(fx->mem, &options, &loop), 0, "a second loop");
	(void)weft_post(weft_loop_addr(loop), second_stuck, &block);
	/* Stands until the second one is reported, after three limits. */
	tevent_schedule_immediate(im, fx->ev, stuck, &other);
	(void)tevent_loop_once(fx->ev);
	is_int(fixture_gate_value(&heard.count), 1,
	       "a handler is reported once, however long it takes");
}

/* How often the watch has gone to sleep; 0: there is none. */
static uint64_t watch_switches(void)
{
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *task = NULL;
	uint64_t count = 0;

	while (tasks != NULL && count == 0 && (task = readdir(tasks)) != NULL) {
		char path[64];
		char line[128];
		bool found = false;
		FILE *file = NULL;

		(void)snprintf(path, sizeof(path),
			       "/proc/self/task/%.20s/status", task->d_name);
		file = fopen(path, "re");
		while (file != NULL &&
		       fgets(line, sizeof(line), file) != NULL) {
			found = found ||
				strcmp(line, "Name:\tweft-stall\n") == 0;
			if (found) {
				(void)sscanf(
					line,
					"voluntary_ctxt_switches: %" SCNu64,
					&count);
			}
		}
		if (file != NULL) {
			(void)fclose(file);
		}
	}
	if (tasks != NULL) {
		(void)closedir(tasks);
	}
	return count;
}

static void an_idle_program(struct fixture *fx)
{
	struct heard heard = { .count = { 0 } };
	struct fixture_gate never = { 0 };
	uint64_t before = 0;

	(void)watch_with(fx, &heard, 0);
	get_stuck(fx, &heard);
	/* It looks once more, finds the loop idle, and sleeps: one that ticks
	 * never does so for 20 looks. */
	do {
		before = watch_switches();
		(void)fixture_gate_timedwait(&never, 1, 5 * LIMIT_MS);
	} while (watch_switches() != before);
	ok(before > 0, "the thread that watches sleeps in an idle program");
}

/* ---- nesting ---- */

static void nest(struct tevent_context *ev, struct tevent_immediate *im,
		 void *private_data)
{
	struct tevent_immediate *inner = tevent_create_immediate(ev);

	(void)im;
	tevent_schedule_immediate(inner, ev, nothing, NULL);
	(void)tevent_loop_once(ev);
	talloc_free(inner);
	stuck(ev, NULL, private_data);
}

static void after_a_nested_loop(struct fixture *fx)
{
	struct heard heard = { .count = { 0 } };
	struct tevent_immediate *im = tevent_create_immediate(fx->mem);

	tevent_loop_allow_nesting(fx->ev);
	(void)watch_with(fx, &heard, 0);
	tevent_schedule_immediate(im, fx->ev, nest, &heard);
	(void)tevent_loop_once(fx->ev);
	is_str(heard.report.kind, "loop", "a handler that nests a loop counts");
}

/* ---- other callbacks ---- */

struct counts {
	unsigned loop;
	unsigned immediate;
};

static void count_loop(enum tevent_trace_point point, void *private_data)
{
	struct counts *counts = private_data;

	(void)point;
	counts->loop++;
}

static void count_immediate(struct tevent_immediate *im,
			    enum tevent_event_trace_point point,
			    void *private_data)
{
	struct counts *counts = private_data;

	(void)im;
	(void)point;
	counts->immediate++;
}

static void programs_callbacks(struct fixture *fx)
{
	struct counts counts = { 0, 0 };
	struct counts other = { 0, 0 };
	struct heard heard = { .count = { 0 } };
	struct weft_stall *stall = NULL;
	tevent_trace_callback_t loop = NULL;
	tevent_trace_immediate_callback_t immediate = NULL;
	void *whose = NULL;

	tevent_set_trace_callback(fx->ev, count_loop, &counts);
	tevent_set_trace_immediate_callback(fx->ev, count_immediate, &counts);
	stall = watch_with(fx, &heard, 0);
	get_stuck(fx, &heard);
	ok(counts.loop > 1 && counts.immediate > 1,
	   "those that the program had set are called");
	tevent_set_trace_callback(fx->ev, count_loop, &other);
	talloc_free(stall);
	tevent_get_trace_callback(fx->ev, &loop, &whose);
	ok(loop == count_loop && whose == &other, "a later one stays");
	tevent_get_trace_immediate_callback(fx->ev, &immediate, &whose);
	ok(immediate == count_immediate && whose == &counts,
	   "an earlier one is put back");
}

/* ---- ends ---- */

static void free_it(struct tevent_context *ev, struct tevent_immediate *im,
		    void *private_data)
{
	struct weft_stall **stall = private_data;

	(void)ev;
	(void)im;
	TALLOC_FREE(*stall);
}

static void ends(struct fixture *fx)
{
	struct heard heard = { .count = { 0 } };
	unsigned threads = fixture_thread_count();
	struct tevent_immediate *im = tevent_create_immediate(fx->mem);
	struct tevent_context *ev = tevent_context_init(NULL);
	struct weft_stall *stall = watch_with(fx, &heard, 0);
	struct fixture other = { .mem = fx->mem, .ev = ev };

	tevent_schedule_immediate(im, fx->ev, free_it, &stall);
	(void)tevent_loop_once(fx->ev);
	ok(stall == NULL, "in a handler");
	fixture_wait_threads(threads);
	ok(true, "the last one takes the thread along");
	stall = watch_with(&other, &heard, 0);
	talloc_free(ev);
	talloc_free(stall);
	fixture_wait_threads(threads);
	ok(true, "after the loop");
}

static int child_turns(void *arg)
{
	struct fixture *fx = arg;
	struct tevent_immediate *im = tevent_create_immediate(fx->mem);
	struct heard heard = { .count = { 0 } };
	struct weft_stall *stall = NULL;

	if (tevent_re_initialise(fx->ev) != 0) {
		return 1;
	}
	tevent_schedule_immediate(im, fx->ev, nothing, NULL);
	if (tevent_loop_once(fx->ev) != 0) {
		return 2;
	}
	/* Threads in a child are more than the sanitizers of gcc stand. */
	if (TEST_TSAN || TEST_ASAN) {
		return 0;
	}
	stall = watch_with(fx, &heard, 0);
	get_stuck(fx, &heard);
	talloc_free(stall);
	return fixture_gate_value(&heard.count) == 1 ? 0 : 3;
}

static void a_child(struct fixture *fx)
{
	struct heard heard = { .count = { 0 } };
	struct weft_stall *stall = watch_with(fx, &heard, 0);
	struct fixture_child child = fixture_child(child_turns, fx);

	child_exited(&child, 0, "is not watched, and may begin anew");
	get_stuck(fx, &heard);
	is_int(fixture_gate_value(&heard.count), 1, "its parent still is");
	talloc_free(stall);
}

/* ---- refusals ---- */

static void own_handler(int signum)
{
	(void)signum;
}

static void refusals(struct fixture *fx)
{
	struct weft_stall_options options = { .limit_ms = 1 };
	struct weft_stall *stall = NULL;

	is_int(weft_stall_watch(fx->mem, fx->ev, &options, &stall), EINVAL,
	       "nobody to tell");
	is_int(weft_stall_watch(fx->mem, fx->ev, NULL, &stall), EINVAL,
	       "no options at all");
	options.stalled = hear;
	options.signal = 1000;
	is_int(weft_stall_watch(fx->mem, fx->ev, &options, &stall), EINVAL,
	       "no such signal");
	options.signal = SIGKILL;
	is_int(weft_stall_watch(fx->mem, fx->ev, &options, &stall), EINVAL,
	       "one that cannot be caught");
	(void)signal(SIGUSR1, own_handler);
	options.signal = SIGUSR1;
	is_int(weft_stall_watch(fx->mem, fx->ev, &options, &stall), EBUSY,
	       "one that the program uses");
	(void)signal(SIGUSR1, SIG_DFL);
	ok(stall == NULL, "nothing was set");
}

int main(void)
{
	STALLTEST(an_immediate);
	STALLTEST(a_timer);
	STALLTEST(a_descriptor);
	STALLTEST(a_signal);
	STALLTEST(where_it_stands);
	STALLTEST(one_that_the_signal_ends);
	STALLTEST(in_the_debug_sink);
	STALLTEST(short_ones);
	STALLTEST(once);
	STALLTEST(an_idle_program);
	STALLTEST(after_a_nested_loop);
	STALLTEST(programs_callbacks);
	STALLTEST(ends);
	STALLTEST(a_child);
	STALLTEST(refusals);
	return done();
}
