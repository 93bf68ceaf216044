# SPDX-License-Identifier: LGPL-3.0-or-later
# weft-bench-engine, built twice: on our libraries, and on another libtevent
# alone; and one workload of pools, built once for each peer.

BENCH_SRC := \
	tools/bench/call.c \
	tools/bench/engine.c \
	tools/bench/fd.c \
	tools/bench/immediate.c \
	tools/bench/main.c \
	tools/bench/post.c \
	tools/bench/req.c \
	tools/bench/timer.c \

BENCH_LIBS := $(TALLOC_LIBS) -ldl

PROGRAMS += $(BINDIR)/weft-bench-engine
$(eval $(call program,$(BINDIR)/weft-bench-engine,$(BENCH_SRC),\
	$(WEFT_LIBS) -ltevent $(BENCH_LIBS),$(WEFT_FILES)))

STOCK_BENCH := $(STOCKDIR)/bin/weft-bench-engine
STOCK_BENCH_OBJECTS := $(BENCH_SRC:%.c=$(STOCKDIR)/obj/%.o)

$(STOCK_BENCH_OBJECTS): BASE_CFLAGS += -DBENCH_ON_STOCK=1

$(STOCK_BENCH): $(STOCK_BENCH_OBJECTS)
	$(say) LD $@
	@mkdir -p $(@D)
	$(Q)$(CC) $(BASE_LDFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $^ \
		$(STOCK_LIBS) $(BENCH_LIBS)

.PHONY: bench

ifeq ($(wildcard $(STOCK_HEADER)),)
bench: ## measures the engine beside the system's libtevent (or STOCK=)
	@echo 'bench: no $(STOCK_HEADER): install libtevent-dev'; exit 1
else
bench: $(BINDIR)/weft-bench-engine $(STOCK_BENCH)
	BUILDDIR='$(BUILDDIR)' tools/bench/run $(BENCHFLAGS)
endif

# ---- pools ----

POOL_BENCHDIR := $(BUILDDIR)/bench
POOL_BENCH_MAIN := tools/bench/main.c
POOL_BENCH_MODULE_glib := glib-2.0
POOL_BENCH_MODULE_uv := libuv

# The headers of others are not ours to warn about.
foreign_cflags = $(patsubst -I%,-isystem %,$(call cflags,$1))

# $(call pool_bench,PEER,HEADER,CFLAGS,LIBS,LIBRARIES WAITED FOR)
define pool_bench
POOL_BENCH += $(POOL_BENCHDIR)/pool-$1

$(POOL_BENCHDIR)/pool-$1.o: tools/bench/pool/rows.c $$(MAKE_PARTS) \
		$$(FLAGS_FILE) $6
	$$(say) CC '$$< ($1)'
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(BASE_CFLAGS) -DPEER='"tools/bench/pool/$2.h"' $3 \
		$$(CPPFLAGS) $$(CFLAGS) -MMD -MP -c -o $$@ $$<

$(POOL_BENCHDIR)/pool-$1: $(POOL_BENCHDIR)/pool-$1.o \
		$(call objects,$(POOL_BENCH_MAIN)) $5
	$$(say) LD $$@
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(BASE_LDFLAGS) $$(PROGRAM_RPATH) $$(CFLAGS) $$(LDFLAGS) \
		-o $$@ $$(filter %.o,$$^) $4 -ldl
endef

POOL_BENCH_OURS := -Iinclude $(TALLOC_CFLAGS)
$(eval $(call pool_bench,work,work,$(POOL_BENCH_OURS),$(WEFT_LIBS),\
	$(WEFT_FILES)))
$(eval $(call pool_bench,job,job,$(POOL_BENCH_OURS),$(WEFT_LIBS),\
	$(WEFT_FILES)))
$(eval $(call pool_bench,compat,pthreadpool,$(POOL_BENCH_OURS),$(WEFT_LIBS),\
	$(WEFT_FILES)))
$(eval $(call pool_bench,raw,raw))

# Goals that compile nothing need nothing.
ifneq ($(filter-out clean help format,$(or $(MAKECMDGOALS),all)),)
$(foreach name,glib uv,$(if $(call has,$(POOL_BENCH_MODULE_$(name))),\
	$(eval $(call pool_bench,$(name),$(name),\
	$(call foreign_cflags,$(POOL_BENCH_MODULE_$(name))),\
	$(call libs,$(POOL_BENCH_MODULE_$(name)))))))
ifneq ($(wildcard $(STOCK_HEADER)),)
$(eval $(call pool_bench,stock,pthreadpool,-DPEER_STOCK=1 $(STOCK_CFLAGS) \
	$(TALLOC_CFLAGS),$(STOCK_LIBS) $(TALLOC_LIBS),,| $(STOCK_OWN_HEADERS)))
endif
endif

.PHONY: bench-pool

tests: $(POOL_BENCH)

bench-pool: $(POOL_BENCH) ## measures the pool beside libuv, GLib, Samba's and raw threads
	BUILDDIR='$(BUILDDIR)' tools/bench/pool/run $(BENCHFLAGS)

-include $(BENCH_SRC:%.c=$(OBJDIR)/%.d) $(STOCK_BENCH_OBJECTS:.o=.d) \
	$(POOL_BENCH:=.d)
