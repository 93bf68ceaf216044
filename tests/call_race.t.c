/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Call race: callers and callees in threads end calls, requests, mailboxes and
 * loops whenever it comes to their mind; a third kind of thread answers what it
 * is handed. Each call has at most one outcome, and each block is freed once.
 *
 * What comes to their mind is chance with a fixed seed; how the threads meet is
 * the machine's.
 */
#include <pthread.h>

#include "tests/calltest.h"

#define CALLERS 2
#define CALLEES 2
#define ROUNDS  600 /* loops in the life of a caller */
#define AT_ONCE 8   /* calls of each */

static atomic_uint_fast64_t addresses[CALLEES]; /* A: seq_cst, with over */
static atomic_bool over;                        /* A: seq_cst */
static atomic_uint wrong;                       /* A: relaxed, a count */
static atomic_uint answered;                    /* A: relaxed, a count */
static atomic_uint ended;                       /* A: relaxed, a count */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct weft_call *call; /* L(lock): handed over */
	bool over;              /* L(lock) */
} table = { .lock = PTHREAD_MUTEX_INITIALIZER,
	    .changed = PTHREAD_COND_INITIALIZER };

static void count(atomic_uint *number)
{
	(void)atomic_fetch_add_explicit(number, 1, memory_order_relaxed);
}

static unsigned chance(unsigned *seed, unsigned below)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed % below;
}

/* ---- the third kind ---- */

static struct weft_call *table_swap(struct weft_call *call)
{
	struct weft_call *before = NULL;

	(void)pthread_mutex_lock(&table.lock);
	before = table.call;
	table.call = call;
	(void)pthread_cond_signal(&table.changed);
	(void)pthread_mutex_unlock(&table.lock);
	return before;
}

static void replier_thread(void)
{
	struct weft_call *call = NULL;
	bool leave = false;

	while (!leave) {
		(void)pthread_mutex_lock(&table.lock);
		while (table.call == NULL && !table.over) {
			(void)pthread_cond_wait(&table.changed, &table.lock);
		}
		call = table.call;
		table.call = NULL;
		leave = table.over;
		(void)pthread_mutex_unlock(&table.lock);
		if (call != NULL && weft_call_wanted(call)) {
			weft_call_reply(call, 0);
		} else {
			talloc_free(call);
		}
	}
}

/* ---- callees ---- */

struct callee {
	struct tevent_context *ev;
	struct weft_mailbox *mailbox;
	unsigned seed;
	unsigned left; /* calls until its loop goes */
};

static void race_run(struct weft_mailbox *mailbox, struct weft_call *call,
		     void *block)
{
	struct callee *callee = weft_mailbox_private(mailbox);
	struct weft_call *before = NULL;

	(void)talloc_get_type_abort(block, struct parcel);
	callee->left -= callee->left > 0 ? 1 : 0;
	switch (chance(&callee->seed, 8)) {
	case 0:
		talloc_free(call);
		break;
	case 1:
		/* Kept until the mailbox goes. */
		break;
	case 2:
		callee->left = 0;
		TALLOC_FREE(callee->mailbox);
		break;
	case 3:
	case 4:
		(void)talloc_steal(NULL, call);
		before = table_swap(call);
		if (before != NULL) {
			weft_call_reply(before, 0);
		}
		break;
	default:
		weft_call_reply(call, 0);
		break;
	}
}

static void wake_up(struct weft_mailbox *mailbox, void *block)
{
	(void)mailbox;
	(void)block;
}

static void callee_thread(unsigned index, struct fixture_gate *open)
{
	struct callee callee = { .seed = 4711 + index };
	struct weft_mailbox_options options = { .private_data = &callee };
	bool told = false;

	while (!atomic_load(&over)) {
		callee.ev = tevent_context_init(NULL);
		callee.left = 1 + chance(&callee.seed, 20);
		(void)weft_mailbox_create(callee.ev, callee.ev, &options,
					  &callee.mailbox);
		/* Either we see that it is over, or who says so sees this. */
		atomic_store(&addresses[index],
			     weft_mailbox_addr(callee.mailbox).id);
		if (!told) {
			told = true;
			fixture_gate_add(open, 1);
		}
		while (callee.left > 0 && !atomic_load(&over)) {
			(void)tevent_loop_once(callee.ev);
		}
		talloc_free(callee.ev);
	}
}

/* ---- callers ---- */

struct caller {
	TALLOC_CTX *mem;
	struct tevent_context *ev;
	unsigned seed;
	unsigned waiting;
	struct tevent_req *reqs[AT_ONCE];
};

static void race_done(struct tevent_req *req)
{
	struct caller *caller = tevent_req_callback_data_void(req);
	struct parcel *parcel = NULL;
	int ret = weft_call_recv(req, caller->mem, &parcel);

	/* The block is missing only where it cannot have come. */
	if ((ret != 0 && ret != ECANCELED && ret != ETIMEDOUT) ||
	    (ret == 0 && parcel == NULL)) {
		count(&wrong);
	}
	count(ret == 0 ? &answered : &ended);
	caller->waiting--;
	for (unsigned i = 0; i < AT_ONCE; i++) {
		if (caller->reqs[i] == req) {
			caller->reqs[i] = NULL;
		}
	}
	talloc_free(parcel);
	talloc_free(req);
}

static void caller_send(struct caller *caller, unsigned i)
{
	struct weft_call_options options = { .name = "race" };
	struct parcel *parcel = parcel_new(1);
	weft_addr_t to = { 0 };

	to.id = atomic_load(&addresses[chance(&caller->seed, CALLEES)]);
	if (chance(&caller->seed, 4) == 0) {
		options.deadline_ns = weft_deadline_ms(
			chance(&caller->seed, 2));
	}
	caller->reqs[i] = weft_call_send(caller->mem, caller->ev, to, race_run,
					 &parcel, &options);
	tevent_req_set_callback(caller->reqs[i], race_done, caller);
	caller->waiting++;
}

static void caller_ends_one(struct caller *caller)
{
	unsigned i = chance(&caller->seed, AT_ONCE);

	if (caller->reqs[i] == NULL) {
		return;
	}
	if (chance(&caller->seed, 2) == 0) {
		TALLOC_FREE(caller->reqs[i]);
		caller->waiting--;
	} else if (!tevent_req_cancel(caller->reqs[i]) &&
		   tevent_req_is_in_progress(caller->reqs[i])) {
		count(&wrong);
	}
}

/* A kept call may be answered when its mailbox goes, which may be never: so
 * each has an end time. */
static void caller_waits(struct caller *caller)
{
	for (unsigned i = 0; i < AT_ONCE; i++) {
		if (caller->reqs[i] != NULL) {
			(void)tevent_req_set_endtime(
				caller->reqs[i], caller->ev,
				tevent_timeval_current_ofs(0, 2000));
		}
	}
	while (caller->waiting > 0) {
		(void)tevent_loop_once(caller->ev);
	}
}

static void caller_thread(unsigned index)
{
	struct caller caller = { .seed = 1147 + index };

	for (int round = 0; round < ROUNDS; round++) {
		caller.mem = talloc_new(NULL);
		caller.ev = tevent_context_init(caller.mem);
		caller.waiting = 0;
		memset(caller.reqs, 0, sizeof(caller.reqs));
		for (unsigned i = 0; i < AT_ONCE; i++) {
			caller_send(&caller, i);
			caller_ends_one(&caller);
		}
		/* One loop in four goes with all that is under way. */
		if (chance(&caller.seed, 4) != 0) {
			caller_waits(&caller);
		}
		TALLOC_FREE(caller.ev);
		TALLOC_FREE(caller.mem);
	}
}

/* ---- all ---- */

struct gates {
	struct fixture_gate open; /* callees */
	struct fixture_gate left; /* callers */
};

static void race_thread(unsigned index, void *arg)
{
	struct gates *gates = arg;

	if (index < CALLEES) {
		callee_thread(index, &gates->open);
	} else if (index == CALLEES) {
		replier_thread();
	} else {
		/* From here on each address is somebody's, or was. */
		fixture_gate_wait(&gates->open, CALLEES);
		caller_thread(index);
		fixture_gate_add(&gates->left, 1);
	}
}

static void race(struct fixture *fx)
{
	struct gates gates = { .open = { 0 } };
	struct fixture_threads *threads = NULL;
	struct weft_call *last = NULL;

	(void)fx;
	threads = fixture_threads_start(CALLEES + 1 + CALLERS, race_thread,
					&gates);
	fixture_gate_wait(&gates.left, CALLERS);
	atomic_store(&over, true);
	for (unsigned i = 0; i < CALLEES; i++) {
		weft_addr_t to = { atomic_load(&addresses[i]) };

		(void)weft_post(to, wake_up, NULL);
	}
	(void)pthread_mutex_lock(&table.lock);
	table.over = true;
	(void)pthread_cond_signal(&table.changed);
	(void)pthread_mutex_unlock(&table.lock);
	fixture_threads_join(threads);
	last = table_swap(NULL);
	talloc_free(last);

	is_uint(atomic_load_explicit(&wrong, memory_order_relaxed), 0,
		"each outcome is a right one");
	ok(atomic_load_explicit(&answered, memory_order_relaxed) > 0,
	   "some calls were answered");
	ok(atomic_load_explicit(&ended, memory_order_relaxed) > 0,
	   "and some were not");
	is_int(parcels_alive(), 0, "each block is freed once");
	diag("%u answered, %u not",
	     atomic_load_explicit(&answered, memory_order_relaxed),
	     atomic_load_explicit(&ended, memory_order_relaxed));
}

int main(void)
{
	/* Stock cannot bear to be used first by several threads at once. */
	talloc_free(tevent_context_init(NULL));
	fixture_run_flags("race", race, FIXTURE_THREADS | FIXTURE_NO_CONTEXT);
	return done();
}
