/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Echo: 64 connections between two threads, a loop in each.
 *
 * A message of 64 bytes is under way on each connection all the time; the
 * client numbers them, the server sends back what it gets. At the end the
 * client waits for all and closes, and by that the server ends.
 *
 * Threads: main is the client, serve() the server; each has its own loop and
 * its own ends of the connections.
 */
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BENCH_FDS
#include "tools/bench/loop.h"
#include "tools/bench/peer.h"

#define CONNECTIONS 64
#define BYTES       64

struct side;

struct end {
	struct peer_fd fd;
	struct side *side;
	int file;
	uint64_t number; /* client: of the message that is under way */
};

/* One thread's. */
struct side {
	struct peer_loop loop;
	struct end ends[CONNECTIONS];
	bool client;
	bool last;      /* client: nothing more is sent */
	unsigned open;  /* connections on which something may come */
	uint64_t moved; /* client: replies */
};

static struct side client;
static struct side server;

static void client_sends(struct end *end)
{
	uint64_t message[BYTES / sizeof(uint64_t)] = { ++end->number };

	peer_check(write(end->file, message, BYTES) == BYTES, "not sent");
}

static void client_gets(struct end *end)
{
	uint64_t message[BYTES / sizeof(uint64_t)];

	peer_check(read(end->file, message, BYTES) == BYTES &&
			   message[0] == end->number,
		   "not the reply");
	client.moved++;
	if (client.last) {
		client.open--;
		return;
	}
	client_sends(end);
}

static void server_gets(struct end *end)
{
	char message[BYTES];
	ssize_t got = read(end->file, message, BYTES);

	if (got == 0) {
		peer_fd_unwatch(&server.loop, &end->fd);
		(void)close(end->file);
		server.open--;
		return;
	}
	peer_check(got == BYTES && write(end->file, message, BYTES) == BYTES,
		   "not echoed");
}

static void fd_ready(struct peer_fd *fd)
{
	struct end *end = (struct end *)(void *)fd;

	if (end->side->client) {
		client_gets(end);
	} else {
		server_gets(end);
	}
}

static void *serve(void *arg)
{
	unsigned i = 0;

	(void)arg;
	bench_pin(false);
	peer_loop_open(&server.loop);
	server.open = CONNECTIONS;
	for (i = 0; i < CONNECTIONS; i++) {
		peer_fd_watch(&server.loop, &server.ends[i].fd,
			      server.ends[i].file);
	}
	while (server.open > 0) {
		peer_loop_turn(&server.loop);
	}
	peer_loop_close(&server.loop);
	return NULL;
}

static void connect_all(void)
{
	unsigned i = 0;

	client.client = true;
	client.open = CONNECTIONS;
	peer_loop_open(&client.loop);
	for (i = 0; i < CONNECTIONS; i++) {
		int files[2] = { -1, -1 };

		peer_check(
			socketpair(AF_UNIX,
				   SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
				   0, files) == 0,
			"no connection");
		client.ends[i] = (struct end){ .side = &client,
					       .file = files[0] };
		server.ends[i] = (struct end){ .side = &server,
					       .file = files[1] };
		peer_fd_watch(&client.loop, &client.ends[i].fd, files[0]);
	}
}

static void hang_up(void)
{
	unsigned i = 0;

	client.last = true;
	while (client.open > 0) {
		peer_loop_turn(&client.loop);
	}
	for (i = 0; i < CONNECTIONS; i++) {
		peer_fd_unwatch(&client.loop, &client.ends[i].fd);
	}
	peer_loop_close(&client.loop);
	for (i = 0; i < CONNECTIONS; i++) {
		(void)close(client.ends[i].file);
	}
}

static void run_echo(struct bench *bench)
{
	pthread_t thread;
	unsigned i = 0;

	bench_now = bench;
	connect_all();
	peer_check(pthread_create(&thread, NULL, serve, NULL) == 0,
		   "no thread");
	for (i = 0; i < CONNECTIONS; i++) {
		client_sends(&client.ends[i]);
	}
	while (bench_again(bench)) {
		client.moved = 0;
		bench_start(bench);
		while (client.moved < bench->ops) {
			peer_loop_turn(&client.loop);
		}
		bench_stop(bench, client.moved);
	}
	hang_up();
	(void)pthread_join(thread, NULL);
}

const struct bench_row bench_echo_rows[] = {
	{
		.name = "echo-64",
		.group = "echo",
		.what = "64 bytes to another thread and back, on one of 64 "
			"connections",
		.run = run_echo,
		.ops = 5000,
	},
	{ .name = NULL },
};
