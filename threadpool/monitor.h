/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Monitor: what its parts share; monitor.c, monitor_client.c, monitor_ask.c,
 * monitor_tell.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <talloc.h>

#include "threadpool/tevent_compat.h"

#include "weft.h"

#include "engine/list.h"

/* A command of a client is one line of at most so many bytes. */
#define WF_MONITOR_LINE_MAX 128

/* What a loop has said of itself, on its own thread. A talloc block. */
struct wf_monitor_word {
	uint64_t sent_ns;
	uint64_t come_ns;
	uint64_t cpu_ns; /* of its thread */
	int tid;
	char thread[16];
};

/* An address that is looked at; a talloc child of the monitor. */
struct wf_monitor_addr {
	struct tev_list link;
	struct weft_monitor *monitor;
	const char *name;
	weft_addr_t addr;
	struct tevent_req *req; /* NULL: nothing is asked */
	uint64_t sent_ns;       /* of the question that is out */
	bool fresh;             /* answered, and not told of yet */
	int error;              /* how the last one ended */
	struct wf_monitor_word word;
};

/* A pool; a talloc child of the monitor. */
struct wf_monitor_pool {
	struct tev_list link;
	struct weft_pool *pool; /* a handle of its own */
	const char *name;
};

/* A client; a talloc child of the monitor. */
struct wf_monitor_client {
	struct tev_list link;
	struct weft_monitor *monitor;
	struct tevent_fd *fde;
	int fd;
	char line[WF_MONITOR_LINE_MAX];
	size_t used; /* of line */
	bool waits;  /* for what the loops say */
	bool over;   /* it says nothing more */
	char *out;   /* malloc: what it is told; NULL: nothing */
	size_t out_end;
	size_t out_begin;
};

struct weft_monitor {
	struct tevent_context *ev;
	char *path;
	dev_t device;
	ino_t inode;
	unsigned generation; /* of the process whose path it is */
	int fd;
	struct tevent_fd *fde;
	struct tevent_timer *rest;  /* until it is accepted again */
	struct tevent_timer *limit; /* of a round of questions, or NULL */
	struct tev_list clients;
	unsigned client_count;
	struct tev_list pools;
	struct tev_list addrs;
	/* What the options said. */
	unsigned clients_max;
	unsigned jobs_max;
	bool may_stop;
};

/* ---- monitor_tell.c ---- */

/* What is known now, as one line of JSON.
 * Thread: owner.
 * Owns:   gives *@ret_text, of malloc.
 * Return: false: no memory. */
bool wf_monitor_tell(struct weft_monitor *monitor, char **ret_text);

/* ---- monitor_ask.c ---- */

/* Asks all loops how they are; a round that is under way will do.
 * wf_monitor_told() follows, in a later pass. Thread: owner. */
void wf_monitor_ask(struct weft_monitor *monitor);

/* ---- monitor_client.c ---- */

/* A new client. Thread: owner.  Owns: takes @fd. */
void wf_monitor_welcome(struct weft_monitor *monitor, int fd);

/* The loops have answered: tells those that wait. Thread: owner. */
void wf_monitor_told(struct weft_monitor *monitor);

/* ---- monitor.c ---- */

/* There is room for one more client. Thread: owner. */
void wf_monitor_accept_again(struct weft_monitor *monitor);
