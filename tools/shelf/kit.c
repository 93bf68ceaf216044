/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Kit: what a worker keeps from one job to the next.
 *
 * These libraries work with handles that are expensive to make and that only
 * one thread at a time may use: a connection to the index, libmagic's rules,
 * the memory of a compressor. So each worker has its own, made when the first
 * job asks for it, gone when the worker leaves; nothing has to be locked.
 *
 * Threads: a worker's; the loop's when work runs there.
 */
#include "tools/shelf/kit.h"

#include <errno.h>

#include <sqlite3.h>
#include <talloc.h>

#include "tools/shelf/login.h"
#include "tools/shelf/store.h"
#include "tools/shelf/work.h"

/* O: its worker's. What has not been needed is NULL. */
struct kit {
	const struct store *store; /* I: NULL: there is none */
	sqlite3 *index;
	magic_t magic;
	ZSTD_CCtx *packer;
	ZSTD_DCtx *unpacker;
};

/* @private_data is the struct store, or NULL.
 *
 * Thread: a new worker's.  Lock: none.
 * Owns:   the worker owns the state until kit_fini().
 * Return: 0 or errno.
 */
int kit_init(void **ret_state, void *private_data)
{
	struct kit *kit = NULL;

	kit = talloc_zero(NULL, struct kit);
	if (kit == NULL) {
		return ENOMEM;
	}
	kit->store = private_data;
	*ret_state = kit;
	return 0;
}

/* Thread: the leaving worker's.  Lock: none.
 * Owns:   takes the state.
 * Return: nothing.
 */
void kit_fini(void *state, void *private_data)
{
	struct kit *kit = state;

	(void)private_data;
	(void)sqlite3_close(kit->index);
	if (kit->magic != NULL) {
		magic_close(kit->magic);
	}
	(void)ZSTD_freeCCtx(kit->packer);
	(void)ZSTD_freeDCtx(kit->unpacker);
	talloc_free(kit);
	login_forget_memory();
}

/* Thread: worker.  Lock: none.
 * Owns:   nothing.
 * Return: NULL when there is none.
 */
const struct store *kit_store(struct weft_job *job)
{
	const struct kit *kit = work_worker_state(job);

	return kit->store;
}

/* Thread: worker.  Lock: none.
 * Owns:   the connection stays the worker's.
 * Return: 0 or errno.
 */
int kit_index(struct weft_job *job, sqlite3 **ret_index)
{
	struct kit *kit = work_worker_state(job);
	int ret = 0;

	if (kit->index == NULL) {
		ret = store_connect(kit->store, &kit->index);
	}
	*ret_index = kit->index;
	return ret;
}

/* Thread: worker.  Lock: none.
 * Owns:   the handle stays the worker's.
 * Return: 0 or errno.
 */
int kit_magic(struct weft_job *job, magic_t *ret_magic)
{
	struct kit *kit = work_worker_state(job);
	magic_t magic = NULL;
	int ret = 0;

	if (kit->magic == NULL) {
		magic = magic_open(MAGIC_MIME);
		if (magic == NULL) {
			return ENOMEM;
		}
		ret = magic_load(magic, NULL);
		if (ret != 0) {
			ret = magic_errno(magic);
			magic_close(magic);
			return ret != 0 ? ret : ENOENT;
		}
		kit->magic = magic;
	}
	*ret_magic = kit->magic;
	return 0;
}

/* Thread: worker.  Lock: none.
 * Owns:   the compressor stays the worker's.
 * Return: 0, ENOMEM.
 */
int kit_packer(struct weft_job *job, ZSTD_CCtx **ret_packer)
{
	struct kit *kit = work_worker_state(job);

	if (kit->packer == NULL) {
		kit->packer = ZSTD_createCCtx();
	}
	*ret_packer = kit->packer;
	return kit->packer == NULL ? ENOMEM : 0;
}

/* Thread: worker.  Lock: none.
 * Owns:   the decompressor stays the worker's.
 * Return: 0, ENOMEM.
 */
int kit_unpacker(struct weft_job *job, ZSTD_DCtx **ret_unpacker)
{
	struct kit *kit = work_worker_state(job);

	if (kit->unpacker == NULL) {
		kit->unpacker = ZSTD_createDCtx();
	}
	*ret_unpacker = kit->unpacker;
	return kit->unpacker == NULL ? ENOMEM : 0;
}
