/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Hazards of signals: events that free each other, loops inside their
 * handlers, the two kinds on one signal, contexts of several threads.
 */
#define TEVENT_DEPRECATED 1
#define _DEPRECATED_

#include "tests/hazard.h"

#include <pthread.h>
#include <signal.h>

struct heard {
	struct trail trail;
	struct tevent_signal *victim; /* what the first call frees */
	bool nest;                    /* the first call runs the loop */
};

static void hear(struct tevent_context *ev, struct tevent_signal *se,
		 int signum, int count, void *siginfo, void *private_data)
{
	struct heard *heard = private_data;
	bool nest = heard->nest;
	char word[32];

	(void)se;
	(void)signum;
	(void)siginfo;
	(void)snprintf(word, sizeof(word), "s%d", count);
	trail_add(&heard->trail, word);
	if (nest) {
		heard->nest = false;
		settle(ev, 2);
		trail_add(&heard->trail, "out");
	} else {
		TALLOC_FREE(heard->victim);
	}
}

static struct tevent_signal *add(struct fixture *fx, int flags,
				 struct heard *heard)
{
	return tevent_add_signal(fx->ev, fx->mem, SIGUSR1, flags, hear, heard);
}

/* Two events on one signal: the one that runs first frees the other. */
static void free_next(struct fixture *fx, int flags)
{
	struct heard second = { .nest = false };
	struct heard first = { .victim = add(fx, flags, &second) };
	struct tevent_signal *se = add(fx, flags, &first);

	(void)raise(SIGUSR1);
	trail_passes(&first.trail, fx->ev, 1);
	settle(fx->ev, 2);
	hazard_expect_trail(&first.trail, "s1 |");
	hazard_expect_trail(&second.trail, "");
	TALLOC_FREE(se);
}

static void next_freed(struct fixture *fx)
{
	free_next(fx, 0);
}

static void next_freed_siginfo(struct fixture *fx)
{
	free_next(fx, SA_SIGINFO);
}

/* Two deliveries are pending; the handler runs the loop. */
static struct tevent_signal *nest_in_handler(struct fixture *fx,
					     struct heard *heard)
{
	struct tevent_signal *se = NULL;

	*heard = (struct heard){ .nest = true };
	tevent_loop_allow_nesting(fx->ev);
	se = add(fx, 0, heard);
	(void)raise(SIGUSR1);
	(void)raise(SIGUSR1);
	trail_passes(&heard->trail, fx->ev, 1);
	return se;
}

/* A pass inside the handler must not hand the same deliveries out again. */
static void nested_pass(struct fixture *fx)
{
	struct heard heard;
	struct tevent_signal *se = nest_in_handler(fx, &heard);

	hazard_expect_trail(&heard.trail, "s2 out |");
	TALLOC_FREE(se);
}

/* Nor must it change what the next signal is reported as. */
static void nested_pass_count(struct fixture *fx)
{
	struct heard heard;
	struct tevent_signal *se = nest_in_handler(fx, &heard);

	trail_clear(&heard.trail);
	(void)raise(SIGUSR1);
	settle(fx->ev, 3);
	hazard_expect_trail(&heard.trail, "s1");
	TALLOC_FREE(se);
}

struct freeing {
	struct trail trail;
	struct tevent_signal *se;
	unsigned calls;
};

/* The first call runs the loop with a new signal pending; the second, inside,
 * frees the event of both. */
static void hear_and_free(struct tevent_context *ev, struct tevent_signal *se,
			  int signum, int count, void *siginfo,
			  void *private_data)
{
	struct freeing *freeing = private_data;

	(void)se;
	(void)count;
	(void)siginfo;
	trail_add(&freeing->trail, "s");
	if (++freeing->calls == 1) {
		(void)raise(signum);
		settle(ev, 3);
	} else {
		TALLOC_FREE(freeing->se);
	}
}

static void nested_pass_frees(struct fixture *fx)
{
	struct freeing freeing = { .calls = 0 };

	tevent_loop_allow_nesting(fx->ev);
	freeing.se = tevent_add_signal(fx->ev, fx->mem, SIGUSR1, 0,
				       hear_and_free, &freeing);
	(void)raise(SIGUSR1);
	trail_passes(&freeing.trail, fx->ev, 1);
	hazard_expect_trail(&freeing.trail, "s s |");
}

/* ---- plain and SA_SIGINFO ---- */

struct infos {
	unsigned calls;
	int first; /* the value that the first delivery carried */
};

static void hear_info(struct tevent_context *ev, struct tevent_signal *se,
		      int signum, int count, void *siginfo, void *private_data)
{
	struct infos *infos = private_data;
	const siginfo_t *info = siginfo;

	(void)ev;
	(void)se;
	(void)count;
	if (!hazard_expect(info != NULL, "delivery %u without information",
			   infos->calls)) {
		infos->calls++;
		return;
	}
	(void)hazard_expect(info->si_signo == signum,
			    "delivery %u is of signal %d", infos->calls,
			    info->si_signo);
	(void)hazard_expect(info->si_value.sival_int ==
				    infos->first + (int)infos->calls,
			    "delivery %u carries %d", infos->calls,
			    info->si_value.sival_int);
	infos->calls++;
}

/* Checkers put a delivery off until the program calls the system again. */
static void send(int first, unsigned count)
{
	sigset_t mask;

	for (unsigned i = 0; i < count; i++) {
		union sigval value = { .sival_int = first + (int)i };

		if (sigqueue(getpid(), SIGRTMIN, value) != 0) {
			bail_out("sigqueue: %s", strerror(errno));
		}
		(void)pthread_sigmask(SIG_SETMASK, NULL, &mask);
	}
}

static struct tevent_signal *add_info(struct fixture *fx, struct infos *infos)
{
	return tevent_add_signal(fx->ev, fx->mem, SIGRTMIN, SA_SIGINFO,
				 hear_info, infos);
}

static void plain_then_siginfo(struct fixture *fx)
{
	struct infos infos = { .first = 100 };
	struct heard plain = { .nest = false };
	struct tevent_signal *se_plain = tevent_add_signal(
		fx->ev, fx->mem, SIGRTMIN, 0, hear, &plain);
	struct tevent_signal *se_info = add_info(fx, &infos);

	send(100, 3);
	trail_passes(&plain.trail, fx->ev, 1);
	hazard_expect_trail(&plain.trail, "s3 |");
	(void)hazard_expect(infos.calls == 3, "%u calls for 3 deliveries",
			    infos.calls);
	TALLOC_FREE(se_info);
	TALLOC_FREE(se_plain);
}

/* Pending when the last event that asked for information went. */
static void siginfo_kept(struct fixture *fx)
{
	struct infos infos = { .first = 100 };
	struct tevent_signal *se = add_info(fx, &infos);

	send(100, 2);
	TALLOC_FREE(se);
	se = add_info(fx, &infos);
	settle(fx->ev, 2);
	(void)hazard_expect(infos.calls == 2, "%u calls for 2 deliveries",
			    infos.calls);
	TALLOC_FREE(se);
}

static void number_negative(struct fixture *fx)
{
	struct trail trail = { "" };
	struct step step = { &trail, "s" };
	struct tevent_signal *se = NULL;

	errno = 0;
	se = tevent_add_signal(fx->ev, fx->mem, -64, 0, step_signal, &step);
	(void)hazard_expect(se == NULL, "an event for signal -64");
	(void)hazard_expect(errno == EINVAL, "errno %d", errno);
	TALLOC_FREE(se);
}

/* ---- B510: threads ---- */

struct other_loop {
	pthread_t thread;
	struct fixture_gate ready; /* its event is there */
	struct fixture_gate over;  /* the other loop has had its turn */
	unsigned calls;
	bool foreign; /* called in another thread */
};

static void hear_thread(struct tevent_context *ev, struct tevent_signal *se,
			int signum, int count, void *siginfo,
			void *private_data)
{
	struct other_loop *other = private_data;

	(void)ev;
	(void)se;
	(void)signum;
	(void)count;
	(void)siginfo;
	other->calls++;
	if (!pthread_equal(pthread_self(), other->thread)) {
		other->foreign = true;
	}
}

static void *run_other(void *arg)
{
	struct other_loop *other = arg;
	struct tevent_context *ev = tevent_context_init(NULL);

	other->thread = pthread_self();
	(void)tevent_add_signal(ev, ev, SIGUSR1, 0, hear_thread, other);
	fixture_gate_add(&other->ready, 1);
	fixture_gate_wait(&other->over, 1);
	if (other->calls == 0) {
		settle(ev, 3);
	}
	talloc_free(ev);
	return NULL;
}

/* Two threads, a loop each, an event for the same signal on either. The turns
 * are taken one after the other, so that all this is no matter of luck. */
static void other_thread(struct fixture *fx)
{
	struct other_loop other = { .calls = 0 };
	struct heard heard = { .nest = false };
	struct tevent_signal *se = add(fx, 0, &heard);
	pthread_t thread;

	if (pthread_create(&thread, NULL, run_other, &other) != 0) {
		bail_out("pthread_create");
	}
	fixture_gate_wait(&other.ready, 1);
	(void)raise(SIGUSR1);
	trail_passes(&heard.trail, fx->ev, 1);
	fixture_gate_add(&other.over, 1);
	(void)pthread_join(thread, NULL);
	hazard_expect_trail(&heard.trail, "s1 |");
	(void)hazard_expect(!other.foreign,
			    "a handler ran in another loop's thread");
	(void)hazard_expect(other.calls == 1, "the other loop heard %u",
			    other.calls);
	TALLOC_FREE(se);
}

static const struct hazard hazards[] = {
	{ HAZARD(next_freed, "B204", HAZARD_KILLED) },
	{ HAZARD(next_freed_siginfo, "B204", HAZARD_KILLED) },
	{ HAZARD(nested_pass, "B146", HAZARD_WRONG) },
	{ HAZARD(nested_pass_count, "B146", HAZARD_WRONG) },
	{ HAZARD(nested_pass_frees, "B145 B146", HAZARD_KILLED) },
	{ HAZARD(plain_then_siginfo, "B504", HAZARD_KILLED | HAZARD_WRONG) },
	{ HAZARD(siginfo_kept, "B503", HAZARD_WRONG) },
	{ HAZARD(number_negative, "4.3", HAZARD_KILLED | HAZARD_WRONG) },
	{ HAZARD(other_thread, "B510", HAZARD_WRONG) },
	{ .name = NULL },
};

int main(int argc, char **argv)
{
	return hazard_main(argc, argv, hazards);
}
