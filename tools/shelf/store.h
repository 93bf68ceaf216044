/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Store: objects by their names, in files and an index.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <talloc.h>

#define STORE_FILE_SIZE 33 /* of a file's name, with the NUL */
#define STORE_NAME_MAX  128

struct sqlite3;
struct store;

/* One row of the index. */
struct store_row {
	const char *sha; /* hexadecimal */
	const char *type;
	uint64_t size;
	uint64_t packed;
	char file[STORE_FILE_SIZE];
};

int store_open(TALLOC_CTX *mem_ctx, const char *path, struct store **ret_store);
bool store_name_is_good(const char *name);
uint64_t store_name_key(const char *name);

int store_file_create(const struct store *store, bool named,
		      char file[STORE_FILE_SIZE], int *ret_fd);
int store_file_open(const struct store *store, const char *file, int *ret_fd);
void store_file_remove(const struct store *store, const char *file);
int store_file_settle(const struct store *store, int fd);

int store_connect(const struct store *store, struct sqlite3 **ret_index);
int store_find(struct sqlite3 *index, TALLOC_CTX *mem_ctx, const char *name,
	       struct store_row *ret_row);
int store_replace(struct sqlite3 *index, const char *name,
		  const struct store_row *row, char old_file[STORE_FILE_SIZE]);
