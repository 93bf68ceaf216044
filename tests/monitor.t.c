/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Monitor: what a client is told, and what it may do. */
#include <inttypes.h>

#include "tests/monitortest.h"

static struct fixture_gate nobody;

/* ---- what is told ---- */

static void a_program_with_nothing(struct fixture *fx)
{
	struct nest *nest = nest_new(fx->mem);
	char *told = NULL;
	char pid[32];

	(void)monitortest_open(fx, nest->path, NULL);
	told = client_ask(fx, nest->path, "snapshot\n");
	(void)snprintf(pid, sizeof(pid), "\"pid\":%ld,", (long)getpid());
	has(told, "{\"weft\":\"", "a line begins with the version");
	has(told, weft_version(), "of this library");
	has(told, pid, "the process");
	has(told, "\"may_stop\":false", "what clients may not do");
	has(told, "\"loops\":[{\"name\":\"main\",", "its own loop");
	has(told, "\"silent\":false", "which has answered");
	has(told, "\"error\":null", "without an error");
	has(told, "\"pools\":[]}", "and nothing else");
}

static void a_pool(struct fixture *fx)
{
	struct nest *nest = nest_new(fx->mem);
	struct weft_monitor *monitor = monitortest_open(fx, nest->path, NULL);
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct outcome first = { .done = false };
	struct outcome second = { .done = false };
	char *told = NULL;

	is_int(weft_monitor_add_pool(monitor, "work", pool), 0, "a pool");
	(void)outcome_send(fx, pool, held_run, held_new(&started, &go, &nobody),
			   &first);
	(void)outcome_send(fx, pool, quick_run, NULL, &second);
	fixture_gate_wait(&started, 1);
	told = client_ask(fx, nest->path, "snapshot\n");
	has(told, "\"pools\":[{\"name\":\"work\",\"stopped\":false,", "it");
	has(told, "\"workers\":1,\"idle\":0,\"queued\":1,\"running\":1,",
	    "its numbers");
	has(told, "\"lanes\":[{\"name\":\"weft\",\"queued\":1,", "its lane");
	has(told, "\"wait\":{\"total\":", "with the times that jobs waited");
	has(told, "\"run\":{\"total\":0,\"sum_ns\":0,\"max_ns\":0,\"count\":[]",
	    "and ran, as far as there are any");
	has(told, "\"state\":\"running\",\"name\":\"fn\",\"location\":",
	    "the job that runs");
	has(told, "tests/pooltest.h:", "and where it was sent");
	has(told, "\"worker\":\"weft-1\",\"tid\":", "on which thread");
	has(told, "\"state\":\"queued\",", "the job that waits");
	fixture_gate_add(&go, 1);
	(void)fixture_turn_until(fx->ev, &first.done);
	(void)fixture_turn_until(fx->ev, &second.done);
	told = client_ask(fx, nest->path, "snapshot\n");
	has(told, "\"jobs\":[]", "both are through");
	has(told, "\"completed\":2,", "which is counted");
}

static void few_of_the_jobs_that_wait(struct fixture *fx)
{
	const struct weft_monitor_options options = { .jobs_max = 2 };
	struct nest *nest = nest_new(fx->mem);
	struct weft_monitor *monitor = monitortest_open(fx, nest->path,
							&options);
	struct weft_pool *pool = pooltest_pool(fx, 1);
	struct fixture_gate started = { 0 };
	struct fixture_gate go = { 0 };
	struct outcome outcome[9] = { { .done = false } };
	const char *at = NULL;
	unsigned seen = 0;

	(void)weft_monitor_add_pool(monitor, "work", pool);
	(void)outcome_send(fx, pool, held_run, held_new(&started, &go, &nobody),
			   &outcome[0]);
	for (size_t i = 1; i < 9; i++) {
		(void)outcome_send(fx, pool, quick_run, NULL, &outcome[i]);
	}
	fixture_gate_wait(&started, 1);
	at = client_ask(fx, nest->path, "snapshot\n");
	has(at, "\"queued\":8,", "eight wait");
	for (; (at = strstr(at, "\"state\":\"queued\"")) != NULL; at++) {
		seen++;
	}
	is_uint(seen, 2, "options.jobs_max of them are told");
	fixture_gate_add(&go, 1);
	for (size_t i = 0; i < 9; i++) {
		(void)fixture_turn_until(fx->ev, &outcome[i].done);
	}
}

static void a_pool_that_ends(struct fixture *fx)
{
	struct nest *nest = nest_new(fx->mem);
	struct weft_monitor *monitor = monitortest_open(fx, nest->path, NULL);
	struct weft_pool *pool = pooltest_pool(fx, 1);
	char *told = NULL;

	(void)weft_monitor_add_pool(monitor, "work", pool);
	talloc_free(pool);
	told = client_ask(fx, nest->path, "snapshot\n");
	has(told, "\"name\":\"work\",\"stopped\":true,", "is told once more");
	told = client_ask(fx, nest->path, "snapshot\n");
	has(told, "\"pools\":[]}", "then no longer");
}

static void odd_names(struct fixture *fx)
{
	struct nest *nest = nest_new(fx->mem);
	struct weft_monitor *monitor = monitortest_open(fx, nest->path, NULL);
	weft_addr_t addr = { 0 };
	char *told = NULL;

	(void)weft_context_addr(fx->ev, &addr);
	is_int(weft_monitor_add_addr(monitor, "a \"b\" \\ \n \xc3\xa9 \xc3",
				     addr),
	       0, "a name may be anything");
	told = client_ask(fx, nest->path, "snapshot\n");
	has(told, "\"a \\\"b\\\" \\\\ \\u000a \xc3\xa9 \\ufffd\"",
	    "and is told as text");
	is_int(weft_monitor_add_addr(monitor, NULL, addr), EINVAL, "but none");
	is_int(weft_monitor_add_addr(monitor, "nobody", (weft_addr_t){ 0 }),
	       EINVAL, "and nobody's address is none");
	is_int(weft_monitor_add_pool(monitor, NULL, NULL), EINVAL,
	       "nor is a pool without a name");
}

/* ---- loops ---- */

struct stuck {
	struct fixture_gate *in;
	struct fixture_gate *out;
};

static void stuck_run(struct weft_mailbox *mailbox, void *block)
{
	struct stuck *stuck = talloc_get_type_abort(block, struct stuck);

	(void)mailbox;
	fixture_gate_add(stuck->in, 1);
	fixture_gate_wait(stuck->out, 1);
}

static uint64_t number_after(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at == NULL ? 0 : strtoull(at + strlen(key), NULL, 10);
}

static void a_loop_that_is_late(struct fixture *fx)
{
	const struct weft_loop_options options = { .name = "second",
						   .limit = 3 };
	struct nest *nest = nest_new(fx->mem);
	struct weft_monitor *monitor = monitortest_open(fx, nest->path, NULL);
	struct stuck *stuck = talloc_zero(NULL, struct stuck);
	struct fixture_gate in = { 0 };
	struct fixture_gate out = { 0 };
	struct weft_loop *loop = NULL;
	uint64_t lag = 0;
	char *told = NULL;

	is_int(weft_loop_start(fx->mem, &options, &loop), 0, "a loop");
	(void)weft_monitor_add_addr(monitor, "other", weft_loop_addr(loop));
	told = client_ask(fx, nest->path, "snapshot\n");
	told = strstr(told, "\"name\":\"other\"");
	if (!ok(told != NULL, "it is told of")) {
		return;
	}
	has(told, "\"thread\":\"second\"", "its thread says its name");
	has(told, "\"waiting\":0,", "its mailbox how many wait");
	ok(number_after(told, "\"lag_ns\":") < 4000000000U, "it is in time");
	ok(number_after(told, "\"cpu_ns\":") > 0, "it has worked");

	stuck->in = &in;
	stuck->out = &out;
	is_int(weft_post(weft_loop_addr(loop), stuck_run, &stuck), 0,
	       "it gets stuck");
	fixture_gate_wait(&in, 1);
	told = client_ask(fx, nest->path, "snapshot\n");
	told = strstr(told, "\"name\":\"other\"");
	has(told, "\"silent\":true", "it does not answer: that is told");
	lag = number_after(told, "\"lag_ns\":");
	ok(lag >= 90000000U, "as late as it is by now");
	has(told, "\"waiting\":1,", "the question is what waits");
	told = client_ask(fx, nest->path, "snapshot\n");
	told = strstr(told, "\"name\":\"other\"");
	ok(number_after(told, "\"lag_ns\":") > lag, "then even later");
	has(told, "\"waiting\":1,", "nobody has asked a second time");
	fixture_gate_add(&out, 1);
	do {
		told = client_ask(fx, nest->path, "snapshot\n");
		told = strstr(told, "\"name\":\"other\"");
	} while (strstr(told, "\"silent\":true") != NULL);
	ok(number_after(told, "\"lag_ns\":") > lag,
	   "the answer says how late it was, once it has come");
}

static void a_loop_that_goes(struct fixture *fx)
{
	struct nest *nest = nest_new(fx->mem);
	struct weft_monitor *monitor = monitortest_open(fx, nest->path, NULL);
	struct weft_mailbox *mailbox = NULL;
	char *told = NULL;

	(void)weft_mailbox_create(fx->mem, fx->ev, NULL, &mailbox);
	(void)weft_monitor_add_addr(monitor, "box", weft_mailbox_addr(mailbox));
	told = client_ask(fx, nest->path, "snapshot\n");
	told = strstr(told, "\"name\":\"box\"");
	ok(told != NULL, "a mailbox");
	has_not(told, "\"waiting\"", "that does not count what waits");
	talloc_free(mailbox);
	told = client_ask(fx, nest->path, "snapshot\n");
	told = strstr(told, "\"name\":\"box\"");
	ok(told != NULL && strstr(told, strerror(ECANCELED)) != NULL,
	   "that it has gone is told");
	told = client_ask(fx, nest->path, "snapshot\n");
	has_not(told, "\"box\"", "once");
}

/* ---- commands ---- */

static int until_told(struct weft_job *job, void *block)
{
	struct fixture_gate *started = *(struct fixture_gate **)block;
	struct timespec while_ms = { 0, 1000000 };

	fixture_gate_add(started, 1);
	while (!weft_job_should_stop(job)) {
		(void)nanosleep(&while_ms, NULL);
	}
	return ECANCELED;
}

static void a_job_is_stopped(struct fixture *fx)
{
	const struct weft_monitor_options options = { .may_stop = true };
	struct nest *nest = nest_new(fx->mem);
	struct weft_monitor *monitor = monitortest_open(fx, nest->path,
							&options);
	struct weft_pool *pool = pooltest_pool(fx, 2);
	struct fixture_gate started = { 0 };
	struct fixture_gate **block = talloc(NULL, struct fixture_gate *);
	struct outcome outcome = { .done = false };
	struct tevent_req *req = NULL;
	char command[64];
	char *told = NULL;

	(void)weft_monitor_add_pool(monitor, "my work", pool);
	*block = &started;
	req = outcome_send(fx, pool, until_told, block, &outcome);
	fixture_gate_wait(&started, 1);
	(void)snprintf(command, sizeof(command), "stop %" PRIu64 " work\n",
		       weft_job_id(req));
	has(client_ask(fx, nest->path, command), "{\"error\":\"no such job",
	    "not in another pool");
	(void)snprintf(command, sizeof(command), "stop 9%" PRIu64 " my work\n",
		       weft_job_id(req));
	has(client_ask(fx, nest->path, command), "{\"error\":\"no such job",
	    "not another job");
	(void)snprintf(command, sizeof(command), "stop %" PRIu64 " my work\n",
		       weft_job_id(req));
	told = client_ask(fx, nest->path, command);
	is_str(told, "{\"stopped\":true}", "a job is told to stop");
	(void)fixture_turn_until(fx->ev, &outcome.done);
	is_int(outcome.ret, ECANCELED, "its request says what it returned");
	is_int(weft_pool_stop_job(pool, 1), ENOENT, "it runs no more");
	is_int(weft_pool_stop_job(pool, 0), ENOENT, "nobody is number 0");
}

static void a_job_is_not_stopped(struct fixture *fx)
{
	struct nest *nest = nest_new(fx->mem);

	(void)monitortest_open(fx, nest->path, NULL);
	is_str(client_ask(fx, nest->path, "stop 1 work\n"),
	       "{\"error\":\"jobs may not be stopped here\"}",
	       "not unless the options say so");
}

struct family {
	struct fixture_gate started;
	int child;
};

static int child_run(struct weft_job *job, void *block)
{
	struct fixture_gate *started = *(struct fixture_gate **)block;

	return until_told(job, &started);
}

static int parent_run(struct weft_job *job, void *block)
{
	struct family *family = *(struct family **)block;
	struct fixture_gate **theirs = talloc(NULL, struct fixture_gate *);
	struct weft_child *child = NULL;
	int ret = 0;

	*theirs = &family->started;
	ret = weft_job_spawn(job, child_run, &theirs, NULL, &child);
	if (ret != 0) {
		return ret;
	}
	fixture_gate_wait(&family->started, 1);
	family->child = weft_child_wait(child, NULL, NULL);
	return weft_job_should_stop(job) ? ECANCELED : 0;
}

static void a_child_is_stopped_with_its_parent(struct fixture *fx)
{
	struct weft_pool *pool = pooltest_pool(fx, 2);
	struct family family = { .child = 0 };
	struct family **block = talloc(NULL, struct family *);
	struct outcome outcome = { .done = false };
	struct tevent_req *req = NULL;

	*block = &family;
	req = outcome_send(fx, pool, parent_run, block, &outcome);
	fixture_gate_wait(&family.started, 1);
	is_int(weft_pool_stop_job(pool, weft_job_id(req)), 0,
	       "a job that has a child");
	(void)fixture_turn_until(fx->ev, &outcome.done);
	is_int(outcome.ret, ECANCELED, "it has heard of it");
	is_int(family.child, ECANCELED, "and so has the child");
}

static void what_is_no_command(struct fixture *fx)
{
	struct nest *nest = nest_new(fx->mem);
	char command[200];
	int fd = -1;

	(void)monitortest_open(fx, nest->path, NULL);
	has(client_ask(fx, nest->path, "hello\n"),
	    "{\"error\":\"commands:", "is answered with those that are");
	has(client_ask(fx, nest->path, "\n"),
	    "{\"error\":\"commands:", "so is nothing");
	has(client_ask(fx, nest->path, "stop x y\n"),
	    "{\"error\":\"commands:", "and half of one");
	memset(command, 'x', sizeof(command) - 1);
	command[sizeof(command) - 1] = '\0';
	fd = client_connect(nest->path);
	client_say(fd, command);
	is_str(client_hear(fx, fd), "{\"error\":\"too long a line\"}",
	       "who does not come to an end hears of that");
	is_str(client_hear(fx, fd), "", "and nothing more");
	(void)close(fd);
}

int main(void)
{
	POOLTEST(a_program_with_nothing);
	POOLTEST(a_pool);
	POOLTEST(few_of_the_jobs_that_wait);
	POOLTEST(a_pool_that_ends);
	POOLTEST(odd_names);
	POOLTEST(a_loop_that_is_late);
	POOLTEST(a_loop_that_goes);
	POOLTEST(a_job_is_stopped);
	POOLTEST(a_job_is_not_stopped);
	POOLTEST(a_child_is_stopped_with_its_parent);
	POOLTEST(what_is_no_command);
	return done();
}
