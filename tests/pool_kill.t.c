/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Pool kill: a job is where it can be, and two things happen to it there.
 *
 * Each pair of ends comes over a job at each of its stations, with a key and
 * without, so each cell of the table is played exactly. Beside it goes what
 * should become of the job (struct fate), by the few rules of the contract. In
 * each cell the function runs as often as it should, the request ends as it
 * should, if at all, the job in front of it has its own result, and each block
 * is freed once. Random orders of more of them are weft-stress's (kill).
 */
#include <stdio.h>
#include <string.h>

#include "tests/lanetest.h"
#include "tests/trail.h"

#define KEY 7

enum place {
	QUEUED,      /* its lane's only worker has another one */
	BEHIND,      /* another one of its key */
	RUNNING,     /* held */
	HOME,        /* its result lies in the mailbox */
	IN_CALLBACK, /* the ends are its callback's doing */
	PLACES,
};

enum end {
	NOTHING,
	FREES_REQUEST,
	CANCELS,
	TIMES_OUT,
	CANCELS_KEY,
	FREES_SERIAL,
	FREES_LANE,
	STOPS_POOL,
	FREES_POOL,
	FREES_LOOP,
	ENDS,
};

static const char *const place_names[PLACES] = {
	"queued", "behind its key", "running", "home", "in its callback",
};
static const char *const end_names[ENDS] = {
	"nothing",        "frees the request", "cancels",
	"times out",      "cancels the key",   "frees the serial",
	"frees the lane", "stops the pool",    "frees the pool",
	"frees the loop",
};

/* What should be. */
struct fate {
	bool waits;  /* in a queue */
	bool ended;  /* the request has a result */
	bool called; /* and has called back, or will not any more */
	int ret;     /* that, or what is to come */
	int or_ret;  /* the same, where two may be first */
	unsigned runs;
};

struct cell {
	enum place place;
	enum end ends[2];
	bool keyed;

	TALLOC_CTX *mem;
	struct tevent_context *ev;
	struct weft_pool *pool;
	struct weft_lane *lane;
	struct weft_serial *serial;
	struct tevent_req *req;
	struct outcome front; /* the job in front, if any */
	struct fixture_gate front_started;
	struct fixture_gate started;
	struct fixture_gate go;
	struct fixture_gate freed;
	int made;

	unsigned callbacks;
	int ret;
	struct fate fate;
};

/* ---- what may happen, and what should come of it ---- */

static void fate_withdrawn(struct fate *fate)
{
	if (fate->waits && !fate->ended) {
		fate->waits = false;
		fate->ret = fate->or_ret = ECANCELED;
	}
}

static void fate_ends(struct fate *fate, int ret)
{
	if (fate->ended) {
		return;
	}
	fate->ended = true;
	fate->waits = false;
	fate->ret = fate->or_ret = ret;
}

static void act_on_request(struct cell *cell, enum end end)
{
	struct fate *fate = &cell->fate;

	if (cell->req == NULL || cell->place == IN_CALLBACK) {
		return;
	}
	switch (end) {
	case FREES_REQUEST:
		TALLOC_FREE(cell->req);
		fate_ends(fate, 0);
		fate->called = true;
		break;
	case CANCELS:
		fate_ends(fate, ECANCELED);
		(void)tevent_req_cancel(cell->req);
		break;
	default:
		if (cell->ev == NULL || fate->ended) {
			break;
		}
		if (!tevent_req_set_endtime(cell->req, cell->ev,
					    seconds_from_now(-1))) {
			bail_out("no memory");
		}
		/* Where it is home already either may be first. */
		if (cell->place < HOME &&
		    (fate->waits || cell->place == RUNNING)) {
			fate->ret = ETIMEDOUT;
		}
		fate->or_ret = ETIMEDOUT;
		fate->ended = true;
		fate->waits = false;
		fate->called = true;
		while (cell->callbacks == 0) {
			(void)tevent_loop_once(cell->ev);
		}
		break;
	}
}

static void act(struct cell *cell, enum end end)
{
	uint64_t key = KEY;

	switch (end) {
	case FREES_REQUEST:
	case CANCELS:
	case TIMES_OUT:
		act_on_request(cell, end);
		return;
	case CANCELS_KEY:
		if (cell->serial == NULL) {
			return;
		}
		weft_serial_cancel(cell->serial, &key);
		break;
	case FREES_SERIAL:
		if (cell->serial == NULL) {
			return;
		}
		TALLOC_FREE(cell->serial);
		break;
	case FREES_LANE:
		TALLOC_FREE(cell->lane);
		break;
	case STOPS_POOL:
		if (cell->pool == NULL) {
			return;
		}
		weft_pool_stop(cell->pool);
		break;
	case FREES_POOL:
		TALLOC_FREE(cell->pool);
		break;
	case FREES_LOOP:
		TALLOC_FREE(cell->ev);
		fate_ends(&cell->fate, 0);
		cell->fate.called = true;
		return;
	default:
		return;
	}
	if (cell->keyed || (end != CANCELS_KEY && end != FREES_SERIAL)) {
		fate_withdrawn(&cell->fate);
	}
}

/* ---- the jobs ---- */

static void subject_done(struct tevent_req *req)
{
	struct cell *cell = tevent_req_callback_data_void(req);
	struct held *block = NULL;

	cell->callbacks++;
	cell->ret = weft_job_recv(req, cell->mem, &block);
	if (cell->place == IN_CALLBACK) {
		act(cell, cell->ends[0]);
		act(cell, cell->ends[1]);
	}
	TALLOC_FREE(cell->req);
}

static struct held *cell_block(struct cell *cell, struct fixture_gate *started,
			       bool held)
{
	cell->made++;
	return held_new(started, held ? &cell->go : NULL, &cell->freed);
}

static void send_front(struct cell *cell)
{
	struct weft_job_options options = {
		.lane = cell->lane,
		.serial = cell->place == BEHIND ? cell->serial : NULL,
		.key = cell->place == BEHIND ? KEY : 0,
	};

	cell->front.mem = cell->mem;
	(void)lanetest_send(cell->ev, cell->pool, held_run,
			    cell_block(cell, &cell->front_started, true),
			    &options, &cell->front);
	fixture_gate_wait(&cell->front_started, 1);
}

static void send_subject(struct cell *cell)
{
	struct weft_job_options options = {
		.lane = cell->lane,
		.serial = cell->keyed ? cell->serial : NULL,
		.key = cell->keyed ? KEY : 0,
	};
	struct held *held = cell_block(cell, &cell->started,
				       cell->place == RUNNING);

	cell->req = weft_job_send(cell->mem, cell->ev, cell->pool, held_run,
				  &held, &options);
	if (cell->req == NULL) {
		bail_out("weft_job_send: no memory");
	}
	tevent_req_set_callback(cell->req, subject_done, cell);
}

static void cell_open(struct cell *cell)
{
	struct weft_pool_options options = { .max = 2, .spare = UINT_MAX };
	struct weft_lane_options lane = { .max = 1 };

	cell->mem = talloc_new(NULL);
	cell->ev = tevent_context_init(NULL);
	if (cell->mem == NULL || cell->ev == NULL ||
	    weft_pool_create(NULL, &options, &cell->pool) != 0 ||
	    weft_lane_create(NULL, cell->pool, &lane, &cell->lane) != 0 ||
	    weft_serial_create(NULL, cell->pool, &cell->serial) != 0) {
		bail_out("no pool");
	}
	if (cell->place == QUEUED || cell->place == BEHIND) {
		send_front(cell);
	}
	send_subject(cell);
	if (cell->place == RUNNING) {
		fixture_gate_wait(&cell->started, 1);
	} else if (cell->place == HOME) {
		fixture_wait_until(pooltest_at_rest, cell->pool);
	}
	cell->fate.waits = cell->place == QUEUED || cell->place == BEHIND;
}

static void cell_close(struct cell *cell)
{
	struct fate *fate = &cell->fate;

	fate->runs = fate->waits || cell->place >= RUNNING ? 1 : 0;
	fixture_gate_add(&cell->go, 1);
	if (cell->ev != NULL) {
		(void)tevent_loop_wait(cell->ev);
	}
	TALLOC_FREE(cell->req);
	TALLOC_FREE(cell->ev);
	TALLOC_FREE(cell->serial);
	TALLOC_FREE(cell->lane);
	TALLOC_FREE(cell->pool);
	TALLOC_FREE(cell->mem);
	fixture_gate_wait(&cell->freed, cell->made);
}

/* ---- the table ---- */

/* Return: NULL, or what is wrong. */
static const char *cell_judge(const struct cell *cell, bool loop_stayed)
{
	const struct fate *fate = &cell->fate;
	bool has_front = cell->place == QUEUED || cell->place == BEHIND;
	unsigned callbacks = cell->callbacks;
	/* When the request ends by itself the callback has been there. */
	bool wants = loop_stayed && !(fate->called && callbacks == 0);

	if (cell->freed.value != cell->made) {
		return "a block is not freed once";
	}
	if ((unsigned)cell->started.value != fate->runs) {
		return "the function does not run as often as it should";
	}
	if (callbacks > 1 || (wants && callbacks != 1)) {
		return "the request does not end once";
	}
	if (callbacks == 1 && cell->place != IN_CALLBACK &&
	    cell->ret != fate->ret && cell->ret != fate->or_ret) {
		return "the result is another one";
	}
	if (has_front && loop_stayed &&
	    (!cell->front.done || cell->front.ret != 0)) {
		return "the job in front has not its own result";
	}
	return NULL;
}

static bool play(struct cell *cell)
{
	const char *wrong = NULL;
	bool loop_stayed = false;

	cell_open(cell);
	if (cell->place != IN_CALLBACK) {
		act(cell, cell->ends[0]);
		act(cell, cell->ends[1]);
		loop_stayed = cell->ev != NULL;
	} else {
		while (cell->callbacks == 0) {
			(void)tevent_loop_once(cell->ev);
		}
		loop_stayed = true;
	}
	cell_close(cell);
	wrong = cell_judge(cell, loop_stayed);
	if (wrong != NULL) {
		diag("%s%s, %s, then %s: %s (%u callbacks, %d)",
		     cell->keyed ? "keyed, " : "", place_names[cell->place],
		     end_names[cell->ends[0]], end_names[cell->ends[1]], wrong,
		     cell->callbacks, cell->ret);
	}
	return wrong == NULL;
}

static void all_pairs(enum place place, bool keyed)
{
	unsigned played = 0;
	unsigned good = 0;

	for (int first = NOTHING; first < ENDS; first++) {
		for (int second = NOTHING; second < ENDS; second++) {
			struct cell cell = { .place = place,
					     .ends = { (enum end)first,
						       (enum end)second },
					     .keyed = keyed };

			played++;
			good += play(&cell) ? 1 : 0;
		}
	}
	is_uint(good, played, "%s, %s", place_names[place],
		keyed ? "with a key" : "without a key");
}

static void without_a_key(struct fixture *fx)
{
	(void)fx;
	all_pairs(QUEUED, false);
	all_pairs(RUNNING, false);
	all_pairs(HOME, false);
	all_pairs(IN_CALLBACK, false);
}

static void with_a_key(struct fixture *fx)
{
	(void)fx;
	all_pairs(QUEUED, true);
	all_pairs(BEHIND, true);
	all_pairs(RUNNING, true);
	all_pairs(HOME, true);
	all_pairs(IN_CALLBACK, true);
}

/* ---- in a child ---- */

/* Nothing of the parent's comes home; it only must not crash or hang. */
static int child_ends(void *arg)
{
	struct cell *cell = arg;

	if (cell->ends[0] == TIMES_OUT) {
		(void)tevent_re_initialise(cell->ev);
	}
	/* It could wait for ever for what the parent will have. */
	if (cell->ends[0] == TIMES_OUT || cell->place == IN_CALLBACK) {
		cell->ends[0] = NOTHING;
	}
	act(cell, cell->ends[0]);
	act(cell, cell->ends[1]);
	TALLOC_FREE(cell->req);
	TALLOC_FREE(cell->pool);
	TALLOC_FREE(cell->ev);
	TALLOC_FREE(cell->lane);
	TALLOC_FREE(cell->serial);
	TALLOC_FREE(cell->mem);
	return cell->callbacks == 0 ? 0 : 1;
}

static void in_a_child(struct fixture *fx)
{
	unsigned good = 0;
	unsigned played = 0;

	(void)fx;
	for (int place = QUEUED; place <= HOME; place++) {
		for (int end = NOTHING; end < ENDS; end++) {
			struct cell cell = {
				.place = (enum place)place,
				.ends = { (enum end)end, NOTHING },
				.keyed = true,
			};
			struct fixture_child child;

			cell_open(&cell);
			child = fixture_child(child_ends, &cell);
			cell_close(&cell);
			played++;
			good += child.status == 0 && cell.callbacks == 1 &&
						cell.ret == 0
					? 1
					: 0;
			if (child.status != 0) {
				diag("%s, %s: status 0x%x %s",
				     place_names[place], end_names[end],
				     (unsigned)child.status, child.text);
			}
		}
	}
	is_uint(good, played,
		"a child ends what it inherited; the parent loses nothing");
}

int main(void)
{
	POOLTEST(without_a_key);
	POOLTEST(with_a_key);
	POOLTEST(in_a_child);
	return done();
}
