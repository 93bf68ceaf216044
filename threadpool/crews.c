/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Crews: all of them, for forks; and their families.
 *
 * An elder is in the list from its pool's creation until its last share has
 * gone, the others of its family hang below it.
 *
 * Fork: before it all locks are taken, in this order: the list, and for each
 * crew its gate, shards and park. Nowhere else are more than two of them held
 * at once, gate before shard before park. In the child each crew begins anew:
 * no workers, nothing queued; the jobs themselves are disposed of by their
 * loops (port.c). What the parent's workers were holding is left as it is:
 * memory that may be half changed.
 *
 * [CR1] shares of a family.
 *
 * Threads: any.  Ordering: the locks; [CR1].
 */
#include "threadpool/crews.h"

#include <pthread.h>
#include <stdlib.h>

#include "threadpool/fork.h"
#include "threadpool/gate.h"
#include "threadpool/watch.h"

static struct {
	pthread_mutex_t lock;
	pthread_once_t once;
	struct tev_list elders; /* L(lock) */
} crews = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.once = PTHREAD_ONCE_INIT,
};

static void family_each_locked(struct wf_crew *elder,
			       void (*act)(struct wf_crew *crew, void *arg),
			       void *arg)
{
	struct tev_list *link = NULL;

	act(elder, arg);
	tev_list_for_each(link, &elder->family) {
		act(tev_list_entry(link, struct wf_crew, family), arg);
	}
}

void wf_crews_each(struct wf_crew *elder,
		   void (*act)(struct wf_crew *crew, void *arg), void *arg)
{
	(void)pthread_mutex_lock(&crews.lock);
	family_each_locked(elder, act, arg);
	(void)pthread_mutex_unlock(&crews.lock);
}

/* ---- fork ---- */

static void crews_each_locked(void (*act)(struct wf_crew *crew, void *arg))
{
	struct tev_list *link = NULL;

	tev_list_for_each(link, &crews.elders) {
		family_each_locked(tev_list_entry(link, struct wf_crew, link),
				   act, NULL);
	}
}

static void crew_each_shard(struct wf_crew *crew,
			    void (*act)(struct wf_shard *shard))
{
	unsigned count = wf_lane_count(crew);
	unsigned i = 0;
	unsigned j = 0;

	for (i = 0; i < count; i++) {
		for (j = 0; j < crew->shard_count; j++) {
			act(&wf_lane_at(crew, i)->shards[j]);
		}
	}
}

static void crew_lock(struct wf_crew *crew, void *arg)
{
	(void)arg;
	wf_gate_lock(crew);
	crew_each_shard(crew, wf_shard_lock);
	wf_park_lock(&crew->park);
}

static void crew_unlock(struct wf_crew *crew, void *arg)
{
	(void)arg;
	wf_park_unlock(&crew->park);
	crew_each_shard(crew, wf_shard_unlock);
	wf_gate_unlock(crew);
}

/* The workers' shares are not given back: if the job that forked comes back
 * from its function, it still looks at the crew. */
static void crew_forget_locked(struct wf_crew *crew, void *arg)
{
	(void)arg;
	crew_each_shard(crew, wf_shard_forget_locked);
	wf_gate_forget_locked(crew);
	wf_park_forget_locked(&crew->park);
	wf_watch_forget(crew);
	crew->generation++;
	/* Relaxed: the child has one thread. */
	atomic_store_explicit(&crew->orphans, 0, memory_order_relaxed);
	atomic_store_explicit(&crew->hands, 0, memory_order_relaxed);
	/* Those who wait were the parent's, or have been told by their
	 * ports. */
	tev_list_init(&crew->drains);
}

static void crews_fork_prepare(void)
{
	(void)pthread_mutex_lock(&crews.lock);
	crews_each_locked(crew_lock);
}

static void crews_fork_parent(void)
{
	crews_each_locked(crew_unlock);
	(void)pthread_mutex_unlock(&crews.lock);
}

static void crews_fork_child(void)
{
	crews_each_locked(crew_forget_locked);
	crews_fork_parent();
}

static const struct wf_fork_part crews_part = {
	.prepare = crews_fork_prepare,
	.parent = crews_fork_parent,
	.child = crews_fork_child,
};

static void crews_init(void)
{
	tev_list_init(&crews.elders);
	wf_fork_add(WF_FORK_POOLS, &crews_part);
}

void wf_crews_add(struct wf_crew *elder)
{
	(void)pthread_once(&crews.once, crews_init);
	(void)pthread_mutex_lock(&crews.lock);
	tev_list_append(&crews.elders, &elder->link);
	(void)pthread_mutex_unlock(&crews.lock);
}

void wf_crews_remove(struct wf_crew *elder)
{
	(void)pthread_mutex_lock(&crews.lock);
	tev_list_remove(&elder->link);
	(void)pthread_mutex_unlock(&crews.lock);
}

bool wf_crews_adopt(struct wf_crew *elder, struct wf_crew *crew)
{
	bool ok = false;

	(void)pthread_mutex_lock(&crews.lock);
	ok = !wf_crew_stopped(elder) && !wf_crew_draining(elder);
	if (ok) {
		tev_list_append(&elder->family, &crew->family);
	}
	(void)pthread_mutex_unlock(&crews.lock);
	return ok;
}

/* ---- shares ---- */

struct wf_crew *wf_crew_ref(struct wf_crew *crew)
{
	/* Relaxed: who makes a share has one, or a handle that keeps one. */
	(void)atomic_fetch_add_explicit(&wf_crew_elder(crew)->refs, 1,
					memory_order_relaxed);
	return crew;
}

void wf_crew_free(struct wf_crew *crew)
{
	wf_gate_fini(crew);
	wf_park_fini(&crew->park);
	free(crew);
}

void wf_crew_unref(struct wf_crew *crew)
{
	struct wf_crew *elder = wf_crew_elder(crew);
	/* [CR1] release: our last use; acquire: all others', for whoever frees
	 * it. Pairs with itself. */
	unsigned before = atomic_fetch_sub_explicit(&elder->refs, 1,
						    memory_order_acq_rel);

	if (before != 1) {
		return;
	}
	wf_crews_remove(elder);
	for (;;) {
		struct tev_list *link = tev_list_first(&elder->family);

		if (link == NULL) {
			break;
		}
		tev_list_remove(link);
		wf_crew_free(tev_list_entry(link, struct wf_crew, family));
	}
	wf_crew_free(elder);
}
