/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Task: what travels to a worker and back, one kind for each route.
 *
 * A task is a talloc tree without a parent. It owns all that its work reads,
 * and the work builds the reply on it; so there is nothing to lock and nothing
 * to copy. A struct for a route begins with a struct task.
 */
#pragma once

#include "tools/shelf/message.h"

struct weft_job;

struct task {
	int root_fd;
	const char *path; /* below the root, or an object's name */
	/* Set by prepare: a refusal, no work is done. Set by the work: the
	 * answer. */
	struct message_reply *reply;
};

/* A route's prepare makes its task from a request (@rest: what follows the
 * route's own path) and returns NULL only without memory; its run is the work.
 */
struct task *sum_prepare(const struct message_request *request,
			 const char *rest);
int sum_run(struct weft_job *job, void *block);

struct task *thumb_prepare(const struct message_request *request,
			   const char *rest);
int thumb_run(struct weft_job *job, void *block);

struct task *login_prepare(const struct message_request *request,
			   const char *rest);
int login_run(struct weft_job *job, void *block);

struct task *get_prepare(const struct message_request *request,
			 const char *rest);
int get_run(struct weft_job *job, void *block);
