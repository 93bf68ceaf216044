/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Sim world: one thread in which everything that happens is chosen.
 *
 *      contexts made with "sim"  --.
 *      workers of pools made here --+--> who can move now? --> one is chosen
 *      streams (sim_stream.c)    --'              |
 *                                                 nobody: the clock goes on to
 *                                                 when somebody can
 *
 * A move is: one pass of one loop, one step of one worker (sim_worker.c), one
 * delivery of a stream. What a loop has been sent is delivered when it is
 * chosen, so this decides over every message as well.
 *
 *  1. Everything comes from decisions (sim_choose.c), and from what the program
 *     does. So the list of decisions, the log, is all that is needed to have
 *     the same again, and a hash tells whether it was the same.
 *  2. Who can move is listed in the order of births, beginning behind whoever
 *     has moved last. So decision 0 is the fair one, "the next, please"; a log
 *     that ends early is gone on with by zeros, and a log of smaller numbers is
 *     a plainer story (sim_search.c).
 *  3. The program may turn its loops by itself. Before such a pass others may
 *     move, and while it waits they do.
 *  4. Moves nest when a handler turns another loop or a job waits for its own
 *     job. A context whose pass is under way does not move.
 *  5. Time passes when nobody can move; with chaos also in between, as on a
 *     machine that has something else to do.
 *  6. A context whose nesting hook refuses a pass has not moved: others may,
 *     and if there is nobody else nothing happens.
 *  7. Whatever moves may free the handle. The world goes on, and ends with the
 *     outermost move.
 *  8. A forked child has the clock and the contexts. The actors are its
 *     parent's: park and queues begin anew without them (crews.c), jobs in hand
 *     are the parent's to finish, and a stream has one world. They part when
 *     the child first comes here; new ones are born as ever.
 *
 * Threads: the world's.  Ordering: none.
 * Not here: how a decision is made (sim_choose.c).
 */
#include "threadpool/sim_world.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "threadpool/fork.h"
#include "threadpool/grace.h"
#include "threadpool/now.h"

struct wf_sim_choice {
	uint64_t key;                    /* contexts before actors, by number */
	struct tev_sim_context *context; /* or NULL */
	struct wf_sim_actor *actor;      /* or NULL */
};

#define WORLD_KEY_ACTORS (UINT64_C(1) << 32)

static _Thread_local struct wf_sim_world *world_here;

struct wf_sim_world *wf_sim_here(void)
{
	return world_here;
}

/* A door of our own libtevent; see bell.c. */
static const struct tev_sim_door *world_door(void)
{
	const struct tev_sim_door *(*open)(void) = NULL;
	void *symbol = dlsym(RTLD_DEFAULT, "tev_sim_door");

	memcpy(&open, &symbol, sizeof(open));
	return open != NULL ? open() : NULL;
}

bool wf_sim_simulates(const struct tevent_context *ev)
{
	const struct tev_sim_door *door = world_door();

	return door != NULL && door->simulates(ev);
}

static unsigned host_choose(struct tev_sim *sim, unsigned count)
{
	return wf_sim_choose(sim->host_data, count);
}

/* ---- forked ---- */

/* In a child, before anything else. */
static void world_look_fork(struct wf_sim_world *world)
{
	unsigned generation = wf_fork_generation();
	struct tev_list actors;

	if (world->generation == generation) {
		return;
	}
	world->generation = generation;
	/* Helpers are counted anew. */
	wf_grace_helper_begin();
	tev_list_init(&actors);
	tev_list_splice(&actors, &world->actors);
	while (!tev_list_empty(&actors)) {
		struct wf_sim_actor *actor = tev_list_entry(
			tev_list_first(&actors), struct wf_sim_actor, link);

		actor->ops->forked(actor);
	}
}

/* ---- who can move ---- */

static bool world_add(struct wf_sim_world *world, size_t count,
		      struct wf_sim_choice choice)
{
	if (count == world->choice_room) {
		size_t room = count != 0 ? count * 2 : 16;
		struct wf_sim_choice *choices = realloc(
			world->choices, room * sizeof(*choices));

		if (choices == NULL) {
			world->short_of_memory = true;
			return false;
		}
		world->choices = choices;
		world->choice_room = room;
	}
	world->choices[count] = choice;
	return true;
}

/* Return: how many can move now; they are listed. */
static unsigned world_gather(struct wf_sim_world *world)
{
	uint64_t now_us = world->sim->now_us;
	struct tev_list *link = NULL;
	unsigned count = 0;

	world_look_fork(world);
	tev_list_for_each(link, &world->sim->contexts) {
		struct tev_sim_context *context = tev_list_entry(
			link, struct tev_sim_context, link);
		struct wf_sim_choice choice = { context->number, context,
						NULL };

		if (!context->refused && world->door->ready(context) &&
		    world_add(world, count, choice)) {
			count++;
		}
	}
	tev_list_for_each(link, &world->actors) {
		struct wf_sim_actor *actor = tev_list_entry(
			link, struct wf_sim_actor, link);
		struct wf_sim_choice choice = {
			WORLD_KEY_ACTORS + actor->number, NULL, actor
		};

		if (actor->ops->due(actor) <= now_us &&
		    world_add(world, count, choice)) {
			count++;
		}
	}
	return count;
}

/* The one that is @turn places behind whoever has moved last. */
static struct wf_sim_choice world_choice(const struct wf_sim_world *world,
					 unsigned count, unsigned turn)
{
	unsigned first = 0;

	while (first < count && world->choices[first].key <= world->last) {
		first++;
	}
	return world->choices[(first + turn) % count];
}

/* ---- moves ---- */

static void world_note(struct wf_sim_world *world, const char *name,
		       unsigned number, uint64_t key)
{
	struct wf_sim_step
		*step = &world->steps[world->step_count % WF_SIM_STEPS_KEPT];

	step->now_us = world->sim->now_us;
	step->name = name;
	step->number = number;
	world->step_count++;
	wf_sim_note(world, world->sim->now_us);
	wf_sim_note(world, key);
}

/* Return: false: it was refused. */
static bool world_act(struct wf_sim_world *world, struct wf_sim_choice choice)
{
	world->last = choice.key;
	if (choice.context == NULL) {
		world_note(world, choice.actor->ops->name, choice.actor->number,
			   choice.key);
		choice.actor->ops->move(choice.actor);
		return true;
	}
	world_note(world, "loop", choice.context->number, choice.key);
	if (!world->door->turn(choice.context)) {
		choice.context->refused = true;
		return false;
	}
	return true;
}

/* Each is asked once a move. */
static void world_ask_anew(struct wf_sim_world *world)
{
	struct tev_list *link = NULL;

	tev_list_for_each(link, &world->sim->contexts) {
		tev_list_entry(link, struct tev_sim_context, link)
			->refused = false;
	}
}

/* Return: when somebody can move who cannot now. A context whose pass is under
 * way does not count, unless that waits; nor does one that has refused. */
static uint64_t world_next(const struct wf_sim_world *world,
			   const struct tevent_context *waits)
{
	uint64_t next = TEV_SIM_NEVER;
	struct tev_list *link = NULL;

	tev_list_for_each(link, &world->sim->contexts) {
		const struct tev_sim_context *context = tev_list_entry(
			link, struct tev_sim_context, link);
		uint64_t due = world->door->due(context);

		if ((context->ev == waits || !world->door->busy(context)) &&
		    !context->refused && due < next) {
			next = due;
		}
	}
	tev_list_for_each(link, &world->actors) {
		struct wf_sim_actor *actor = tev_list_entry(
			link, struct wf_sim_actor, link);
		uint64_t due = actor->ops->due(actor);

		if (due > world->sim->now_us && due < next) {
			next = due;
		}
	}
	return next;
}

/* Return: false: nothing will happen, or not up to @limit_us. */
static bool world_pass_time(struct wf_sim_world *world,
			    const struct tevent_context *waits,
			    uint64_t limit_us)
{
	uint64_t next = world_next(world, waits);

	if (next == TEV_SIM_NEVER || next > limit_us) {
		return false;
	}
	if (next > world->sim->now_us) {
		world->sim->now_us = next;
	}
	world_note(world, "clock", 0, 0);
	return true;
}

/* One move, in a world that is held.
 * Return: false: nothing can happen up to @limit_us. */
static bool world_move_held(struct wf_sim_world *world,
			    const struct tevent_context *waits,
			    uint64_t limit_us)
{
	world_ask_anew(world);
	for (;;) {
		unsigned count = world_gather(world);
		unsigned more = world->sim->chaos ? 1 : 0;
		unsigned chosen = 0;

		if (count == 0) {
			return world_pass_time(world, waits, limit_us);
		}
		chosen = wf_sim_choose(world, count + more);
		if (chosen == count) {
			(void)world_pass_time(world, waits, limit_us);
			return true;
		}
		if (world_act(world, world_choice(world, count, chosen))) {
			return true;
		}
	}
}

static bool world_move(struct wf_sim_world *world,
		       const struct tevent_context *waits, uint64_t limit_us)
{
	bool moved = false;

	wf_sim_world_hold(world);
	moved = world_move_held(world, waits, limit_us);
	wf_sim_world_release(world);
	return moved;
}

bool wf_sim_is_over(const struct wf_sim_world *world)
{
	return world->short_of_memory ||
	       (world->max_steps != 0 && world->step_count >= world->max_steps);
}

bool wf_sim_move(struct wf_sim_world *world, const struct tevent_context *waits,
		 uint64_t limit_us)
{
	return !wf_sim_is_over(world) && world_move(world, waits, limit_us);
}

bool wf_sim_wait(void)
{
	return world_here != NULL &&
	       world_move(world_here, NULL, TEV_SIM_NEVER);
}

static bool host_idle(struct tev_sim *sim, struct tevent_context *ev)
{
	return wf_sim_move(sim->host_data, ev, TEV_SIM_NEVER);
}

static bool world_has(const struct wf_sim_world *world,
		      const struct tevent_context *ev)
{
	struct tev_list *link = NULL;

	tev_list_for_each(link, &world->sim->contexts) {
		if (tev_list_entry(link, struct tev_sim_context, link)->ev ==
		    ev) {
			return true;
		}
	}
	return false;
}

static void host_before(struct tev_sim *sim, struct tevent_context *ev)
{
	struct wf_sim_world *world = sim->host_data;

	wf_sim_world_hold(world);
	world_ask_anew(world);
	while (world_has(world, ev) && !wf_sim_is_over(world)) {
		unsigned count = world_gather(world);
		unsigned chosen = count > 0 ? wf_sim_choose(world, count + 1)
					    : 0;

		if (chosen == 0) {
			break;
		}
		(void)world_act(world, world_choice(world, count, chosen - 1));
	}
	wf_sim_world_release(world);
}

static const struct tev_sim_host world_host = {
	.choose = host_choose,
	.before = host_before,
	.idle = host_idle,
};

/* ---- actors ---- */

void wf_sim_actor_join(struct wf_sim_world *world, struct wf_sim_actor *actor,
		       const struct wf_sim_actor_ops *ops)
{
	world_look_fork(world);
	actor->world = world;
	actor->ops = ops;
	actor->number = ++world->actor_count;
	tev_list_append(&world->actors, &actor->link);
}

void wf_sim_actor_part(struct wf_sim_actor *actor)
{
	tev_list_remove(&actor->link);
}

/* ---- life ---- */

int wf_sim_world_create(const struct wf_sim_spec *spec,
			struct wf_sim_world **ret_world)
{
	const struct tev_sim_door *door = world_door();
	struct wf_sim_world *world = NULL;
	struct tev_sim *sim = NULL;

	if (door == NULL) {
		return ENOTSUP;
	}
	world = malloc(sizeof(*world));
	if (world == NULL) {
		return ENOMEM;
	}
	memset(world, 0, offsetof(struct wf_sim_world, steps));
	sim = door->enter();
	if (sim == NULL) {
		int error = errno;

		free(world);
		return error;
	}
	/* Forks are counted from here on. */
	wf_grace_init();
	world->holds = 1;
	world->generation = wf_fork_generation();
	world->sim = sim;
	world->door = door;
	tev_list_init(&world->actors);
	world->job_us = spec->job_us;
	world->max_steps = spec->max_steps;
	wf_sim_decide_by(world, spec);
	if (spec->start_us != 0) {
		sim->now_us = spec->start_us;
	}
	sim->chaos = spec->chaos;
	sim->host = &world_host;
	sim->host_data = world;
	wf_now_simulate(&sim->now_us);
	/* Memory that is waited for is waited for seldom (grace.h). */
	wf_grace_helper_begin();
	world_here = world;
	*ret_world = world;
	return 0;
}

/* Its functions may run, and move what is left. */
static void world_end(struct wf_sim_world *world)
{
	for (;;) {
		struct tev_list *link = NULL;
		struct wf_sim_actor *actor = NULL;

		world_look_fork(world);
		link = tev_list_first(&world->actors);
		if (link == NULL) {
			break;
		}
		actor = tev_list_entry(link, struct wf_sim_actor, link);
		actor->ops->end(actor);
	}
	world_here = NULL;
	wf_grace_helper_end();
	wf_now_simulate(NULL);
	world->door->leave(world->sim);
	free(world->choices);
	free(world->log);
	free(world);
}

void wf_sim_world_hold(struct wf_sim_world *world)
{
	world->holds++;
}

void wf_sim_world_release(struct wf_sim_world *world)
{
	if (world->holds > 1) {
		world->holds--;
		return;
	}
	/* The last one is kept: what ends makes moves of its own. */
	world_end(world);
}

void wf_sim_world_free(struct wf_sim_world *world)
{
	world->ending = true;
	world->given_count = 0; /* the caller's, as long as it had the handle */
	wf_sim_world_release(world);
}
