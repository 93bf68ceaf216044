/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* echo_server: sends back whatever it is sent.
 *
 *      echo_server [-b BACKEND] [-i MILLISECONDS] [-u PATH]
 *
 * Listens on a free port of 127.0.0.1, or on the socket PATH, and says so on
 * standard output. A client that neither sends nor reads for the given time is
 * sent away (default: a minute).
 *
 * SIGUSR1: prints a line of counts, with the number of talloc blocks that the
 *          server is made of: the same number whenever nobody is connected.
 * SIGTERM, SIGINT: frees everything and ends with 0.
 */
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <talloc.h>

#include <tevent.h>

#include "tests/echo/server.h"

#define BACKLOG 512

struct options {
	const char *backend; /* NULL: the default */
	const char *path;    /* NULL: TCP */
	uint32_t idle_ms;
};

struct program {
	struct tevent_req *server;
	struct server_counts counts;
	int status; /* -1: goes on */
};

static int usage(void)
{
	fprintf(stderr, "usage: echo_server [-b BACKEND] "
			"[-i MILLISECONDS] [-u PATH]\n");
	return 2;
}

static bool parse(int argc, char **argv, struct options *options)
{
	char *end = NULL;
	long idle = 0;
	int option = 0;

	while ((option = getopt(argc, argv, "b:i:u:")) != -1) {
		switch (option) {
		case 'b':
			options->backend = optarg;
			break;
		case 'i':
			idle = strtol(optarg, &end, 10);
			if (*end != '\0' || idle < 1 || idle > 86400000) {
				return false;
			}
			options->idle_ms = (uint32_t)idle;
			break;
		case 'u':
			options->path = optarg;
			break;
		default:
			return false;
		}
	}
	return optind == argc;
}

static int listen_on(const char *path)
{
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_un un;
	} address;
	socklen_t size = sizeof(address.in);
	int fd = -1;

	memset(&address, 0, sizeof(address));
	if (path == NULL) {
		address.in.sin_family = AF_INET;
		address.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	} else if (strlen(path) < sizeof(address.un.sun_path)) {
		address.un.sun_family = AF_UNIX;
		strcpy(address.un.sun_path, path);
		size = sizeof(address.un);
	} else {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = socket(address.any.sa_family,
		    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1 || bind(fd, &address.any, size) == -1 ||
	    listen(fd, BACKLOG) == -1) {
		return -1;
	}
	return fd;
}

/* Tells who waits for it that the server is there. */
static void announce(const char *path, int listener)
{
	struct sockaddr_in address = { .sin_port = 0 };
	socklen_t size = sizeof(address);

	if (path != NULL) {
		printf("listening on %s\n", path);
	} else if (getsockname(listener, (struct sockaddr *)&address, &size) ==
		   0) {
		printf("listening on 127.0.0.1:%u\n",
		       (unsigned)ntohs(address.sin_port));
	}
	(void)fflush(stdout);
}

static void on_stop(struct tevent_context *ev, struct tevent_signal *se,
		    int signum, int count, void *siginfo, void *private_data)
{
	struct program *program = private_data;

	(void)ev;
	(void)se;
	(void)signum;
	(void)count;
	(void)siginfo;
	program->status = 0;
}

static void on_report(struct tevent_context *ev, struct tevent_signal *se,
		      int signum, int count, void *siginfo, void *private_data)
{
	const struct program *program = private_data;
	const struct server_counts *counts = &program->counts;

	(void)ev;
	(void)se;
	(void)signum;
	(void)count;
	(void)siginfo;
	printf("open %u closed %u timed_out %u broken %u ", counts->open,
	       counts->closed, counts->timed_out, counts->broken);
	printf("pauses %u blocks %zu\n", counts->pauses,
	       talloc_total_blocks(program->server));
	(void)fflush(stdout);
}

static void on_failure(struct tevent_req *req)
{
	struct program *program = tevent_req_callback_data_void(req);

	fprintf(stderr, "echo_server: %s\n", strerror(server_recv(req)));
	program->status = 1;
}

static int serve(struct tevent_context *ev, int listener,
		 const struct options *options)
{
	struct program program = { .status = -1 };

	program.server = server_send(ev, ev, listener, options->idle_ms,
				     &program.counts);
	if (program.server == NULL ||
	    tevent_add_signal(ev, ev, SIGTERM, 0, on_stop, &program) == NULL ||
	    tevent_add_signal(ev, ev, SIGINT, 0, on_stop, &program) == NULL ||
	    tevent_add_signal(ev, ev, SIGUSR1, 0, on_report, &program) ==
		    NULL) {
		fprintf(stderr, "echo_server: out of memory\n");
		return 1;
	}
	tevent_req_set_callback(program.server, on_failure, &program);
	announce(options->path, listener);
	while (program.status == -1) {
		if (tevent_loop_once(ev) != 0) {
			perror("echo_server");
			return 1;
		}
	}
	TALLOC_FREE(program.server);
	return program.status;
}

int main(int argc, char **argv)
{
	struct options options = { .idle_ms = 60000 };
	struct tevent_context *ev = NULL;
	int listener = -1;
	int status = 0;

	if (!parse(argc, argv, &options)) {
		return usage();
	}
	listener = listen_on(options.path);
	if (listener == -1) {
		perror("echo_server: listen");
		return 1;
	}
	ev = tevent_context_init_byname(NULL, options.backend);
	if (ev == NULL) {
		fprintf(stderr, "echo_server: no such backend, or memory\n");
		return 1;
	}
	status = serve(ev, listener, &options);
	(void)talloc_free(ev);
	(void)close(listener);
	if (options.path != NULL) {
		(void)unlink(options.path);
	}
	return status;
}
