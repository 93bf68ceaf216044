/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Family: jobs that a job has made.
 *
 *      job --> family <-- child, child (siblings)
 *                ^          |
 *                |          '--> family <-- grandchild
 *                '----------------- above
 *
 * Children outlive the function that has made them, and may run on other
 * workers, so what they have in common stands outside of all of them: whether
 * their parent was told to stop.
 *
 *  1. A job makes its family with its first child. It gives its share back when
 *     it is disposed of itself, so whoever may tell the job finds the family.
 *  2. A child is told if its parent is, or whoever stands above that; so who
 *     tells a job changes one word, and reaches its whole offspring. Sleepers
 *     are poke.c's to wake.
 *  3. [CH1] Nobody is told in vain: the teller stores that the job is told,
 *     then loads its family; the job stores its family, then loads whether it
 *     is told. A full fence on both sides, so one of them sees the other.
 *  4. The list of members is the parent's alone: those that it may still wait
 *     for. What is left of them when it returns is abandoned.
 *
 * [CH2] shares of a family.
 *
 * Threads: see the header.  Ordering: [CH1], [CH2].
 * Not here: what a child is (child.c), how it is reached (poke.c).
 */
#include "threadpool/family.h"

#include <stdlib.h>

#include "engine/order.h"

struct wf_family *wf_family_ref(struct wf_family *family)
{
	/* Relaxed: who makes a share has one. */
	(void)atomic_fetch_add_explicit(&family->refs, 1, memory_order_relaxed);
	return family;
}

void wf_family_unref(struct wf_family *family)
{
	while (family != NULL) {
		struct wf_family *above = family->above;
		/* [CH2] release: our last use; acquire: all others', for
		 * whoever frees it. Pairs with itself. */
		unsigned before = atomic_fetch_sub_explicit(
			&family->refs, 1, memory_order_acq_rel);

		if (before != 1) {
			return;
		}
		free(family);
		family = above;
	}
}

static struct wf_family *family_create(struct wf_family *above)
{
	struct wf_family *family = malloc(sizeof(*family));

	if (family == NULL) {
		return NULL;
	}
	atomic_init(&family->refs, 1);
	atomic_init(&family->told, false);
	family->above = above != NULL ? wf_family_ref(above) : NULL;
	tev_list_init(&family->members);
	return family;
}

struct wf_family *wf_family_get(struct weft_job *job)
{
	struct wf_family *family = wf_family_of(job);

	if (family != NULL) {
		return family;
	}
	family = family_create(job->siblings);
	if (family == NULL) {
		return NULL;
	}
	/* [CH1] release: the family; pairs with wf_family_tell(). */
	atomic_store_explicit(&job->family, family, memory_order_release);
	/* [CH1] full fence: the family stored, the state loaded. Do not weaken.
	 */
	tev_fence_full();
	if (wf_work_told(job)) {
		wf_family_tell(job);
	}
	return family;
}

void wf_family_tell(struct weft_job *job)
{
	struct wf_family *family = NULL;

	/* [CH1] full fence: the state stored, the family loaded. Do not weaken.
	 */
	tev_fence_full();
	/* [CH1] acquire: the family; pairs with wf_family_get(). */
	family = atomic_load_explicit(&job->family, memory_order_acquire);
	if (family != NULL) {
		/* Relaxed: a wish. */
		atomic_store_explicit(&family->told, true,
				      memory_order_relaxed);
	}
}

void wf_family_abandon(struct weft_job *job)
{
	struct wf_family *family = wf_family_of(job);

	for (;;) {
		struct tev_list *link = tev_list_first(&family->members);
		struct wf_member *member = NULL;

		if (link == NULL) {
			return;
		}
		tev_list_remove(link);
		member = tev_list_entry(link, struct wf_member, link);
		member->abandon(member);
	}
}
