/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Free in handler: what a handler may take away under the loop's feet: its own
 * event, the event's parent, other events, and the context itself.
 */
#include <signal.h>

#include "tests/trail.h"

/* What the handler shall free, and what is there to be freed. */
struct scene {
	struct trail trail;
	struct fixture *fx;
	TALLOC_CTX *parent;
	void *event; /* whose handler runs */
	void *target;
	bool twice;
	int fds[2];
	int closed;
	int closed_inside; /* how many had been closed right after the free */
};

static void scene_run(struct scene *scene)
{
	trail_add(&scene->trail, "ran");
	if (scene->target != NULL) {
		void *target = scene->target;

		scene->target = NULL;
		(void)talloc_free(target);
		scene->closed_inside = scene->closed;
		if (scene->twice) {
			(void)talloc_free(target);
		}
		if (target == scene->fx->ev) {
			scene->fx->ev = NULL;
		}
	}
}

static void scene_immediate(struct tevent_context *ev,
			    struct tevent_immediate *im, void *private_data)
{
	(void)ev;
	(void)im;
	scene_run(private_data);
}

static void scene_timer(struct tevent_context *ev, struct tevent_timer *te,
			struct timeval now, void *private_data)
{
	(void)ev;
	(void)te;
	(void)now;
	scene_run(private_data);
}

static void scene_fd(struct tevent_context *ev, struct tevent_fd *fde,
		     uint16_t flags, void *private_data)
{
	(void)ev;
	(void)fde;
	(void)flags;
	scene_run(private_data);
}

static void scene_signal(struct tevent_context *ev, struct tevent_signal *se,
			 int signum, int count, void *siginfo,
			 void *private_data)
{
	(void)ev;
	(void)se;
	(void)signum;
	(void)count;
	(void)siginfo;
	scene_run(private_data);
}

static void scene_close(struct tevent_context *ev, struct tevent_fd *fde,
			int fd, void *private_data)
{
	struct scene *scene = private_data;

	(void)ev;
	(void)fde;
	(void)fd;
	scene->closed++;
}

enum kind { IMMEDIATE, TIMER, FD, SIGNAL, INFO_SIGNAL, KINDS };

static const char *const kind_names[KINDS] = { "immediate", "timer", "fd event",
					       "signal event",
					       "siginfo event" };

/* One event of @kind that is ready to run. */
static void scene_open(struct scene *scene, struct fixture *fx, enum kind kind)
{
	struct tevent_context *ev = fx->ev;

	*scene = (struct scene){ .fx = fx, .fds = { -1, -1 } };
	scene->parent = talloc_named_const(fx->mem, 0, "parent");
	switch (kind) {
	case IMMEDIATE:
		scene->event = tevent_create_immediate(scene->parent);
		tevent_schedule_immediate(scene->event, ev, scene_immediate,
					  scene);
		break;
	case TIMER:
		scene->event = tevent_add_timer(ev, scene->parent,
						tevent_timeval_zero(),
						scene_timer, scene);
		break;
	case FD:
		fixture_pipe(scene->fds);
		(void)!write(scene->fds[1], "x", 1);
		scene->event = tevent_add_fd(ev, scene->parent, scene->fds[0],
					     TEVENT_FD_READ, scene_fd, scene);
		tevent_fd_set_close_fn(scene->event, scene_close);
		break;
	default:
		scene->event = tevent_add_signal(
			ev, scene->parent, SIGUSR1,
			kind == INFO_SIGNAL ? SA_SIGINFO : 0, scene_signal,
			scene);
		(void)raise(SIGUSR1);
		break;
	}
}

static void scene_end(struct scene *scene)
{
	TALLOC_FREE(scene->parent);
	if (scene->fds[0] >= 0) {
		(void)close(scene->fds[0]);
		(void)close(scene->fds[1]);
	}
}

static void test_self(struct fixture *fx)
{
	for (enum kind kind = 0; kind < KINDS; kind++) {
		struct scene scene;

		scene_open(&scene, fx, kind);
		scene.target = scene.event;
		trail_passes(&scene.trail, fx->ev, 1);
		settle(fx->ev, 3);
		is_str(scene.trail.text, "ran |",
		       "B201 %s freed in its handler", kind_names[kind]);
		is_uint(talloc_total_blocks(scene.parent), 1,
			"B201 %s: its memory is gone", kind_names[kind]);
		if (kind == FD) {
			is_int(scene.closed_inside, 1,
			       "B201 B330 the close function runs at the free");
			is_int(scene.closed, 1, "B330 and only once");
		}
		scene_end(&scene);
	}
}

static void test_parent(struct fixture *fx)
{
	for (enum kind kind = 0; kind < KINDS; kind++) {
		struct scene scene;

		scene_open(&scene, fx, kind);
		scene.target = scene.parent;
		scene.parent = NULL;
		trail_passes(&scene.trail, fx->ev, 1);
		settle(fx->ev, 3);
		is_str(scene.trail.text, "ran |",
		       "B203 parent of a running %s freed", kind_names[kind]);
		scene_end(&scene);
	}
}

static int aborts;

static void count_abort(const char *reason)
{
	(void)reason;
	aborts++;
}

static void test_twice(struct fixture *fx)
{
	for (enum kind kind = 0; kind < KINDS; kind++) {
		struct scene scene;

		scene_open(&scene, fx, kind);
		scene.target = scene.event;
		scene.twice = true;
		aborts = 0;
		tevent_set_abort_fn(count_abort);
		trail_passes(&scene.trail, fx->ev, 1);
		tevent_set_abort_fn(NULL);
		is_int(aborts, 1, "B202 %s freed twice in its handler aborts",
		       kind_names[kind]);
		scene_end(&scene);
	}
}

static void free_both(struct tevent_context *ev, struct tevent_fd *fde,
		      uint16_t flags, void *private_data)
{
	struct scene *scene = private_data;

	(void)ev;
	(void)flags;
	trail_add(&scene->trail, "ran");
	(void)talloc_free(fde);
	TALLOC_FREE(scene->parent);
}

static void test_self_then_parent(struct fixture *fx)
{
	struct scene scene = { .fx = fx };

	scene.parent = talloc_new(fx->mem);
	fixture_pipe(scene.fds);
	(void)!write(scene.fds[1], "x", 1);
	(void)tevent_add_fd(fx->ev, scene.parent, scene.fds[0], TEVENT_FD_READ,
			    free_both, &scene);
	aborts = 0;
	tevent_set_abort_fn(count_abort);
	trail_passes(&scene.trail, fx->ev, 1);
	tevent_set_abort_fn(NULL);
	is_int(aborts, 0,
	       "B202 freed and then freed with its parent: accepted");
	scene_end(&scene);
}

/* Any kind frees any other kind that is ready as well. */
static void test_others(struct fixture *fx)
{
	for (enum kind kind = 0; kind < KINDS * KINDS; kind++) {
		enum kind by = kind / KINDS;
		enum kind of = kind % KINDS;
		struct scene killer;
		struct scene victim;

		if (TEST_ON_STOCK && by >= SIGNAL && of >= SIGNAL) {
			continue; /* B204: the next in line, freed memory */
		}
		scene_open(&victim, fx, of);
		scene_open(&killer, fx, by);
		killer.target = victim.event;
		victim.target = killer.event;
		while (killer.trail.text[0] == '\0' &&
		       victim.trail.text[0] == '\0') {
			turn(fx->ev);
		}
		settle(fx->ev, 4);
		/* Whoever came first, the other never came. */
		ok((killer.trail.text[0] == '\0') !=
			   (victim.trail.text[0] == '\0'),
		   "B204 %s and %s: the first frees the other", kind_names[by],
		   kind_names[of]);
		TALLOC_FREE(killer.parent);
		TALLOC_FREE(victim.parent);
		scene_end(&killer);
		scene_end(&victim);
	}
}

/* Passes until one freed the context. */
static int last_pass(struct fixture *fx)
{
	int ret = 0;

	while (fx->ev != NULL && ret == 0) {
		ret = tevent_loop_once(fx->ev);
	}
	return ret;
}

/* Events that are ready, each of which would free the context: the first of
 * them does, and no other runs. Those of the kind in question come twice,
 * those which the loop looks at later once. */
static void check_context(struct fixture *fx, const enum kind *kinds,
			  unsigned count)
{
	struct scene scenes[KINDS + 1];
	unsigned ran = 0;

	for (unsigned i = 0; i <= count; i++) {
		scene_open(&scenes[i], fx, kinds[i == 0 ? 0 : i - 1]);
		scenes[i].target = fx->ev;
	}
	is_int(last_pass(fx), 0,
	       "B206 4.3 %s: the pass that frees the context succeeds",
	       kind_names[kinds[0]]);
	is_ptr(fx->ev, NULL, "B206 4.3 %s: it is freed", kind_names[kinds[0]]);
	for (unsigned i = 0; i <= count; i++) {
		ran += scenes[i].trail.text[0] != '\0' ? 1 : 0;
		scene_end(&scenes[i]);
	}
	is_uint(ran, 1, "B206 B208 4.3 %s: no other handler runs",
		kind_names[kinds[0]]);
}

static void test_context(struct fixture *fx)
{
	static const enum kind order[KINDS] = { INFO_SIGNAL, SIGNAL, IMMEDIATE,
						TIMER, FD };

	if (TEST_ON_STOCK) {
		skip("B206 stock reads freed memory");
		return;
	}
	for (unsigned first = 0; first < KINDS; first++) {
		if (fx->ev == NULL) {
			fx->ev = tevent_context_init_byname(fx->mem,
							    fx->backend);
		}
		check_context(fx, &order[first], KINDS - first);
	}
}

static void test_context_in_loop_wait(struct fixture *fx)
{
	struct scene scene;

	if (TEST_ON_STOCK) {
		skip("B206 stock reads freed memory");
		return;
	}
	scene_open(&scene, fx, TIMER);
	scene.target = fx->ev;
	is_int(tevent_loop_wait(fx->ev), 0,
	       "B206 4.3 context freed during loop_wait");
	is_str(scene.trail.text, "ran", "B206 4.3 which then ends");
	scene_end(&scene);
}

/* A request whose end frees everything, as servers do on shutdown. */
struct owner_state {
	struct scene *scene;
};

static void free_all(struct tevent_req *req)
{
	struct scene *scene = tevent_req_callback_data_void(req);

	trail_add(&scene->trail, "called");
	TALLOC_FREE(req);
	TALLOC_FREE(scene->parent);
	TALLOC_FREE(scene->fx->ev);
}

static void test_context_in_request(struct fixture *fx)
{
	struct scene scene = { .fx = fx, .fds = { -1, -1 } };
	struct owner_state *state = NULL;
	struct tevent_req *req = NULL;

	if (TEST_ON_STOCK) {
		skip("B206 stock reads freed memory");
		return;
	}
	scene.parent = talloc_new(fx->mem);
	req = tevent_req_create(scene.parent, &state, struct owner_state);
	tevent_req_set_callback(req, free_all, &scene);
	tevent_req_done(tevent_req_post(req, fx->ev));
	is_str(scene.trail.text, "called",
	       "B206 B209 a callback frees request and context");

	fx->ev = tevent_context_init_byname(fx->mem, fx->backend);
	trail_clear(&scene.trail);
	scene.parent = talloc_new(fx->mem);
	req = tevent_req_create(scene.parent, &state, struct owner_state);
	tevent_req_set_callback(req, free_all, &scene);
	(void)tevent_req_set_endtime(req, fx->ev, tevent_timeval_zero());
	is_int(tevent_loop_once(fx->ev), 0, "B206 4.3 the pass succeeds");
	is_str(scene.trail.text, "called",
	       "B206 4.3 also from inside the loop");
}

int main(void)
{
	warm_up();
	fixture_each_backend("B201 self", test_self);
	fixture_each_backend("B203 parent", test_parent);
	fixture_each_backend("B202 twice", test_twice);
	fixture_each_backend("B202 self, then parent", test_self_then_parent);
	fixture_each_backend("B204 others", test_others);
	fixture_each_backend("B206 context", test_context);
	fixture_each_backend("B206 loop_wait", test_context_in_loop_wait);
	fixture_each_backend("B206 request", test_context_in_request);
	return done();
}
