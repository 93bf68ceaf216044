/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Glue: what a wrapper context puts around a handler. See glue.c. */
#pragma once

#include "include/tevent.h"

#include "engine/face.h"

struct tevent_wrapper_ops;

/* The part of a wrapper context that a plain one does not have. */
struct tev_wrapper {
	struct tev_face face;        /* O: in the main context's faces */
	struct tevent_context *wrap; /* I: the context that this is part of */
	struct tevent_context *main; /* O: as hooks see it; NULL once gone */
	const struct tevent_wrapper_ops *ops; /* I: */
	void *state;                          /* I: the hooks' own */
	uint32_t busy;                        /* O: its uses under way */
	bool freed;                           /* O: while busy */
};

struct tev_wrapper *tev_glue_enter(struct tevent_context *ev);
bool tev_glue_may_leave(struct tevent_context *ev);
void tev_glue_leave(struct tevent_context *ev);
