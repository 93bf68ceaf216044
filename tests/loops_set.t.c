/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Loops set: several loops that do the same: started all or none, found by
 * index, in turn and by processor, stopped as one.
 */
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "tests/looptest.h"

static struct weft_loops *set_start(struct fixture *fx, unsigned count,
				    const struct weft_loop_options *options)
{
	struct weft_loops *loops = NULL;
	int ret = weft_loops_start(fx->mem, count, options, &loops);

	if (ret != 0) {
		bail_out("weft_loops_start: %d", ret);
	}
	return loops;
}

static void set_ended(struct tevent_req *req)
{
	struct ending *ending = tevent_req_callback_data_void(req);

	ending->ret = weft_loops_stop_recv(req);
	ending->done = true;
	talloc_free(req);
}

static struct tevent_req *set_stop_send(struct fixture *fx,
					struct weft_loops *loops,
					struct ending *ending)
{
	struct tevent_req *req = weft_loops_stop_send(fx->mem, fx->ev, loops);

	if (req == NULL) {
		bail_out("weft_loops_stop_send: no memory");
	}
	tevent_req_set_callback(req, set_ended, ending);
	return req;
}

static int set_stop(struct fixture *fx, struct weft_loops *loops)
{
	struct ending ending = { .done = false };

	(void)set_stop_send(fx, loops, &ending);
	(void)fixture_turn_until(fx->ev, &ending.done);
	return ending.ret;
}

struct looks {
	char name[32];
	cpu_set_t cpus;
	pthread_t thread;
};

static void look(struct weft_mailbox *mailbox, void *arg)
{
	struct looks *looks = arg;

	(void)mailbox;
	(void)prctl(PR_GET_NAME, looks->name);
	(void)sched_getaffinity(0, sizeof(looks->cpus), &looks->cpus);
	looks->thread = pthread_self();
}

/* The processors that we may run on, at most @max of them. */
static unsigned own_cpus(unsigned *cpus, unsigned max)
{
	cpu_set_t set;
	unsigned count = 0;
	unsigned cpu = 0;

	(void)sched_getaffinity(0, sizeof(set), &set);
	for (cpu = 0; cpu < CPU_SETSIZE && count < max; cpu++) {
		if (CPU_ISSET(cpu, &set)) {
			cpus[count++] = cpu;
		}
	}
	return count;
}

/* ---- start ---- */

static void names(struct fixture *fx)
{
	static const char *const wanted[] = {
		"some-long-nam-0",
		"some-long-nam-1",
		"some-long-nam-2",
	};
	struct weft_loop_options options = { .name = "some-long-name" };
	struct weft_loops *loops = set_start(fx, 3, &options);
	struct looks looks[3];
	unsigned i = 0;

	is_str(talloc_get_name(loops), "struct weft_loops",
	       "a set is a talloc object");
	is_uint(weft_loops_count(loops), 3, "as many as asked for");
	for (i = 0; i < 3; i++) {
		looptest_visit(weft_loops_at(loops, i), look, &looks[i]);
		is_str(looks[i].name, wanted[i], "the name of loop %u", i);
	}
	ok(!pthread_equal(looks[0].thread, looks[1].thread) &&
		   !pthread_equal(looks[1].thread, looks[2].thread),
	   "each is a thread of its own");
	is_int(set_stop(fx, loops), 0, "they stop");
}

static void default_count(struct fixture *fx)
{
	unsigned cpus[CPU_SETSIZE];
	unsigned mine = own_cpus(cpus, CPU_SETSIZE);
	struct weft_loop_options options = { .cpus = cpus, .cpu_count = mine };
	struct weft_loops *loops = set_start(fx, 0, NULL);
	unsigned count = weft_loops_count(loops);

	ok(count >= 1 && count <= mine, "at most one for each processor");
	is_int(set_stop(fx, loops), 0, "they stop");
	loops = set_start(fx, 0, &options);
	is_uint(weft_loops_count(loops), mine, "one for each that is named");
	is_int(set_stop(fx, loops), 0, "they stop");
}

struct indices {
	atomic_int seen[4];
	atomic_int finis;
	int failing; /* the index whose init fails */
};

static int index_init(struct tevent_context *ev, unsigned index,
		      void **ret_state, void *private_data)
{
	struct indices *indices = private_data;

	(void)ev;
	(void)atomic_fetch_add(&indices->seen[index], 1);
	*ret_state = &indices->seen[index];
	return (int)index == indices->failing ? EACCES : 0;
}

static void index_fini(struct tevent_context *ev, void *state,
		       void *private_data)
{
	struct indices *indices = private_data;

	(void)ev;
	(void)state;
	(void)atomic_fetch_add(&indices->finis, 1);
}

static struct weft_loop_options index_options(struct indices *indices)
{
	struct weft_loop_options options = {
		.init = index_init,
		.fini = index_fini,
		.private_data = indices,
	};

	return options;
}

static void index_of_each(struct fixture *fx)
{
	struct indices indices = { .failing = -1 };
	struct weft_loop_options options = index_options(&indices);
	struct weft_loops *loops = set_start(fx, 4, &options);
	unsigned i = 0;

	is_int(set_stop(fx, loops), 0, "they stop");
	for (i = 0; i < 4; i++) {
		is_int(atomic_load(&indices.seen[i]), 1, "init for loop %u", i);
	}
	is_int(atomic_load(&indices.finis), 4, "fini for each");
}

static void pinned(struct fixture *fx)
{
	unsigned cpus[2] = { 0, 0 };
	unsigned mine = own_cpus(cpus, 2);
	struct weft_loop_options options = { .pin = true };
	struct weft_loops *loops = set_start(fx, 3, &options);
	struct looks looks;
	unsigned i = 0;

	for (i = 0; i < 3; i++) {
		looptest_visit(weft_loops_at(loops, i), look, &looks);
		is_int(CPU_COUNT(&looks.cpus), 1, "loop %u has a processor", i);
		if (i < mine) {
			ok(CPU_ISSET(cpus[i], &looks.cpus), "it is the next");
		}
	}
	is_int(set_stop(fx, loops), 0, "they stop");
	/* Backwards. */
	options.cpus = (unsigned[]){ cpus[mine - 1], cpus[0] };
	options.cpu_count = 2;
	loops = set_start(fx, 3, &options);
	looptest_visit(weft_loops_at(loops, 0), look, &looks);
	ok(CPU_COUNT(&looks.cpus) == 1 &&
		   CPU_ISSET(cpus[mine - 1], &looks.cpus),
	   "the first that is named is for the first loop");
	looptest_visit(weft_loops_at(loops, 2), look, &looks);
	ok(CPU_COUNT(&looks.cpus) == 1 &&
		   CPU_ISSET(cpus[mine - 1], &looks.cpus),
	   "and for the third: round again");
	is_int(set_stop(fx, loops), 0, "they stop");
}

/* ---- all or none ---- */

static void bad_options(struct fixture *fx)
{
	static const unsigned absent[] = { 8191, 1U << 30 };
	unsigned threads = fixture_thread_count();
	struct weft_loop_options options = { .nice = 20 };
	struct weft_loops *loops = NULL;
	unsigned cpus[2] = { 0, 8191 };

	is_int(weft_loops_start(fx->mem, 2, &options, &loops), EINVAL,
	       "a bad nice value");
	options = (struct weft_loop_options){ .cpu_count = 1 };
	is_int(weft_loops_start(fx->mem, 2, &options, &loops), EINVAL,
	       "a count without processors");
	options = (struct weft_loop_options){ .cpus = absent };
	is_int(weft_loops_start(fx->mem, 0, &options, &loops), EINVAL,
	       "processors without a count");
	options.cpu_count = 1;
	is_int(weft_loops_start(fx->mem, 0, &options, &loops), EINVAL,
	       "a processor that is not there");
	options.cpu_count = 2;
	is_int(weft_loops_start(fx->mem, 0, &options, &loops), EINVAL,
	       "a number no processor has");
	(void)own_cpus(cpus, 1);
	options.cpus = cpus;
	options.pin = true;
	is_int(weft_loops_start(fx->mem, 2, &options, &loops), EINVAL,
	       "pinned, the second processor is not there");
	is_ptr(loops, NULL, "a failure sets nothing");
	fixture_wait_threads(threads);
	ok(true, "and leaves no thread");
}

static void too_many(struct fixture *fx)
{
	unsigned threads = fixture_thread_count();
	unsigned fds = fixture_fd_count();
	struct weft_loops *loops = NULL;
	struct rlimit before;
	struct rlimit few;
	int ret = 0;

	(void)getrlimit(RLIMIT_NOFILE, &before);
	few = before;
	few.rlim_cur = fds + 20;
	(void)setrlimit(RLIMIT_NOFILE, &few);
	ret = weft_loops_start(fx->mem, 50, NULL, &loops);
	(void)setrlimit(RLIMIT_NOFILE, &before);
	is_int(ret, EMFILE, "too many for the descriptors there are");
	is_ptr(loops, NULL, "is none");
	fixture_wait_threads(threads);
	is_uint(fixture_fd_count(), fds, "those that had begun are gone");
	is_int(weft_loops_start(fx->mem, UINT_MAX, NULL, &loops), ENOMEM,
	       "too many for any memory");
}

/* ---- which ---- */

static void addresses(struct fixture *fx)
{
	struct weft_loops *loops = set_start(fx, 3, NULL);
	unsigned i = 0;

	for (i = 0; i < 3; i++) {
		struct weft_loop *loop = weft_loops_get(loops, i);

		ok(loop != NULL && weft_loop_addr(loop).id ==
					   weft_loops_at(loops, i).id,
		   "loop %u is found by its index", i);
	}
	is_ptr(weft_loops_get(loops, 3), NULL, "there is no fourth");
	ok(weft_loops_at(loops, 4).id == weft_loops_at(loops, 1).id,
	   "an address is found by any number");
	for (i = 0; i < 7; i++) {
		ok(weft_loops_next(loops).id == weft_loops_at(loops, i).id,
		   "next: it is the turn of %u", i % 3);
	}
	is_int(set_stop(fx, loops), 0, "they stop");
}

static weft_addr_t here_on(const struct weft_loops *loops, unsigned cpu)
{
	weft_addr_t addr = { 0 };
	cpu_set_t before;
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	(void)sched_getaffinity(0, sizeof(before), &before);
	if (sched_setaffinity(0, sizeof(one), &one) != 0) {
		bail_out("sched_setaffinity");
	}
	addr = weft_loops_here(loops);
	(void)sched_setaffinity(0, sizeof(before), &before);
	return addr;
}

static void here(struct fixture *fx)
{
	unsigned cpus[8] = { 0 };
	unsigned mine = own_cpus(cpus, 8);
	struct weft_loop_options options = { .cpus = cpus, .cpu_count = mine };
	struct weft_loops *loops = set_start(fx, mine, &options);
	unsigned backwards[8] = { 0 };
	unsigned i = 0;

	for (i = 0; i < mine; i++) {
		weft_addr_t addr = here_on(loops, cpus[i]);

		ok(addr.id == weft_loops_at(loops, i).id,
		   "on its processor %u is loop %u", cpus[i], i);
		backwards[mine - 1 - i] = cpus[i];
	}
	is_int(set_stop(fx, loops), 0, "they stop");
	options.cpus = backwards;
	loops = set_start(fx, 2, &options);
	for (i = 0; i < mine; i++) {
		weft_addr_t addr = here_on(loops, backwards[i]);

		ok(addr.id == weft_loops_at(loops, i % 2).id,
		   "the places follow the options, round again");
	}
	is_int(set_stop(fx, loops), 0, "they stop");
	options.cpu_count = 1;
	loops = set_start(fx, 2, &options);
	ok(weft_loops_here(loops).id != 0, "each processor has a loop");
	is_int(set_stop(fx, loops), 0, "they stop");
}

/* ---- the end ---- */

static void first_error(struct fixture *fx)
{
	struct indices indices = { .failing = 1 };
	struct weft_loop_options options = index_options(&indices);
	struct weft_loops *loops = set_start(fx, 3, &options);

	is_int(set_stop(fx, loops), EACCES, "the error of one is that of all");
	is_int(atomic_load(&indices.finis), 2, "the others have ended");
	is_int(set_stop(fx, loops), EACCES, "asked again, too");
}

static void given_up(struct fixture *fx)
{
	unsigned threads = fixture_thread_count();
	struct weft_loops *loops = set_start(fx, 2, NULL);
	struct fixture_gate ran = { 0 };
	struct fixture_gate cancelled = { 0 };
	struct fixture_gate go = { 0 };
	struct ending endings[2] = { { .done = false } };
	struct tevent_req *req = NULL;

	(void)note_post(weft_loops_at(loops, 0), &ran, &cancelled, &go);
	req = set_stop_send(fx, loops, &endings[0]);
	is_int(weft_loops_stop_recv(req), EINPROGRESS, "one is busy");
	ok(tevent_req_cancel(req), "a stop of all is given up");
	ok(!endings[0].done, "it is told in a later pass");
	(void)fixture_turn_until(fx->ev, &endings[0].done);
	is_int(endings[0].ret, ECANCELED, "with ECANCELED");
	req = set_stop_send(fx, loops, &endings[1]);
	talloc_free(req);
	is_int(tevent_loop_wait(fx->ev), 0, "nobody waits any more");
	fixture_gate_add(&go, 1);
	fixture_wait_threads(threads);
	ok(!endings[1].done, "a freed request says nothing");
}

static void ended_then_cancelled(struct fixture *fx)
{
	struct weft_loops *loops = set_start(fx, 2, NULL);
	struct tevent_req *req = weft_loops_stop_send(fx->mem, fx->ev, loops);

	ok(tevent_req_poll(req, fx->ev), "all have ended");
	ok(!tevent_req_cancel(req), "then it is too late to give that up");
	is_int(weft_loops_stop_recv(req), 0, "and it stays a success");
	talloc_free(req);
}

static void freed(struct fixture *fx)
{
	unsigned threads = fixture_thread_count();
	struct indices indices = { .failing = -1 };
	struct weft_loop_options options = index_options(&indices);
	struct weft_loops *loops = set_start(fx, 3, &options);
	struct fixture_gate ran = { 0 };
	struct ending ending = { .done = false };
	unsigned i = 0;

	for (i = 0; i < 3; i++) {
		(void)note_post(weft_loops_at(loops, i), &ran, &ran, NULL);
	}
	fixture_gate_wait(&ran, 3);
	(void)set_stop_send(fx, loops, &ending);
	talloc_free(loops);
	(void)fixture_turn_until(fx->ev, &ending.done);
	is_int(ending.ret, 0, "who asked before the set is freed is told");
	fixture_wait_threads(threads);
	is_int(atomic_load(&indices.finis), 3, "all have ended");
}

int main(void)
{
	looptest_begin();
	LOOPTEST(names);
	LOOPTEST(default_count);
	LOOPTEST(index_of_each);
	LOOPTEST(pinned);
	LOOPTEST(bad_options);
	LOOPTEST(too_many);
	LOOPTEST(addresses);
	LOOPTEST(here);
	LOOPTEST(first_error);
	LOOPTEST(given_up);
	LOOPTEST(ended_then_cancelled);
	LOOPTEST(freed);
	return done();
}
