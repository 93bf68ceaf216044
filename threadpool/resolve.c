/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Resolve: getaddrinfo(3) on a worker.
 *
 * The request is that of a job, whose block holds the question and the answer.
 * What the system's resolver gives is copied into that at once, and given back
 * on the thread that has got it: so the answer is talloc's like all else that
 * travels, and goes with the block when nobody wants it any more.
 *
 * The resolver can neither be told nor interrupted. So it is a worker that
 * sleeps, for which another one may come (weft_blocking_begin()).
 *
 * Threads: resolve_run: the worker; all others: the owner of the request.
 * Ordering: none; job.c's.
 */
#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>

#include <talloc.h>

#include "threadpool/tevent_compat.h"

#include "weft.h"

struct resolve {
	const char *node;      /* or NULL */
	const char *service;   /* or NULL */
	struct addrinfo *ask;  /* the hints, or NULL */
	struct addrinfo *list; /* below this */
	int gai;               /* what getaddrinfo() said, where that is all */
};

/* Return: below @parent; NULL: no memory. */
static struct addrinfo *resolve_copy_one(TALLOC_CTX *parent,
					 const struct addrinfo *from)
{
	struct addrinfo *to = talloc_zero(parent, struct addrinfo);

	if (to == NULL) {
		return NULL;
	}
	to->ai_flags = from->ai_flags;
	to->ai_family = from->ai_family;
	to->ai_socktype = from->ai_socktype;
	to->ai_protocol = from->ai_protocol;
	to->ai_addrlen = from->ai_addrlen;
	if (from->ai_addr != NULL) {
		to->ai_addr = talloc_memdup(to, from->ai_addr,
					    from->ai_addrlen);
	}
	if (from->ai_canonname != NULL) {
		to->ai_canonname = talloc_strdup(to, from->ai_canonname);
	}
	if ((from->ai_addr != NULL && to->ai_addr == NULL) ||
	    (from->ai_canonname != NULL && to->ai_canonname == NULL)) {
		talloc_free(to);
		return NULL;
	}
	return to;
}

/* One tree, of which the first of the list is the root.
 * Return: below @parent; NULL: no memory. */
static struct addrinfo *resolve_copy(TALLOC_CTX *parent,
				     const struct addrinfo *from)
{
	struct addrinfo *head = NULL;
	struct addrinfo **end = &head;

	for (; from != NULL; from = from->ai_next) {
		*end = resolve_copy_one(head != NULL ? head : parent, from);
		if (*end == NULL) {
			talloc_free(head);
			return NULL;
		}
		end = &(*end)->ai_next;
	}
	return head;
}

static int resolve_error(struct resolve *resolve, int gai, int error)
{
	switch (gai) {
	case EAI_MEMORY:
		return ENOMEM;
	case EAI_SYSTEM:
		return error != 0 ? error : EIO;
	default:
		resolve->gai = gai;
		return EADDRNOTAVAIL;
	}
}

static int resolve_run(struct weft_job *job, void *block)
{
	struct resolve *resolve = talloc_get_type_abort(block, struct resolve);
	struct addrinfo *list = NULL;
	int error = 0;
	int gai = 0;

	(void)job;
	weft_blocking_begin();
	errno = 0;
	gai = getaddrinfo(resolve->node, resolve->service, resolve->ask, &list);
	error = errno;
	weft_blocking_end();
	if (gai != 0) {
		return resolve_error(resolve, gai, error);
	}
	resolve->list = resolve_copy(resolve, list);
	freeaddrinfo(list);
	return resolve->list != NULL ? 0 : ENOMEM;
}

/* Return: NULL: no memory. */
static struct resolve *resolve_create(const char *node, const char *service,
				      const struct addrinfo *hints)
{
	struct resolve *resolve = talloc_zero(NULL, struct resolve);

	if (resolve == NULL) {
		return NULL;
	}
	resolve->node = talloc_strdup(resolve, node);
	resolve->service = talloc_strdup(resolve, service);
	if (hints != NULL) {
		resolve->ask = talloc_memdup(resolve, hints, sizeof(*hints));
	}
	if ((node != NULL && resolve->node == NULL) ||
	    (service != NULL && resolve->service == NULL) ||
	    (hints != NULL && resolve->ask == NULL)) {
		talloc_free(resolve);
		return NULL;
	}
	return resolve;
}

struct tevent_req *weft_getaddrinfo_send_sized(
	TALLOC_CTX *mem_ctx, struct tevent_context *ev, struct weft_pool *pool,
	const char *node, const char *service, const struct addrinfo *hints,
	const struct weft_job_options *given, size_t options_size,
	const char *location)
{
	struct weft_job_options options = { .name = NULL };
	struct resolve *resolve = resolve_create(node, service, hints);
	struct tevent_req *req = NULL;

	if (resolve == NULL) {
		return NULL;
	}
	if (given != NULL) {
		memcpy(&options, given,
		       options_size < sizeof(options) ? options_size
						      : sizeof(options));
	}
	/* A resolver that is interrupted may take that for an answer. */
	options.interruptible = false;
	req = weft_job_send_sized(mem_ctx, ev, pool, resolve_run, &resolve,
				  &options, sizeof(options), "weft_getaddrinfo",
				  location);
	if (req == NULL) {
		talloc_free(resolve);
	}
	return req;
}

int weft_getaddrinfo_recv(struct tevent_req *req, TALLOC_CTX *mem_ctx,
			  struct addrinfo **ret_list, int *ret_gai)
{
	struct resolve *resolve = NULL;
	int ret = weft_job_recv(req, NULL, &resolve);

	if (ret == EINPROGRESS) {
		return ret;
	}
	if (ret_gai != NULL) {
		*ret_gai = resolve != NULL ? resolve->gai : 0;
	}
	if (ret == 0) {
		*ret_list = talloc_move(mem_ctx, &resolve->list);
	}
	talloc_free(resolve);
	return ret;
}
