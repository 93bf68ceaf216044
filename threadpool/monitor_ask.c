/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Monitor, what it asks: each loop, by a call, how it is.
 *
 *      monitor's loop                    each loop
 *      --------------                    ---------
 *      round: the time, a call  ------>  the time, its thread, processor time
 *      told               <-----------   answer
 *        when all have answered, or after a tenth of a second
 *
 * How long a message waits until its loop turns to it is what the loop's lag
 * means to anybody who sends it one, so that is what is measured, and only when
 * somebody wants to know: nothing ticks in a loop that is not looked at.
 *
 * A question that is not answered stays out; no second one is sent. What is
 * told of that loop is that it is silent, and for how long. An answer that
 * comes between two rounds is told in the next one, in place of a new one:
 * nobody misses how late it was. The monitor's own loop is asked as well: that
 * waits for its turn like everything else there.
 *
 * Threads: the owner's, but for ask_answer().
 */
#include "threadpool/monitor.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "threadpool/now.h"

#define ASK_LIMIT_MS 100

/* Thread: that of the loop that is asked. */
static void ask_answer(struct weft_mailbox *mailbox, struct weft_call *call,
		       void *block)
{
	struct wf_monitor_word *word = talloc_get_type_abort(
		block, struct wf_monitor_word);

	(void)mailbox;
	word->come_ns = wf_now_ns();
	word->cpu_ns = wf_now_of(CLOCK_THREAD_CPUTIME_ID);
	word->tid = (int)gettid();
	(void)pthread_getname_np(pthread_self(), word->thread,
				 sizeof(word->thread));
	weft_call_reply(call, 0);
}

/* ---- the round ---- */

static bool ask_is_out(struct weft_monitor *monitor)
{
	struct tev_list *link = NULL;

	tev_list_for_each(link, &monitor->addrs) {
		if (tev_list_entry(link, struct wf_monitor_addr, link)->req !=
		    NULL) {
			return true;
		}
	}
	return false;
}

static void ask_end(struct weft_monitor *monitor)
{
	TALLOC_FREE(monitor->limit);
	wf_monitor_told(monitor);
}

static void ask_out_of_time(struct tevent_context *ev, struct tevent_timer *te,
			    struct timeval now, void *private_data)
{
	struct weft_monitor *monitor = talloc_get_type_abort(
		private_data, struct weft_monitor);

	(void)ev;
	(void)te;
	(void)now;
	monitor->limit = NULL; /* the loop frees it */
	wf_monitor_told(monitor);
}

static void ask_answered(struct tevent_req *req)
{
	struct wf_monitor_addr *addr = tevent_req_callback_data(
		req, struct wf_monitor_addr);
	struct weft_monitor *monitor = addr->monitor;
	struct wf_monitor_word *word = NULL;

	addr->error = weft_call_recv(req, addr, &word);
	if (addr->error == 0) {
		addr->word = *word;
		addr->fresh = true;
	}
	talloc_free(word);
	TALLOC_FREE(addr->req);
	if (monitor->limit != NULL && !ask_is_out(monitor)) {
		ask_end(monitor);
	}
}

static void ask_one(struct wf_monitor_addr *addr)
{
	struct weft_monitor *monitor = addr->monitor;
	struct wf_monitor_word *word = NULL;

	if (addr->req != NULL || addr->fresh) {
		return;
	}
	word = talloc_zero(NULL, struct wf_monitor_word);
	if (word == NULL) {
		addr->error = ENOMEM;
		return;
	}
	addr->sent_ns = wf_now_ns();
	word->sent_ns = addr->sent_ns;
	addr->req = weft_call_send(addr, monitor->ev, addr->addr, ask_answer,
				   &word, NULL);
	if (addr->req == NULL) {
		addr->error = ENOMEM;
		talloc_free(word);
		return;
	}
	tevent_req_set_callback(addr->req, ask_answered, addr);
}

void wf_monitor_ask(struct weft_monitor *monitor)
{
	struct tev_list *link = NULL;

	if (monitor->limit != NULL) {
		return;
	}
	monitor->limit = tevent_add_timer(
		monitor->ev, monitor,
		tevent_timeval_current_ofs(0, ASK_LIMIT_MS * 1000),
		ask_out_of_time, monitor);
	if (monitor->limit == NULL) {
		/* Nobody would end it: what is known has to do. */
		wf_monitor_told(monitor);
		return;
	}
	tev_list_for_each(link, &monitor->addrs) {
		ask_one(tev_list_entry(link, struct wf_monitor_addr, link));
	}
	if (!ask_is_out(monitor)) {
		ask_end(monitor);
	}
}
