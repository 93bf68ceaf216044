/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Raw: threads with a queue and nothing else: what the machine allows.
 *
 * Jobs go through a list with a lock, on which workers wait; one at a time is
 * woken, and wakes the next if jobs are left. Back they are pushed on a stack,
 * the first one of which rings an eventfd that the loop has in its epoll set.
 * The loop takes all and turns them round.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define PEER_SYMBOL     NULL
#define PEER_MANY_LOOPS true

struct peer_loop {
	_Alignas(64) struct peer_job *_Atomic done; /* newest first */
	int set;
	int bell;
};

struct peer_job {
	struct peer_job *next;
	struct peer_loop *loop;
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct peer_job *first;
	struct peer_job **last;
	unsigned idle;
	bool waking; /* one was signalled and has not come yet */
} peer_pool = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.more = PTHREAD_COND_INITIALIZER,
	.last = &peer_pool.first,
};

/* There is something to do: whether the caller is to signal. Under the lock. */
static bool peer_must_wake(void)
{
	bool wake = peer_pool.idle > 0 && !peer_pool.waking;

	peer_pool.waking |= wake;
	return wake;
}

static struct peer_job *peer_take(void)
{
	struct peer_job *job = NULL;
	bool wake = false;

	(void)pthread_mutex_lock(&peer_pool.lock);
	while (peer_pool.first == NULL) {
		peer_pool.idle++;
		(void)pthread_cond_wait(&peer_pool.more, &peer_pool.lock);
		peer_pool.idle--;
		peer_pool.waking = false;
	}
	job = peer_pool.first;
	peer_pool.first = job->next;
	if (job->next == NULL) {
		peer_pool.last = &peer_pool.first;
	} else {
		wake = peer_must_wake();
	}
	(void)pthread_mutex_unlock(&peer_pool.lock);
	if (wake) {
		(void)pthread_cond_signal(&peer_pool.more);
	}
	return job;
}

static void *peer_main(void *arg)
{
	(void)arg;
	while (true) {
		struct peer_job *job = peer_take();
		struct peer_loop *loop = job->loop;
		struct peer_job *head = NULL;

		job_run(job);
		head = atomic_load_explicit(&loop->done, memory_order_relaxed);
		do {
			job->next = head;
		} while (!atomic_compare_exchange_weak_explicit(
			&loop->done, &head, job, memory_order_release,
			memory_order_relaxed));
		if (head == NULL) {
			(void)eventfd_write(loop->bell, 1);
		}
	}
	return NULL;
}

static void peer_pool_open(unsigned workers)
{
	unsigned i = 0;

	for (i = 0; i < workers; i++) {
		pthread_t thread;

		peer_check(pthread_create(&thread, NULL, peer_main, NULL) == 0,
			   "no thread");
	}
}

static void peer_job_init(struct peer_job *job)
{
	(void)job;
}

static void peer_job_fini(struct peer_job *job)
{
	(void)job;
}

static void peer_loop_open(struct peer_loop *loop)
{
	struct epoll_event event = { .events = EPOLLIN };

	loop->set = epoll_create1(EPOLL_CLOEXEC);
	loop->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	peer_check(epoll_ctl(loop->set, EPOLL_CTL_ADD, loop->bell, &event) == 0,
		   "no descriptor");
}

static void peer_loop_close(struct peer_loop *loop)
{
	(void)close(loop->set);
	(void)close(loop->bell);
}

static void peer_loop_turn(struct peer_loop *loop)
{
	struct epoll_event event;
	eventfd_t count = 0;
	struct peer_job *taken = NULL;
	struct peer_job *in_turn = NULL;

	peer_check(epoll_wait(loop->set, &event, 1, -1) == 1, "no event");
	(void)eventfd_read(loop->bell, &count);
	taken = atomic_exchange_explicit(&loop->done, NULL,
					 memory_order_acquire);
	while (taken != NULL) {
		struct peer_job *next = taken->next;

		taken->next = in_turn;
		in_turn = taken;
		taken = next;
	}
	while (in_turn != NULL) {
		struct peer_job *next = in_turn->next;

		job_done(in_turn);
		in_turn = next;
	}
}

static void peer_send(struct peer_loop *loop, struct peer_job *job)
{
	bool wake = false;

	job->next = NULL;
	job->loop = loop;
	(void)pthread_mutex_lock(&peer_pool.lock);
	*peer_pool.last = job;
	peer_pool.last = &job->next;
	wake = peer_must_wake();
	(void)pthread_mutex_unlock(&peer_pool.lock);
	if (wake) {
		(void)pthread_cond_signal(&peer_pool.more);
	}
}
