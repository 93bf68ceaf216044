# SPDX-License-Identifier: LGPL-3.0-or-later
# libweft.so.0: sorted lists, compared with the folder by tools/style.

POOL_SRC := \
	threadpool/account.c \
	threadpool/addr.c \
	threadpool/ask.c \
	threadpool/bell.c \
	threadpool/block.c \
	threadpool/call.c \
	threadpool/call_wait.c \
	threadpool/context.c \
	threadpool/cpus.c \
	threadpool/deadline.c \
	threadpool/directory.c \
	threadpool/errand.c \
	threadpool/fork.c \
	threadpool/grace.c \
	threadpool/job.c \
	threadpool/latest.c \
	threadpool/loop.c \
	threadpool/loop_stop.c \
	threadpool/loops.c \
	threadpool/mailbox.c \
	threadpool/park.c \
	threadpool/pool.c \
	threadpool/port.c \
	threadpool/port_life.c \
	threadpool/post.c \
	threadpool/request.c \
	threadpool/shard.c \
	threadpool/stats.c \
	threadpool/thread.c \
	threadpool/work.c \
	threadpool/worker.c \

# Tests that use tevent.h and weft.h alone; they also run on another libtevent.
POOL_TESTS := \
	block_parent \
	call \
	call_below \
	call_cancel \
	call_foreign \
	call_fork \
	call_kill \
	call_oom \
	call_race \
	call_wait \
	job \
	job_cancel \
	job_fork \
	job_free \
	job_null \
	loops \
	loops_foreign \
	loops_fork \
	loops_oom \
	loops_run \
	loops_set \
	loops_stop \
	no_function \
	pool \
	pool_oom \
	port \
	port_again \
	post \
	post_foreign \
	post_fork \
	post_free \
	post_latest \
	post_limit \
	post_oom \

# Tests of what stands behind private headers.
POOL_UNIT_TESTS := \
	addr \
	block \
	directory \
	grace \
	latest \
	park \
	shard \

POOL_MAP := threadpool/libweft.map
POOL_UNIT_CFLAGS := $(LIB_CFLAGS) -Iinclude $(TALLOC_CFLAGS) $(URCU_CFLAGS)

$(OBJDIR)/threadpool/%.o: UNIT_CFLAGS := $(POOL_UNIT_CFLAGS)

# Threads of ours may still run the library's code when a program unloads it.
POOL_LIBS := -Wl,-z,nodelete -L$(LIBDIR) -ltevent $(TALLOC_LIBS) $(URCU_LIBS)

$(eval $(call library,weft,$(WEFT_VERSION),$(POOL_SRC),$(POOL_MAP),\
	$(POOL_LIBS),$(LIBDIR)/libtevent.so))
