/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* After the SSSD developer guide's page on tevent, "React on SIGUSR1 signal",
 * of which only the calls are left: two signals are sent to it from outside.
 * Its loop, which is lost, is taken to turn until the program is killed.
 *
 * Added: lines are written at once also where no terminal is, so that the
 * sender can wait for them.
 *
 * Output:
 *      Signal received.
 *      Signal received.
 */
#include <signal.h>
#include <stdio.h>
#include <tevent.h>

static void handler(struct tevent_context *ev, struct tevent_signal *se,
		    int signum, int count, void *siginfo, void *private_data)
{
	puts("Signal received.");
}

int main()
{
	struct tevent_context *ev;
	struct tevent_signal *sig;

	setvbuf(stdout, NULL, _IOLBF, 0);

	/* Initialize tevent context. */
	ev = tevent_context_init(NULL);
	if (ev == NULL) {
		return 1;
	}

	sig = tevent_add_signal(ev, NULL, SIGUSR1, 0, handler, NULL);
	if (sig == NULL) {
		return 2;
	}

	while (true) {
		tevent_loop_once(ev);
	}
}
