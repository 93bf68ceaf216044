/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Fixture: what stands around a test function.
 *
 * The memory check counts talloc blocks. With null tracking on, everything
 * without a parent hangs below one hidden root, so a leak of any kind shows as
 * a higher count. Null tracking makes talloc unsafe in threads, so functions
 * with FIXTURE_THREADS go without and rely on the leak sanitizer for what
 * hangs nowhere.
 *
 * The watchdog is alarm(2), so SIGALRM belongs to it. A POSIX timer would leave
 * that signal alone, but takes one of the queued signals of which a user has
 * only so many, and a test beside us may be using them up.
 *
 * Threads: all but the gate's functions belong to the main thread.
 * Not here: results and their output (tap.h), failing allocations (shim.c).
 */
#include "tests/fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define WATCHDOG_SECONDS 20
#define ABORTED_CODE     86
#define FDS_MAX          1024

static char watchdog_name[256] = "before the first test";

/* ---- watchdog ---- */

static void watchdog_bark(int signum)
{
	static const char head[] = "not ok - watchdog: stuck in ";

	(void)signum;
	if (write(STDOUT_FILENO, head, sizeof(head) - 1) < 0 ||
	    write(STDOUT_FILENO, watchdog_name, strlen(watchdog_name)) < 0 ||
	    write(STDOUT_FILENO, "\n", 1) < 0) {
		_exit(125);
	}
	_exit(124);
}

static unsigned time_scale(void)
{
	const char *text = getenv("TEST_SCALE");
	int scale = text != NULL ? atoi(text) : 1;

	if (scale < 1) {
		scale = 1;
	}
	return (unsigned)scale * (TEST_ASAN || TEST_TSAN ? 4 : 1);
}

void fixture_watchdog(const char *name, unsigned seconds)
{
	struct sigaction action = { .sa_handler = watchdog_bark };

	(void)snprintf(watchdog_name, sizeof(watchdog_name), "%s", name);
	if (sigaction(SIGALRM, &action, NULL) != 0) {
		bail_out("watchdog: %s", strerror(errno));
	}
	(void)alarm(seconds * time_scale());
}

/* ---- descriptors and threads of this process ---- */

static bool is_number(const char *text)
{
	return text[0] >= '0' && text[0] <= '9';
}

/* Fills @open with the descriptors below FDS_MAX; the directory's own is left
 * out. Return: how many there are. */
static unsigned list_fds(bool open[FDS_MAX])
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry = NULL;
	unsigned count = 0;

	if (dir == NULL) {
		bail_out("/proc/self/fd: %s", strerror(errno));
	}
	memset(open, 0, FDS_MAX * sizeof(open[0]));
	while ((entry = readdir(dir)) != NULL) {
		int fd = atoi(entry->d_name);
		if (!is_number(entry->d_name) || fd == dirfd(dir)) {
			continue;
		}
		count++;
		if (fd < FDS_MAX) {
			open[fd] = true;
		}
	}
	(void)closedir(dir);
	return count;
}

unsigned fixture_fd_count(void)
{
	bool open[FDS_MAX];

	return list_fds(open);
}

static void name_new_fds(const bool before[FDS_MAX], const bool now[FDS_MAX])
{
	for (int fd = 0; fd < FDS_MAX; fd++) {
		char path[64];
		char target[256];
		ssize_t length = 0;

		if (!now[fd] || before[fd]) {
			continue;
		}
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		length = readlink(path, target, sizeof(target) - 1);
		target[length > 0 ? length : 0] = '\0';
		diag("   descriptor %d is left: %s", fd, target);
	}
}

/* The system's own count: a list of the threads may miss some while others
 * end. */
unsigned fixture_thread_count(void)
{
	char text[1024] = "";
	const char *after = NULL;
	FILE *file = fopen("/proc/self/stat", "re");
	unsigned count = 0;

	if (file == NULL || fgets(text, sizeof(text), file) == NULL) {
		bail_out("/proc/self/stat: %s", strerror(errno));
	}
	(void)fclose(file);
	/* "12 (name) S ...": the 18th field behind the name. */
	after = strrchr(text, ')');
	if (after == NULL ||
	    sscanf(after + 2,
		   "%*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
		   "%*s %*s %*s %u",
		   &count) != 1) {
		bail_out("/proc/self/stat is not understood");
	}
	/* ThreadSanitizer has a thread of its own, at the latest from the first
	 * thread on. */
	return TEST_TSAN && count > 1 ? count - 1 : count;
}

static bool few_threads(void *arg)
{
	const unsigned *limit = arg;

	return fixture_thread_count() <= *limit;
}

void fixture_wait_threads(unsigned count)
{
	fixture_wait_until(few_threads, &count);
}

/* ---- running a test function ---- */

/* What the library keeps for the life of the process, it makes with the first
 * context: it is no leak of the test that comes first. */
static void warm_up(unsigned flags)
{
	static bool warm;

	if (!warm && (flags & FIXTURE_NO_CONTEXT) == 0) {
		struct tevent_context *ev = tevent_context_init(NULL);
		TALLOC_FREE(ev);
		warm = true;
	}
}

static void fixture_open(struct fixture *fx, const char *backend,
			 unsigned flags)
{
	fx->mem = talloc_named_const(NULL, 0, "fixture");
	fx->backend = backend != NULL ? backend : "default";
	if (fx->mem == NULL) {
		bail_out("no memory");
	}
	if ((flags & FIXTURE_NO_CONTEXT) != 0) {
		return;
	}
	fx->ev = tevent_context_init_byname(fx->mem, backend);
	if (fx->ev == NULL) {
		bail_out("no context for backend %s", fx->backend);
	}
}

/* Takes the context down first, as daemons do, then the rest. */
static void fixture_close(struct fixture *fx)
{
	TALLOC_FREE(fx->ev);
	TALLOC_FREE(fx->mem);
}

struct fixture_fds {
	unsigned limit;
	bool open[FDS_MAX];
};

static bool few_fds(void *arg)
{
	const struct fixture_fds *before = arg;

	return fixture_fd_count() <= before->limit;
}

static void check_fds(const char *name, struct fixture_fds *before,
		      unsigned flags)
{
	bool now[FDS_MAX];
	unsigned count = 0;

	if ((flags & FIXTURE_THREADS) != 0) {
		/* A thread that lets go last may still be about to close. */
		fixture_wait_until(few_fds, before);
	}
	count = list_fds(now);
	if (!is_uint(count, before->limit, "%s: no descriptor is left", name)) {
		name_new_fds(before->open, now);
	}
}

void fixture_run_backend(const char *backend, const char *name, fixture_fn fn,
			 unsigned flags)
{
	struct fixture fx = { .mem = NULL };
	bool tracked = (flags & FIXTURE_THREADS) == 0;
	static struct fixture_fds before;
	static char label[32];
	size_t blocks = 0;
	size_t left = 0;
	unsigned results = tap_count();
	unsigned threads = fixture_thread_count();

	if (backend != NULL) {
		(void)snprintf(label, sizeof(label), "[%s]", backend);
		tap_label(label);
	}
	fixture_watchdog(name, WATCHDOG_SECONDS);
	warm_up(flags);
	before.limit = list_fds(before.open);
	if (tracked) {
		talloc_enable_null_tracking();
		blocks = talloc_total_blocks(NULL);
	}

	fixture_open(&fx, backend, flags);
	fn(&fx);
	ok(tap_count() > results, "%s: something was tested", name);
	fixture_close(&fx);
	if (!tracked) {
		/* They end by themselves, perhaps a little later. */
		fixture_wait_threads(threads);
	}

	if (tracked) {
		left = talloc_total_blocks(NULL) - blocks;
		if (left != 0 && (flags & FIXTURE_KEEPS_MEMORY) == 0) {
			talloc_report_full(NULL, stderr);
		}
		talloc_disable_null_tracking();
	}
	if ((flags & FIXTURE_KEEPS_MEMORY) == 0 && tracked) {
		is_uint(left, 0, "%s: no memory is left", name);
	}
	if ((flags & FIXTURE_KEEPS_FDS) == 0) {
		check_fds(name, &before, flags);
	}
	(void)snprintf(watchdog_name, sizeof(watchdog_name), "after %s", name);
	tap_label(NULL);
}

void fixture_run_flags(const char *name, fixture_fn fn, unsigned flags)
{
	fixture_run_backend(NULL, name, fn, flags);
}

void fixture_run(const char *name, fixture_fn fn)
{
	fixture_run_backend(NULL, name, fn, 0);
}

void fixture_each_backend_flags(const char *name, fixture_fn fn, unsigned flags)
{
	static const char *const backends[] = { "standard", "epoll", "poll",
						"poll_mt", "epoll_batch" };
	size_t count = sizeof(backends) / sizeof(backends[0]);

	if (TEST_ON_STOCK) {
		count--; /* it has no such backend as the last one */
	}
	for (size_t i = 0; i < count; i++) {
		fixture_run_backend(backends[i], name, fn, flags);
	}
}

void fixture_each_backend(const char *name, fixture_fn fn)
{
	fixture_each_backend_flags(name, fn, 0);
}

bool fixture_polls(const struct fixture *fx)
{
	return strncmp(fx->backend, "poll", 4) == 0;
}

/* ---- turning the loop ---- */

bool fixture_turn_until(struct tevent_context *ev, const bool *flag)
{
	while (!*flag) {
		if (tevent_loop_once(ev) != 0) {
			diag("tevent_loop_once: %s", strerror(errno));
			return false;
		}
	}
	return true;
}

/* ---- descriptors ---- */

void fixture_pipe(int fds[2])
{
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0) {
		bail_out("pipe2: %s", strerror(errno));
	}
}

void fixture_socketpair(int fds[2])
{
	int type = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;

	if (socketpair(AF_UNIX, type, 0, fds) != 0) {
		bail_out("socketpair: %s", strerror(errno));
	}
}

/* ---- signals ---- */

static void block_another(int signum, siginfo_t *info, void *context)
{
	ucontext_t *to = context;

	(void)signum;
	(void)info;
	(void)sigaddset(&to->uc_sigmask, SIGWINCH);
}

bool fixture_mask_obeyed(void)
{
	struct sigaction action = { .sa_sigaction = block_another,
				    .sa_flags = SA_SIGINFO };
	struct sigaction before;
	sigset_t mask;
	sigset_t after;

	(void)pthread_sigmask(SIG_SETMASK, NULL, &mask);
	(void)sigaction(SIGURG, &action, &before);
	(void)raise(SIGURG);
	(void)pthread_sigmask(SIG_SETMASK, &mask, &after);
	(void)sigaction(SIGURG, &before, NULL);
	return sigismember(&after, SIGWINCH) == 1;
}

/* ---- waiting ---- */

static void futex_call(int *word, int op, int value, struct timespec *timeout)
{
	(void)syscall(SYS_futex, word, op, value, timeout, NULL, 0);
}

void fixture_gate_add(struct fixture_gate *gate, int amount)
{
	/* Full order: a test reads what was done before the gate. */
	(void)__atomic_add_fetch(&gate->value, amount, __ATOMIC_SEQ_CST);
	futex_call(&gate->value, FUTEX_WAKE_PRIVATE, INT_MAX, NULL);
}

int fixture_gate_value(struct fixture_gate *gate)
{
	return __atomic_load_n(&gate->value, __ATOMIC_SEQ_CST);
}

void fixture_gate_wait(struct fixture_gate *gate, int value)
{
	int now = 0;

	while ((now = fixture_gate_value(gate)) < value) {
		futex_call(&gate->value, FUTEX_WAIT_PRIVATE, now, NULL);
	}
}

static int64_t now_ns(void)
{
	struct timespec now = { .tv_sec = 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

bool fixture_gate_timedwait(struct fixture_gate *gate, int value, unsigned ms)
{
	int64_t end = now_ns() + (int64_t)ms * 1000000;
	int now = 0;

	while ((now = fixture_gate_value(gate)) < value) {
		int64_t left = end - now_ns();
		struct timespec timeout = { .tv_sec = left / 1000000000,
					    .tv_nsec = left % 1000000000 };
		if (left <= 0) {
			return false;
		}
		futex_call(&gate->value, FUTEX_WAIT_PRIVATE, now, &timeout);
	}
	return true;
}

void fixture_wait_until(bool (*holds)(void *arg), void *arg)
{
	const struct timespec pause = { .tv_nsec = 1000000 };

	while (!holds(arg)) {
		(void)nanosleep(&pause, NULL);
	}
}

/* ---- threads ---- */

struct fixture_thread {
	struct fixture_threads *all;
	pthread_t thread;
	unsigned index;
};

struct fixture_threads {
	fixture_thread_fn fn;    /* I: */
	void *arg;               /* I: */
	unsigned count;          /* I: */
	pthread_barrier_t start; /* all threads meet here */
	struct fixture_thread each[];
};

static void *thread_main(void *arg)
{
	struct fixture_thread *self = arg;

	/* ThreadSanitizer makes its record of a thread's signals at the first
	 * call that may block, or at the first signal; a signal that comes in
	 * the middle of that is lost with its record. */
	(void)poll(NULL, 0, 0);
	(void)pthread_barrier_wait(&self->all->start);
	self->all->fn(self->index, self->all->arg);
	return NULL;
}

struct fixture_threads *fixture_threads_start(unsigned count,
					      fixture_thread_fn fn, void *arg)
{
	struct fixture_threads *threads = calloc(
		1, sizeof(*threads) + count * sizeof(threads->each[0]));

	if (threads == NULL) {
		bail_out("no memory for threads");
	}
	threads->fn = fn;
	threads->arg = arg;
	threads->count = count;
	if (pthread_barrier_init(&threads->start, NULL, count) != 0) {
		bail_out("pthread_barrier_init failed");
	}
	for (unsigned i = 0; i < count; i++) {
		threads->each[i].all = threads;
		threads->each[i].index = i;
		if (pthread_create(&threads->each[i].thread, NULL, thread_main,
				   &threads->each[i]) != 0) {
			bail_out("pthread_create failed");
		}
	}
	return threads;
}

void fixture_threads_join(struct fixture_threads *threads)
{
	for (unsigned i = 0; i < threads->count; i++) {
		(void)pthread_join(threads->each[i].thread, NULL);
	}
	(void)pthread_barrier_destroy(&threads->start);
	free(threads);
}

/* ---- children ---- */

/* Reads until the child and all who hold its output have closed it; what does
 * not fit is read and dropped, so that the child never blocks. */
static void read_text(int fd, char *text, size_t size)
{
	size_t used = 0;
	char rest[512] = "";

	for (;;) {
		bool full = used == size - 1;
		ssize_t got = read(fd, full ? rest : text + used,
				   full ? sizeof(rest) : size - 1 - used);
		if (got < 0 && errno == EINTR) {
			continue;
		}
		if (got <= 0) {
			break;
		}
		used += full ? 0 : (size_t)got;
	}
	text[used] = '\0';
}

static void __attribute__((__noreturn__))
child_main(int fd, fixture_child_fn fn, void *arg)
{
	char name[sizeof(watchdog_name) + 16];
	int code = 0;

	(void)dup2(fd, STDOUT_FILENO);
	(void)dup2(fd, STDERR_FILENO);
	(void)close(fd);
	(void)snprintf(name, sizeof(name), "a child of %s", watchdog_name);
	fixture_watchdog(name, WATCHDOG_SECONDS / 2);
	code = fn(arg);
	(void)fflush(NULL);
	_exit(code);
}

struct fixture_child fixture_child(fixture_child_fn fn, void *arg)
{
	struct fixture_child child = { .status = -1 };
	int fds[2] = { -1, -1 };
	pid_t pid = -1;

	(void)fflush(NULL);
	if (pipe2(fds, O_CLOEXEC) != 0) {
		bail_out("pipe2: %s", strerror(errno));
	}
	pid = fork();
	if (pid < 0) {
		bail_out("fork: %s", strerror(errno));
	}
	if (pid == 0) {
		(void)close(fds[0]);
		child_main(fds[1], fn, arg);
	}
	(void)close(fds[1]);
	read_text(fds[0], child.text, sizeof(child.text));
	(void)close(fds[0]);
	while (waitpid(pid, &child.status, 0) < 0 && errno == EINTR) {
	}
	return child;
}

static void show_child(const struct fixture_child *child)
{
	if (WIFSIGNALED(child->status)) {
		diag("   the child was killed by signal %d (%s)",
		     WTERMSIG(child->status),
		     strsignal(WTERMSIG(child->status)));
	} else {
		diag("   the child exited with %d", WEXITSTATUS(child->status));
	}
	diag("   it said: %s", child->text);
}

bool child_exited(const struct fixture_child *child, int code, const char *name)
{
	bool held = WIFEXITED(child->status) &&
		    WEXITSTATUS(child->status) == code;

	if (!ok(held, "%s", name)) {
		show_child(child);
	}
	return held;
}

bool child_killed(const struct fixture_child *child, int signum,
		  const char *name)
{
	bool held = WIFSIGNALED(child->status) &&
		    WTERMSIG(child->status) == signum;

	if (!ok(held, "%s", name)) {
		show_child(child);
	}
	return held;
}

struct abort_call {
	fixture_child_fn fn;
	void *arg;
};

static void abort_here(const char *reason)
{
	if (write(STDOUT_FILENO, reason, strlen(reason)) < 0) {
		_exit(125);
	}
	_exit(ABORTED_CODE);
}

static int abort_main(void *arg)
{
	struct abort_call *call = arg;

	tevent_set_abort_fn(abort_here);
	return call->fn(call->arg);
}

bool fixture_aborts(fixture_child_fn fn, void *arg, struct fixture_child *child)
{
	struct abort_call call = { .fn = fn, .arg = arg };

	*child = fixture_child(abort_main, &call);
	return WIFEXITED(child->status) &&
	       WEXITSTATUS(child->status) == ABORTED_CODE;
}
