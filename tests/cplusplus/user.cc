// SPDX-License-Identifier: LGPL-3.0-or-later
// A program in C++17 on both libraries: a timer, a job on a pool, a call to
// another loop's mailbox. It prints a line for each and ends with 0.
#include <cstdio>
#include <memory>
#include <string_view>

#include <tevent.h>
#include <weft.h>

namespace {

// A talloc tree that C++ frees; the blocks travel, so they stay plain.
struct talloc_deleter {
	void operator()(void *p) const
	{
		talloc_free(p);
	}
};
template <class T> using tree = std::unique_ptr<T, talloc_deleter>;

struct sum {
	int from, to, result;
};

int add_up(struct weft_job *, void *block)
{
	auto *sum = talloc_get_type_abort(block, struct sum);

	for (int i = sum->from; i <= sum->to; i++) {
		sum->result += i;
	}
	return 0;
}

void twice(struct weft_mailbox *, struct weft_call *call, void *block)
{
	auto *sum = talloc_get_type_abort(block, struct sum);

	sum->result *= 2;
	weft_call_reply(call, 0);
}

struct sum *sum_new(int from, int to)
{
	auto *sum = talloc_zero(nullptr, struct sum);

	if (sum != nullptr) {
		sum->from = from;
		sum->to = to;
	}
	return sum;
}

void say(std::string_view what, int value)
{
	std::printf("%.*s: %d\n", static_cast<int>(what.size()), what.data(),
		    value);
}

bool timer(tevent_context *ev)
{
	bool fired = false;
	auto handler = [](tevent_context *, tevent_timer *, timeval,
			  void *data) { *static_cast<bool *>(data) = true; };

	if (tevent_add_timer(ev, ev, tevent_timeval_current_ofs(0, 1000),
			     handler, &fired) == nullptr) {
		return false;
	}
	while (!fired) {
		if (tevent_loop_once(ev) != 0) {
			return false;
		}
	}
	say("timer", fired);
	return true;
}

bool job(tevent_context *ev, weft_pool *pool)
{
	auto *sum = sum_new(1, 100);
	auto *req = weft_job_send(ev, ev, pool, add_up, &sum, nullptr);
	tree<struct tevent_req> owner(req);

	if (req == nullptr || sum != nullptr || !tevent_req_poll(req, ev) ||
	    weft_job_recv(req, ev, &sum) != 0) {
		return false;
	}
	say("job", sum->result);
	return true;
}

bool call(tevent_context *ev, weft_addr_t to)
{
	auto *sum = sum_new(0, 0);

	if (sum == nullptr) {
		return false;
	}
	sum->result = 21;

	auto *req = weft_call_send(ev, ev, to, twice, &sum, nullptr);
	tree<struct tevent_req> owner(req);

	if (req == nullptr || !tevent_req_poll(req, ev) ||
	    weft_call_recv(req, ev, &sum) != 0) {
		return false;
	}
	say("call", sum->result);
	return true;
}

} // namespace

int main()
{
	tree<tevent_context> ev(tevent_context_init(nullptr));
	struct weft_pool *pool = nullptr;
	struct weft_loop *loop = nullptr;

	if (!ev || weft_pool_create(ev.get(), nullptr, &pool) != 0) {
		return 1;
	}
	if (weft_loop_start(ev.get(), nullptr, &loop) != 0) {
		return 1;
	}
	return timer(ev.get()) && job(ev.get(), pool) &&
			       call(ev.get(), weft_loop_addr(loop))
		       ? 0
		       : 1;
}
