/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Kit: what a worker keeps from one job to the next.
 */
#pragma once

#include <magic.h>
#include <zstd.h>

struct sqlite3;
struct store;
struct weft_job;

int kit_init(void **ret_state, void *private_data);
void kit_fini(void *state, void *private_data);

const struct store *kit_store(struct weft_job *job);
int kit_index(struct weft_job *job, struct sqlite3 **ret_index);
int kit_magic(struct weft_job *job, magic_t *ret_magic);
int kit_packer(struct weft_job *job, ZSTD_CCtx **ret_packer);
int kit_unpacker(struct weft_job *job, ZSTD_DCtx **ret_unpacker);
