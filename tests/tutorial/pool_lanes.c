/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* docs/pool.md, step 3.
 *
 * Output:
 *      main: weft.example: Resource temporarily unavailable
 *      main: ada has logged in
 *      main: talloc.example: Success
 *      main: tevent.example: Success
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <weft.h>

struct program {
	struct tevent_context *ev;
	struct weft_pool *pool;
	struct weft_lane *names;
	struct weft_lane *logins;
	int server[2];
};

struct name {
	const char *text;
	int server;
};

/* As a name server that does not answer: until the other end is closed. */
static int resolve(struct weft_job *job, void *block)
{
	struct name *name = talloc_get_type_abort(block, struct name);
	char byte = 0;

	weft_job_set_progress(job, 1, 2);
	return read(name->server, &byte, 1) == 0 ? 0 : EIO;
}

static void resolved(struct tevent_req *req)
{
	struct name *name = NULL;
	int err = weft_job_recv(req, req, &name);

	printf("main: %s: %s\n", name != NULL ? name->text : "a name",
	       strerror(err));
	talloc_free(req);
}

static struct tevent_req *name_send(struct program *program, const char *text)
{
	const struct weft_job_options options = { .lane = program->names };
	struct name *name = talloc_zero(program->ev, struct name);
	struct tevent_req *req = NULL;

	if (name == NULL) {
		return NULL;
	}
	name->text = text;
	name->server = program->server[0];
	req = weft_job_send(program->ev, program->ev, program->pool, resolve,
			    &name, &options);
	if (req != NULL) {
		tevent_req_set_callback(req, resolved, NULL);
	}
	return req;
}

static int login(struct weft_job *job, void *block)
{
	return 0;
}

static void logged_in(struct tevent_req *req)
{
	struct program *program = tevent_req_callback_data_void(req);

	if (weft_job_recv(req, NULL, NULL) == 0) {
		puts("main: ada has logged in");
	}
	talloc_free(req);
	(void)close(program->server[1]);
}

/* The first name keeps the names' only worker. */
static void name_begun(struct tevent_req *req, uint64_t done, uint64_t total,
		       void *private_data)
{
	struct program *program = private_data;
	const struct weft_job_options options = { .lane = program->logins };
	struct tevent_req *logs_in = NULL;

	if (name_send(program, "weft.example") == NULL ||
	    name_send(program, "tevent.example") == NULL) {
		return;
	}
	logs_in = weft_job_send(program->ev, program->ev, program->pool, login,
				NULL, &options);
	if (logs_in != NULL) {
		tevent_req_set_callback(logs_in, logged_in, program);
	}
}

static int begin(struct program *program)
{
	const struct weft_pool_options pool = { .max = 2 };
	const struct weft_lane_options names = {
		.name = "names",
		.max = 1,
		.queue_limit = 1,
		.overflow = WEFT_OVERFLOW_DROP_OLDEST,
	};
	const struct weft_lane_options logins = {
		.name = "logins",
		.reserved = 1,
		.weight = 8,
	};
	int err = weft_pool_create(program->ev, &pool, &program->pool);

	if (err == 0) {
		err = weft_lane_create(program->ev, program->pool, &names,
				       &program->names);
	}
	if (err == 0) {
		err = weft_lane_create(program->ev, program->pool, &logins,
				       &program->logins);
	}
	return err == 0 && pipe(program->server) != 0 ? errno : err;
}

int main(void)
{
	struct program program = { .ev = tevent_context_init(NULL) };
	struct tevent_req *req = NULL;

	if (program.ev == NULL || begin(&program) != 0) {
		return 1;
	}
	req = name_send(&program, "talloc.example");
	if (req == NULL) {
		return 1;
	}
	weft_job_on_progress(req, name_begun, &program);
	tevent_loop_wait(program.ev);
	return talloc_free(program.ev);
}
