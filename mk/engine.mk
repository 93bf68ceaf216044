# SPDX-License-Identifier: LGPL-3.0-or-later
# libtevent.so.0: sorted lists, compared with the folder by tools/style.

ENGINE_SRC := \
	engine/backend_epoll.c \
	engine/backend_passive.c \
	engine/backend_poll.c \
	engine/backend_sim.c \
	engine/clock.c \
	engine/depth.c \
	engine/fd.c \
	engine/fd_watch.c \
	engine/fdmux.c \
	engine/fork.c \
	engine/glue.c \
	engine/heap.c \
	engine/heap_run.c \
	engine/immediate.c \
	engine/immediate_run.c \
	engine/immediate_store.c \
	engine/label.c \
	engine/lifecycle.c \
	engine/loop.c \
	engine/mailbox.c \
	engine/proxy.c \
	engine/queue.c \
	engine/registry.c \
	engine/report.c \
	engine/req.c \
	engine/req_access.c \
	engine/req_profile.c \
	engine/signal.c \
	engine/signal_home.c \
	engine/signal_number.c \
	engine/signal_queue.c \
	engine/sim.c \
	engine/threaded.c \
	engine/timer.c \
	engine/trace.c \
	engine/wakeup.c \
	engine/wrapper.c \

# Tests that use tevent.h alone; they also run on another libtevent.
ENGINE_TESTS := \
	call_depth \
	context \
	debug \
	epoll_batch \
	fd \
	fd_error \
	fd_shared \
	first_use \
	fork \
	fork_mailbox \
	free_in_handler \
	harness \
	hazard_fd \
	hazard_loop \
	hazard_proxy \
	hazard_req \
	hazard_signal \
	hazard_thread \
	immediate \
	loop \
	macros \
	mailbox \
	nesting \
	odd_descriptors \
	oom \
	own_backend \
	own_fds \
	own_helpers \
	own_loop \
	own_names \
	poll_mt \
	proxy \
	proxy_give \
	proxy_life \
	proxy_oom \
	proxy_threads \
	queue \
	queue_context \
	queue_edge \
	queue_kinds \
	queue_oom \
	queue_trace \
	re_initialise \
	req \
	req_cleanup \
	req_finish \
	req_oom \
	req_profile \
	req_wrapper \
	signal \
	signal_info \
	signal_storm \
	signal_threads \
	threaded \
	timer \
	timer_order \
	timer_rearm \
	timeval \
	trace \
	types \
	wait \
	wakeup \
	wrapper \
	wrapper_events \
	wrapper_hooks \
	wrapper_life \
	wrapper_misuse \

# Tests of what stands behind private headers.
ENGINE_UNIT_TESTS := \
	heap \
	immediate_store \
	passed_engine \

ENGINE_MAP := engine/libtevent.map
ENGINE_UNIT_CFLAGS := $(LIB_CFLAGS) -Iinclude $(TALLOC_CFLAGS)

$(OBJDIR)/engine/%.o: UNIT_CFLAGS := $(ENGINE_UNIT_CFLAGS)

$(eval $(call library,tevent,$(TEVENT_VERSION),$(ENGINE_SRC),$(ENGINE_MAP),\
	$(TALLOC_LIBS),))
