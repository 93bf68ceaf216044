/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Part: what is found out about an upload, by three jobs at the same time.
 */
#pragma once

#include <stdint.h>

#include <talloc.h>

#include "tools/shelf/store.h"
#include "tools/shelf/sum.h"

struct weft_job;

/* The block of each of the three: every one has a descriptor of its own. */
struct part {
	const struct store *store;
	int fd; /* of the upload; below 0: it is empty */
	/* What was found out, by the one whose business it is. */
	char sha[SUM_HEX_SIZE];
	char *type;
	uint64_t size;
	uint64_t packed;
	/* A file of the store, which goes with the part unless it is "". */
	char file[STORE_FILE_SIZE];
};

struct part *part_create(const struct store *store, int fd);
int part_sum_run(struct weft_job *job, void *block);
int part_type_run(struct weft_job *job, void *block);
int part_pack_run(struct weft_job *job, void *block);
