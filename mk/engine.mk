# SPDX-License-Identifier: LGPL-3.0-or-later
# libtevent.so.0: sorted lists, compared with the folder by tools/style.

ENGINE_SRC := \
	engine/backend_epoll.c \
	engine/backend_poll.c \
	engine/clock.c \
	engine/fd.c \
	engine/fdmux.c \
	engine/fork.c \
	engine/heap.c \
	engine/immediate.c \
	engine/lifecycle.c \
	engine/loop.c \
	engine/mailbox.c \
	engine/registry.c \
	engine/report.c \
	engine/req.c \
	engine/signal.c \
	engine/signal_home.c \
	engine/signal_queue.c \
	engine/threaded.c \
	engine/timer.c \
	engine/wakeup.c \

# Tests that use tevent.h alone; they also run on another libtevent.
ENGINE_TESTS := \
	context \
	debug \
	fd \
	fd_error \
	fd_shared \
	first_use \
	fork \
	fork_mailbox \
	free_in_handler \
	harness \
	immediate \
	loop \
	mailbox \
	nesting \
	odd_descriptors \
	oom \
	re_initialise \
	req \
	req_cleanup \
	req_finish \
	signal \
	signal_info \
	signal_storm \
	signal_threads \
	threaded \
	timer \
	timer_order \
	timer_rearm \
	timeval \
	wakeup \

# Tests of what stands behind private headers.
ENGINE_UNIT_TESTS := \
	heap \

ENGINE_MAP := engine/libtevent.map
ENGINE_UNIT_CFLAGS := $(LIB_CFLAGS) -Iinclude $(TALLOC_CFLAGS)

$(OBJDIR)/engine/%.o: UNIT_CFLAGS := $(ENGINE_UNIT_CFLAGS)

$(eval $(call library,tevent,$(TEVENT_VERSION),$(ENGINE_SRC),$(ENGINE_MAP),\
	$(TALLOC_LIBS),))
