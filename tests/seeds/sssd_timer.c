/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* After the SSSD developer guide's page on tevent, "Execute handler after five
 * seconds", of which only the calls are left.
 *
 * Changed: 50 milliseconds for 5 seconds. Added: it frees what it made.
 *
 * Output:
 *      I was executed with some delay.
 */
#include <stdio.h>
#include <tevent.h>

static void handler(struct tevent_context *ev, struct tevent_timer *tim,
		    struct timeval current_time, void *private_data)
{
	puts("I was executed with some delay.");
}

int main()
{
	struct tevent_context *ev;
	struct tevent_timer *te;
	struct timeval delay;

	/* Initialize tevent context. */
	ev = tevent_context_init(NULL);
	if (ev == NULL) {
		return 1;
	}

	// Execute handler after 5 seconds
	delay = tevent_timeval_current_ofs(0, 50000);
	te = tevent_add_timer(ev, NULL, delay, handler, NULL);
	if (te == NULL) {
		return 2;
	}

	tevent_loop_once(ev);

	talloc_free(ev);
	return 0;
}
