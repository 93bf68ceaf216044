/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Store: objects by their names, in files and an index.
 *
 * DIR/index is a database of one row for each name; the row says which file of
 * DIR has the bytes, compressed. Files have random names and are never written
 * again once they are whole. So the one moment at which an object changes is
 * the commit of its row, and whatever fails, whoever is killed, the row and
 * the file that it names agree:
 *
 *     file written, on the disk -> row replaced, on the disk -> old file gone
 *
 * A reader that has found a row may find its file gone when somebody replaces
 * the object at that moment: then it looks at the row again. What a crash left
 * without a row is removed when the store is opened, by its only user: DIR is
 * locked.
 *
 * Each thread that works on the index has a connection of its own; where two
 * want to write, one waits for up to BUSY_MS.
 *
 * Threads: store_open() the loop's, at the start; a store is never changed
 * after that, and all else is a worker's.
 */
#include "tools/shelf/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nettle/base16.h>
#include <sqlite3.h>

#define BUSY_MS      5000
#define RANDOM_BYTES 16

struct store {
	char *index_path;
	int dir_fd; /* locked */
};

/*
 * Names
 */

/* Thread: any.  Lock: none.
 * Owns:   nothing.
 * Return: whether an object may be called that: printable ASCII without '/',
 *         no dot at the beginning, and not too long.
 */
bool store_name_is_good(const char *name)
{
	const size_t size = strlen(name);

	if (size == 0 || size > STORE_NAME_MAX || name[0] == '.') {
		return false;
	}
	for (size_t i = 0; i < size; i++) {
		if (name[i] < ' ' || name[i] > '~' || name[i] == '/') {
			return false;
		}
	}
	return true;
}

/* FNV-1a. Two names of one key only wait for each other.
 *
 * Thread: any.  Lock: none.
 * Owns:   nothing.
 * Return: the key of all jobs that change this object.
 */
uint64_t store_name_key(const char *name)
{
	uint64_t key = UINT64_C(0xcbf29ce484222325);

	for (; *name != '\0'; name++) {
		key = (key ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
	}
	return key;
}

/*
 * Files
 */

static int file_name_make(char file[STORE_FILE_SIZE])
{
	uint8_t bytes[RANDOM_BYTES];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes)) {
		return EIO;
	}
	base16_encode_update(file, sizeof(bytes), bytes);
	file[STORE_FILE_SIZE - 1] = '\0';
	return 0;
}

/* A new file for reading and writing; without a name (not @named) it goes when
 * it is closed.
 *
 * Thread: any.  Lock: none.
 * Owns:   the caller closes the descriptor.
 * Return: 0 or errno.
 */
int store_file_create(const struct store *store, bool named,
		      char file[STORE_FILE_SIZE], int *ret_fd)
{
	int fd = -1;
	int ret = 0;

	ret = file_name_make(file);
	if (ret != 0) {
		return ret;
	}
	fd = openat(store->dir_fd, file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
		    0600);
	if (fd < 0) {
		return errno;
	}
	if (!named) {
		store_file_remove(store, file);
	}
	*ret_fd = fd;
	return 0;
}

/* Thread: any.  Lock: none.
 * Owns:   the caller closes the descriptor.
 * Return: 0 or errno.
 */
int store_file_open(const struct store *store, const char *file, int *ret_fd)
{
	const int fd = openat(store->dir_fd, file, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		return errno;
	}
	*ret_fd = fd;
	return 0;
}

/* Thread: any.  Lock: none.
 * Owns:   nothing.
 * Return: nothing: a file that stays is removed with the next start.
 */
void store_file_remove(const struct store *store, const char *file)
{
	(void)unlinkat(store->dir_fd, file, 0);
}

/* Wait until a new file and its name are on the disk.
 *
 * Thread: any.  Lock: none.
 * Owns:   nothing.
 * Return: 0 or errno.
 */
int store_file_settle(const struct store *store, int fd)
{
	if (fdatasync(fd) != 0 || fsync(store->dir_fd) != 0) {
		return errno;
	}
	return 0;
}

/*
 * The index
 */

/* What the database says, as an errno. */
static int index_error(int code)
{
	if (code == SQLITE_IOERR_NOMEM) {
		return ENOMEM;
	}
	switch (code & 0xff) {
	case SQLITE_OK:
	case SQLITE_DONE:
	case SQLITE_ROW:
		return 0;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return EBUSY;
	case SQLITE_NOMEM:
		return ENOMEM;
	case SQLITE_FULL:
		return ENOSPC;
	case SQLITE_CANTOPEN:
		return EMFILE;
	default:
		return EIO;
	}
}

static int index_do(sqlite3 *index, const char *statement)
{
	return index_error(sqlite3_exec(index, statement, NULL, NULL, NULL));
}

/* A connection for one thread.
 *
 * Thread: any.  Lock: none.
 * Owns:   the caller closes it.
 * Return: 0 or errno; *@ret_index is NULL then.
 */
int store_connect(const struct store *store, sqlite3 **ret_index)
{
	sqlite3 *index = NULL;
	int ret = 0;

	ret = index_error(sqlite3_open_v2(store->index_path, &index,
					  SQLITE_OPEN_READWRITE |
						  SQLITE_OPEN_CREATE |
						  SQLITE_OPEN_NOMUTEX,
					  NULL));
	if (ret == 0) {
		(void)sqlite3_busy_timeout(index, BUSY_MS);
		ret = index_do(index, "PRAGMA synchronous=FULL");
	}
	if (ret != 0) {
		(void)sqlite3_close(index);
		return ret;
	}
	*ret_index = index;
	return 0;
}

/* A statement about the object @name, which is its first parameter. */
static int index_prepare(sqlite3 *index, const char *text, const char *name,
			 sqlite3_stmt **ret_statement)
{
	int code = 0;

	code = sqlite3_prepare_v2(index, text, -1, ret_statement, NULL);
	if (code == SQLITE_OK) {
		code = sqlite3_bind_text(*ret_statement, 1, name, -1,
					 SQLITE_STATIC);
	}
	return code;
}

static const char *column(sqlite3_stmt *statement, int index)
{
	return (const char *)sqlite3_column_text(statement, index);
}

static int row_take(sqlite3_stmt *statement, TALLOC_CTX *mem_ctx,
		    struct store_row *row)
{
	(void)snprintf(row->file, sizeof(row->file), "%s",
		       column(statement, 0));
	row->sha = talloc_strdup(mem_ctx, column(statement, 1));
	row->type = talloc_strdup(mem_ctx, column(statement, 2));
	row->size = (uint64_t)sqlite3_column_int64(statement, 3);
	row->packed = (uint64_t)sqlite3_column_int64(statement, 4);
	return row->sha == NULL || row->type == NULL ? ENOMEM : 0;
}

/* Thread: the connection's.  Lock: none.
 * Owns:   what the row points at is a child of @mem_ctx.
 * Return: 0; ENOENT: no such object; another errno.
 */
int store_find(sqlite3 *index, TALLOC_CTX *mem_ctx, const char *name,
	       struct store_row *ret_row)
{
	sqlite3_stmt *statement = NULL;
	int code = 0;
	int ret = 0;

	code = index_prepare(index,
			     "SELECT file, sha, type, size, packed"
			     " FROM object WHERE name = ?1",
			     name, &statement);
	if (code == SQLITE_OK) {
		code = sqlite3_step(statement);
	}
	if (code == SQLITE_ROW) {
		ret = row_take(statement, mem_ctx, ret_row);
	} else {
		ret = code == SQLITE_DONE ? ENOENT : index_error(code);
	}
	(void)sqlite3_finalize(statement);
	return ret;
}

static int index_write(sqlite3 *index, const char *name,
		       const struct store_row *row)
{
	sqlite3_stmt *statement = NULL;
	int code = 0;

	code = index_prepare(index,
			     "REPLACE INTO object"
			     " (name, file, sha, type, size, packed)"
			     " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
			     name, &statement);
	if (code == SQLITE_OK) {
		const char *const texts[] = { row->file, row->sha, row->type };
		const uint64_t numbers[] = { row->size, row->packed };

		for (int i = 0; i < 3; i++) {
			code |= sqlite3_bind_text(statement, i + 2, texts[i],
						  -1, SQLITE_STATIC);
		}
		for (int i = 0; i < 2; i++) {
			code |= sqlite3_bind_int64(statement, i + 5,
						   (sqlite3_int64)numbers[i]);
		}
	}
	if (code == SQLITE_OK) {
		code = sqlite3_step(statement);
	}
	(void)sqlite3_finalize(statement);
	return index_error(code);
}

/* Make @row that of @name.
 *
 * Thread: the connection's, the only one that changes this object.
 * Lock:   none.
 * Owns:   nothing. *@old_file: what the object was in, "" if it is new.
 * Return: 0 or errno: nothing has changed.
 */
int store_replace(sqlite3 *index, const char *name, const struct store_row *row,
		  char old_file[STORE_FILE_SIZE])
{
	struct store_row old = { 0 };
	TALLOC_CTX *mem_ctx = NULL;
	int ret = 0;

	mem_ctx = talloc_new(NULL);
	if (mem_ctx == NULL) {
		return ENOMEM;
	}
	ret = index_do(index, "BEGIN IMMEDIATE");
	if (ret == 0) {
		ret = store_find(index, mem_ctx, name, &old);
		if (ret == 0 || ret == ENOENT) {
			ret = index_write(index, name, row);
		}
		if (ret == 0) {
			ret = index_do(index, "COMMIT");
		}
		if (ret != 0) {
			(void)index_do(index, "ROLLBACK");
		}
	}
	talloc_free(mem_ctx);
	memcpy(old_file, old.file, STORE_FILE_SIZE);
	return ret;
}

/*
 * The start
 */

static bool file_has_row(sqlite3 *index, const char *file)
{
	sqlite3_stmt *statement = NULL;
	int code = 0;

	code = index_prepare(index, "SELECT 1 FROM object WHERE file = ?1",
			     file, &statement);
	if (code == SQLITE_OK) {
		code = sqlite3_step(statement);
	}
	(void)sqlite3_finalize(statement);
	return code != SQLITE_DONE;
}

/* Remove the files that no row names. */
static int store_sweep(const struct store *store, sqlite3 *index)
{
	const struct dirent *entry = NULL;
	DIR *dir = NULL;
	int fd = -1;

	fd = openat(store->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (dir == NULL) {
		return errno;
	}
	while ((entry = readdir(dir)) != NULL) {
		if (strlen(entry->d_name) == STORE_FILE_SIZE - 1 &&
		    !file_has_row(index, entry->d_name)) {
			store_file_remove(store, entry->d_name);
		}
	}
	(void)closedir(dir);
	return 0;
}

static int store_prepare(const struct store *store)
{
	sqlite3 *index = NULL;
	int ret = 0;

	ret = store_connect(store, &index);
	if (ret != 0) {
		return ret;
	}
	ret = index_do(index, "PRAGMA journal_mode=WAL");
	if (ret == 0) {
		ret = index_do(index,
			       "CREATE TABLE IF NOT EXISTS object"
			       " (name TEXT PRIMARY KEY, file TEXT UNIQUE,"
			       " sha TEXT NOT NULL, type TEXT NOT NULL,"
			       " size INTEGER NOT NULL,"
			       " packed INTEGER NOT NULL) WITHOUT ROWID");
	}
	if (ret == 0) {
		ret = store_sweep(store, index);
	}
	(void)sqlite3_close(index);
	return ret;
}

/* Open the store in the directory @path, which is made if it is not there. It
 * stays open as long as the process: work that nobody waits for may use it.
 *
 * Thread: the loop's.  Lock: none.
 * Owns:   the store is a child of @mem_ctx.
 * Return: 0 or errno; EWOULDBLOCK: somebody else has it.
 */
int store_open(TALLOC_CTX *mem_ctx, const char *path, struct store **ret_store)
{
	struct store *store = NULL;
	int ret = 0;

	store = talloc_zero(mem_ctx, struct store);
	if (store == NULL) {
		return ENOMEM;
	}
	store->index_path = talloc_asprintf(store, "%s/index", path);
	if (store->index_path == NULL) {
		talloc_free(store);
		return ENOMEM;
	}
	if (mkdir(path, 0700) != 0 && errno != EEXIST) {
		ret = errno;
		talloc_free(store);
		return ret;
	}
	store->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ret = store->dir_fd < 0 || flock(store->dir_fd, LOCK_EX | LOCK_NB) != 0
		      ? errno
		      : store_prepare(store);
	if (ret != 0) {
		if (store->dir_fd >= 0) {
			(void)close(store->dir_fd);
		}
		talloc_free(store);
		return ret;
	}
	*ret_store = store;
	return 0;
}
