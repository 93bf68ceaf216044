# SPDX-License-Identifier: LGPL-3.0-or-later
# libweft.so.0: sorted lists, compared with the folder by tools/style.

POOL_SRC := \
	threadpool/account.c \
	threadpool/addr.c \
	threadpool/ask.c \
	threadpool/bell.c \
	threadpool/block.c \
	threadpool/blocking.c \
	threadpool/call.c \
	threadpool/call_wait.c \
	threadpool/child.c \
	threadpool/compat_pthreadpool.c \
	threadpool/context.c \
	threadpool/count.c \
	threadpool/cpus.c \
	threadpool/crews.c \
	threadpool/deadline.c \
	threadpool/directory.c \
	threadpool/drain.c \
	threadpool/drain_send.c \
	threadpool/embed.c \
	threadpool/emit.c \
	threadpool/errand.c \
	threadpool/family.c \
	threadpool/fork.c \
	threadpool/gate.c \
	threadpool/grace.c \
	threadpool/group.c \
	threadpool/hold.c \
	threadpool/io.c \
	threadpool/job.c \
	threadpool/jobs.c \
	threadpool/json.c \
	threadpool/keyed.c \
	threadpool/latest.c \
	threadpool/linger.c \
	threadpool/loop.c \
	threadpool/loop_stop.c \
	threadpool/loops.c \
	threadpool/mailbox.c \
	threadpool/mark.c \
	threadpool/monitor.c \
	threadpool/monitor_ask.c \
	threadpool/monitor_client.c \
	threadpool/monitor_tell.c \
	threadpool/now.c \
	threadpool/order.c \
	threadpool/park.c \
	threadpool/park_size.c \
	threadpool/poke.c \
	threadpool/pool.c \
	threadpool/pool_lane.c \
	threadpool/port.c \
	threadpool/port_life.c \
	threadpool/port_lull.c \
	threadpool/post.c \
	threadpool/request.c \
	threadpool/resolve.c \
	threadpool/run.c \
	threadpool/serial.c \
	threadpool/shard.c \
	threadpool/sim.c \
	threadpool/sim_choose.c \
	threadpool/sim_search.c \
	threadpool/sim_stream.c \
	threadpool/sim_worker.c \
	threadpool/sim_world.c \
	threadpool/stall.c \
	threadpool/stall_picture.c \
	threadpool/stall_watch.c \
	threadpool/stats.c \
	threadpool/stream.c \
	threadpool/submit.c \
	threadpool/tally.c \
	threadpool/task.c \
	threadpool/thread.c \
	threadpool/trace.c \
	threadpool/watch.c \
	threadpool/work.c \
	threadpool/worker.c \
	threadpool/worker_evict.c \

# Tests that use tevent.h and weft.h alone; they also run on another libtevent.
POOL_TESTS := \
	block_parent \
	blocking \
	blocking_after \
	call \
	call_below \
	call_cancel \
	call_foreign \
	call_fork \
	call_kill \
	call_oom \
	call_race \
	call_wait \
	child \
	child_stop \
	drain \
	drain_end \
	drain_oom \
	drain_race \
	group \
	io \
	io_stop \
	job \
	job_cancel \
	job_fork \
	job_free \
	job_null \
	lane \
	lane_credit \
	lane_fork \
	lane_life \
	lane_mark \
	lane_mark_end \
	lane_nice \
	lane_reserve \
	lane_spare \
	lane_threads \
	lane_turns \
	loops \
	loops_foreign \
	loops_fork \
	loops_oom \
	loops_run \
	loops_set \
	loops_stop \
	monitor \
	monitor_oom \
	monitor_socket \
	no_function \
	overflow \
	overflow_queues \
	poke \
	pool \
	pool_attach \
	pool_jobs \
	pool_kill \
	pool_mask \
	pool_oom \
	pool_resize \
	port \
	port_again \
	post \
	post_foreign \
	post_fork \
	post_free \
	post_latest \
	post_limit \
	post_oom \
	progress \
	pthreadpool_tevent \
	ready_oom \
	recording \
	resolve \
	serial \
	serial_cancel \
	serial_fork \
	serial_oom \
	serial_storm \
	sim \
	sim_end \
	sim_oom \
	sim_pool \
	sim_search \
	sim_stream \
	stall \
	stats \
	stream \
	stream_free \
	stream_oom \
	work \
	work_free \
	work_oom \

# Tests of what stands behind private headers.
POOL_UNIT_TESTS := \
	addr \
	block \
	directory \
	grace \
	inbox \
	json \
	latest \
	order \
	park \
	passed_pool \
	port_lull \
	shard \
	sim_fork \
	stash \

POOL_MAP := threadpool/libweft.map
POOL_UNIT_CFLAGS := $(LIB_CFLAGS) -Iinclude $(TALLOC_CFLAGS) $(URCU_CFLAGS)

$(OBJDIR)/threadpool/%.o: UNIT_CFLAGS := $(POOL_UNIT_CFLAGS)

# Threads of ours may still run the library's code when a program unloads it.
POOL_LIBS := -Wl,-z,nodelete -L$(LIBDIR) -ltevent $(TALLOC_LIBS) $(URCU_LIBS)

$(eval $(call library,weft,$(WEFT_VERSION),$(POOL_SRC),$(POOL_MAP),\
	$(POOL_LIBS),$(LIBDIR)/libtevent.so))
