/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Monitor socket: who may come in, how many, and what is left behind. */
#include <fcntl.h>
#include <sys/resource.h>

#include "tests/monitortest.h"

static int open_at(struct fixture *fx, const char *path)
{
	struct weft_monitor *monitor = NULL;

	return weft_monitor_create(fx->mem, fx->ev, path, NULL, &monitor);
}

/* ---- the file ---- */

static void only_its_user(struct fixture *fx)
{
	struct nest *nest = nest_new(fx->mem);
	struct weft_monitor *monitor = NULL;
	mode_t mask = umask(0);
	struct stat found;

	monitor = monitortest_open(fx, nest->path, NULL);
	(void)umask(mask);
	if (!is_int(lstat(nest->path, &found), 0, "there is a file")) {
		return;
	}
	ok(S_ISSOCK(found.st_mode), "a socket");
	is_int(found.st_mode & 0777, 0600,
	       "which only its user may open, whatever the umask");
	talloc_free(monitor);
	is_int(lstat(nest->path, &found), -1, "it goes with the monitor");
}

static void no_place(struct fixture *fx)
{
	struct nest *nest = nest_new(fx->mem);
	char path[200];
	int fd = -1;

	is_int(open_at(fx, ""), EINVAL, "an empty path");
	is_int(open_at(fx, NULL), EINVAL, "none at all");
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	is_int(open_at(fx, path), ENAMETOOLONG, "one that is too long");
	(void)snprintf(path, sizeof(path), "%s/no/socket", nest->folder);
	is_int(open_at(fx, path), ENOENT, "a folder that is not there");
	fd = open(nest->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	(void)close(fd);
	is_int(open_at(fx, nest->path), EADDRINUSE,
	       "a file that is not a socket stays");
	is_int(access(nest->path, F_OK), 0, "as it was");
}

static void one_is_there(struct fixture *fx)
{
	struct nest *nest = nest_new(fx->mem);

	(void)monitortest_open(fx, nest->path, NULL);
	is_int(open_at(fx, nest->path), EADDRINUSE,
	       "somebody else's socket is not taken");
	has(client_ask(fx, nest->path, "snapshot\n"), "\"loops\":[",
	    "which goes on");
}

static void one_was_left(struct fixture *fx)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct nest *nest = nest_new(fx->mem);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s",
		       nest->path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		bail_out("bind");
	}
	(void)close(fd);
	is_int(open_at(fx, nest->path), 0,
	       "a socket of one that was killed is replaced");
	has(client_ask(fx, nest->path, "snapshot\n"), "\"loops\":[",
	    "by one that answers");
}

static void another_has_come(struct fixture *fx)
{
	struct nest *nest = nest_new(fx->mem);
	struct weft_monitor *monitor = monitortest_open(fx, nest->path, NULL);

	(void)unlink(nest->path);
	is_int(open_at(fx, nest->path), 0, "another program's socket");
	talloc_free(monitor);
	is_int(access(nest->path, F_OK), 0,
	       "is not taken away by who was there before");
}

/* ---- clients ---- */

static void many(struct fixture *fx)
{
	const struct weft_monitor_options options = { .clients_max = 3 };
	struct nest *nest = nest_new(fx->mem);
	int fd[4];
	size_t i = 0;

	(void)monitortest_open(fx, nest->path, &options);
	for (i = 0; i < 4; i++) {
		fd[i] = client_connect(nest->path);
		client_say(fd[i], "snapshot\n");
	}
	for (i = 0; i < 3; i++) {
		has(client_hear(fx, fd[i]), "{\"weft\":", "one of three");
	}
	(void)close(fd[1]);
	has(client_hear(fx, fd[3]),
	    "{\"weft\":", "the fourth when another has left");
	client_say(fd[0], "snapshot\nsnapshot\nhello\n");
	has(client_hear(fx, fd[0]), "{\"weft\":", "one may ask on");
	has(client_hear(fx, fd[0]), "{\"weft\":", "before it hears");
	has(client_hear(fx, fd[0]), "{\"error\":", "in order");
	(void)shutdown(fd[2], SHUT_WR);
	is_str(client_hear(fx, fd[2]), "", "who has said all is let go");
	(void)close(fd[0]);
	(void)close(fd[2]);
	(void)close(fd[3]);
}

static void one_that_says_all_at_once(struct fixture *fx)
{
	struct nest *nest = nest_new(fx->mem);
	int fd = -1;

	(void)monitortest_open(fx, nest->path, NULL);
	fd = client_connect(nest->path);
	client_say(fd, "snapshot\n");
	(void)shutdown(fd, SHUT_WR);
	has(client_hear(fx, fd), "{\"weft\":", "and hangs up is answered");
	is_str(client_hear(fx, fd), "", "and let go");
	(void)close(fd);
}

static bool is_answered(struct fixture *fx, const char *path)
{
	const char *told = client_ask(fx, path, "snapshot\n");

	return strncmp(told, "{\"weft\":", 8) == 0;
}

/* Its socket's buffer is full, and the monitor has one answer for it. */
static void one_that_does_not_listen(struct fixture *fx)
{
	const char twenty[] = "snapshot\nsnapshot\nsnapshot\nsnapshot\n"
			      "snapshot\nsnapshot\nsnapshot\nsnapshot\n";
	struct nest *nest = nest_new(fx->mem);
	ssize_t put = 0;
	int size = 4096;
	int deaf = -1;
	int i = 0;

	(void)monitortest_open(fx, nest->path, NULL);
	deaf = client_connect(nest->path);
	(void)setsockopt(deaf, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	do {
		put = send(deaf, twenty, sizeof(twenty) - 1, MSG_NOSIGNAL);
		for (i = 0; i < 20; i++) {
			(void)is_answered(fx, nest->path);
		}
	} while (put > 0);
	ok(is_answered(fx, nest->path), "keeps nobody else waiting");
	(void)close(deaf);
	ok(is_answered(fx, nest->path), "neither does its end");
}

static void one_that_leaves(struct fixture *fx)
{
	struct nest *nest = nest_new(fx->mem);
	int fd = -1;
	int i = 0;

	(void)monitortest_open(fx, nest->path, NULL);
	for (i = 0; i < 50; i++) {
		fd = client_come(fx, nest->path);
		client_say(fd, "snapshot\n");
		if (i % 2 == 0) {
			(void)tevent_loop_once(fx->ev);
			(void)tevent_loop_once(fx->ev);
		}
		(void)close(fd);
	}
	ok(is_answered(fx, nest->path), "without waiting does no harm");
}

/* ---- descriptors ---- */

static void no_descriptor(struct fixture *fx)
{
	struct nest *nest = nest_new(fx->mem);
	struct rlimit before;
	struct rlimit none;
	int client = -1;
	int i = 0;

	if (getenv("TEST_VALGRIND") != NULL) {
		skip("valgrind accepts, closes, and says that it could not");
		return;
	}
	(void)monitortest_open(fx, nest->path, NULL);
	client = client_connect(nest->path);
	client_say(client, "snapshot\n");
	(void)getrlimit(RLIMIT_NOFILE, &before);
	none = before;
	none.rlim_cur = (rlim_t)client + 1;
	(void)setrlimit(RLIMIT_NOFILE, &none);
	/* It accepts in vain, once, and rests: else this would not wait. */
	for (i = 0; i < 4; i++) {
		(void)tevent_loop_once(fx->ev);
	}
	(void)setrlimit(RLIMIT_NOFILE, &before);
	has(client_hear(fx, client),
	    "{\"weft\":", "a client for which there is none comes in later");
	(void)close(client);
}

/* ---- ends ---- */

static void the_loop_goes_first(struct fixture *fx)
{
	struct tevent_context *ev = tevent_context_init(NULL);
	struct nest *nest = nest_new(fx->mem);
	struct weft_monitor *monitor = NULL;
	int client = -1;

	is_int(weft_monitor_create(fx->mem, ev, nest->path, NULL, &monitor), 0,
	       "a monitor");
	client = client_connect(nest->path);
	client_say(client, "snapshot\n");
	(void)tevent_loop_once(ev);
	(void)tevent_loop_once(ev);
	talloc_free(ev);
	talloc_free(monitor);
	is_int(access(nest->path, F_OK), -1, "may go after its loop");
	is_int(weft_monitor_create(tevent_context_init(fx->mem), fx->ev,
				   nest->path, NULL, &monitor),
	       0, "or with another one's memory");
	(void)close(client);
}

static void in_the_middle(struct fixture *fx)
{
	struct nest *nest = nest_new(fx->mem);
	int passes = 0;

	for (passes = 0; passes < 12; passes++) {
		struct weft_monitor *monitor = monitortest_open(fx, nest->path,
								NULL);
		int client = client_connect(nest->path);
		int i = 0;

		client_say(client, "snapshot\n");
		for (i = 0; i < passes; i++) {
			(void)tevent_loop_once(fx->ev);
			/* The last of them may be waiting for a command. */
			if (recv(client, &(char){ 0 }, 1, MSG_PEEK) == 1) {
				break;
			}
		}
		talloc_free(monitor);
		(void)close(client);
	}
	ok(passes == 12, "freed at each step of an answer");
}

static int child_frees(void *arg)
{
	struct fixture *fx = arg;

	if (tevent_re_initialise(fx->ev) != 0) {
		return 1;
	}
	TALLOC_FREE(fx->mem);
	return 0;
}

static void in_a_child(struct fixture *fx)
{
	TALLOC_CTX *mem = talloc_new(fx->mem);
	struct nest *nest = nest_new(fx->mem);
	struct weft_monitor *monitor = NULL;
	struct fixture inside = { .mem = mem, .ev = fx->ev };
	struct fixture_child child;

	(void)weft_monitor_create(mem, fx->ev, nest->path, NULL, &monitor);
	child = fixture_child(child_frees, &inside);
	child_exited(&child, 0, "a child frees its copy");
	ok(is_answered(fx, nest->path), "its parent's is still there");
}

int main(void)
{
	POOLTEST(only_its_user);
	POOLTEST(no_place);
	POOLTEST(one_is_there);
	POOLTEST(one_was_left);
	POOLTEST(another_has_come);
	POOLTEST(many);
	POOLTEST(one_that_says_all_at_once);
	POOLTEST(one_that_does_not_listen);
	POOLTEST(one_that_leaves);
	POOLTEST(no_descriptor);
	POOLTEST(the_loop_goes_first);
	POOLTEST(in_the_middle);
	POOLTEST(in_a_child);
	return done();
}
