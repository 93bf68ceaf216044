/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* docs/pool.md, step 2.
 *
 * Output:
 *      main: first: Connection timed out
 *      main: the second is not wanted any more
 *      main: second: Operation canceled
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include <weft.h>

/* Waits for news that never come; would wait for ever. */
static int listen_to(struct weft_job *job, void *block)
{
	struct pollfd stop = { .fd = weft_job_stop_fd(job), .events = POLLIN };

	if (stop.fd == -1) {
		return errno;
	}
	(void)poll(&stop, 1, -1);
	return ECANCELED;
}

/* Looks for something that is not there; would look for ever. */
static int search(struct weft_job *job, void *block)
{
	unsigned long steps = 0;

	while (!weft_job_should_stop(job)) {
		steps++;
	}
	return ECANCELED;
}

static void second_ended(struct tevent_req *req)
{
	printf("main: second: %s\n", strerror(weft_job_recv(req, NULL, NULL)));
	talloc_free(req);
}

static void first_ended(struct tevent_req *req)
{
	struct tevent_req *second = tevent_req_callback_data_void(req);

	printf("main: first: %s\n", strerror(weft_job_recv(req, NULL, NULL)));
	talloc_free(req);
	puts("main: the second is not wanted any more");
	tevent_req_cancel(second);
}

int main(void)
{
	const struct weft_job_options options = {
		.deadline_ns = weft_deadline_ms(50),
	};
	struct tevent_context *ev = tevent_context_init(NULL);
	struct weft_pool *pool = NULL;
	struct tevent_req *first = NULL;
	struct tevent_req *second = NULL;

	if (ev == NULL || weft_pool_create(ev, NULL, &pool) != 0) {
		return 1;
	}
	first = weft_job_send(ev, ev, pool, listen_to, NULL, &options);
	second = weft_job_send(ev, ev, pool, search, NULL, NULL);
	if (first == NULL || second == NULL) {
		return 1;
	}
	tevent_req_set_callback(first, first_ended, second);
	tevent_req_set_callback(second, second_ended, NULL);
	tevent_loop_wait(ev);
	return talloc_free(ev);
}
