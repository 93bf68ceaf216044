/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Simulated streams: connections whose far end is the seed. */
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/simtest.h"

#define LETTER_SIZE 5000

/* Sends all of it, and reads what comes. */
struct end {
	struct tevent_context *ev;
	struct tevent_fd *fde;
	int fd;
	size_t to_send;
	size_t sent;
	size_t got;
	size_t wrong;
	unsigned reads;
	bool eof;
	int error;
	struct timeval last;
};

static char letter_at(size_t at)
{
	return (char)(at * 7 % 251);
}

static void end_read(struct end *end)
{
	char bytes[LETTER_SIZE];
	ssize_t count = read(end->fd, bytes, sizeof(bytes));
	ssize_t i = 0;

	end->last = tevent_timeval_current();
	if (count <= 0) {
		end->error = count < 0 ? errno : 0;
		end->eof = true;
		TALLOC_FREE(end->fde);
		return;
	}
	end->reads++;
	for (i = 0; i < count; i++) {
		end->wrong += bytes[i] != letter_at(end->got + (size_t)i);
	}
	end->got += (size_t)count;
}

static void end_write(struct end *end)
{
	char bytes[LETTER_SIZE];
	size_t left = end->to_send - end->sent;
	size_t count = left < sizeof(bytes) ? left : sizeof(bytes);
	ssize_t sent = 0;
	size_t i = 0;

	for (i = 0; i < count; i++) {
		bytes[i] = letter_at(end->sent + i);
	}
	sent = send(end->fd, bytes, count, MSG_NOSIGNAL);
	if (sent < 0) {
		end->error = errno;
		TALLOC_FREE(end->fde);
		return;
	}
	end->sent += (size_t)sent;
	if (end->sent == end->to_send) {
		(void)shutdown(end->fd, SHUT_WR);
		TEVENT_FD_NOT_WRITEABLE(end->fde);
	}
}

static void end_ready(struct tevent_context *ev, struct tevent_fd *fde,
		      uint16_t flags, void *private_data)
{
	struct end *end = private_data;

	(void)ev;
	(void)fde;
	if ((flags & TEVENT_FD_WRITE) != 0 && end->sent < end->to_send) {
		end_write(end);
	} else {
		end_read(end);
	}
}

static void end_open(struct end *end, int fd, size_t to_send)
{
	memset(end, 0, sizeof(*end));
	end->ev = simtest_context();
	end->fd = fd;
	end->to_send = to_send;
	end->fde = tevent_add_fd(end->ev, end->ev, fd,
				 TEVENT_FD_READ |
					 (to_send > 0 ? TEVENT_FD_WRITE : 0),
				 end_ready, end);
	if (end->fde == NULL) {
		bail_out("no memory for an fd event");
	}
}

static void end_close(struct end *end)
{
	talloc_free(end->ev);
	(void)close(end->fd);
}

static struct weft_sim *sim_new(uint64_t seed)
{
	const struct weft_sim_options options = { .seed = seed };
	struct weft_sim *sim = NULL;

	if (weft_sim_create(NULL, &options, &sim) != 0) {
		bail_out("no simulation");
	}
	return sim;
}

static void streams(struct weft_sim *sim,
		    const struct weft_sim_stream_options *options, int fds[2])
{
	int ret = weft_sim_stream(sim, options, fds);

	if (ret != 0) {
		bail_out("weft_sim_stream: %d", ret);
	}
}

static void test_both_ways(struct fixture *fx)
{
	const struct weft_sim_stream_options options = { .delay_us = 1000 };
	unsigned seed = 0;
	unsigned well = 0;
	unsigned reads = 0;

	(void)fx;
	for (seed = 0; seed < 50; seed++) {
		struct weft_sim *sim = sim_new(seed);
		int fds[2];
		struct end a;
		struct end b;

		streams(sim, &options, fds);
		end_open(&a, fds[0], LETTER_SIZE);
		end_open(&b, fds[1], 3000);
		well += weft_sim_run(sim) == 0 && a.eof && b.eof &&
			a.error == 0 && b.error == 0 && a.got == 3000 &&
			b.got == LETTER_SIZE && a.wrong == 0 && b.wrong == 0;
		reads += a.reads + b.reads;
		end_close(&a);
		end_close(&b);
		talloc_free(sim);
	}
	is_uint(well, 50, "all bytes arrive in order, then the end");
	ok(reads > 50 * 6, "in pieces: %u reads", reads);
}

static void test_delay_is_virtual(struct fixture *fx)
{
	const struct weft_sim_stream_options options = {
		.delay_us = 3600000000U, .whole = true
	};
	struct weft_sim *sim = sim_new(3);
	struct timeval begin = tevent_timeval_current();
	int fds[2];
	struct end a;
	struct end b;

	(void)fx;
	streams(sim, &options, fds);
	end_open(&a, fds[0], 10);
	end_open(&b, fds[1], 0);
	(void)weft_sim_run(sim);
	is_uint(b.reads, 1, "what was written at once arrives at once");
	ok(b.last.tv_sec > begin.tv_sec, "it was on its way for %ld seconds",
	   (long)(b.last.tv_sec - begin.tv_sec));
	end_close(&a);
	end_close(&b);
	talloc_free(sim);
}

static void test_reset(struct fixture *fx)
{
	const struct weft_sim_stream_options options = { .reset_one_in = 1 };
	struct weft_sim *sim = sim_new(1);
	int fds[2];
	struct end a;
	struct end b;

	(void)fx;
	streams(sim, &options, fds);
	end_open(&a, fds[0], 10);
	end_open(&b, fds[1], 0);
	(void)weft_sim_run(sim);
	is_int(a.error, ECONNRESET, "the one that has written is told");
	is_int(b.error, ECONNRESET, "the one that has not, too");
	is_uint(b.got, 0, "nothing has arrived");
	end_close(&a);
	end_close(&b);
	talloc_free(sim);
}

static void test_receiver_has_gone(struct fixture *fx)
{
	struct weft_sim *sim = sim_new(1);
	struct tevent_context *ev = simtest_context();
	int fds[2];
	unsigned writes = 0;

	(void)fx;
	streams(sim, NULL, fds);
	(void)close(fds[1]);
	while (writes < 10 && send(fds[0], "x", 1, MSG_NOSIGNAL) == 1) {
		writes++;
		(void)weft_sim_run(sim);
	}
	is_int(errno, EPIPE, "who writes to nobody is told");
	ok(writes > 0 && writes < 10, "not at once: after %u bytes", writes);
	(void)close(fds[0]);
	talloc_free(ev);
	talloc_free(sim);
}

/* More than any buffer on the way holds. */
static void test_receiver_is_slow(struct fixture *fx)
{
	const size_t much = 3000000;
	struct weft_sim *sim = sim_new(8);
	int fds[2];
	struct end a;
	struct end b;

	(void)fx;
	streams(sim, NULL, fds);
	end_open(&a, fds[0], much);
	end_open(&b, fds[1], 0);
	TEVENT_FD_NOT_READABLE(b.fde);
	is_int(weft_sim_run(sim), 0, "nobody reads: all is quiet in the end");
	ok(a.sent > 0 && a.sent < much, "the writer waits");
	TEVENT_FD_READABLE(b.fde);
	(void)weft_sim_run(sim);
	is_uint(b.got, much, "then all of it arrives");
	is_uint(b.wrong, 0, "in order");
	end_close(&a);
	end_close(&b);
	talloc_free(sim);
}

static void test_world_ends_first(struct fixture *fx)
{
	struct weft_sim *sim = sim_new(1);
	char byte = 0;
	int fds[2];

	(void)fx;
	streams(sim, NULL, fds);
	talloc_free(sim);
	is_int(read(fds[0], &byte, 1), -1,
	       "with the world the connection ends");
	is_int(errno, ECONNRESET, "as one that is reset");
	(void)close(fds[0]);
	(void)close(fds[1]);
}

int main(void)
{
	if (TEST_ON_STOCK) {
		skip_all("another libtevent has no simulation");
	}
	SIMTEST(test_both_ways);
	SIMTEST(test_delay_is_virtual);
	SIMTEST(test_reset);
	SIMTEST(test_receiver_has_gone);
	SIMTEST(test_receiver_is_slow);
	SIMTEST(test_world_ends_first);
	return done();
}
