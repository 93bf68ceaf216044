/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Addresses: numbers that name something and never dangle; addr.c. */
#pragma once

#include <stdint.h>

/* Embedded in what lives at an address. Its memory is to be freed through
 * grace.h only. */
struct wf_resident {
	uint64_t id; /* I: the address */
	/* I: this is a forked child, in which nobody posts yet: nothing is on
	 * its way. In a fork handler: it may only store. */
	void (*forked)(struct wf_resident *resident);
};

/* Gives @resident an address, where it is not found yet.
 * Thread: any.  Lock: takes the table's.
 * Return: 0; ENOMEM. */
int wf_addr_reserve(struct wf_resident *resident);

/* From now on it is found there.
 * Thread: that of reserve.  Lock: none. */
void wf_addr_settle(struct wf_resident *resident);

/* Its address is nobody's from now on; who has found it before may still use
 * it until a grace period has passed. Also if it has never settled.
 * Thread: that of reserve, once.  Lock: takes the table's. */
void wf_addr_leave(struct wf_resident *resident);

/* Who lives at @id. For use within the same read section (grace.h), unless the
 * caller is the one who would make it leave.
 * Thread: any, in a read section.  Lock: none.
 * Return: NULL: nobody. */
struct wf_resident *wf_addr_find(uint64_t id);
