/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* docs/pool.md, step 4.
 *
 * Output:
 *      main: account 0: 130
 *      main: account 1: 900
 */
#include <stdio.h>

#include <weft.h>

struct booking {
	long *balance;
	long factor;
	long amount;
};

/* No lock: of one key there is one at a time. */
static int book(struct weft_job *job, void *block)
{
	struct booking *booking = talloc_get_type_abort(block, struct booking);

	*booking->balance *= booking->factor;
	*booking->balance += booking->amount;
	return 0;
}

static bool send_booking(struct tevent_context *ev, struct weft_pool *pool,
			 struct weft_serial *serial, long *balance, long factor,
			 long amount)
{
	const struct weft_job_options options = {
		.serial = serial,
		.key = (uintptr_t)balance,
	};
	struct booking *booking = talloc_zero(ev, struct booking);

	if (booking == NULL) {
		return false;
	}
	booking->balance = balance;
	booking->factor = factor;
	booking->amount = amount;
	return weft_job_send(ev, ev, pool, book, &booking, &options) != NULL;
}

int main(void)
{
	struct tevent_context *ev = tevent_context_init(NULL);
	struct weft_pool *pool = NULL;
	struct weft_serial *serial = NULL;
	long accounts[2] = { 0, 0 };

	if (ev == NULL || weft_pool_create(ev, NULL, &pool) != 0 ||
	    weft_serial_create(ev, pool, &serial) != 0) {
		return 1;
	}
	if (!send_booking(ev, pool, serial, &accounts[0], 1, 100) ||
	    !send_booking(ev, pool, serial, &accounts[1], 1, 300) ||
	    !send_booking(ev, pool, serial, &accounts[0], 1, -35) ||
	    !send_booking(ev, pool, serial, &accounts[0], 2, 0) ||
	    !send_booking(ev, pool, serial, &accounts[1], 3, 0)) {
		return 1;
	}
	tevent_loop_wait(ev);
	printf("main: account 0: %ld\n", accounts[0]);
	printf("main: account 1: %ld\n", accounts[1]);
	return talloc_free(ev);
}
