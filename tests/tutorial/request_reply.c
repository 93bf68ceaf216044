/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* docs/between-threads.md, the example of request and reply of the tevent
 * tutorial (tests/seeds/thread_proxy.c) with calls.
 *
 * Output, in any order:
 *      Callback from thread 1
 *      Callback from thread 2
 *      Callback from thread 3
 *      Thread finished
 *      Thread finished
 *      Thread finished
 */
#include <pthread.h>
#include <stdio.h>

#include <weft.h>

#define THREADS 3

static int calls;

// Data passed between threads.
struct reply_state {
	int thread;
};

struct thread {
	pthread_t id;
	int number;
	weft_addr_t master;
};

// Called in master thread context.
static void master_callback(struct weft_mailbox *mailbox,
			    struct weft_call *call, void *block)
{
	struct reply_state *rsp = talloc_get_type_abort(block,
							struct reply_state);

	printf("Callback from thread %d\n", rsp->thread);
	calls++;

	/* Now reply to the thread ! */
	weft_call_reply(call, 0);
}

// Callback called in child thread context.
static void thread_callback(struct tevent_req *req)
{
	struct reply_state *rsp = NULL;

	if (weft_call_recv(req, req, &rsp) == 0) {
		printf("Thread finished\n");
	}
	talloc_free(req);
}

// Child thread.
static void *thread_fn(void *private_ptr)
{
	struct thread *self = private_ptr;

	// Create our own event context.
	struct tevent_context *ev = tevent_context_init(NULL);

	// Setup the data to send.
	struct reply_state *rsp = talloc(ev, struct reply_state);

	rsp->thread = self->number;

	// Call the master thread.
	struct tevent_req *req = weft_call_send(ev, ev, self->master,
						master_callback, &rsp, NULL);
	tevent_req_set_callback(req, thread_callback, NULL);

	// Wait for the reply.
	tevent_loop_wait(ev);

	// Cleanup.
	talloc_free(ev);
	return NULL;
}

// Master thread.
int main(void)
{
	struct thread threads[THREADS];
	weft_addr_t master;
	int i;

	// Create the master event context.
	struct tevent_context *master_ev = tevent_context_init(NULL);

	// The address at which other threads may call us.
	if (weft_context_addr(master_ev, &master) != 0) {
		return EXIT_FAILURE;
	}

	// Create sub-threads.
	for (i = 0; i < THREADS; i++) {
		threads[i].number = i + 1;
		threads[i].master = master;
		if (pthread_create(&threads[i].id, NULL, thread_fn,
				   &threads[i])) {
			return EXIT_FAILURE;
		}
	}

	// Process events.
	while (calls < THREADS) {
		tevent_loop_once(master_ev);
	}

	// Cleanup.
	for (i = 0; i < THREADS; i++) {
		pthread_join(threads[i].id, NULL);
	}
	talloc_free(master_ev);
	return EXIT_SUCCESS;
}
