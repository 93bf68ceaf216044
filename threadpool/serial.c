/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Serial: the handle of an order by key.
 *
 *      weft_serial (talloc) ----> wf_order <---- jobs that have a key
 *
 * The handle may go at any time: what waits is cancelled, what runs is told,
 * and the last of its jobs frees the order. It keeps the crew of its pool, so
 * it may outlive that.
 *
 * Threads: create and free: owner of the handle; all others: any.
 * Ordering: through order.h.
 * Not here: the order itself (keyed.c).
 */
#include "threadpool/serial.h"

#include <errno.h>

#include <talloc.h>

#include "threadpool/tevent_compat.h"

#include "weft.h"

#include "threadpool/keyed.h"
#include "threadpool/pool.h"

struct weft_serial {
	struct wf_order *order; /* I: open as long as we are */
};

static int serial_destructor(struct weft_serial *serial)
{
	wf_order_cancel(serial->order, NULL);
	wf_order_close(serial->order);
	return 0;
}

int weft_serial_create(TALLOC_CTX *mem_ctx, struct weft_pool *pool,
		       struct weft_serial **ret_serial)
{
	struct weft_serial *serial = talloc_zero(mem_ctx, struct weft_serial);

	if (serial == NULL) {
		return ENOMEM;
	}
	serial->order = wf_order_create(wf_pool_crew(pool));
	if (serial->order == NULL) {
		talloc_free(serial);
		return ENOMEM;
	}
	talloc_set_destructor(serial, serial_destructor);
	*ret_serial = serial;
	return 0;
}

void weft_serial_cancel(struct weft_serial *serial, const uint64_t *key)
{
	wf_order_cancel(serial->order, key);
}

struct wf_order *wf_serial_order(struct weft_serial *serial,
				 struct wf_crew *elder)
{
	return serial->order->elder == elder ? serial->order : NULL;
}
