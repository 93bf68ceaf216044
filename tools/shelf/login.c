/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Login: a password against its argon2id hash.
 *
 * The costs are those RFC 9106 (section 4) gives for servers that cannot
 * spend 2 GiB on a log-in: 64 MiB, three passes; in one lane, because the
 * parallelism is the pool's business.
 *
 * The 64 MiB are kept from one log-in to the next until a worker leaves for
 * want of work: mapping, faulting in and zeroing them anew takes longer than a
 * whole pass over them, and faults of one process wait for each other. What a
 * password left in there is wiped by the library before it gives the memory
 * back to us. Any worker may serve a log-in, but only two at the same time (the
 * lane's limit), so there are two places to keep memory in: taken and filled
 * by an exchange, whose thread owns what it got.
 *
 * An unknown user costs the same work as a wrong password, so that the time of
 * an answer does not tell who has an account.
 *
 * Threads: login_prepare() the loop's; the rest a worker's.
 */
#include "tools/shelf/login.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>

#include <argon2.h>
#include <nettle/memops.h>

#include <weft.h>

#include "tools/shelf/task.h"

#define MEMORY_KIB         (64 * 1024)
#define PASSES             3
#define SALT_BYTES         16
#define HASH_BYTES         32
#define USER_BYTES_MAX     64
#define PASSWORD_BYTES_MAX 256
#define FORM_BYTES_MAX     2048

struct account {
	const char *user;
	char salt[SALT_BYTES + 1];
	uint8_t hash[HASH_BYTES];
};

/* I: demonstration only, the passwords stand in --help. Made by
 * argon2 SALT -id -v 13 -t 3 -m 16 -p 1 -l 32 -r. */
static const struct account accounts[] = {
	{ "alice",
	  "shelf-salt-alice",
	  { 0xc8, 0x68, 0x53, 0x2f, 0xd7, 0x3c, 0xed, 0x81, 0xed, 0xd3, 0x4e,
	    0x2d, 0xbb, 0xc4, 0xd6, 0x47, 0x0f, 0x13, 0x19, 0xa1, 0x71, 0x04,
	    0xb6, 0xe4, 0xc3, 0x6d, 0x5c, 0x14, 0xee, 0x36, 0xe6, 0x0f } },
	{ "bob",
	  "shelf-salt-bob--",
	  { 0x4d, 0xc7, 0xf1, 0x2a, 0x8a, 0xe1, 0x70, 0x1b, 0x7b, 0xcd, 0xe3,
	    0x04, 0x29, 0x46, 0x2f, 0x56, 0x43, 0x8e, 0x36, 0xd4, 0xd3, 0x33,
	    0x0f, 0x43, 0x54, 0x62, 0xc3, 0x8c, 0xac, 0x3d, 0x79, 0xc5 } },
};

/* I: what an unknown user is measured against; no password has this hash. */
static const struct account nobody = { "", "shelf-salt-none-", { 0 } };

struct login_task {
	struct task task;
	char *user;
	char *password;
};

/* A: memory that no log-in uses, or NULL. */
static _Atomic(void *) memory_kept[2];
#define MEMORY_PLACES (sizeof(memory_kept) / sizeof(memory_kept[0]))

#define MEMORY_BYTES ((size_t)MEMORY_KIB * 1024)

/*
 * Memory
 */

static void *memory_take(void)
{
	for (size_t i = 0; i < MEMORY_PLACES; i++) {
		void *bytes = atomic_exchange(&memory_kept[i], NULL);

		if (bytes != NULL) {
			return bytes;
		}
	}
	return NULL;
}

/* Give back what log-ins keep while there are none.
 *
 * Thread: any.  Lock: none.
 * Owns:   nothing.
 * Return: nothing.
 */
void login_forget_memory(void)
{
	void *bytes = NULL;

	while ((bytes = memory_take()) != NULL) {
		(void)munmap(bytes, MEMORY_BYTES);
	}
}

static int memory_lend(uint8_t **ret_bytes, size_t size)
{
	void *bytes = NULL;

	if (size != MEMORY_BYTES) {
		return ARGON2_MEMORY_ALLOCATION_ERROR;
	}
	bytes = memory_take();
	if (bytes == NULL) {
		bytes = mmap(NULL, size, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	}
	if (bytes == MAP_FAILED) {
		return ARGON2_MEMORY_ALLOCATION_ERROR;
	}
	*ret_bytes = bytes;
	return ARGON2_OK;
}

static void memory_return(uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < MEMORY_PLACES; i++) {
		void *none = NULL;

		if (atomic_compare_exchange_strong(&memory_kept[i], &none,
						   bytes)) {
			return;
		}
	}
	(void)munmap(bytes, size);
}

/*
 * The form
 */

static bool is_form(const char *type)
{
	static const char form[] = "application/x-www-form-urlencoded";
	const size_t size = sizeof(form) - 1;

	if (type == NULL) {
		return true; /* nothing else is taken here */
	}
	return strncasecmp(type, form, size) == 0 &&
	       strchr(" \t;", type[size]) != NULL;
}

/* False: refused, with a reply in the task, which is NULL without memory. */
static bool form_read(struct login_task *login,
		      const struct message_request *request)
{
	int ret = 0;

	if (!is_form(request->content_type)) {
		login->task.reply = message_text(
			login, 415, "send application/x-www-form-urlencoded");
		return false;
	}
	ret = message_field(login, request->body, "user", &login->user);
	if (ret == 0) {
		ret = message_field(login, request->body, "password",
				    &login->password);
	}
	if (ret == ENOMEM) {
		return false;
	}
	if (ret != 0 || strlen(request->body) != request->body_size) {
		login->task.reply = message_text(
			login, 400, "send user=NAME&password=PASSWORD");
		return false;
	}
	if (strlen(login->user) > USER_BYTES_MAX ||
	    strlen(login->password) > PASSWORD_BYTES_MAX) {
		login->task.reply = message_text(
			login, 400, "user name or password is too long");
		return false;
	}
	return true;
}

static int login_forget(struct login_task *login)
{
	if (login->password != NULL) {
		explicit_bzero(login->password, strlen(login->password));
	}
	return 0;
}

/* Thread: any.  Lock: none.
 * Owns:   nothing.
 * Return: how many bytes a form may have.
 */
size_t login_form_max(void)
{
	return FORM_BYTES_MAX;
}

/* Thread: the loop's.  Lock: none.
 * Owns:   the caller owns the task.
 * Return: NULL without memory.
 */
struct task *login_prepare(const struct message_request *request,
			   const char *rest)
{
	struct login_task *login = NULL;
	bool ok = false;

	(void)rest;
	login = talloc_zero(NULL, struct login_task);
	if (login == NULL) {
		return NULL;
	}
	talloc_set_destructor(login, login_forget);
	ok = form_read(login, request);
	if (!ok && login->task.reply == NULL) {
		talloc_free(login);
		return NULL;
	}
	return &login->task;
}

/*
 * The work
 */

static const struct account *account_find(const char *user)
{
	for (size_t i = 0; i < sizeof(accounts) / sizeof(accounts[0]); i++) {
		if (strcmp(user, accounts[i].user) == 0) {
			return &accounts[i];
		}
	}
	return &nobody;
}

static int password_hash(char *password, const char *salt, uint8_t *hash)
{
	argon2_context context = { 0 };
	uint8_t salt_copy[SALT_BYTES];
	int code = 0;

	memcpy(salt_copy, salt, sizeof(salt_copy));
	context.out = hash;
	context.outlen = HASH_BYTES;
	context.pwd = (uint8_t *)password;
	context.pwdlen = (uint32_t)strlen(password);
	context.salt = salt_copy;
	context.saltlen = sizeof(salt_copy);
	context.t_cost = PASSES;
	context.m_cost = MEMORY_KIB;
	context.lanes = 1;
	context.threads = 1;
	context.version = ARGON2_VERSION_13;
	context.allocate_cbk = memory_lend;
	context.free_cbk = memory_return;
	code = argon2_ctx(&context, Argon2_id);
	return code == ARGON2_OK ? 0 : ENOMEM;
}

/* The work of POST /login.
 *
 * Thread: worker.  Lock: none.
 * Owns:   the block is its while it runs.
 * Return: 0 with a reply, ENOMEM.
 */
int login_run(struct weft_job *job, void *block)
{
	struct login_task *login = talloc_get_type_abort(block,
							 struct login_task);
	const struct account *account = account_find(login->user);
	uint8_t hash[HASH_BYTES] = { 0 };
	bool same = false;
	int ret = 0;

	(void)job;
	ret = password_hash(login->password, account->salt, hash);
	if (ret != 0) {
		return ret;
	}
	same = memeql_sec(hash, account->hash, sizeof(hash)) != 0;
	if (!same || account == &nobody) {
		login->task.reply = message_text(login, 403, "no");
		return 0;
	}
	login->task.reply = message_text(login, 200, "welcome, %s",
					 account->user);
	return 0;
}
