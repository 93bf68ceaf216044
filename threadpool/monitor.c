/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Monitor: a socket in the file system through which a program is looked at.
 *
 *      socket --accept--> clients --"snapshot"--> ask the loops
 *                                                      |
 *               a line of JSON  <--- statistics  <-----'
 *
 *  1. It is a guest of one of the program's loops and never makes that wait:
 *     descriptors do not block, a client that does not read stops being read,
 *     and without clients nothing happens at all.
 *  2. Nobody but the program's user may open it. The mode is set on the socket
 *     before it is bound, because the kernel makes the file with the mode of
 *     the socket: so there is no moment at which others could connect, and no
 *     umask, which belongs to all threads, is touched.
 *  3. A socket file that nobody listens to was left by a program that was
 *     killed, and is replaced. One where somebody listens is not ours.
 *  4. At the end the file is removed if it still is the one that was made, and
 *     never by a forked child.
 *  5. Without room for a client, or a descriptor for it, listening pauses: till
 *     one leaves, or for a second.
 *
 * Threads: the owner's only.
 * Not here: clients (monitor_client.c), what the loops are asked
 * (monitor_ask.c), what is told (monitor_tell.c).
 */
#include "threadpool/monitor.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "threadpool/block.h"
#include "threadpool/fork.h"

#define MONITOR_BACKLOG         8
#define MONITOR_CLIENTS_DEFAULT 8
#define MONITOR_JOBS_DEFAULT    64
#define MONITOR_REST_S          1

/* ---- letting clients in ---- */

void wf_monitor_accept_again(struct weft_monitor *monitor)
{
	TALLOC_FREE(monitor->rest);
	tevent_fd_set_flags(monitor->fde, TEVENT_FD_READ);
}

static void monitor_rested(struct tevent_context *ev, struct tevent_timer *te,
			   struct timeval now, void *private_data)
{
	struct weft_monitor *monitor = talloc_get_type_abort(
		private_data, struct weft_monitor);

	(void)ev;
	(void)te;
	(void)now;
	monitor->rest = NULL; /* the loop frees it */
	wf_monitor_accept_again(monitor);
}

/* Without memory for the timer it goes on as it is: busy, but there. */
static void monitor_rest(struct weft_monitor *monitor)
{
	monitor->rest = tevent_add_timer(
		monitor->ev, monitor,
		tevent_timeval_current_ofs(MONITOR_REST_S, 0), monitor_rested,
		monitor);
	if (monitor->rest != NULL) {
		tevent_fd_set_flags(monitor->fde, 0);
	}
}

static void monitor_ready(struct tevent_context *ev, struct tevent_fd *fde,
			  uint16_t flags, void *private_data)
{
	struct weft_monitor *monitor = talloc_get_type_abort(
		private_data, struct weft_monitor);
	int fd = -1;

	(void)ev;
	(void)flags;
	if (monitor->client_count == monitor->clients_max) {
		tevent_fd_set_flags(fde, 0);
		return;
	}
	fd = accept4(monitor->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0) {
		wf_monitor_welcome(monitor, fd);
	} else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
		   errno == ENOBUFS) {
		monitor_rest(monitor);
	}
}

/* ---- the socket ---- */

/* Whether nobody listens at @address any more. */
static bool monitor_is_left(const struct sockaddr_un *address)
{
	struct stat found;
	bool left = false;
	int fd = -1;

	if (lstat(address->sun_path, &found) != 0 || !S_ISSOCK(found.st_mode)) {
		return false;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1) {
		return false;
	}
	left = connect(fd, (const struct sockaddr *)address,
		       sizeof(*address)) != 0 &&
	       errno == ECONNREFUSED;
	(void)close(fd);
	return left;
}

static int monitor_bind(int fd, const struct sockaddr_un *address)
{
	const struct sockaddr *to = (const struct sockaddr *)address;

	if (fchmod(fd, S_IRUSR | S_IWUSR) != 0) {
		return errno;
	}
	if (bind(fd, to, sizeof(*address)) == 0) {
		return 0;
	}
	if (errno != EADDRINUSE) {
		return errno;
	}
	if (!monitor_is_left(address)) {
		return EADDRINUSE;
	}
	(void)unlink(address->sun_path);
	return bind(fd, to, sizeof(*address)) == 0 ? 0 : errno;
}

static int monitor_listen(struct weft_monitor *monitor, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct stat made;
	int ret = 0;

	if (path == NULL || path[0] == '\0') {
		return EINVAL;
	}
	if (strlen(path) >= sizeof(address.sun_path)) {
		return ENAMETOOLONG;
	}
	strcpy(address.sun_path, path);
	monitor->fd = socket(AF_UNIX,
			     SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (monitor->fd == -1) {
		return errno;
	}
	ret = monitor_bind(monitor->fd, &address);
	if (ret != 0) {
		goto fail_fd;
	}
	monitor->path = talloc_strdup(monitor, path);
	monitor->fde = tevent_add_fd(monitor->ev, monitor, monitor->fd,
				     TEVENT_FD_READ, monitor_ready, monitor);
	if (monitor->path == NULL || monitor->fde == NULL) {
		(void)unlink(path);
		ret = ENOMEM;
		goto fail_fde;
	}
	if (listen(monitor->fd, MONITOR_BACKLOG) != 0 ||
	    lstat(path, &made) != 0) {
		ret = errno;
		(void)unlink(path);
		goto fail_fde;
	}
	monitor->device = made.st_dev;
	monitor->inode = made.st_ino;
	return 0;

fail_fde:
	TALLOC_FREE(monitor->path);
	TALLOC_FREE(monitor->fde);
fail_fd:
	(void)close(monitor->fd);
	monitor->fd = -1;
	return ret;
}

/* ---- life ---- */

static int monitor_destructor(struct weft_monitor *monitor)
{
	struct stat found;

	/* Its loop may have gone before. */
	TALLOC_FREE(monitor->fde);
	(void)close(monitor->fd);
	if (monitor->generation == wf_fork_generation() &&
	    lstat(monitor->path, &found) == 0 &&
	    found.st_dev == monitor->device && found.st_ino == monitor->inode) {
		(void)unlink(monitor->path);
	}
	return 0;
}

static void monitor_options(const struct weft_monitor_options *given,
			    size_t size, struct weft_monitor_options *options)
{
	memset(options, 0, sizeof(*options));
	if (given != NULL) {
		memcpy(options, given,
		       size < sizeof(*options) ? size : sizeof(*options));
	}
	if (options->loop_name == NULL) {
		options->loop_name = "main";
	}
	if (options->clients_max == 0) {
		options->clients_max = MONITOR_CLIENTS_DEFAULT;
	}
	if (options->jobs_max == 0) {
		options->jobs_max = MONITOR_JOBS_DEFAULT;
	}
}

int weft_monitor_create_sized(TALLOC_CTX *mem_ctx, struct tevent_context *ev,
			      const char *path,
			      const struct weft_monitor_options *given,
			      size_t options_size,
			      struct weft_monitor **ret_monitor)
{
	struct weft_monitor_options options;
	struct weft_monitor *monitor = NULL;
	weft_addr_t own = { 0 };
	int ret = 0;

	monitor_options(given, options_size, &options);
	if (!options.allow_null_tracking && wf_block_null_tracking()) {
		return EINVAL;
	}
	monitor = talloc_zero(mem_ctx, struct weft_monitor);
	if (monitor == NULL) {
		return ENOMEM;
	}
	monitor->ev = ev;
	monitor->fd = -1;
	monitor->generation = wf_fork_generation();
	monitor->clients_max = options.clients_max;
	monitor->jobs_max = options.jobs_max;
	monitor->may_stop = options.may_stop;
	tev_list_init(&monitor->clients);
	tev_list_init(&monitor->pools);
	tev_list_init(&monitor->addrs);
	ret = weft_context_addr(ev, &own);
	if (ret == 0) {
		ret = weft_monitor_add_addr(monitor, options.loop_name, own);
	}
	if (ret == 0) {
		ret = monitor_listen(monitor, path);
	}
	if (ret != 0) {
		talloc_free(monitor);
		return ret;
	}
	talloc_set_destructor(monitor, monitor_destructor);
	*ret_monitor = monitor;
	return 0;
}

/* ---- what is looked at ---- */

int weft_monitor_add_addr(struct weft_monitor *monitor, const char *name,
			  weft_addr_t addr)
{
	struct wf_monitor_addr *one = NULL;

	if (addr.id == 0 || name == NULL) {
		return EINVAL;
	}
	one = talloc_zero(monitor, struct wf_monitor_addr);
	if (one == NULL) {
		return ENOMEM;
	}
	one->monitor = monitor;
	one->addr = addr;
	one->name = talloc_strdup(one, name);
	if (one->name == NULL) {
		talloc_free(one);
		return ENOMEM;
	}
	tev_list_append(&monitor->addrs, &one->link);
	return 0;
}

int weft_monitor_add_pool(struct weft_monitor *monitor, const char *name,
			  struct weft_pool *pool)
{
	struct wf_monitor_pool *one = NULL;
	int ret = 0;

	if (name == NULL) {
		return EINVAL;
	}
	one = talloc_zero(monitor, struct wf_monitor_pool);
	if (one == NULL) {
		return ENOMEM;
	}
	one->name = talloc_strdup(one, name);
	ret = one->name == NULL ? ENOMEM
				: weft_pool_attach(one, pool, &one->pool);
	if (ret != 0) {
		talloc_free(one);
		return ret;
	}
	tev_list_append(&monitor->pools, &one->link);
	return 0;
}
