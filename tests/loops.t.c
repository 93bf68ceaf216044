/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Loops: threads that own a loop: how they are started and dressed.
 *
 * Not here: what runs on them (loops_run.t.c), how they end (loops_stop.t.c,
 * loops_fork.t.c), sets of them (loops_set.t.c).
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "tests/looptest.h"

/* ---- what a thread looks like ---- */

struct looks {
	pthread_t thread;
	char name[32];
	cpu_set_t cpus;
	sigset_t blocked;
	int nice;
	size_t stack;
	bool has_context;
	void *private_data;
};

static void looks_of_this_thread(struct looks *looks)
{
	pthread_attr_t attr;

	looks->thread = pthread_self();
	(void)prctl(PR_GET_NAME, looks->name);
	(void)sched_getaffinity(0, sizeof(looks->cpus), &looks->cpus);
	(void)pthread_sigmask(SIG_SETMASK, NULL, &looks->blocked);
	looks->nice = getpriority(PRIO_PROCESS, 0);
	(void)pthread_getattr_np(pthread_self(), &attr);
	(void)pthread_attr_getstacksize(&attr, &looks->stack);
	(void)pthread_attr_destroy(&attr);
}

static void look(struct weft_mailbox *mailbox, void *arg)
{
	struct looks *looks = arg;

	looks_of_this_thread(looks);
	looks->has_context = weft_mailbox_context(mailbox) != NULL;
	looks->private_data = weft_mailbox_private(mailbox);
}

static struct looks looks_with(struct fixture *fx,
			       const struct weft_loop_options *options)
{
	struct weft_loop *loop = looptest_start(fx, options);
	struct looks looks = { .nice = 99 };

	looptest_visit(weft_loop_addr(loop), look, &looks);
	is_int(looptest_stop(fx, loop), 0, "it stops");
	talloc_free(loop);
	return looks;
}

static void defaults(struct fixture *fx)
{
	struct looks here = { .nice = 99 };
	struct looks there = looks_with(fx, NULL);
	sigset_t faults = there.blocked;
	int signum = 0;
	int open = 0;

	looks_of_this_thread(&here);
	ok(!pthread_equal(there.thread, here.thread),
	   "what is posted runs on another thread");
	ok(there.has_context, "which has a context");
	is_ptr(there.private_data, NULL, "no state without init");
	is_str(there.name, "weft-loop", "the default name");
	ok(CPU_EQUAL(&there.cpus, &here.cpus), "the starter's processors");
	is_int(there.nice, here.nice, "the starter's nice value");
	for (signum = 1; signum < 32; signum++) {
		open += sigismember(&faults, signum) == 0 ? 1 : 0;
	}
	/* Seven faults, and two that cannot be blocked. */
	is_int(open, 9, "all signals but those of faults are blocked");
	is_int(sigismember(&there.blocked, SIGSEGV), 0, "a fault is not");
	is_int(sigismember(&there.blocked, SIGTERM), 1, "SIGTERM is");
	is_int(sigismember(&here.blocked, SIGTERM), 0,
	       "the starter's mask is as it was");
}

static void handle(struct fixture *fx)
{
	struct weft_loop *loop = looptest_start(fx, NULL);
	struct weft_loop *other = looptest_start(fx, NULL);

	is_str(talloc_get_name(loop), "struct weft_loop",
	       "a loop is a talloc object");
	ok(weft_loop_addr(loop).id != 0, "it has an address");
	ok(weft_loop_addr(loop).id != weft_loop_addr(other).id,
	   "which is its own");
	is_int(looptest_stop(fx, loop), 0, "one stops");
	is_int(looptest_stop(fx, other), 0, "and the other");
}

static void names(struct fixture *fx)
{
	char name[] = "a-name-that-is-too-long";
	struct weft_loop_options options = { .name = name };
	struct looks looks = looks_with(fx, &options);

	is_str(looks.name, "a-name-that-is-", "a name is cut to 15 bytes");
	options.name = "x";
	looks = looks_with(fx, &options);
	is_str(looks.name, "x", "a short one is whole");
}

static void processors(struct fixture *fx)
{
	struct looks here;
	unsigned cpus[2] = { 0, 0 };
	struct weft_loop_options options = { .cpus = cpus, .cpu_count = 2 };
	struct looks there;
	unsigned found = 0;
	unsigned cpu = 0;

	looks_of_this_thread(&here);
	for (cpu = 0; cpu < CPU_SETSIZE && found < 2; cpu++) {
		if (CPU_ISSET(cpu, &here.cpus)) {
			cpus[found++] = cpu;
		}
	}
	options.cpu_count = found;
	there = looks_with(fx, &options);
	is_int(CPU_COUNT(&there.cpus), (int)found, "as many as were named");
	options.cpu_count = 1;
	there = looks_with(fx, &options);
	is_int(CPU_COUNT(&there.cpus), 1, "one processor is one");
	ok(CPU_ISSET(cpus[0], &there.cpus), "the one that was named");
	cpus[1] = 8191;
	options.cpu_count = 2;
	there = looks_with(fx, &options);
	ok(CPU_COUNT(&there.cpus) == 1 && CPU_ISSET(cpus[0], &there.cpus),
	   "one that is not there is left out");
	looks_of_this_thread(&there);
	ok(CPU_EQUAL(&there.cpus, &here.cpus), "the starter's are as before");
}

static void nice_value(struct fixture *fx)
{
	int before = getpriority(PRIO_PROCESS, 0);
	struct weft_loop_options options = { .nice = 19 };
	struct looks looks = looks_with(fx, &options);

	is_int(looks.nice, 19, "the nice value of the options");
	is_int(getpriority(PRIO_PROCESS, 0), before, "the starter keeps its");
}

static void signal_mask(struct fixture *fx)
{
	sigset_t before;
	sigset_t after;
	sigset_t wanted;
	struct weft_loop_options options = { .blocked = &wanted };
	struct looks looks;

	/* The system writes less than the whole. */
	memset(&before, 0, sizeof(before));
	memset(&after, 0, sizeof(after));
	(void)pthread_sigmask(SIG_SETMASK, NULL, &before);
	(void)sigemptyset(&wanted);
	(void)sigaddset(&wanted, SIGUSR1);
	looks = looks_with(fx, &options);
	is_int(sigismember(&looks.blocked, SIGUSR1), 1, "what is asked for");
	is_int(sigismember(&looks.blocked, SIGUSR2), 0, "and nothing else");
	is_int(sigismember(&looks.blocked, SIGTERM), 0, "is blocked");
	(void)pthread_sigmask(SIG_SETMASK, NULL, &after);
	is_int(memcmp(&before, &after, sizeof(before)), 0,
	       "the starter's mask is as it was");
}

static void stack(struct fixture *fx)
{
	struct weft_loop_options options = { .stack_size = 1U << 20 };
	struct looks looks = looks_with(fx, &options);

	/* The system may round up. */
	ok(looks.stack >= (1U << 20) && looks.stack < (3U << 20),
	   "a stack of the given size");
}

static void backends(struct fixture *fx)
{
	const char **list = tevent_backend_list(fx->mem);
	size_t i = 0;

	for (i = 0; list[i] != NULL; i++) {
		struct weft_loop_options options = { .backend = list[i] };
		struct looks looks = looks_with(fx, &options);

		ok(looks.has_context, "a loop on %s", list[i]);
	}
}

/* ---- refusals ---- */

static void bad_options(struct fixture *fx)
{
	static const unsigned beyond[] = { 1U << 30 };
	static const unsigned absent[] = { 8191 };
	static const struct {
		const char *name;
		struct weft_loop_options options;
	} cases[] = {
		{ "an unknown backend", { .backend = "no such backend" } },
		{ "a nice value too high", { .nice = 20 } },
		{ "one too low", { .nice = -21 } },
		{ "no stack to speak of", { .stack_size = 1 } },
		{ "processors without a count", { .cpus = beyond } },
		{ "a count without processors", { .cpu_count = 1 } },
		{ "a number no processor has",
		  { .cpus = beyond, .cpu_count = 1 } },
		{ "a processor that is not there",
		  { .cpus = absent, .cpu_count = 1 } },
	};
	unsigned threads = fixture_thread_count();
	struct weft_loop *loop = NULL;
	size_t i = 0;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int ret = weft_loop_start(fx->mem, &cases[i].options, &loop);

		is_int(ret, EINVAL, "%s is EINVAL", cases[i].name);
	}
	is_ptr(loop, NULL, "a failure sets nothing");
	fixture_wait_threads(threads);
	ok(true, "and leaves no thread");
}

static void null_tracking(struct fixture *fx)
{
	struct weft_loop_options options = { .allow_null_tracking = true };
	struct weft_loop *loop = NULL;
	int ret = 0;

	talloc_enable_null_tracking();
	ret = weft_loop_start(fx->mem, NULL, &loop);
	is_int(ret, EINVAL, "no loop while null tracking is on");
	ret = weft_loop_start(fx->mem, &options, &loop);
	is_int(ret, 0, "but for who promises to be careful");
	is_int(looptest_stop(fx, loop), 0, "which stops");
	talloc_disable_null_tracking();
}

int main(void)
{
	looptest_begin();
	LOOPTEST(defaults);
	LOOPTEST(handle);
	LOOPTEST(names);
	LOOPTEST(processors);
	LOOPTEST(nice_value);
	LOOPTEST(signal_mask);
	LOOPTEST(stack);
	LOOPTEST(backends);
	LOOPTEST(bad_options);
	LOOPTEST(null_tracking);
	return done();
}
