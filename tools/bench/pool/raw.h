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
#include <sys/timerfd.h>
#include <unistd.h>

#define PEER_SYMBOL     NULL
#define PEER_MANY_LOOPS true

struct peer_loop {
	_Alignas(64) struct peer_job *_Atomic done; /* newest first */
	int set;
	int bell;
#ifdef POOL_LOAD
	int timer;
#endif
};

struct peer_job {
	struct peer_job *next;
	struct peer_loop *loop; /* NULL: a child, which does not come back */
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
static inline bool peer_must_wake(void)
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

#ifdef POOL_LOAD
		if (loop == NULL) {
			child_run();
			free(job);
			continue;
		}
#endif
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

static inline void peer_pool_open(unsigned workers)
{
	unsigned i = 0;

	for (i = 0; i < workers; i++) {
		pthread_t thread;

		peer_check(pthread_create(&thread, NULL, peer_main, NULL) == 0,
			   "no thread");
	}
}

static inline void peer_job_init(struct peer_job *job)
{
	(void)job;
}

static inline void peer_job_fini(struct peer_job *job)
{
	(void)job;
}

static inline void peer_loop_open(struct peer_loop *loop)
{
	struct epoll_event event = { .events = EPOLLIN };

	loop->set = epoll_create1(EPOLL_CLOEXEC);
	loop->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	peer_check(epoll_ctl(loop->set, EPOLL_CTL_ADD, loop->bell, &event) == 0,
		   "no descriptor");
#ifdef POOL_LOAD
	event.data.u32 = 1;
	loop->timer = timerfd_create(CLOCK_MONOTONIC,
				     TFD_CLOEXEC | TFD_NONBLOCK);
	peer_check(epoll_ctl(loop->set, EPOLL_CTL_ADD, loop->timer, &event) ==
			   0,
		   "no timer");
#endif
}

static inline void peer_loop_close(struct peer_loop *loop)
{
#ifdef POOL_LOAD
	(void)close(loop->timer);
#endif
	(void)close(loop->set);
	(void)close(loop->bell);
}

static inline void peer_loop_turn(struct peer_loop *loop)
{
	struct epoll_event event;
	eventfd_t count = 0;
	struct peer_job *taken = NULL;
	struct peer_job *in_turn = NULL;

	peer_check(epoll_wait(loop->set, &event, 1, -1) == 1, "no event");
#ifdef POOL_LOAD
	if (event.data.u32 == 1) {
		(void)read(loop->timer, &count, sizeof(count));
		timer_fired();
		return;
	}
#endif
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

static inline void peer_push(struct peer_job *job)
{
	bool wake = false;

	job->next = NULL;
	(void)pthread_mutex_lock(&peer_pool.lock);
	*peer_pool.last = job;
	peer_pool.last = &job->next;
	wake = peer_must_wake();
	(void)pthread_mutex_unlock(&peer_pool.lock);
	if (wake) {
		(void)pthread_cond_signal(&peer_pool.more);
	}
}

static inline void peer_send(struct peer_loop *loop, struct peer_job *job)
{
	job->loop = loop;
	peer_push(job);
}

#ifdef POOL_LOAD
#define PEER_TIMERS
#define PEER_SPAWNS

static inline void peer_spawn(struct peer_job *job)
{
	struct peer_job *child = malloc(sizeof(*child));

	(void)job;
	peer_check(child != NULL, "no memory");
	child->loop = NULL;
	peer_push(child);
}

static inline void peer_timer_start(struct peer_loop *loop)
{
	struct itimerspec when = { .it_value = { .tv_nsec = 1000000 } };

	peer_check(timerfd_settime(loop->timer, 0, &when, NULL) == 0,
		   "no timer");
}
#endif
