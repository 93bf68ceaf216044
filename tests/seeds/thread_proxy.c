/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The tevent tutorial (part of Samba, LGPL-3.0-or-later), chapter 6, "More
 * sophisticated use": the example of request and reply made a program.
 *
 * Changed: the child creates its proxy on its own `ev` (the text says
 * master_ev, which it does not have). Added, as the text leaves to the reader:
 * the threads, a thread_id_to_string() that gives their numbers instead of
 * addresses, and an end: the loop turns until each thread has called, and their
 * proxy stays until they have ended.
 *
 * Stock: uses the immediate again after its handler has handed it on, so the
 * text's own way to reply aborts now and then
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
#include <tevent.h>

#define THREADS 3

static pthread_t threads[THREADS];
static int calls;

// Data passed between threads.
struct reply_state {
	struct tevent_thread_proxy *reply_tp;
	pthread_t thread_id;
	bool *p_finished;
};

static const char *thread_id_to_string(pthread_t id)
{
	static char number[2];
	int i;

	for (i = 0; i < THREADS && !pthread_equal(id, threads[i]); i++) {
		continue;
	}
	number[0] = '1' + i;
	return number;
}

// Callback Called in child thread context.
static void thread_callback(struct tevent_context *ev,
			    struct tevent_immediate *im, void *private_ptr)
{
	// Move the ownership of what private_ptr
	// points to from the tevent library back to this thread.
	struct reply_state *rsp = talloc_get_type_abort(private_ptr,
							struct reply_state);

	talloc_steal(ev, rsp);

	*rsp->p_finished = true;

	// im will be talloc_freed on return from this call.
	// but rsp will not.
}

// Callback Called in master thread context.
static void master_callback(struct tevent_context *ev,
			    struct tevent_immediate *im, void *private_ptr)
{
	// Move the ownership of what private_ptr
	// points to from the tevent library to this thread.
	struct reply_state *rsp = talloc_get_type_abort(private_ptr,
							struct reply_state);

	talloc_steal(ev, rsp);

	printf("Callback from thread %s\n",
	       thread_id_to_string(rsp->thread_id));
	calls++;

	/* Now reply to the thread ! */
	tevent_thread_proxy_schedule(rsp->reply_tp, &im, thread_callback, &rsp);

	// Note - rsp and im are now NULL as the tevent library
	// owns the memory.
}

// Child thread.
static void *thread_fn(void *private_ptr)
{
	struct tevent_thread_proxy *master_tp = talloc_get_type_abort(
		private_ptr, struct tevent_thread_proxy);
	bool finished = false;

	// Create our own event context.
	struct tevent_context *ev = tevent_context_init(NULL);

	// Create the local thread proxy to allow us to receive
	// async callbacks from other threads.
	struct tevent_thread_proxy *local_tp = tevent_thread_proxy_create(ev);

	// Setup the data to send.
	struct reply_state *rsp = talloc(ev, struct reply_state);

	rsp->reply_tp = local_tp;
	rsp->thread_id = pthread_self();
	rsp->p_finished = &finished;

	// Create the immediate event to use.
	struct tevent_immediate *im = tevent_create_immediate(ev);

	// Call the master thread.
	tevent_thread_proxy_schedule(master_tp, &im, master_callback, &rsp);

	// Note - rsp and im are now NULL as the tevent library
	// owns the memory.

	// Wait for the reply.
	while (!finished) {
		tevent_loop_once(ev);
	}
	printf("Thread finished\n");

	// Cleanup.
	talloc_free(ev);
	return NULL;
}

// Master thread.
int main(void)
{
	int i;

	// Make talloc thread-safe.
	talloc_disable_null_tracking();

	// Create the master event context.
	struct tevent_context *master_ev = tevent_context_init(NULL);

	// Create the master thread proxy to allow it to receive
	// async callbacks from other threads.
	struct tevent_thread_proxy *master_tp = tevent_thread_proxy_create(
		master_ev);

	// Create sub-threads, passing master_tp in
	// some way to them.
	for (i = 0; i < THREADS; i++) {
		if (pthread_create(&threads[i], NULL, thread_fn, master_tp)) {
			return EXIT_FAILURE;
		}
	}

	// Process events.
	// Function master_callback() above
	// will be invoked on this thread on
	// master_ev event context.
	while (calls < THREADS) {
		tevent_loop_once(master_ev);
	}

	// Cleanup if loop exits.
	for (i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
	}
	talloc_free(master_ev);
	return EXIT_SUCCESS;
}
