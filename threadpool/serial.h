/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Serial: the handle of an order by key; serial.c. */
#pragma once

struct weft_serial;
struct wf_crew;
struct wf_order;

/* The order of @serial, which keeps it: the caller makes its own share.
 * Thread: any, while @serial is not being freed.  Lock: none.
 * Return: NULL: it is of another pool than that of @elder. */
struct wf_order *wf_serial_order(struct weft_serial *serial,
				 struct wf_crew *elder);
