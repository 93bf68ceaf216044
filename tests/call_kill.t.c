/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Call kill: a call ends at every step, by either side, in all combinations.
 *
 * Both sides are in this thread, so each cell of the table is played exactly:
 * at one step one side, then the other, does its worst. Beside it goes what
 * should become of it (struct fate), by the few rules of the contract. In each
 * cell the function runs as often as it should, the request has one outcome
 * and the right one, and the block is freed once.
 */
#include "tests/calltest.h"

enum kill_step {
	SENT,
	IN_FUNCTION,
	KEPT,     /* the function has returned without an answer */
	DETACHED, /* the call was taken off the mailbox */
	ANSWERED, /* but not delivered */
	IN_CALLBACK,
	STEPS,
};

enum caller_end {
	WAITS,
	FREES_REQUEST,
	CANCELS,
	TIMES_OUT,
	FREES_HOME,
	CALLER_ENDS
};

enum callee_end {
	REPLIES_LATER, /* after all steps but ANSWERED and IN_CALLBACK */
	REPLIES,
	DROPS,
	FREES_MAILBOX,
	FREES_LOOP,
	NEVER_ANSWERS,
	CALLEE_ENDS,
};

static const char *const step_names[STEPS] = {
	"sent",     "in the function", "kept",
	"detached", "answered",        "in the callback",
};
static const char *const here_names[CALLER_ENDS] = {
	"waits", "frees the request", "cancels", "times out", "frees its loop",
};
static const char *const there_names[CALLEE_ENDS] = {
	"replies later",     "replies",        "drops the call",
	"frees the mailbox", "frees its loop", "never answers",
};

/* What should be. */
struct fate {
	enum { QUEUED, RUNNING, HOME, NOWHERE } where;
	bool doomed;   /* QUEUED, and the mailbox is gone */
	bool detached; /* RUNNING, but not below the mailbox */
	int answer;    /* HOME */
	bool open;     /* the request waits for it */
	bool told;     /* a callback is due, or was */
	int ret;
	bool block;
	unsigned runs;
};

struct cell {
	enum kill_step step;
	enum caller_end here;
	enum callee_end there;
	bool there_first;
	bool foreign;

	TALLOC_CTX *mem;
	struct tevent_context *ev; /* here, or NULL */
	struct weft_mailbox *home; /* here, if foreign */
	struct there other;
	struct tevent_req *req;
	struct weft_call *call; /* NULL: freed */

	unsigned runs;
	unsigned callbacks;
	int ret;
	struct parcel *block;
	struct fate fate;
};

/* ---- turning a loop that may be freed meanwhile ---- */

static void turn_some(struct tevent_context **ev)
{
	struct tevent_fd *probe = NULL;
	unsigned turns = 0;
	int fds[2] = { -1, -1 };

	if (*ev == NULL) {
		return;
	}
	fixture_pipe(fds);
	if (write(fds[1], "x", 1) != 1) {
		bail_out("a fresh pipe takes no byte");
	}
	probe = tevent_add_fd(*ev, *ev, fds[0], TEVENT_FD_READ, settle_probe,
			      &turns);
	while (*ev != NULL && turns < 5) {
		(void)tevent_loop_once(*ev);
	}
	if (*ev != NULL) {
		talloc_free(probe);
	}
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void turn_here(struct cell *cell)
{
	struct fate *fate = &cell->fate;

	if (fate->open && fate->where == HOME) {
		fate->open = false;
		fate->told = true;
		fate->ret = fate->answer;
		fate->block = true;
		fate->where = NOWHERE;
	}
	if (cell->foreign) {
		for (int i = 0; i < 5 && cell->home != NULL; i++) {
			(void)weft_mailbox_dispatch(cell->home, 0);
		}
	} else {
		turn_some(&cell->ev);
	}
}

/* ---- what a side may do, and what should come of it ---- */

static void fate_closes(struct fate *fate, int ret)
{
	if (!fate->open) {
		return;
	}
	fate->open = false;
	fate->told = ret != 0;
	fate->ret = ret;
	fate->block = fate->where != RUNNING;
	if (fate->where == QUEUED) {
		fate->where = NOWHERE;
	}
}

static void act_here(struct cell *cell)
{
	struct fate *fate = &cell->fate;

	switch (cell->here) {
	case WAITS:
	case CALLER_ENDS:
		break;
	case FREES_REQUEST:
		TALLOC_FREE(cell->req);
		fate_closes(fate, 0);
		break;
	case CANCELS:
		if (cell->req != NULL) {
			(void)tevent_req_cancel(cell->req);
		}
		fate_closes(fate, ECANCELED);
		break;
	case TIMES_OUT:
		(void)tevent_req_set_endtime(cell->req, cell->ev,
					     tevent_timeval_zero());
		fate_closes(fate, ETIMEDOUT);
		turn_here(cell);
		break;
	case FREES_HOME:
		TALLOC_FREE(cell->ev);
		TALLOC_FREE(cell->home);
		fate_closes(fate, 0);
		break;
	}
}

static void fate_answers(struct fate *fate, int answer)
{
	if (fate->where == RUNNING) {
		fate->where = HOME;
		fate->answer = answer;
	}
}

static void act_there(struct cell *cell)
{
	struct fate *fate = &cell->fate;

	switch (cell->there) {
	case REPLIES_LATER:
	case NEVER_ANSWERS:
	case CALLEE_ENDS:
		break;
	case REPLIES:
		if (cell->call != NULL) {
			weft_call_reply(cell->call, EDOM);
		}
		fate_answers(fate, EDOM);
		break;
	case DROPS:
		TALLOC_FREE(cell->call);
		fate_answers(fate, ECANCELED);
		break;
	case FREES_MAILBOX:
		TALLOC_FREE(cell->other.mailbox);
		fate->doomed = true;
		if (!fate->detached) {
			fate_answers(fate, ECANCELED);
		}
		break;
	case FREES_LOOP:
		cell->other.mailbox = NULL;
		TALLOC_FREE(cell->other.ev);
		if (fate->where == QUEUED) {
			fate->where = RUNNING;
		}
		/* A loop that is freed in a handler goes after that. */
		if (!fate->detached && cell->step != IN_FUNCTION) {
			fate_answers(fate, ECANCELED);
		}
		break;
	}
}

static void act(struct cell *cell, enum kill_step step)
{
	if (cell->step != step) {
		return;
	}
	if (cell->there_first) {
		act_there(cell);
		act_here(cell);
	} else {
		act_here(cell);
		act_there(cell);
	}
}

/* ---- the course of a call ---- */

struct sentinel {
	struct cell *cell;
};

static int sentinel_destructor(struct sentinel *sentinel)
{
	sentinel->cell->call = NULL;
	return 0;
}

static void cell_run(struct weft_mailbox *mailbox, struct weft_call *call,
		     void *block)
{
	struct cell *cell = weft_mailbox_private(mailbox);
	struct sentinel *sentinel = talloc(call, struct sentinel);

	(void)talloc_get_type_abort(block, struct parcel);
	sentinel->cell = cell;
	talloc_set_destructor(sentinel, sentinel_destructor);
	cell->runs++;
	cell->call = call;
	act(cell, IN_FUNCTION);
}

static void cell_done(struct tevent_req *req)
{
	struct cell *cell = tevent_req_callback_data_void(req);

	cell->callbacks++;
	act(cell, IN_CALLBACK);
	if (cell->req != NULL) {
		cell->ret = weft_call_recv(req, cell->mem, &cell->block);
		TALLOC_FREE(cell->req);
	}
}

static void cell_open(struct cell *cell)
{
	struct weft_mailbox_options options = { .private_data = cell };
	struct parcel *parcel = parcel_new(1);

	cell->mem = talloc_new(NULL);
	cell->other = there_open(cell->mem, &options);
	if (cell->foreign) {
		(void)weft_mailbox_create(cell->mem, NULL, NULL, &cell->home);
		cell->req = weft_mailbox_call_send(cell->mem, cell->home,
						   cell->other.addr, cell_run,
						   &parcel, NULL);
	} else {
		cell->ev = tevent_context_init(cell->mem);
		cell->req = weft_call_send(cell->mem, cell->ev,
					   cell->other.addr, cell_run, &parcel,
					   NULL);
	}
	tevent_req_set_callback(cell->req, cell_done, cell);
	cell->fate = (struct fate){ .where = QUEUED, .open = true };
}

static void cell_turn_there(struct cell *cell)
{
	struct fate *fate = &cell->fate;

	if (fate->where == QUEUED && fate->doomed) {
		fate->where = RUNNING;
		fate_answers(fate, ECANCELED);
	} else if (fate->where == QUEUED) {
		fate->where = RUNNING;
		fate->runs++;
	}
	turn_some(&cell->other.ev);
	if (cell->other.ev == NULL) {
		fate_answers(fate, ECANCELED);
	}
}

static void cell_course(struct cell *cell)
{
	cell_open(cell);
	act(cell, SENT);
	cell_turn_there(cell);
	act(cell, KEPT);
	if (cell->step == DETACHED && cell->call != NULL) {
		(void)talloc_steal(NULL, cell->call);
		cell->fate.detached = true;
	}
	act(cell, DETACHED);
	if (cell->call != NULL && cell->there != NEVER_ANSWERS) {
		weft_call_reply(cell->call, EDOM);
		fate_answers(&cell->fate, EDOM);
	}
	act(cell, ANSWERED);
	turn_here(cell);

	/* The end of the other side, then of this one. */
	if (cell->fate.detached) {
		TALLOC_FREE(cell->call);
	}
	TALLOC_FREE(cell->other.ev);
	fate_answers(&cell->fate, ECANCELED);
	turn_here(cell);
	TALLOC_FREE(cell->ev);
	TALLOC_FREE(cell->home);
	TALLOC_FREE(cell->req);
	TALLOC_FREE(cell->mem);
}

/* A request that is freed in its callback was told, and not asked. */
static void cell_judge(struct cell *cell)
{
	const struct fate *fate = &cell->fate;
	bool asked = fate->told && !(cell->step == IN_CALLBACK &&
				     cell->here == FREES_REQUEST);
	bool right = cell->runs == fate->runs &&
		     cell->callbacks == (fate->told ? 1 : 0) &&
		     (!asked || (cell->ret == fate->ret &&
				 (cell->block != NULL) == fate->block)) &&
		     parcels_alive() == 0;

	ok(right, "%s: the caller %s, the callee %s%s%s",
	   step_names[cell->step], here_names[cell->here],
	   there_names[cell->there], cell->there_first ? " before that" : "",
	   cell->foreign ? "; no tevent loop" : "");
	if (!right) {
		diag("runs %u (%u), callbacks %u (%d), ret %d (%d), "
		     "block %d (%d), blocks left %d",
		     cell->runs, fate->runs, cell->callbacks, fate->told,
		     cell->ret, fate->ret, cell->block != NULL, fate->block,
		     parcels_alive());
	}
}

static bool cell_is_real(const struct cell *cell)
{
	if (cell->here == TIMES_OUT &&
	    (cell->foreign || cell->step == IN_CALLBACK)) {
		return false;
	}
	/* B206: stock touches a context that is freed in its own handler. */
	if (TEST_ON_STOCK &&
	    ((cell->step == IN_FUNCTION && cell->there == FREES_LOOP) ||
	     (cell->step == IN_CALLBACK && cell->here == FREES_HOME &&
	      !cell->foreign))) {
		return false;
	}
	/* The order of two matters if both do something. */
	return !cell->there_first ||
	       (cell->here != WAITS && cell->there != REPLIES_LATER &&
		cell->there != NEVER_ANSWERS);
}

static void all_cells(enum kill_step step, bool foreign)
{
	for (int i = 0; i < CALLER_ENDS * CALLEE_ENDS * 2; i++) {
		struct cell cell = {
			.step = step,
			.here = (enum caller_end)(i / 2 / CALLEE_ENDS),
			.there = (enum callee_end)(i / 2 % CALLEE_ENDS),
			.there_first = i % 2 == 1,
			.foreign = foreign,
		};

		if (cell_is_real(&cell)) {
			cell_course(&cell);
			cell_judge(&cell);
		}
	}
}

static void each_step(struct fixture *fx)
{
	(void)fx;
	for (int step = 0; step < STEPS; step++) {
		all_cells((enum kill_step)step, false);
		all_cells((enum kill_step)step, true);
	}
}

int main(void)
{
	warm_up();
	fixture_run_flags("each_step", each_step,
			  FIXTURE_THREADS | FIXTURE_NO_CONTEXT);
	return done();
}
