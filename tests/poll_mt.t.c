/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Poll_mt: a second thread changes the events of a loop that waits.
 *
 * The application's lock is held but while the loop waits: the trace points
 * around the wait give it up and take it again. So as long as the second
 * thread has it, the loop has not seen what it did, and whatever was written
 * to wake the loop still stands in the eventfd, where the kernel shows it.
 */
#include <dirent.h>
#include <pthread.h>
#include <stdlib.h>

#include "tests/trail.h"

struct scene {
	struct fixture *fx;
	pthread_mutex_t lock; /* around all but the wait */
	struct fixture_gate waiting;
	struct trail trail;
	struct step step;
	struct tevent_fd *fde;
	struct tevent_immediate *im;
	int fds[2];
	unsigned waits; /* L(lock): how many have ended */
	bool rung;      /* what the second thread found */
};

static void scene_trace(enum tevent_trace_point point, void *private_data)
{
	struct scene *scene = private_data;

	if (point == TEVENT_TRACE_BEFORE_WAIT) {
		(void)pthread_mutex_unlock(&scene->lock);
		fixture_gate_add(&scene->waiting, 1);
	} else if (point == TEVENT_TRACE_AFTER_WAIT) {
		(void)pthread_mutex_lock(&scene->lock);
		scene->waits++;
	}
}

/* Whether the eventfd with the number @name says that it was written to. */
static bool is_rung(const char *name)
{
	unsigned long long count = 0;
	char path[64];
	char line[128];
	FILE *info = NULL;

	(void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%.16s", name);
	info = fopen(path, "re");
	while (info != NULL && fgets(line, sizeof(line), info) != NULL) {
		if (strncmp(line, "eventfd-count:", 14) == 0) {
			count = strtoull(line + 14, NULL, 16);
		}
	}
	if (info != NULL) {
		(void)fclose(info);
	}
	return count > 0;
}

static bool any_rung(void)
{
	DIR *dir = opendir("/proc/self/fdinfo");
	struct dirent *entry = NULL;
	bool rung = false;

	if (dir == NULL) {
		bail_out("no /proc/self/fdinfo");
	}
	while ((entry = readdir(dir)) != NULL) {
		rung = rung || is_rung(entry->d_name);
	}
	(void)closedir(dir);
	return rung;
}

typedef void (*change_fn)(struct scene *scene);

struct change {
	change_fn fn;
	bool wakes;
	const char *want; /* what runs then */
	const char *name;
};

static void add_fd(struct scene *scene)
{
	TALLOC_FREE(scene->fde);
	scene->fde = tevent_add_fd(scene->fx->ev, scene->fx->mem, scene->fds[0],
				   TEVENT_FD_READ, step_fd, &scene->step);
}

static void set_flags(struct scene *scene)
{
	tevent_fd_set_flags(scene->fde, TEVENT_FD_READ);
}

static void free_fd(struct scene *scene)
{
	TALLOC_FREE(scene->fde);
}

static void schedule(struct scene *scene)
{
	tevent_schedule_immediate(scene->im, scene->fx->ev, step_immediate,
				  &scene->step);
}

static void add_timer(struct scene *scene)
{
	(void)tevent_add_timer(scene->fx->ev, scene->fx->mem,
			       tevent_timeval_zero(), step_timer, &scene->step);
}

struct second {
	struct scene *scene;
	const struct change *change;
};

/* Once the loop waits, changes something and looks at once; what does not wake
 * the loop is followed by something that does. */
static void change_from_thread(unsigned index, void *arg)
{
	struct second *second = arg;
	struct scene *scene = second->scene;

	(void)index;
	fixture_gate_wait(&scene->waiting, 1);
	(void)pthread_mutex_lock(&scene->lock);
	second->change->fn(scene);
	scene->rung = any_rung();
	if (!scene->rung) {
		schedule(scene);
	}
	(void)pthread_mutex_unlock(&scene->lock);
}

static void scene_open(struct scene *scene, struct fixture *fx,
		       const struct change *change)
{
	*scene = (struct scene){ .fx = fx };
	(void)pthread_mutex_init(&scene->lock, NULL);
	scene->step = (struct step){ &scene->trail, "x" };
	fixture_pipe(scene->fds);
	(void)!write(scene->fds[1], "x", 1);
	scene->im = tevent_create_immediate(fx->mem);
	scene->fde = tevent_add_fd(fx->ev, fx->mem, scene->fds[0],
				   change->fn == free_fd ? TEVENT_FD_READ : 0,
				   step_fd, &scene->step);
	if (change->fn == free_fd) {
		char byte = 0;

		(void)!read(scene->fds[0], &byte, 1);
	}
	/* Nothing of the above is to be heard later. */
	settle(fx->ev, 2);
	while (any_rung()) {
		turn(fx->ev);
	}
	(void)pthread_mutex_lock(&scene->lock);
	tevent_set_trace_callback(fx->ev, scene_trace, scene);
}

static void scene_close(struct scene *scene)
{
	tevent_set_trace_callback(scene->fx->ev, NULL, NULL);
	(void)pthread_mutex_unlock(&scene->lock);
	(void)pthread_mutex_destroy(&scene->lock);
	TALLOC_FREE(scene->fde);
	TALLOC_FREE(scene->im);
	(void)close(scene->fds[0]);
	(void)close(scene->fds[1]);
}

static void check_change(struct fixture *fx, const struct change *change)
{
	struct scene scene;
	struct second second = { &scene, change };
	struct fixture_threads *thread = NULL;
	struct tevent_timer *te = NULL;
	struct step late = { &scene.trail, "late" };

	scene_open(&scene, fx, change);
	te = tevent_add_timer(fx->ev, fx->mem, seconds_from_now(60), step_timer,
			      &late);
	thread = fixture_threads_start(1, change_from_thread, &second);
	while (scene.waits == 0) {
		trail_pass(&scene.trail, fx->ev);
	}
	if (change->want[0] != '\0') {
		trail_passes(&scene.trail, fx->ev,
			     scene.trail.text[0] == '\0' ? 1 : 0);
	}
	fixture_threads_join(thread);
	is_int(scene.rung, change->wakes, "%s", change->name);
	is_str(scene.trail.text, change->want, "%s: what runs then",
	       change->name);
	TALLOC_FREE(te);
	scene_close(&scene);
}

static void test_changes(struct fixture *fx)
{
	static const struct change changes[] = {
		{ add_fd, true, "xR |", "B612 adding an fd event wakes" },
		{ set_flags, true, "xR |", "B612 changing flags wakes" },
		{ free_fd, true, "", "B612 freeing an fd event wakes" },
		{ schedule, true, "x |", "B612 scheduling an immediate wakes" },
		{ add_timer, false, "x |",
		  "B412 B612 adding a timer does not wake" },
	};

	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		check_change(fx, &changes[i]);
	}
}

int main(void)
{
	warm_up();
	fixture_run_backend("poll_mt", "B612 changes", test_changes,
			    FIXTURE_THREADS);
	return done();
}
