/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* docs/pool.md, step 8.
 *
 * Output:
 *      main: told to end
 *      main: a late letter: Cannot send after transport endpoint shutdown
 *      main: a letter is written
 *      main: Connection timed out: wait_for_ever is given up
 *      main: the visitor: Operation canceled
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weft.h>

struct program {
	struct tevent_context *ev;
	struct weft_pool *pool;
	int pen[2];
};

static int write_letter(struct weft_job *job, void *block)
{
	int *pen = block;
	char byte = 0;

	return read(*pen, &byte, 1) == 1 ? 0 : EIO;
}

static int wait_for_ever(struct weft_job *job, void *block)
{
	struct pollfd stop = { .fd = weft_job_stop_fd(job), .events = POLLIN };

	(void)poll(&stop, 1, -1);
	return ECANCELED;
}

static void letter_written(struct tevent_req *req)
{
	if (weft_job_recv(req, NULL, NULL) == 0) {
		puts("main: a letter is written");
	}
	talloc_free(req);
}

static void visitor_gone(struct tevent_req *req)
{
	printf("main: the visitor: %s\n",
	       strerror(weft_job_recv(req, NULL, NULL)));
	talloc_free(req);
}

static void late_refused(struct tevent_req *req)
{
	struct program *program = tevent_req_callback_data_void(req);

	printf("main: a late letter: %s\n",
	       strerror(weft_job_recv(req, NULL, NULL)));
	talloc_free(req);
	if (write(program->pen[1], "x", 1) != 1) {
		exit(1);
	}
}

static void drained(struct tevent_req *req)
{
	struct program *program = tevent_req_callback_data_void(req);
	struct weft_job_info *left = NULL;
	size_t count = 0;
	size_t i = 0;
	int err = weft_pool_drain_recv(req, req, &left, &count);

	for (i = 0; i < count; i++) {
		printf("main: %s: %s is given up\n", strerror(err),
		       left[i].name);
	}
	talloc_free(req);
	weft_pool_stop(program->pool);
}

static void told_to_end(struct tevent_context *ev, struct tevent_signal *se,
			int signum, int count, void *siginfo,
			void *private_data)
{
	struct program *program = private_data;
	struct tevent_req *req = weft_pool_drain_send(ev, ev, program->pool);
	struct tevent_req *late = weft_job_send(ev, ev, program->pool,
						write_letter, NULL, NULL);

	puts("main: told to end");
	talloc_free(se);
	if (req == NULL || late == NULL) {
		return;
	}
	tevent_req_set_endtime(req, ev, tevent_timeval_current_ofs(0, 500000));
	tevent_req_set_callback(req, drained, program);
	tevent_req_set_callback(late, late_refused, program);
}

static bool begin(struct program *program)
{
	struct tevent_context *ev = program->ev;
	int *pen = talloc_zero(ev, int);
	struct tevent_req *letter = NULL;
	struct tevent_req *visitor = NULL;

	if (pen == NULL || weft_pool_create(ev, NULL, &program->pool) != 0 ||
	    pipe(program->pen) != 0 ||
	    tevent_add_signal(ev, ev, SIGTERM, 0, told_to_end, program) ==
		    NULL) {
		return false;
	}
	*pen = program->pen[0];
	letter = weft_job_send(ev, ev, program->pool, write_letter, &pen, NULL);
	visitor = weft_job_send(ev, ev, program->pool, wait_for_ever, NULL,
				NULL);
	if (letter == NULL || visitor == NULL) {
		return false;
	}
	tevent_req_set_callback(letter, letter_written, NULL);
	tevent_req_set_callback(visitor, visitor_gone, NULL);
	return true;
}

int main(void)
{
	struct program program = { .ev = tevent_context_init(NULL) };

	if (program.ev == NULL || !begin(&program) ||
	    kill(getpid(), SIGTERM) != 0) {
		return 1;
	}
	tevent_loop_wait(program.ev);
	return talloc_free(program.ev);
}
