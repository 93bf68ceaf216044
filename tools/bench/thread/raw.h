/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Raw: a stack that posters push onto and the loop takes whole and turns round,
 * an epoll set and an eventfd: what the machine allows.
 *
 * While the loop is busy it looks at the stack in each turn and nobody rings.
 * Else who pushes onto an empty stack does.
 */
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define PEER_SYMBOL   NULL
#define PEER_WAYS     WAY_FRESH
#define PEER_IN_ORDER true

struct peer_message {
	struct peer_message *next;
	bool fresh;
	uint64_t number;
};

struct peer_loop {
	_Alignas(64) struct peer_message *_Atomic newest;
	_Alignas(64) int set;
	int bell;
	bool busy; /* set while nobody posts */
};

static inline void peer_loop_open(struct peer_loop *loop)
{
	struct epoll_event event = { .events = EPOLLIN };

	atomic_init(&loop->newest, NULL);
	loop->busy = false;
	loop->set = epoll_create1(EPOLL_CLOEXEC);
	loop->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	peer_check(epoll_ctl(loop->set, EPOLL_CTL_ADD, loop->bell, &event) == 0,
		   "no descriptor");
}

static inline void peer_loop_close(struct peer_loop *loop)
{
	(void)close(loop->set);
	(void)close(loop->bell);
}

static inline void peer_run(struct peer_message *message)
{
	if (message->fresh) {
		number_runs(message->number);
		free(message);
	} else {
		message_runs(message);
	}
}

static inline void peer_loop_turn(struct peer_loop *loop)
{
	struct peer_message *taken = NULL;
	struct peer_message *in_turn = NULL;
	struct epoll_event event;
	eventfd_t count = 0;

	if (!loop->busy) {
		peer_check(epoll_wait(loop->set, &event, 1, -1) == 1,
			   "no event");
		(void)eventfd_read(loop->bell, &count);
	} else if (atomic_load_explicit(&loop->newest, memory_order_relaxed) ==
		   NULL) {
		return;
	}
	/* Acquire: pairs with the release in peer_post(). */
	taken = atomic_exchange_explicit(&loop->newest, NULL,
					 memory_order_acquire);
	while (taken != NULL) {
		struct peer_message *next = taken->next;

		taken->next = in_turn;
		in_turn = taken;
		taken = next;
	}
	while (in_turn != NULL) {
		struct peer_message *next = in_turn->next;

		peer_run(in_turn);
		in_turn = next;
	}
}

static inline void peer_busy_start(struct peer_loop *loop, unsigned way)
{
	(void)way;
	loop->busy = true;
}

static inline void peer_busy_stop(struct peer_loop *loop)
{
	loop->busy = false;
}

static inline void peer_message_init(struct peer_message *peer, unsigned way)
{
	(void)way;
	peer->fresh = false;
}

static inline void peer_message_fini(struct peer_message *peer, unsigned way)
{
	(void)way;
	(void)peer;
}

static inline void peer_post(struct peer_loop *loop, struct peer_message *peer)
{
	struct peer_message *head = NULL;

	head = atomic_load_explicit(&loop->newest, memory_order_relaxed);
	do {
		peer->next = head;
		/* Release: publishes the message. */
	} while (!atomic_compare_exchange_weak_explicit(
		&loop->newest, &head, peer, memory_order_release,
		memory_order_relaxed));
	if (head == NULL && !loop->busy) {
		(void)eventfd_write(loop->bell, 1);
	}
}

static inline void peer_post_fresh(struct peer_loop *loop, uint64_t number)
{
	struct peer_message *peer = malloc(sizeof(*peer));

	peer_check(peer != NULL, "no memory");
	peer->fresh = true;
	peer->number = number;
	peer_post(loop, peer);
}
