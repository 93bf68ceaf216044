/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* After the SSSD developer guide's page on tevent, "Schedule an immediate event
 * and finish", of which only the calls are left; its `i` is used by nobody.
 *
 * Warnings: unused-variable i
 * Output:
 *      Hello world.
 */
#include <stdio.h>
#include <tevent.h>

void handler(struct tevent_context *ctx, struct tevent_immediate *im, void *pvt)
{
	puts("Hello world.");
}

int main()
{
	struct tevent_context *ev;
	struct tevent_immediate *im;
	int i;

	/* Initialize tevent context. */
	ev = tevent_context_init(NULL);
	if (ev == NULL) {
		return 1;
	}

	im = tevent_create_immediate(ev);
	if (im == NULL) {
		return 2;
	}

	tevent_schedule_immediate(im, ev, handler, NULL);
	tevent_loop_once(ev);

	talloc_free(ev);
	return 0;
}
