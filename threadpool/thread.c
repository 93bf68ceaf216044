/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Thread: how threads of ours are started and dressed.
 *
 * They are detached: nobody of ours ever waits for one. Signals are blocked by
 * their starter, for the moment of the start, so that none slips in before the
 * thread could block them itself; those of faults are left open, because
 * blocked they kill without the program's handler. What can be refused (stack,
 * processors) is asked for at the start, where the caller hears of it; a name
 * and a nice value the thread gives itself, and refusal is ignored.
 *
 * Threads: see the header.
 */
#include "threadpool/thread.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "engine/base.h"

void wf_thread_blocked(sigset_t *ret_blocked)
{
	static const int faults[] = { SIGABRT, SIGBUS, SIGFPE, SIGILL,
				      SIGSEGV, SIGSYS, SIGTRAP };
	size_t i = 0;

	(void)sigfillset(ret_blocked);
	for (i = 0; i < TEV_ARRAY_SIZE(faults); i++) {
		(void)sigdelset(ret_blocked, faults[i]);
	}
}

static int thread_attributes(pthread_attr_t *attr, size_t stack_size,
			     const struct wf_cpus *cpus)
{
	int ret = pthread_attr_setdetachstate(attr, PTHREAD_CREATE_DETACHED);

	if (ret == 0 && stack_size != 0) {
		ret = pthread_attr_setstacksize(attr, stack_size);
	}
	if (ret == 0 && cpus != NULL) {
		ret = pthread_attr_setaffinity_np(attr, sizeof(cpus->parts),
						  cpus->parts);
	}
	return ret;
}

int wf_thread_start(size_t stack_size, const struct wf_cpus *cpus,
		    void *(*main_fn)(void *), void *arg)
{
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t blocked;
	sigset_t before;
	int ret = pthread_attr_init(&attr);

	if (ret != 0) {
		return ret;
	}
	ret = thread_attributes(&attr, stack_size, cpus);
	if (ret == 0) {
		wf_thread_blocked(&blocked);
		(void)pthread_sigmask(SIG_SETMASK, &blocked, &before);
		ret = pthread_create(&thread, &attr, main_fn, arg);
		(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	}
	(void)pthread_attr_destroy(&attr);
	return ret;
}

void wf_thread_name(char ret_whole[WF_THREAD_NAME_MAX], const char *name,
		    int number)
{
	char tail[WF_THREAD_NAME_MAX] = "";
	char whole[2 * WF_THREAD_NAME_MAX] = "";
	int used = 0;

	if (number >= 0) {
		used = snprintf(tail, sizeof(tail), "-%d", number);
	}
	snprintf(whole, sizeof(whole), "%.*s%s", WF_THREAD_NAME_MAX - 1 - used,
		 name, tail);
	memcpy(ret_whole, whole, WF_THREAD_NAME_MAX);
}

void wf_thread_set_name(const char *name, int number)
{
	char whole[WF_THREAD_NAME_MAX];

	wf_thread_name(whole, name, number);
	(void)pthread_setname_np(pthread_self(), whole);
}

void wf_thread_set_nice(int nice)
{
	if (nice != 0) {
		/* On Linux this is the calling thread alone. */
		(void)setpriority(PRIO_PROCESS, 0, nice);
	}
}
