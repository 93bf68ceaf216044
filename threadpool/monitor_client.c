/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Monitor, its clients: a line in, a line out.
 *
 *      READING --command--> WAITING --the loops have answered--> TELLING
 *         ^     `------------------- an answer at once ------------'  |
 *         '----------------------- all is written --------------------'
 *
 *  1. A client has one command under way. What it says meanwhile is kept as
 *     far as a line reaches, and who says more is let go: so nobody holds more
 *     than a line and an answer.
 *  2. A loop that is asked for room to write alone does not say that the other
 *     side has hung up. So each client is also listened to, all the time, until
 *     it has said all that it will: then it gets its answer in one piece, or
 *     what of it there is room for, and is let go.
 *  3. An answer is written from the descriptor's own handler, but for those who
 *     have said all: so whoever gives one frees no client that is about to ask.
 *
 * Threads: the owner's only.
 */
#include "threadpool/monitor.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int client_destructor(struct wf_monitor_client *client)
{
	tev_list_remove(&client->link);
	client->monitor->client_count--;
	TALLOC_FREE(client->fde);
	(void)close(client->fd);
	free(client->out);
	return 0;
}

static void client_leave(struct wf_monitor_client *client)
{
	struct weft_monitor *monitor = client->monitor;

	talloc_free(client);
	wf_monitor_accept_again(monitor);
}

/* Whether something is under way. */
static bool client_is_busy(const struct wf_monitor_client *client)
{
	return client->waits || client->out != NULL;
}

/* ---- out ---- */

/* Return: false: the client is gone, or has not taken all of it yet. */
static bool client_write(struct wf_monitor_client *client)
{
	ssize_t put = send(client->fd, client->out + client->out_begin,
			   client->out_end - client->out_begin, MSG_NOSIGNAL);

	if (put < 0) {
		return false;
	}
	client->out_begin += (size_t)put;
	return client->out_begin == client->out_end;
}

/* Takes @text, of malloc; NULL: no memory. */
static void client_answer(struct wf_monitor_client *client, char *text)
{
	client->waits = false;
	client->out = text != NULL ? text
				   : strdup("{\"error\":\"no memory\"}\n");
	client->out_begin = 0;
	client->out_end = client->out != NULL ? strlen(client->out) : 0;
	tevent_fd_set_flags(client->fde, TEVENT_FD_READ | TEVENT_FD_WRITE);
}

static void client_error(struct wf_monitor_client *client, const char *why)
{
	char *text = NULL;
	int length = asprintf(&text, "{\"error\":\"%s\"}\n", why);

	client_answer(client, length < 0 ? NULL : text);
}

void wf_monitor_told(struct weft_monitor *monitor)
{
	struct tev_list *link = NULL;
	struct tev_list *next = NULL;
	char *text = NULL;
	bool ok = wf_monitor_tell(monitor, &text);

	tev_list_for_each_safe(link, next, &monitor->clients) {
		struct wf_monitor_client *client = tev_list_entry(
			link, struct wf_monitor_client, link);

		if (!client->waits) {
			continue;
		}
		client_answer(client, ok ? strdup(text) : NULL);
		if (client->over) {
			(void)client_write(client);
			client_leave(client);
		}
	}
	free(text);
}

/* ---- commands ---- */

static void client_stop_job(struct wf_monitor_client *client, const char *name,
			    uint64_t id)
{
	struct weft_monitor *monitor = client->monitor;
	struct tev_list *link = NULL;
	int ret = ENOENT;

	if (!monitor->may_stop) {
		client_error(client, "jobs may not be stopped here");
		return;
	}
	tev_list_for_each(link, &monitor->pools) {
		struct wf_monitor_pool *one = tev_list_entry(
			link, struct wf_monitor_pool, link);

		if (strcmp(one->name, name) == 0) {
			ret = weft_pool_stop_job(one->pool, id);
			break;
		}
	}
	if (ret != 0) {
		client_error(client, "no such job runs");
		return;
	}
	client_answer(client, strdup("{\"stopped\":true}\n"));
}

static void client_command(struct wf_monitor_client *client)
{
	char name[WF_MONITOR_LINE_MAX] = "";
	char after = '\0';
	uint64_t id = 0;

	if (strcmp(client->line, "snapshot") == 0) {
		client->waits = true;
		wf_monitor_ask(client->monitor);
	} else if (sscanf(client->line, "stop %" SCNu64 " %127[^\n]%c", &id,
			  name, &after) == 2) {
		client_stop_job(client, name, id);
	} else {
		client_error(client, "commands: snapshot; stop ID POOL");
	}
}

/* Begins with the next command among what has been read. */
static void client_next(struct wf_monitor_client *client)
{
	char rest[WF_MONITOR_LINE_MAX];
	char *end = memchr(client->line, '\n', client->used);
	size_t length = 0;

	if (client_is_busy(client) || end == NULL) {
		return;
	}
	length = (size_t)(end - client->line) + 1;
	client->used -= length;
	memcpy(rest, end + 1, client->used);
	*end = '\0';
	client_command(client);
	memcpy(client->line, rest, client->used);
}

/* ---- the descriptor ---- */

/* Return: false: it is to be let go. */
static bool client_ended(struct wf_monitor_client *client)
{
	if (client->waits) {
		client->over = true;
		tevent_fd_set_flags(client->fde, 0);
		return true;
	}
	if (client->out != NULL) {
		(void)client_write(client);
	}
	return false;
}

/* Return: false: it is to be let go. */
static bool client_read(struct wf_monitor_client *client)
{
	ssize_t got = 0;

	if (client->used == sizeof(client->line)) {
		if (!client_is_busy(client)) {
			client_error(client, "too long a line");
			(void)client_write(client);
		}
		return false;
	}
	got = recv(client->fd, client->line + client->used,
		   sizeof(client->line) - client->used, 0);
	if (got < 0) {
		return errno == EAGAIN || errno == EINTR;
	}
	if (got == 0) {
		return client_ended(client);
	}
	client->used += (size_t)got;
	client_next(client);
	return true;
}

static void client_told(struct wf_monitor_client *client)
{
	free(client->out);
	client->out = NULL;
	tevent_fd_set_flags(client->fde, TEVENT_FD_READ);
	client_next(client);
}

static void client_ready(struct tevent_context *ev, struct tevent_fd *fde,
			 uint16_t flags, void *private_data)
{
	struct wf_monitor_client *client = talloc_get_type_abort(
		private_data, struct wf_monitor_client);

	(void)ev;
	(void)fde;
	if ((flags & TEVENT_FD_READ) != 0 && !client_read(client)) {
		client_leave(client);
	} else if ((flags & TEVENT_FD_WRITE) != 0 && client_write(client)) {
		client_told(client);
	}
}

void wf_monitor_welcome(struct weft_monitor *monitor, int fd)
{
	struct wf_monitor_client *client = talloc_zero(
		monitor, struct wf_monitor_client);

	if (client == NULL) {
		(void)close(fd);
		return;
	}
	client->fd = fd;
	client->monitor = monitor;
	client->fde = tevent_add_fd(monitor->ev, client, fd, TEVENT_FD_READ,
				    client_ready, client);
	if (client->fde == NULL) {
		(void)close(fd);
		talloc_free(client);
		return;
	}
	tev_list_append(&monitor->clients, &client->link);
	monitor->client_count++;
	talloc_set_destructor(client, client_destructor);
}
