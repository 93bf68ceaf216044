/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Family: jobs that a job has made; family.c. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "engine/base.h"
#include "engine/list.h"
#include "threadpool/work.h"

/* What a job and its children share; each has a share in it. */
struct wf_family {
	atomic_uint refs;        /* A: [CH2] */
	atomic_bool told;        /* A: relaxed, a wish, see [CH1] */
	struct wf_family *above; /* I: a share of that of the job itself */
	struct tev_list members; /* O: the job's: not waited for yet */
};

/* Embedded in a child. */
struct wf_member {
	struct tev_list link; /* O: the job's that has made it */
	/* That job has ended without it: it is out of the list. */
	void (*abandon)(struct wf_member *member);
};

/* The family of @job, made on first use, with the share of that.
 * Thread: the one that runs @job.  Return: NULL: no memory. */
struct wf_family *wf_family_get(struct weft_job *job);
struct wf_family *wf_family_ref(struct wf_family *family);
void wf_family_unref(struct wf_family *family);

/* Abandons all members. Thread: the one that runs @job. */
void wf_family_abandon(struct weft_job *job);

/* Relaxed: who runs the job has made it; the owner has it back. */
static inline struct wf_family *wf_family_of(const struct weft_job *job)
{
	return atomic_load_explicit(&job->family, memory_order_relaxed);
}

/* The function of @job has returned: cancels and tells what it has not waited
 * for. Thread: the one that runs it.  Lock: takes those of shards and parks. */
static inline void wf_family_end(struct weft_job *job)
{
	if (tev_unlikely(wf_family_of(job) != NULL)) {
		wf_family_abandon(job);
	}
}

/* Gives the share of @job back. Thread: owner, when nobody else knows it. */
static inline void wf_family_fini(struct weft_job *job)
{
	if (tev_unlikely(wf_family_of(job) != NULL)) {
		wf_family_unref(wf_family_of(job));
	}
}

/* Its children are to stop, too, after its state says so.
 * Thread: any that holds @job, or its owner.  Lock: none. */
void wf_family_tell(struct weft_job *job);

/* Whether the job that has made those, or one above it, was told.
 * Thread: who runs or holds one of them. */
static inline bool wf_family_told(const struct wf_family *siblings)
{
	for (; tev_unlikely(siblings != NULL); siblings = siblings->above) {
		/* Relaxed: a wish. */
		if (atomic_load_explicit(&siblings->told,
					 memory_order_relaxed)) {
			return true;
		}
	}
	return false;
}
