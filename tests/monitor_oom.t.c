/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Monitor oom: each allocation on the way to and through a monitor fails once.
 * See sweep.h for what must hold; beside that each client that has come in is
 * answered, if only with an error, or let go.
 */
#include "tests/monitortest.h"
#include "tests/sweep.h"

static char path[96];

/* Return: false: it was let go, or heard of an error. */
static bool is_told(struct tevent_context *ev, int fd)
{
	char first[3] = "";
	size_t used = 0;

	for (;;) {
		char c = '\0';
		ssize_t got = recv(fd, &c, 1, 0);

		if (got == 0 || (got == -1 && errno == ECONNRESET)) {
			return false;
		}
		if (got == 1 && used < 2) {
			first[used] = c;
			used++;
		}
		if (got == 1 && c == '\n') {
			return strcmp(first, "{\"") == 0;
		}
		if (got == -1) {
			(void)tevent_loop_once(ev);
		}
	}
}

static void play(struct sweep *sweep)
{
	struct weft_monitor *monitor = NULL;
	struct weft_pool *pool = NULL;
	int fd = -1;
	int ret = weft_monitor_create(sweep->mem, sweep->ev, path, NULL,
				      &monitor);

	if (ret != 0) {
		sweep->refused++;
		return;
	}
	ret = weft_pool_create(sweep->mem, NULL, &pool);
	if (ret == 0) {
		ret = weft_monitor_add_pool(monitor, "pool", pool);
	}
	sweep->refused += ret != 0;
	sweep->accepted++;
	fd = client_connect(path);
	if (fd != -1) {
		client_say(fd, "snapshot\n");
		sweep->refused += !is_told(sweep->ev, fd);
		(void)close(fd);
	}
	sweep->ran++;
}

int main(int argc, char **argv)
{
	struct nest *nest = NULL;

	(void)argc;
	if (TEST_ON_STOCK) {
		skip_all("stock aborts or crashes when memory runs out");
	}
	sweep_begin(argv);
	nest = nest_new(NULL);
	(void)snprintf(path, sizeof(path), "%s", nest->path);
	sweep_run("malloc fails", play, "standard", SHIM_MALLOC, SWEEP_THREADS);
	talloc_free(nest);
	return done();
}
