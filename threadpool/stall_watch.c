/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Stall, the watch: one thread for all loops of the process, "weft-stall".
 *
 *      loop                                    watch
 *      ----                                    -----
 *      a number for each thing it turns to     looks at the number, and a
 *      (busy), another before it waits         quarter of the limit later again
 *      (idle)                                  the same and busy for the limit:
 *                                              picture, report
 *
 * A loop does not read a clock, and stores one word for each thing that it
 * does. Where no loop is busy the watch sleeps without a time limit; so a
 * program that has nothing to do has no thread that ticks. To be able to, it
 * leaves a flag in the word of each idle loop:
 *
 *  1. The watch loads the count of calls, then sets ASLEEP in each word that is
 *     not busy, by compare-and-swap, then sleeps if the count still is that.
 *  2. A loop that is idle becomes busy by an exchange of its word. If it finds
 *     ASLEEP there it raises the count and wakes the watch.
 *  3. The two meet in one word, so one comes first. If the exchange does, the
 *     compare-and-swap fails and the watch finds a busy loop; else the loop
 *     finds the flag, and the count differs or the wake-up finds the sleeper.
 *  4. A loop that is busy stores: the watch writes nothing then.
 *
 * So a busy loop costs the watch a look in a quarter of its limit, and an idle
 * one that becomes busy a wake-up, once between two looks.
 *
 * Late is a loop that was seen at the same thing four times, in the limit or
 * more. So where the whole process stood still, it is not the loop that did: it
 * gets another quarter.
 *
 * A report is made without a lock, on a share of what it is about: the loop may
 * be freed meanwhile.
 *
 * Threads: see the header.
 * Ordering: [SL1] a loop stores what stands beside its next word, then that:
 * release; the watch loads the word: acquire, what stands beside it: acquire,
 * and the word again. What stands beside the word before that one is left alone
 * meanwhile, so where the word is the same it is whole; [SL2] the count is
 * loaded: acquire, before the flags are set; it is raised: release, after one
 * was found. The model is docs/models/stall.pml.
 */
#include "threadpool/stall.h"

#include <execinfo.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "threadpool/fork.h"
#include "threadpool/now.h"
#include "threadpool/thread.h"

#define WATCH_LOOKS    4 /* in one limit */
#define WATCH_NS_IN_MS 1000000U

/* In a picture the handler and what the kernel puts under it come first. */
#define WATCH_FRAMES_OURS 2

static struct {
	pthread_mutex_t lock;
	struct tev_list stalls; /* L(lock) */
	bool ready;             /* L(lock): the list is, and forks know of it */
	bool runs;              /* L(lock): there is a thread */
	_Atomic(uint32_t) calls; /* A: [SL2]; futex */
} watch = { .lock = PTHREAD_MUTEX_INITIALIZER };

void wf_stall_watch_wake(void)
{
	/* [SL2] release: what the caller did comes before. */
	(void)atomic_fetch_add_explicit(&watch.calls, 1, memory_order_release);
	(void)syscall(SYS_futex, &watch.calls, FUTEX_WAKE_PRIVATE, 1, NULL,
		      NULL, 0);
}

static void stall_part_locked(struct wf_stall *stall)
{
	stall->shares--;
	if (stall->shares == 0) {
		free(stall);
	}
}

/* ---- reports ---- */

static char *report_text(const struct weft_stall_report *report)
{
	char **names = NULL;
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);
	unsigned i = 0;

	if (report->frame_count != 0) {
		names = backtrace_symbols(report->frames,
					  (int)report->frame_count);
	}
	if (out != NULL) {
		(void)fprintf(out,
			      "loop %s (thread %d) stands for %u ms in %s %s, "
			      "%s\n",
			      report->loop, (int)report->tid, report->ms,
			      report->kind, report->handler, report->location);
		for (i = 0; names != NULL && i < report->frame_count; i++) {
			(void)fprintf(out, "  %s\n", names[i]);
		}
		(void)fclose(out);
	}
	free(names);
	return text;
}

static const char *known(const char *text)
{
	return text != NULL ? text : "?";
}

/* Without the lock. @report has what was seen of the loop. */
static void watch_report(struct wf_stall *stall,
			 struct weft_stall_report *report)
{
	struct wf_stall_picture picture = { .count = 0 };
	char *text = NULL;

	if (stall->signal_number != 0) {
		wf_stall_picture_take(stall, &picture);
	}
	if (picture.count > WATCH_FRAMES_OURS) {
		report->frames = picture.frames + WATCH_FRAMES_OURS;
		report->frame_count = picture.count - WATCH_FRAMES_OURS;
	}
	text = report_text(report);
	report->text = known(text);
	/* Relaxed: only which. */
	atomic_store_explicit(&stall->told, stall->seen, memory_order_relaxed);
	stall->stalled(report, stall->private_data);
	free(text);
}

/* ---- looking ---- */

/* Return: when to look again, in nanoseconds; 0: the loop will call. */
static uint64_t watch_look(struct wf_stall *stall, uint64_t now_ns)
{
	uint64_t limit_ns = (uint64_t)stall->limit_ms * WATCH_NS_IN_MS;
	/* [SL1] acquire: what stands beside it. */
	uint64_t word = atomic_load_explicit(&stall->word,
					     memory_order_acquire);

	while ((word & WF_STALL_BUSY) == 0) {
		/* [SL1] acquire, where it fails: the same. */
		if (atomic_compare_exchange_weak_explicit(
			    &stall->word, &word, word | WF_STALL_ASLEEP,
			    memory_order_acquire, memory_order_acquire)) {
			return 0;
		}
	}
	if (word != stall->seen) {
		stall->seen = word;
		stall->since_ns = now_ns;
		stall->looked_ns = now_ns;
		stall->looks = 0;
		stall->reported = false;
	} else if (now_ns - stall->looked_ns >= limit_ns / WATCH_LOOKS / 2) {
		stall->looked_ns = now_ns;
		stall->looks++;
	}
	return limit_ns / WATCH_LOOKS;
}

static bool watch_is_due(const struct wf_stall *stall, uint64_t now_ns)
{
	return (stall->seen & WF_STALL_BUSY) != 0 && !stall->reported &&
	       stall->looks >= WATCH_LOOKS &&
	       now_ns - stall->since_ns >=
		       (uint64_t)stall->limit_ms * WATCH_NS_IN_MS;
}

/* Under the lock, which it gives up for a while.
 * Return: false: nothing was due. */
static bool watch_report_one_locked(uint64_t now_ns)
{
	struct tev_list *link = NULL;

	tev_list_for_each(link, &watch.stalls) {
		struct wf_stall *stall = tev_list_entry(link, struct wf_stall,
							link);
		const struct wf_stall_label *label = wf_stall_label(
			stall, stall->seen);
		/* [SL1] acquire, all: the word is loaded after these. */
		struct weft_stall_report report = {
			.loop = stall->name,
			.tid = (int)stall->tid,
			.kind = known(atomic_load_explicit(
				&label->kind, memory_order_acquire)),
			.handler = known(atomic_load_explicit(
				&label->handler, memory_order_acquire)),
			.location = known(atomic_load_explicit(
				&label->location, memory_order_acquire)),
		};

		/* [SL1] acquire: it still is what it was, so that is how it is
		 * called. */
		if (!watch_is_due(stall, now_ns) ||
		    atomic_load_explicit(&stall->word, memory_order_acquire) !=
			    stall->seen) {
			continue;
		}
		report.ms = (unsigned)((now_ns - stall->since_ns) /
				       WATCH_NS_IN_MS);
		stall->reported = true;
		stall->shares++;
		(void)pthread_mutex_unlock(&watch.lock);
		watch_report(stall, &report);
		(void)pthread_mutex_lock(&watch.lock);
		stall_part_locked(stall);
		return true;
	}
	return false;
}

/* Return: as watch_look(), the soonest of all. */
static uint64_t watch_look_all_locked(void)
{
	uint64_t now_ns = wf_now_ns();
	struct tev_list *link = NULL;
	uint64_t next_ns = 0;

	tev_list_for_each(link, &watch.stalls) {
		uint64_t ns = watch_look(
			tev_list_entry(link, struct wf_stall, link), now_ns);

		if (ns != 0 && (next_ns == 0 || ns < next_ns)) {
			next_ns = ns;
		}
	}
	/* The list may change while the lock is away. */
	while (watch_report_one_locked(now_ns)) {
	}
	return next_ns;
}

static void watch_sleep(uint32_t calls, uint64_t ns)
{
	struct timespec rest = { (time_t)(ns / WF_NOW_PER_S),
				 (long)(ns % WF_NOW_PER_S) };

	(void)syscall(SYS_futex, &watch.calls, FUTEX_WAIT_PRIVATE, calls,
		      ns != 0 ? &rest : NULL, NULL, 0);
}

static void *watch_main(void *arg)
{
	(void)arg;
	wf_thread_set_name("weft-stall", -1);
	(void)pthread_mutex_lock(&watch.lock);
	while (!tev_list_empty(&watch.stalls)) {
		/* [SL2] acquire: the flags are set after this. */
		uint32_t calls = atomic_load_explicit(&watch.calls,
						      memory_order_acquire);
		uint64_t ns = watch_look_all_locked();

		(void)pthread_mutex_unlock(&watch.lock);
		watch_sleep(calls, ns);
		(void)pthread_mutex_lock(&watch.lock);
	}
	watch.runs = false;
	(void)pthread_mutex_unlock(&watch.lock);
	return NULL;
}

/* ---- who is watched ---- */

static void watch_lock(void)
{
	(void)pthread_mutex_lock(&watch.lock);
}

static void watch_unlock(void)
{
	(void)pthread_mutex_unlock(&watch.lock);
}

/* The child has no watch; what its parent had watched is left alone. */
static void watch_child(void)
{
	tev_list_init(&watch.stalls);
	watch.runs = false;
	watch_unlock();
}

static const struct wf_fork_part watch_part = {
	.prepare = watch_lock,
	.parent = watch_unlock,
	.child = watch_child,
};

int wf_stall_watch_add(struct wf_stall *stall)
{
	int ret = 0;

	wf_fork_add(WF_FORK_STALLS, &watch_part);
	watch_lock();
	if (!watch.ready) {
		tev_list_init(&watch.stalls);
		watch.ready = true;
	}
	if (!watch.runs) {
		ret = wf_thread_start(0, NULL, watch_main, NULL);
		watch.runs = ret == 0;
	}
	if (ret == 0) {
		stall->shares = 1;
		tev_list_append(&watch.stalls, &stall->link);
	}
	watch_unlock();
	if (ret == 0) {
		wf_stall_watch_wake();
	}
	return ret;
}

void wf_stall_watch_remove(struct wf_stall *stall)
{
	watch_lock();
	tev_list_remove(&stall->link);
	stall_part_locked(stall);
	watch_unlock();
	wf_stall_watch_wake();
}
