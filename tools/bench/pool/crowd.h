/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Crowd: a loop with jobs that come back and are sent again, whoever's pool it
 * is that runs them.
 *
 * rows.c and load.c are compiled once for each peer, whose header (PEER) says
 * in the words of that peer how a job is sent and how its result comes back to
 * a loop: so nothing stands between the two but what that library's users
 * write.
 *
 *      PEER_SYMBOL                 a function of the library, or NULL
 *      PEER_MANY_LOOPS             whether several loops may share a pool
 *      struct peer_job             embedded in a job; job_of() finds that
 *      struct peer_loop            a loop, and what it needs of the pool
 *      peer_pool_open(workers)     before anything else; once in a process
 *      peer_job_init(job), peer_job_fini(job)
 *                                  once for each, before and after all
 *      peer_loop_open(loop), peer_loop_close(loop)
 *      peer_loop_turn(loop)        sleeps until something is to be done
 *      peer_send(loop, job)        has job_run(job) called on a worker, and
 *                                  then job_done(job) on the loop
 *      PEER_TIMERS                 if defined, peer_timer_start(loop) has
 *                                  timer_fired() called on the loop in a
 *                                  millisecond
 *      PEER_SPAWNS                 if defined, peer_spawn(job), which a job
 *                                  calls while it runs, has child_run() called
 *                                  on a worker
 *
 * Each job that comes back has run exactly once since it was sent; with one
 * worker all come back in the order in which they were sent. Both are checked.
 */
#pragma once

#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#include "tools/bench/bench.h"

#define IN_FLIGHT 256
#define NS_PER_S  UINT64_C(1000000000)
#define NS_PER_US 1000

static const struct bench *running; /* for the peer to fail */

static inline void peer_check(bool held, const char *text)
{
	bench_check(running, held, text);
}

struct peer_job;
static void job_run(struct peer_job *peer);
static void job_done(struct peer_job *peer);
#ifdef POOL_LOAD
/* Not every peer calls them. */
static void timer_fired(void) __attribute__((unused));
static void child_run(void) __attribute__((unused));
#endif

#ifndef PEER
#define PEER "tools/bench/pool/work.h"
#endif
#include PEER

/* One loop's share of a row. */
struct crowd {
	struct peer_loop loop;
	struct job *jobs;
	unsigned in_flight;
	unsigned to_send; /* still to be sent when one comes back */
	unsigned sent;    /* numbers them */
	unsigned done;    /* so many are back */
	bool ordered;     /* one worker, one loop */
	unsigned spins;   /* so much a job has to do */
	void (*in_job)(struct peer_job *peer); /* and this, or NULL */
};

struct job {
	struct peer_job peer;
	struct crowd *crowd;
	unsigned number;
	unsigned runs;
};

static inline struct job *job_of(struct peer_job *peer)
{
	return (struct job *)(void *)((char *)peer -
				      offsetof(struct job, peer));
}

static inline uint64_t clock_ns(clockid_t clock)
{
	struct timespec now = { 0, 0 };

	(void)clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* Work of a known size: each step needs the one before. */
static inline void spin(unsigned spins)
{
	uint64_t state = spins;

	for (; spins > 0; spins--) {
		state = state * UINT64_C(6364136223846793005) + 1;
		__asm__ volatile("" : "+r"(state));
	}
}

/* What a spin costs when nothing else is done, at the least. */
#define SPIN_MEASURES 50
#define SPIN_MEASURED 20000

static inline double spin_ns(void)
{
	double least = (double)NS_PER_S;
	unsigned i = 0;

	for (i = 0; i < SPIN_MEASURES; i++) {
		uint64_t before = clock_ns(CLOCK_THREAD_CPUTIME_ID);
		double each = 0;

		spin(SPIN_MEASURED);
		each = (double)(clock_ns(CLOCK_THREAD_CPUTIME_ID) - before) /
		       SPIN_MEASURED;
		least = each < least ? each : least;
	}
	return least;
}

/* ---- a job ---- */

static void job_run(struct peer_job *peer)
{
	struct job *job = job_of(peer);

	job->runs++;
	spin(job->crowd->spins);
	if (job->crowd->in_job != NULL) {
		job->crowd->in_job(peer);
	}
}

static inline void job_send(struct job *job)
{
	struct crowd *crowd = job->crowd;

	job->runs = 0;
	job->number = crowd->sent++;
	peer_send(&crowd->loop, &job->peer);
}

static void job_done(struct peer_job *peer)
{
	struct job *job = job_of(peer);
	struct crowd *crowd = job->crowd;

	peer_check(job->runs == 1, "a job has not run once");
	peer_check(!crowd->ordered || job->number == crowd->done,
		   "not in turn");
	crowd->done++;
	if (crowd->to_send > 0) {
		crowd->to_send--;
		job_send(job);
	}
}

/* ---- a loop with its jobs ---- */

static inline void crowd_open_jobs(struct crowd *crowd, unsigned in_flight)
{
	unsigned i = 0;

	peer_check(in_flight > 0, "no jobs");
	crowd->in_flight = in_flight;
	crowd->jobs = calloc(in_flight, sizeof(*crowd->jobs));
	peer_check(crowd->jobs != NULL, "no memory");
	for (i = 0; i < in_flight; i++) {
		crowd->jobs[i].crowd = crowd;
		peer_job_init(&crowd->jobs[i].peer);
	}
}

static inline void crowd_open(struct crowd *crowd, unsigned in_flight)
{
	peer_loop_open(&crowd->loop);
	crowd_open_jobs(crowd, in_flight);
}

static inline void crowd_close(struct crowd *crowd)
{
	unsigned i = 0;

	for (i = 0; i < crowd->in_flight; i++) {
		peer_job_fini(&crowd->jobs[i].peer);
	}
	peer_loop_close(&crowd->loop);
	free(crowd->jobs);
}

/* Sends @ops jobs and turns the loop until all are back. */
static inline void crowd_run(struct crowd *crowd, unsigned ops)
{
	unsigned first = crowd->in_flight < ops ? crowd->in_flight : ops;
	unsigned i = 0;

	crowd->sent = 0;
	crowd->done = 0;
	crowd->to_send = ops - first;
	for (i = 0; i < first; i++) {
		job_send(&crowd->jobs[i]);
	}
	while (crowd->done < ops) {
		peer_loop_turn(&crowd->loop);
	}
	peer_check(crowd->sent == ops && crowd->done == ops,
		   "more came back than were sent");
}
