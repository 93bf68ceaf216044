/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Stall: what its parts share; stall.c, stall_watch.c, stall_picture.c. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "threadpool/tevent_compat.h"

#include "weft.h"

#include "engine/list.h"

/* The word of a loop: flags, and above them a number that grows with each thing
 * that it turns to. */
#define WF_STALL_BUSY   UINT64_C(1)
#define WF_STALL_ASLEEP UINT64_C(2) /* the watch is, or is about to be */
#define WF_STALL_STEP   UINT64_C(4)

#define WF_STALL_FRAMES_MAX 64

/* How the handler is called that runs. A: [SL1], all. */
struct wf_stall_label {
	_Atomic(const char *) kind;
	_Atomic(const char *) handler;
	_Atomic(const char *) location;
};

/* What loop and watch have in common. Outside of talloc; the last share, that
 * of the loop or of a report, frees it. */
struct wf_stall {
	_Atomic(uint64_t) word; /* A: [SL1] */
	/* What it is at, by the last bit of the number. */
	struct wf_stall_label labels[2];
	/* A: relaxed: the word that was reported, until the loop says so. */
	_Atomic(uint64_t) told;

	/* I: */
	char name[32];
	pid_t tid;
	unsigned limit_ms;
	int signal_number; /* 0: none */
	weft_stall_fn_t stalled;
	void *private_data;

	/* Of the watch. */
	struct tev_list link; /* L(watch): of those that are watched */
	unsigned shares;      /* L(watch) */
	uint64_t seen;        /* O: the watch: the word, */
	uint64_t since_ns;    /* O: and since when it is that, */
	uint64_t looked_ns;   /* O: when that was seen last, */
	unsigned looks;       /* O: and how often */
	bool reported;        /* O: that word */
};

/* What stands beside @word. Thread: any.  Lock: none. */
static inline struct wf_stall_label *wf_stall_label(struct wf_stall *stall,
						    uint64_t word)
{
	return &stall->labels[word / WF_STALL_STEP % 2];
}

/* ---- stall_picture.c ---- */

/* The frames of a thread. */
struct wf_stall_picture {
	void *frames[WF_STALL_FRAMES_MAX];
	unsigned count;
};

/* Makes ready for pictures of the calling thread by @signal_number.
 * Thread: the one that is to be pictured.
 * Return: 0; EBUSY: the program has a handler of its own for it; EINVAL. */
int wf_stall_picture_init(int signal_number);

/* Where the thread of @stall stands, if its word still is @seen then; else, and
 * after a tenth of a second: nothing.
 * Thread: the watch, with a share. */
void wf_stall_picture_take(struct wf_stall *stall,
			   struct wf_stall_picture *ret_picture);

/* ---- stall_watch.c ---- */

/* Watches @stall.
 * Thread: any.  Lock: takes the watch's.
 * Return: 0; EAGAIN, ENOMEM: no thread. */
int wf_stall_watch_add(struct wf_stall *stall);

/* Watches it no longer.
 * Thread: any.  Lock: takes the watch's.
 * Owns:   takes @stall. */
void wf_stall_watch_remove(struct wf_stall *stall);

/* The watch sleeps and has something to look at again.
 * Thread: any.  Lock: none. */
void wf_stall_watch_wake(void);
