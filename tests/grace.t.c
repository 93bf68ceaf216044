/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Grace: nothing is reclaimed under the eyes of a reader, and who waits for
 * that is who should.
 */
#include "threadpool/grace.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/base.h"
#include "tests/fixture.h"

/* As in grace.c: from so many on somebody waits. */
#define LIMIT        64
#define LIMIT_HELPED 1024

static struct fixture_gate reclaimed;

static void thing_reclaim(struct wf_retired *retired)
{
	if (urcu_bp_read_ongoing()) {
		fail("reclaimed in a read section");
	}
	free(retired);
	fixture_gate_add(&reclaimed, 1);
}

static void retire(unsigned count)
{
	unsigned i = 0;

	for (i = 0; i < count; i++) {
		struct wf_retired *retired = malloc(sizeof(*retired));

		retired->reclaim = thing_reclaim;
		wf_grace_retire(retired);
	}
}

static int gone(void)
{
	return fixture_gate_value(&reclaimed);
}

static void start_over(void)
{
	wf_grace_reap();
	fixture_gate_add(&reclaimed, -gone());
}

/* ---- readers ---- */

struct readers {
	struct fixture_gate reading;
	struct fixture_gate end;
	struct fixture_gate reaping; /* the thread's number */
	int seen_inside;             /* reclaimed before the section ended */
};

static void reader(struct readers *readers)
{
	wf_read_begin();
	wf_read_begin();
	fixture_gate_add(&readers->reading, 1);
	fixture_gate_wait(&readers->end, 1);
	wf_read_end();
	readers->seen_inside = gone();
	wf_read_end();
}

static void reaper(struct readers *readers)
{
	fixture_gate_wait(&readers->reading, 1);
	retire(3);
	fixture_gate_add(&readers->reaping, (int)syscall(SYS_gettid));
	wf_grace_reap();
}

static void readers_run(unsigned index, void *arg)
{
	if (index == 0) {
		reader(arg);
	} else {
		reaper(arg);
	}
}

/* Whether the thread sleeps, as one does that waits for a grace period. */
static bool sleeps(void *arg)
{
	char path[64];
	char text[256] = "";
	char *state = NULL;
	FILE *file = NULL;

	(void)snprintf(path, sizeof(path), "/proc/self/task/%d/stat",
		       *(int *)arg);
	file = fopen(path, "re");
	if (file != NULL) {
		(void)!fread(text, 1, sizeof(text) - 1, file);
		(void)fclose(file);
	}
	state = strrchr(text, ')');
	return state != NULL && state[1] == ' ' && state[2] == 'S';
}

static void waits_for_readers(struct fixture *fx)
{
	struct readers readers = { .seen_inside = -1 };
	struct fixture_threads *threads = fixture_threads_start(2, readers_run,
								&readers);
	int thread = 0;

	(void)fx;
	fixture_gate_wait(&readers.reaping, 1);
	thread = fixture_gate_value(&readers.reaping);
	fixture_wait_until(sleeps, &thread);
	is_int(gone(), 0, "a reader holds up what was retired");
	retire(1);
	wf_grace_reap();
	is_int(gone(), 0, "one thread reaps at a time, no other waits");
	fixture_gate_add(&readers.end, 1);
	fixture_threads_join(threads);
	is_int(readers.seen_inside, 0, "to the end of the outer section");
	is_int(gone(), 3, "then it is reclaimed");
	wf_grace_reap();
	is_int(gone(), 4, "what came later is the next one's business");
	start_over();
}

static void not_in_a_section(struct fixture *fx)
{
	(void)fx;
	wf_read_begin();
	retire(LIMIT);
	wf_grace_reap();
	wf_grace_relieve();
	wf_grace_limit();
	wf_read_end();
	is_int(gone(), 0, "in a read section nobody waits");
	wf_grace_limit();
	is_int(gone(), LIMIT, "afterwards they may");
	start_over();
}

/* ---- who waits ---- */

static void limits(struct fixture *fx)
{
	(void)fx;
	retire(LIMIT - 1);
	wf_grace_limit();
	wf_grace_relieve();
	is_int(gone(), 0, "a few are left to others");
	retire(1);
	wf_grace_limit();
	is_int(gone(), LIMIT, "many are not");
	start_over();

	wf_grace_helper_begin();
	retire(LIMIT);
	wf_grace_limit();
	is_int(gone(), 0, "more are left where there are threads of ours");
	wf_grace_relieve();
	is_int(gone(), LIMIT, "which reclaim them");
	start_over();
	retire(LIMIT_HELPED);
	wf_grace_limit();
	is_int(gone(), LIMIT_HELPED, "but not any number");
	start_over();
	wf_grace_helper_end();
	retire(LIMIT);
	wf_grace_limit();
	is_int(gone(), LIMIT, "when they have gone it is as before");
	start_over();
	retire(1);
	wf_grace_reap();
	is_int(gone(), 1, "who has nothing else to do reclaims any");
	start_over();
}

/* ---- fork ---- */

static int child_reaps(void *arg)
{
	(void)arg;
	retire(LIMIT - 2);
	/* The parent's reader and helper are not here. */
	wf_grace_limit();
	return gone() == LIMIT ? 0 : 1;
}

static void reader_alone(unsigned index, void *arg)
{
	(void)index;
	reader(arg);
}

static void forked(struct fixture *fx)
{
	struct readers readers = { .seen_inside = -1 };
	struct fixture_threads *threads = fixture_threads_start(1, reader_alone,
								&readers);
	struct fixture_child child;

	(void)fx;
	fixture_gate_wait(&readers.reading, 1);
	retire(2);
	wf_grace_helper_begin();
	child = fixture_child(child_reaps, NULL);
	wf_grace_helper_end();
	(void)child_exited(&child, 0,
			   "a child waits for no reader of its parent");
	is_int(gone(), 0, "the parent does");
	fixture_gate_add(&readers.end, 1);
	fixture_threads_join(threads);
	wf_grace_reap();
	is_int(gone(), 2, "as long as it has to");
	start_over();
}

int main(void)
{
	const unsigned flags = FIXTURE_THREADS | FIXTURE_NO_CONTEXT;

	wf_grace_init();
	fixture_run_flags("waits_for_readers", waits_for_readers, flags);
	fixture_run_flags("not_in_a_section", not_in_a_section, flags);
	fixture_run_flags("limits", limits, flags);
	fixture_run_flags("forked", forked, flags);
	return done();
}
