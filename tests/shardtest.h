/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Shardtest: one shard, two owners, and what they queue in it. */
#pragma once

#include <limits.h>

#include "tests/pooltest.h"
#include "threadpool/shard.h"

#define NODES 12

static struct wf_shard shard;
static struct wf_flow flow;
static struct wf_flow other_flow;
static struct wf_queued nodes[NODES];

static inline unsigned no_slack(void *arg)
{
	(void)arg;
	return 0;
}

static inline unsigned some_slack(void *arg)
{
	const unsigned *slack = arg;

	return *slack;
}

static inline bool claim_all(struct wf_queued *node, void *arg)
{
	(void)node;
	(void)arg;
	return true;
}

static inline bool claim_others(struct wf_queued *node, void *arg)
{
	return node != arg;
}

static inline void prepare(struct wf_queued *node, struct wf_flow *its_flow,
			   unsigned char priority)
{
	tev_list_init(&node->link);
	node->flow = its_flow;
	node->priority = priority;
}

static inline int push(struct wf_queued *node)
{
	return wf_shard_push(node, UINT_MAX, no_slack, NULL);
}

static inline void begin(unsigned count)
{
	unsigned i = 0;

	wf_shard_init(&shard);
	wf_flow_init(&flow, NULL, &shard);
	wf_flow_init(&other_flow, NULL, &shard);
	for (i = 0; i < NODES; i++) {
		prepare(&nodes[i], &flow, 1);
	}
	for (i = 0; i < count; i++) {
		(void)push(&nodes[i]);
	}
}

static inline void pops(unsigned index, const char *why)
{
	is_ptr(wf_shard_pop(&shard, claim_all, NULL), &nodes[index], "%s", why);
}
