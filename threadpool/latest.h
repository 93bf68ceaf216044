/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Latest: one value of which only the newest counts; latest.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "threadpool/port.h"

struct wf_latest;

struct wf_latest_ops {
	/* The newest value has come to the owner's thread, at the address that
	 * wf_latest_create() was given; @gone: the loop has ended. */
	void (*arrived)(uint64_t to, void *value, bool gone);
	/* Nobody will look at it. Thread: any. */
	void (*drop)(void *value);
};

/* Thread: any.  Return: with one share, the caller's; NULL: no memory. */
struct wf_latest *wf_latest_create(struct wf_port *port, uint64_t to,
				   const struct wf_latest_ops *ops);

/* Gives up the share of its maker: nobody puts anything any more.
 * Thread: any. */
void wf_latest_unref(struct wf_latest *latest);

/* Puts a value in, or takes it out; each finds what another one has put.
 * Thread: any, in a read section or with a share.  Lock: none.
 * Owns: swap takes @value and gives the older one, or NULL; take gives what
 *       there is, or NULL. */
void *wf_latest_swap(struct wf_latest *latest, void *value);
void *wf_latest_take(struct wf_latest *latest);

/* Where values are merged: brings one.
 * Thread: any, in a read section.  Lock: none.
 * Owns:   takes the value of @node.
 * Return: true: the caller, who has a share now, is to merge what is queued;
 *         false: another one does. */
bool wf_latest_queue(struct wf_latest *latest, struct tev_word_node *node);

/* What is queued, oldest first; and that it has been merged, and announced.
 * Thread: who merges.  Lock: none.
 * Return of merged: true: the share is given up; false: more has come. */
struct tev_word_node *wf_latest_queued(struct wf_latest *latest);
bool wf_latest_merged(struct wf_latest *latest);

/* After a value was put in: sees to it that the owner comes to it.
 * Thread: any, in a read section.  Lock: none.
 * Owns:   gives what is there if the loop has ended, for the caller to dispose
 *         of outside of the read section; else NULL. */
void *wf_latest_announce(struct wf_latest *latest);

/* In a forked child: nothing of it is on its way. What lies in it, or is on its
 * way, is the parent's and left alone. Thread: in a fork handler. */
void wf_latest_forget(struct wf_latest *latest);
