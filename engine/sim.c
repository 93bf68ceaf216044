/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Sim: how passes begin in a simulated world, and the door to its host.
 *
 * A context that was made with "sim" has a table, as one of a program's own
 * would; so other contexts pay nothing for it. A pass begins in two ways:
 *
 *      the program turns the loop --> the host may move the rest of the world
 *                                     first --> a pass, which may wait
 *      the host turns it          --> a pass, which must not wait
 *
 * In the strict order it is then a pass like any other (loop.c), kind after
 * kind. With chaos, which is for finding what relies on that order, a due timer
 * or a ready descriptor may come before immediates; immediates keep their
 * order among themselves, and timers theirs.
 *
 * Threads: the one that the world belongs to.
 * Not here: waiting, time, descriptors (backend_sim.c).
 */
#include "engine/sim.h"

#include "engine/backend_sim.h"
#include "engine/base.h"
#include "engine/context.h"
#include "engine/fd_watch.h"
#include "engine/loop.h"
#include "engine/timer.h"

enum sim_first {
	SIM_FIRST_USUAL,
	SIM_FIRST_TIMERS,
	SIM_FIRST_DESCRIPTORS,
	SIM_FIRST_COUNT,
};

/* Something comes out of its turn. Return: false: nothing did. */
static bool pass_chaotic(struct tevent_context *ev, struct tev_sim *sim)
{
	struct tev_slot *slot = NULL;
	uint32_t ready = 0;
	int unused = 0;

	switch (sim->host->choose(sim, SIM_FIRST_COUNT)) {
	case SIM_FIRST_TIMERS:
		return tev_timer_run(ev, &unused);
	case SIM_FIRST_DESCRIPTORS:
		tev_fd_flush(ev);
		if (tev_sim_poll(ev, &slot, &ready)) {
			tev_fd_dispatch(ev, slot, ready);
			return true;
		}
		return false;
	default:
		return false;
	}
}

/* The loop_once of a simulated context.
 *
 * Thread: owner.  Lock: none; runs user code, @ev is held by the caller.
 * Return: 0, or -1 with errno: EDEADLK: nothing will ever happen.
 */
int tev_sim_pass(struct tevent_context *ev, const char *location)
{
	struct tev_sim_context *context = tev_sim_context_of(ev);
	struct tev_sim *sim = context->sim;
	bool turned = context->turned;

	context->turned = false;
	if (!turned && sim->host != NULL) {
		sim->host->before(sim, ev);
		if (ev->closed) {
			return 0;
		}
		context = tev_sim_context_of(ev);
		sim = context->sim;
	}
	context->brief = turned;
	if (sim->chaos && pass_chaotic(ev, sim)) {
		return 0;
	}
	return tev_loop_pass(ev, location);
}

static bool sim_has(const struct tev_sim *sim,
		    const struct tev_sim_context *context)
{
	struct tev_list *link = NULL;

	tev_list_for_each(link, &sim->contexts) {
		if (tev_list_entry(link, struct tev_sim_context, link) ==
		    context) {
			return true;
		}
	}
	return false;
}

/* A pass that the nesting hook refuses does not begin: then the word is taken
 * back, so that the program's own next pass is not taken for it. */
static bool sim_turn(struct tev_sim_context *context)
{
	struct tev_sim *sim = context->sim;
	bool refused = false;

	sim->refs++;
	context->turned = true;
	(void)tevent_loop_once(context->ev);
	refused = sim_has(sim, context) && context->turned;
	if (refused) {
		context->turned = false;
	}
	tev_sim_unref(sim);
	return !refused;
}

static bool sim_busy(const struct tev_sim_context *context)
{
	return context->ev->level != 0;
}

static bool sim_simulates(const struct tevent_context *ev)
{
	return ev->backend == &tev_backend_sim;
}

static const struct tev_sim_door sim_door = {
	.enter = tev_sim_enter,
	.leave = tev_sim_leave,
	.ready = tev_sim_ready,
	.busy = sim_busy,
	.due = tev_sim_due,
	.turn = sim_turn,
	.simulates = sim_simulates,
};

/* The door for libweft, which looks for it by this name.
 *
 * Thread: any.  Lock: none.
 */
const struct tev_sim_door *tev_sim_door(void)
{
	return &sim_door;
}
