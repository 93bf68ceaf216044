/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Sim door: what a simulated world is to its two sides.
 *
 * The engine has the clock of a thread and the contexts that were made there
 * with "sim". Who decides what happens next, and makes the rest of the world
 * take part, is the host: libweft's weft_sim, or nobody. libweft comes in by
 * tev_sim_door(), which it looks for at run time.
 *
 * A world belongs to one thread, and so does everything here.
 *
 * Nothing here has a symbol behind it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "engine/list.h"

struct tevent_context;
struct tev_sim;

/* Time when nothing will happen. */
#define TEV_SIM_NEVER UINT64_MAX

/* Who decides. Each may be called inside of the other's moves. */
struct tev_sim_host {
	/* Return: one of 0 .. @count - 1; in the strict order it is 0. */
	unsigned (*choose)(struct tev_sim *sim, unsigned count);

	/* The program itself begins a pass of @ev: the rest of the world may
	 * move first. @ev may be freed by that. */
	void (*before)(struct tev_sim *sim, struct tevent_context *ev);

	/* @ev has nothing to do now. The rest of the world makes one move, or
	 * the clock goes on to the next.
	 * Return: false: nothing will ever happen. */
	bool (*idle)(struct tev_sim *sim, struct tevent_context *ev);
};

/* A world. */
struct tev_sim {
	uint64_t now_us;          /* O: since 1970 */
	struct tev_list contexts; /* O: in the order of their creation */
	unsigned context_count;   /* O: made so far */
	unsigned refs;            /* O: the contexts', the host's, a turn's */
	bool chaos; /* O: kinds of events come in any order, too */
	const struct tev_sim_host *host; /* O: NULL: nobody */
	void *host_data;                 /* O: the host's own */
};

/* One of its contexts. */
struct tev_sim_context {
	struct tev_list link; /* O: in sim->contexts */
	struct tev_sim *sim;  /* O: */
	struct tevent_context *ev;
	unsigned number; /* I: from 1 on */
	bool turned;     /* O: the host asks for the next pass */
	bool brief;      /* O: the pass under way must not wait */
	bool refused;    /* O: the host's own: sim_world.c */
};

/* What the engine offers. */
struct tev_sim_door {
	/* Return: a new world, which is this thread's; NULL with errno: ENOMEM,
	 * or EBUSY: it has one. */
	struct tev_sim *(*enter)(void);
	/* The host goes. Contexts that are left keep the clock. */
	void (*leave)(struct tev_sim *sim);
	/* Whether a pass would find something to do without waiting; not while
	 * a pass is under way. */
	bool (*ready)(struct tev_sim_context *context);
	/* Whether a pass is under way. */
	bool (*busy)(const struct tev_sim_context *context);
	/* When its first timer is due. */
	uint64_t (*due)(const struct tev_sim_context *context);
	/* One pass, which does not wait. The context may be gone after.
	 * Return: false: its nesting hook has refused, and it is still there.
	 */
	bool (*turn)(struct tev_sim_context *context);
	/* Whether @ev, which may be no part of a world, was made with "sim". */
	bool (*simulates)(const struct tevent_context *ev);
};
