# SPDX-License-Identifier: LGPL-3.0-or-later
# weft-bench-engine, built twice: on our libraries, and on another libtevent alone.

BENCH_SRC := \
	tools/bench/call.c \
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

-include $(BENCH_SRC:%.c=$(OBJDIR)/%.d) $(STOCK_BENCH_OBJECTS:.o=.d)
