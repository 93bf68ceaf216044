/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Recording: what is written down of jobs, messages and loops, and what is left
 * of it when there was too much. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/pooltest.h"

/* What is told, below @fx->mem. */
static char *tell(struct fixture *fx, int (*how)(int fd))
{
	int fd = memfd_create("recording", MFD_CLOEXEC);
	char *text = NULL;
	off_t size = 0;

	is_int(how(fd), 0, "it is told");
	size = lseek(fd, 0, SEEK_END);
	text = talloc_zero_array(fx->mem, char, (size_t)size + 1);
	if (pread(fd, text, (size_t)size, 0) != size) {
		bail_out("pread");
	}
	(void)close(fd);
	return text;
}

static unsigned count_of(const char *text, const char *part)
{
	unsigned count = 0;

	for (; (text = strstr(text, part)) != NULL; text += strlen(part)) {
		count++;
	}
	return count;
}

static void run_jobs(struct fixture *fx, struct weft_pool *pool, unsigned count)
{
	unsigned i = 0;

	for (i = 0; i < count; i++) {
		struct outcome outcome = { .done = false };

		(void)outcome_send(fx, pool, quick_run, NULL, &outcome);
		(void)fixture_turn_until(fx->ev, &outcome.done);
	}
}

static void jobs(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	char *told = NULL;

	run_jobs(fx, pool, 1);
	is_int(weft_trace_start(0), 0, "a recording begins");
	run_jobs(fx, pool, 3);
	told = tell(fx, weft_trace_stop);
	ok(strstr(told, "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[{") ==
		   told,
	   "it is what browsers read");
	is_uint(count_of(told, "\"name\":\"submit\""), 3, "jobs are sent");
	is_uint(count_of(told, "\"ph\":\"B\""), 3, "begin");
	is_uint(count_of(told, "\"ph\":\"E\""), 3, "and end");
	is_uint(count_of(told, "\"ph\":\"s\""), 3, "an arrow leads");
	is_uint(count_of(told, "\"ph\":\"f\""), 3, "from each to each");
	ok(strstr(told, "\"name\":\"fn\",\"args\":{\"job\":") != NULL,
	   "under the name of the job");
	ok(strstr(told, "tests/pooltest.h:") != NULL,
	   "with the line that has sent it");
	ok(strstr(told, "{\"name\":\"weft-1\"}") != NULL,
	   "on the track of the worker");
	is_uint(count_of(told, "\"thread_name\""), 2,
		"beside that of the loop");
	run_jobs(fx, pool, 1);
	is_int(weft_trace_stop(-1), ENOENT, "it has ended");
}

static void cancelled(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct outcome first = { .done = false };
	struct outcome second = { .done = false };
	struct tevent_req *req = NULL;
	char *told = NULL;

	(void)outcome_send(fx, pool, held_run, held_new(&started, &go, NULL),
			   &first);
	fixture_gate_wait(&started, 1);
	(void)weft_trace_start(0);
	req = outcome_send(fx, pool, quick_run, NULL, &second);
	(void)tevent_req_cancel(req);
	fixture_gate_add(&go, 1);
	(void)fixture_turn_until(fx->ev, &second.done);
	(void)fixture_turn_until(fx->ev, &first.done);
	told = tell(fx, weft_trace_stop);
	is_uint(count_of(told, "\"name\":\"cancel\""), 1, "is a point");
	is_uint(count_of(told, "\"ph\":\"B\""), 0, "it never begins");
	is_uint(count_of(told, "\"ph\":\"E\""), 0,
		"an end without a begin is left out");
}

static void message(struct weft_mailbox *mailbox, void *block)
{
	(void)mailbox;
	if (block != NULL) {
		**(bool **)block = true;
	}
}

static void nobody(const struct weft_stall_report *report, void *private_data)
{
	(void)report;
	(void)private_data;
}

static void messages_and_handlers(struct fixture *fx)
{
	const struct weft_stall_options options = { .limit_ms = 60000,
						    .stalled = nobody };
	struct weft_stall *stall = NULL;
	weft_addr_t addr = { 0 };
	bool came = false;
	bool **block = talloc(NULL, bool *);
	char *told = NULL;

	*block = &came;
	(void)weft_context_addr(fx->ev, &addr);
	is_int(weft_stall_watch(fx->mem, fx->ev, &options, &stall), 0,
	       "a loop is watched");
	(void)weft_trace_start(100);
	is_int(weft_trace_start(0), EBUSY, "one recording at a time");
	(void)weft_post(addr, message, &block);
	(void)fixture_turn_until(fx->ev, &came);
	told = tell(fx, weft_trace_write);
	is_uint(count_of(told, "\"name\":\"post\""), 1, "a message is sent");
	is_uint(count_of(told, "\"name\":\"dispatch\""), 1, "and arrives");
	ok(count_of(told, "\"ph\":\"B\"") > 0, "its loop's handlers are there");
	ok(TEST_ON_STOCK || count_of(told, "threadpool/port") > 0,
	   "and where they come from");
	is_int(weft_trace_stop(-1), 0, "it may end without being told");
	talloc_free(stall);
}

static void too_much(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	char *told = NULL;

	(void)weft_trace_start(16);
	run_jobs(fx, pool, 100);
	told = tell(fx, weft_trace_stop);
	ok(count_of(told, "\"ph\":\"B\"") <= 8, "only the latest are left");
	ok(strstr(told, "\"job\":100") != NULL, "the last one is there");
	ok(strstr(told, "\"job\":1,") == NULL, "the first is not");
	ok(count_of(told, "\"ph\":\"E\"") <= count_of(told, "\"ph\":\"B\""),
	   "no end is without its begin");
}

static void refusals(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 1);
	int full = -1;

	is_int(weft_trace_write(1), ENOENT, "nothing is recorded");
	is_int(weft_trace_start(1U << 30), EINVAL, "more than there may be");
	(void)weft_trace_start(0);
	run_jobs(fx, pool, 1);
	is_int(weft_trace_write(-1), EBADF, "no file");
	full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	if (full != -1) {
		is_int(weft_trace_stop(full), ENOSPC, "no room in it");
		(void)close(full);
	} else {
		(void)weft_trace_stop(-1);
	}
	is_int(weft_trace_stop(-1), ENOENT, "it has ended all the same");
}

/* Recordings begin, are told and end while four threads write. */
static atomic_bool enough;

static void write_down(unsigned index, void *arg)
{
	struct fixture_gate *begun = arg;
	weft_addr_t to = { 0 };
	struct weft_mailbox *mailbox = NULL;

	(void)index;
	if (weft_mailbox_create(NULL, NULL, NULL, &mailbox) != 0) {
		bail_out("a mailbox");
	}
	to = weft_mailbox_addr(mailbox);
	fixture_gate_add(begun, 1);
	while (!atomic_load_explicit(&enough, memory_order_relaxed)) {
		void *block = NULL;

		(void)weft_post(to, message, &block);
		(void)weft_mailbox_dispatch(mailbox, 0);
	}
	talloc_free(mailbox);
}

static void all_at_once(struct fixture *fx)
{
	struct fixture_gate begun = { 0 };
	struct fixture_threads *threads = NULL;
	unsigned rounds = 0;
	unsigned whole = 0;

	atomic_store_explicit(&enough, false, memory_order_relaxed);
	threads = fixture_threads_start(2, write_down, &begun);
	fixture_gate_wait(&begun, 2);
	for (rounds = 0; rounds < 20; rounds++) {
		char *told = NULL;

		(void)weft_trace_start(64);
		(void)weft_trace_write(-1);
		told = tell(fx, weft_trace_write);
		whole += strcmp(told + strlen(told) - 3, "]}\n") == 0 ? 1 : 0;
		whole += count_of(told, "\"name\":\"?\"") == 0 ? 1 : 0;
		talloc_free(told);
		(void)weft_trace_stop(-1);
	}
	atomic_store_explicit(&enough, true, memory_order_relaxed);
	fixture_threads_join(threads);
	is_uint(whole, 2 * rounds, "whole events, whoever writes meanwhile");
}

int main(void)
{
	POOLTEST(jobs);
	POOLTEST(cancelled);
	POOLTEST(messages_and_handlers);
	POOLTEST(too_much);
	POOLTEST(refusals);
	POOLTEST(all_at_once);
	return done();
}
