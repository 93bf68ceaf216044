/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Sim world: one thread in which everything that happens is chosen;
 * sim_world.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/list.h"
#include "engine/sim_door.h"

struct wf_sim_world;
struct wf_sim_actor;

/* What takes part beside the contexts: workers, streams. */
struct wf_sim_actor_ops {
	const char *name; /* for people */
	/* Return: from when on it can move; TEV_SIM_NEVER: not for now. */
	uint64_t (*due)(struct wf_sim_actor *actor);
	void (*move)(struct wf_sim_actor *actor);
	/* The world ends, and with it the actor. */
	void (*end)(struct wf_sim_actor *actor);
	/* This is a forked child, and the actor the parent's: it parts, and
	 * touches nothing that the two share. */
	void (*forked)(struct wf_sim_actor *actor);
};

struct wf_sim_actor {
	struct tev_list link;               /* O: */
	struct wf_sim_world *world;         /* I: */
	const struct wf_sim_actor_ops *ops; /* I: */
	unsigned number;                    /* I: from 1 on */
};

/* What a world is made with; see struct weft_sim_options. */
struct wf_sim_spec {
	uint64_t seed;
	uint64_t start_us;   /* 0: where worlds begin */
	uint64_t max_steps;  /* 0: no limit */
	unsigned job_us;     /* a job takes up to so long */
	const unsigned *log; /* NULL: decisions by the seed */
	size_t log_count;
	bool chaos;
};

/* A move that was made. */
struct wf_sim_step {
	uint64_t now_us;
	const char *name;
	unsigned number; /* 0: of the clock */
};

/* So many are kept for people to read. */
#define WF_SIM_STEPS_KEPT 1024

struct wf_sim_world {
	struct tev_sim *sim;             /* O: the engine's half */
	const struct tev_sim_door *door; /* I: */
	unsigned holds;                  /* O: the handle's, those of moves */
	unsigned generation;             /* O: the process, fork.h */
	struct tev_list actors;          /* O: in order of their birth */
	unsigned actor_count;            /* O: born so far */
	uint64_t random;                 /* O: state of the generator */
	unsigned job_us;                 /* I: */
	uint64_t max_steps;              /* I: */
	const unsigned *given;           /* I: decisions; NULL: by the seed */
	size_t given_count;              /* I: */
	unsigned *log;                   /* O: decisions that were made */
	size_t log_count;                /* O: */
	size_t log_room;                 /* O: 0 after a failure */
	uint64_t hash;                   /* O: of all that has happened */
	uint64_t step_count;             /* O: */
	uint64_t last;                   /* O: key of who has moved last */
	struct wf_sim_choice *choices;   /* O: who can move */
	size_t choice_room;              /* O: */
	bool short_of_memory;            /* O: nothing moves any more */
	bool ending; /* O: its handle is gone, and nobody is born any more */
	struct wf_sim_step steps[WF_SIM_STEPS_KEPT]; /* O: a ring */
};

/* Makes a world for the calling thread.
 * Thread: any, whose world it is from then on.  Lock: none.
 * Return: 0; ENOTSUP: libtevent is not our own; EBUSY: the thread has one, or
 *         a context that was made with "sim"; ENOMEM. */
int wf_sim_world_create(const struct wf_sim_spec *spec,
			struct wf_sim_world **ret_world);

/* The handle goes. With the outermost move that is under way the world ends,
 * and its actors. Contexts that are left keep its time.
 * Thread: its own.  Lock: none. */
void wf_sim_world_free(struct wf_sim_world *world);

/* Whoever looks at a world after a move holds it meanwhile; with the last one
 * that lets go, a world whose handle is gone ends.
 * Thread: the world's.  Lock: none. */
void wf_sim_world_hold(struct wf_sim_world *world);
void wf_sim_world_release(struct wf_sim_world *world);

/* The calling thread's, or NULL. Thread: any.  Lock: none. */
struct wf_sim_world *wf_sim_here(void);

/* Whether @ev was made with "sim". Thread: owner of @ev.  Lock: none. */
bool wf_sim_simulates(const struct tevent_context *ev);

/* One move, or time passes, but not beyond @limit_us. The functions of the
 * program run.
 * @waits: a context whose pass waits for this; or NULL.
 * Thread: the world's.  Lock: none.
 * Return: false: nothing can happen up to then. */
bool wf_sim_move(struct wf_sim_world *world, const struct tevent_context *waits,
		 uint64_t limit_us);

/* One move of the calling thread's world, for a job that waits for its own
 * kind; also when the limit of steps has been reached.
 * Thread: any.  Lock: none.
 * Return: false: nothing can happen. */
bool wf_sim_wait(void);

/* Where decisions come from. Thread: who makes the world. */
void wf_sim_decide_by(struct wf_sim_world *world,
		      const struct wf_sim_spec *spec);

/* Something has happened: it goes into the hash. Thread: the world's. */
void wf_sim_note(struct wf_sim_world *world, uint64_t value);

/* A decision among @count. Thread: the world's.  Return: 0 .. @count - 1. */
unsigned wf_sim_choose(struct wf_sim_world *world, unsigned count);

/* Whether the limit of steps has been reached. Thread: the world's. */
bool wf_sim_is_over(const struct wf_sim_world *world);

/* When a job that is taken now is run. Thread: the world's. */
uint64_t wf_sim_job_due(struct wf_sim_world *world);

/* @actor takes part; it does not any more. Thread: the world's. */
void wf_sim_actor_join(struct wf_sim_world *world, struct wf_sim_actor *actor,
		       const struct wf_sim_actor_ops *ops);
void wf_sim_actor_part(struct wf_sim_actor *actor);
