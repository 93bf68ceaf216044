/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* docs/pool.md, step 6.
 *
 * Output:
 *      main: 6 squares to come
 *      main: 0
 *      main: 1
 *      main: 4, that is enough for now
 *      main: go on
 *      main: 9
 *      main: 16
 *      main: 25
 *      main: Success
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <weft.h>

#define SQUARES 6

static int square(struct weft_job *job, void *block)
{
	unsigned *part = NULL;
	unsigned i = 0;
	int err = 0;

	weft_job_set_progress(job, 0, SQUARES);
	for (i = 0; err == 0 && i < SQUARES; i++) {
		part = talloc(NULL, unsigned);
		if (part == NULL) {
			return ENOMEM;
		}
		*part = i * i;
		err = weft_job_emit(job, &part);
		talloc_free(part);
	}
	return err;
}

static void begun(struct tevent_req *req, uint64_t done, uint64_t total,
		  void *private_data)
{
	printf("main: %u squares to come\n", (unsigned)total);
}

static void go_on(struct tevent_context *ev, struct tevent_timer *te,
		  struct timeval now, void *private_data)
{
	struct tevent_req *req = private_data;

	puts("main: go on");
	weft_job_hold_parts(req, false);
}

static void squared(struct tevent_req *req, void *block, void *private_data)
{
	struct tevent_context *ev = private_data;
	unsigned *part = block;

	if (*part != 4) {
		printf("main: %u\n", *part);
		return;
	}
	printf("main: %u, that is enough for now\n", *part);
	if (tevent_add_timer(ev, req, tevent_timeval_current_ofs(0, 1000),
			     go_on, req) != NULL) {
		weft_job_hold_parts(req, true);
	}
}

static void all_squared(struct tevent_req *req)
{
	printf("main: %s\n", strerror(weft_job_recv(req, NULL, NULL)));
	talloc_free(req);
}

int main(void)
{
	const struct weft_job_options options = { .parts = 2 };
	struct tevent_context *ev = tevent_context_init(NULL);
	struct weft_pool *pool = NULL;
	struct tevent_req *req = NULL;

	if (ev == NULL || weft_pool_create(ev, NULL, &pool) != 0) {
		return 1;
	}
	req = weft_job_send(ev, ev, pool, square, NULL, &options);
	if (req == NULL) {
		return 1;
	}
	weft_job_on_progress(req, begun, NULL);
	weft_job_on_part(req, squared, ev);
	tevent_req_set_callback(req, all_squared, NULL);
	tevent_loop_wait(ev);
	return talloc_free(ev);
}
