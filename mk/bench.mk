# SPDX-License-Identifier: LGPL-3.0-or-later
# The bench's programs, SUITE-PEER: each suite's workloads are built once for
# each peer that they are measured with, and tools/bench/run runs what it finds.

BENCHDIR := $(BUILDDIR)/bench
BENCH :=

BENCH_SRC := \
	tools/bench/echo.c \
	tools/bench/fd.c \
	tools/bench/immediate.c \
	tools/bench/loop.c \
	tools/bench/main.c \
	tools/bench/memory.c \
	tools/bench/req.c \
	tools/bench/timer.c \

BENCH_MAIN := $(call objects,tools/bench/main.c)

# $(call bench,SUITE,PEER,SOURCES,CFLAGS,LIBS,LIBRARIES WAITED FOR)
# What waits for our libraries looks for them in the build tree; what does not,
# in the system, where another library of the same name is.
define bench
BENCH += $(BENCHDIR)/$1-$2
BENCH_DEPENDS += $(3:%.c=$(BENCHDIR)/obj/$1-$2/%.d)

$(BENCHDIR)/obj/$1-$2/%.o: %.c $$(MAKE_PARTS) $$(FLAGS_FILE) \
		| $$(STOCK_OWN_HEADERS)
	$$(say) CC '$$< ($1-$2)'
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(BASE_CFLAGS) $4 $$(CPPFLAGS) $$(CFLAGS) -MMD -MP \
		-c -o $$@ $$<

$(BENCHDIR)/$1-$2: $(3:%.c=$(BENCHDIR)/obj/$1-$2/%.o) $(BENCH_MAIN) $6
	$$(say) LD $$@
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(BASE_LDFLAGS) $(if $6,$$(PROGRAM_RPATH)) $$(CFLAGS) \
		$$(LDFLAGS) -o $$@ $$(filter %.o,$$^) $5 -ldl
endef

# Peers: where their headers are, and what they are linked with. The headers of
# others are not ours to warn about. One that is not there is left out.
PEER_CFLAGS_weft := -Iinclude $(TALLOC_CFLAGS)
PEER_LIBS_weft := $(WEFT_LIBS)
PEER_CFLAGS_stock = -DBENCH_ON_STOCK=1 $(STOCK_CFLAGS) $(TALLOC_CFLAGS)
PEER_LIBS_stock = $(STOCK_LIBS) $(TALLOC_LIBS)
PEER_CFLAGS_raw := $(TALLOC_CFLAGS)
PEER_LIBS_raw := $(TALLOC_LIBS)
PEER_LIBS_ev := -lev
PEER_MODULES_event := libevent_core
PEER_MODULES_glib := gio-2.0
PEER_MODULES_uv := libuv
PEERS :=

# Goals that compile nothing need nothing.
ifneq ($(filter-out clean help format,$(or $(MAKECMDGOALS),all)),)
find_peer = $(if $(call has,$(PEER_MODULES_$1)),\
	$(eval PEERS += $1)\
	$(eval PEER_CFLAGS_$1 := $(patsubst -I%,-isystem %,\
		$(call cflags,$(PEER_MODULES_$1))))\
	$(eval PEER_LIBS_$1 := $(call libs,$(PEER_MODULES_$1))))
$(foreach peer,event glib uv,$(call find_peer,$(peer)))
PEERS += $(if $(wildcard $(STOCK_HEADER)),stock)
# libev comes without a module.
PEERS += $(shell $(CC) $(CPPFLAGS) -include ev.h -E -xc /dev/null \
	>/dev/null 2>&1 && echo ev)
endif

peers = $(filter $1,$(PEERS))

# ---- loop: one loop in one thread ----

LOOP_FDS := echo fd loop
LOOP_EVENTS := $(LOOP_FDS) immediate memory timer
LOOP_ALL := $(LOOP_EVENTS) req

# $(call loop_bench,PEER,HEADER,PARTS,CFLAGS,THE PEER THAT IT IS BUILT LIKE)
loop_bench = $(call bench,loop,$1,$(3:%=tools/bench/%.c),\
	-DPEER='"tools/bench/peer/$(strip $2).h"' $4 $(PEER_CFLAGS_$5),\
	$(PEER_LIBS_$5),$(if $(filter weft,$5),$(WEFT_FILES)))

$(eval $(call loop_bench,weft,tevent,$(LOOP_ALL),,weft))
$(eval $(call loop_bench,batch,tevent,$(LOOP_FDS),\
	-DPEER_FDS_ONLY=1 -DPEER_BACKEND='"epoll_batch"',weft))
$(eval $(call loop_bench,raw,raw,$(LOOP_ALL),,raw))
$(foreach peer,$(call peers,stock),$(eval $(call loop_bench,stock,tevent,\
	$(LOOP_ALL),-DPEER_TIMERS_LIST=1,stock)))
$(foreach peer,$(call peers,glib),$(eval $(call loop_bench,glib,glib,\
	$(LOOP_ALL),,glib)))
$(foreach peer,$(call peers,ev event uv),$(eval $(call loop_bench,$(peer),\
	$(peer),$(LOOP_EVENTS),,$(peer))))

# ---- thread: messages to a loop, and calls ----

THREAD_SRC := \
	tools/bench/thread/call.c \
	tools/bench/thread/post.c \

# $(call thread_bench,PEER,HEADER,CFLAGS)
thread_bench = $(call bench,thread,$1,$(THREAD_SRC),\
	-DPEER='"tools/bench/thread/$(strip $2).h"' $3 $(PEER_CFLAGS_$1),\
	$(PEER_LIBS_$1),$(if $(filter weft,$1),$(WEFT_FILES)))

$(eval $(call thread_bench,weft,tevent))
$(eval $(call thread_bench,raw,raw))
$(foreach peer,$(call peers,glib uv),$(eval $(call thread_bench,$(peer),\
	$(peer))))
$(foreach peer,$(call peers,stock),$(eval $(call thread_bench,stock,tevent,\
	-DPEER_STOCK=1)))

# ---- scale: n mailboxes, n threads with loops; nobody else has these ----

SCALE_SRC := \
	tools/bench/scale/machine.c \
	tools/bench/scale/scale.c \

$(eval $(call bench,scale,weft,$(SCALE_SRC),$(PEER_CFLAGS_weft),\
	$(PEER_LIBS_weft),$(WEFT_FILES)))

# ---- pool: jobs on other threads ----

POOL_BENCH_SRC := \
	tools/bench/pool/load.c \
	tools/bench/pool/rows.c \

# $(call pool_bench,PEER,HEADER,THE PEER THAT IT IS BUILT LIKE,CFLAGS)
pool_bench = $(call bench,pool,$1,$(POOL_BENCH_SRC),\
	-DPEER='"tools/bench/pool/$(strip $2).h"' $4 $(PEER_CFLAGS_$3),\
	$(PEER_LIBS_$3),$(if $(filter weft,$3),$(WEFT_FILES)))

$(eval $(call pool_bench,work,work,weft))
$(eval $(call pool_bench,job,job,weft))
$(eval $(call pool_bench,compat,pthreadpool,weft))
$(eval $(call pool_bench,raw,raw,raw))
$(foreach peer,$(call peers,glib uv),$(eval $(call pool_bench,$(peer),\
	$(peer),$(peer))))
$(foreach peer,$(call peers,stock),$(eval $(call pool_bench,stock,\
	pthreadpool,stock,-DPEER_STOCK=1)))

# ---- all of them ----

.PHONY: bench bench-pool

# For goals whose tool is written in that.
NEEDS_PYTHON = command -v python3 >/dev/null || \
	{ echo '$@: there is no python3: install it' >&2; exit 1; }

tests: $(BENCH)

bench: $(BENCH) ## measures everything beside other libraries (BENCHFLAGS=--help)
	@$(NEEDS_PYTHON)
	BUILDDIR='$(BUILDDIR)' tools/bench/run $(BENCHFLAGS)

bench-pool: $(BENCH) ## of that, the pool
	@$(NEEDS_PYTHON)
	BUILDDIR='$(BUILDDIR)' tools/bench/run --suite pool $(BENCHFLAGS)

-include $(OBJDIR)/tools/bench/main.d $(BENCH_DEPENDS)
