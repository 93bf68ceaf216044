/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The tevent tutorial (part of Samba, LGPL-3.0-or-later), chapter 5, "Extended
 * Options": what its text says of the three ways to add a request, made a
 * program. An empty queue triggers directly; a blocking entry, which has no
 * trigger, holds the queue until it is freed; an entry that is freed leaves the
 * queue while its request stays.
 *
 * Output:
 *      direct: triggered
 *      in the queue: 4
 *      the blocker holds: 4
 *      behind: triggered
 *      last: triggered
 *      in the queue: 1
 *      removed: still in progress
 */
#include <stdio.h>
#include <tevent.h>

struct step_state {
	const char *name;
};

static void step_trigger(struct tevent_req *req, void *private_data)
{
	struct step_state *state = tevent_req_data(req, struct step_state);

	printf("%s: triggered\n", state->name);
	tevent_req_done(req);
}

static struct tevent_req *step_create(TALLOC_CTX *mem_ctx, const char *name)
{
	struct tevent_req *req;
	struct step_state *state;

	req = tevent_req_create(mem_ctx, &state, struct step_state);
	if (req == NULL) {
		exit(EXIT_FAILURE);
	}
	state->name = name;
	return req;
}

static void free_step(struct tevent_req *req)
{
	talloc_free(req); // and lets the next one begin
}

int main(void)
{
	struct tevent_context *ev = tevent_context_init(NULL);
	struct tevent_queue *queue = tevent_queue_create(ev, "steps");
	struct tevent_req *direct = step_create(ev, "direct");
	struct tevent_req *blocker = step_create(ev, "blocker");
	struct tevent_req *removed = step_create(ev, "removed");
	struct tevent_req *behind = step_create(ev, "behind");
	struct tevent_req *last = step_create(ev, "last");
	struct tevent_queue_entry *entry;

	// nothing is in the queue, so the trigger runs inside this call
	if (tevent_queue_add_optimize_empty(queue, ev, direct, step_trigger,
					    NULL) == NULL) {
		return EXIT_FAILURE;
	}

	if (!tevent_queue_add(queue, ev, blocker, NULL, NULL)) {
		return EXIT_FAILURE;
	}
	entry = tevent_queue_add_entry(queue, ev, removed, step_trigger, NULL);
	tevent_req_set_callback(behind, free_step, NULL);
	if (entry == NULL ||
	    !tevent_queue_add(queue, ev, behind, step_trigger, NULL)) {
		return EXIT_FAILURE;
	}
	printf("in the queue: %d\n", (int)tevent_queue_length(queue));

	// the blocker is next; it stays until it is freed
	talloc_free(direct);
	if (!tevent_queue_add(queue, ev, last, step_trigger, NULL)) {
		return EXIT_FAILURE;
	}
	tevent_loop_once(ev);
	printf("the blocker holds: %d\n", (int)tevent_queue_length(queue));

	talloc_free(entry);
	talloc_free(blocker);
	tevent_loop_wait(ev);
	printf("in the queue: %d\n", (int)tevent_queue_length(queue));
	printf("removed: %s\n", tevent_req_is_in_progress(removed)
					? "still in progress"
					: "finished");
	talloc_free(ev);
	return EXIT_SUCCESS;
}
