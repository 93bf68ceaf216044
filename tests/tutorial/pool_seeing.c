/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* docs/pool.md, step 9.
 *
 * Output:
 *      main: 1 runs, 2 wait
 *      main: copy runs in disk, 3 of 10
 *      main: copy waits for its key in disk
 *      main: check waits for its key in disk
 *      main: 3 were sent to disk, 0 in the lane weft
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include <weft.h>

struct program {
	struct tevent_context *ev;
	struct weft_pool *pool;
	struct weft_lane *disk;
	struct weft_serial *serial;
	int shown[2];
};

static int copy(struct weft_job *job, void *block)
{
	int *shown = block;
	char byte = 0;

	weft_job_set_progress(job, 3, 10);
	return read(*shown, &byte, 1) == 0 ? 0 : EIO;
}

static int check(struct weft_job *job, void *block)
{
	return 0;
}

static void show_jobs(struct program *program)
{
	static const char *const states[] = {
		[WEFT_JOB_QUEUED] = "waits",
		[WEFT_JOB_BEHIND] = "waits for its key",
		[WEFT_JOB_RUNNING] = "runs",
		[WEFT_JOB_STOPPING] = "is to stop",
	};
	struct weft_job_info *jobs = NULL;
	size_t count = 0;
	size_t i = 0;

	if (weft_pool_jobs(program->pool, program->ev, 0, &jobs, &count) != 0) {
		return;
	}
	for (i = 0; i < count; i++) {
		printf("main: %s %s in %s", jobs[i].name, states[jobs[i].state],
		       jobs[i].lane);
		if (jobs[i].total != 0) {
			printf(", %u of %u", (unsigned)jobs[i].done,
			       (unsigned)jobs[i].total);
		}
		puts("");
	}
	talloc_free(jobs);
}

static void show_lanes(struct program *program)
{
	struct weft_lane_stats *lanes = NULL;
	size_t count = 0;

	if (weft_pool_lanes(program->pool, program->ev, &lanes, &count) != 0 ||
	    count != 2) {
		return;
	}
	printf("main: %u were sent to %s, %u in the lane %s\n",
	       (unsigned)lanes[1].submitted, lanes[1].name,
	       (unsigned)lanes[0].submitted, lanes[0].name);
	talloc_free(lanes);
}

static void show(struct tevent_req *req, uint64_t done, uint64_t total,
		 void *private_data)
{
	struct program *program = private_data;
	struct weft_pool_stats stats;

	weft_pool_stats(program->pool, &stats);
	printf("main: %u runs, %u wait\n", (unsigned)stats.running,
	       (unsigned)stats.queued);
	show_jobs(program);
	show_lanes(program);
	(void)close(program->shown[1]);
}

static struct tevent_req *disk_send(struct program *program, weft_job_fn_t fn,
				    const char *name)
{
	const struct weft_job_options options = {
		.name = name,
		.lane = program->disk,
		.serial = program->serial,
		.key = 1,
	};
	int *shown = talloc_zero(program->ev, int);

	if (shown == NULL) {
		return NULL;
	}
	*shown = program->shown[0];
	return weft_job_send(program->ev, program->ev, program->pool, fn,
			     &shown, &options);
}

int main(void)
{
	const struct weft_lane_options disk = { .name = "disk" };
	struct program program = { .ev = tevent_context_init(NULL) };
	struct tevent_req *req = NULL;

	if (program.ev == NULL || pipe(program.shown) != 0 ||
	    weft_pool_create(program.ev, NULL, &program.pool) != 0 ||
	    weft_lane_create(program.ev, program.pool, &disk, &program.disk) !=
		    0 ||
	    weft_serial_create(program.ev, program.pool, &program.serial) !=
		    0) {
		return 1;
	}
	req = disk_send(&program, copy, "copy");
	if (req == NULL || disk_send(&program, copy, "copy") == NULL ||
	    disk_send(&program, check, "check") == NULL) {
		return 1;
	}
	weft_job_on_progress(req, show, &program);
	tevent_loop_wait(program.ev);
	return talloc_free(program.ev);
}
