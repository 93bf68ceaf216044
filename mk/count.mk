# SPDX-License-Identifier: LGPL-3.0-or-later
# weft-bench-count: rows whose instructions and system calls are counted. Built
# on our libraries; what uses tevent.h alone on the system's libtevent, too.

COUNT_SRC := \
	tools/bench/count/busy.c \
	tools/bench/count/engine.c \
	tools/bench/count/main.c \
	tools/bench/count/pool.c \

COUNT := $(BINDIR)/weft-bench-count
$(eval $(call program,$(COUNT),$(COUNT_SRC),$(WEFT_LIBS),$(WEFT_FILES)))

STOCK_COUNT := $(STOCKDIR)/bin/weft-bench-count
STOCK_COUNT_OBJECTS := $(patsubst %.c,$(STOCKDIR)/obj/%.o,\
	tools/bench/count/engine.c tools/bench/count/main.c)

$(STOCK_COUNT_OBJECTS): BASE_CFLAGS += -DBENCH_ON_STOCK=1

$(STOCK_COUNT): $(STOCK_COUNT_OBJECTS)
	$(say) LD $@
	@mkdir -p $(@D)
	$(Q)$(CC) $(BASE_LDFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $^ \
		$(STOCK_LIBS) $(TALLOC_LIBS)

tests: $(COUNT)

.PHONY: bench-check

bench-check: $(COUNT) $(if $(wildcard $(STOCK_HEADER)),$(STOCK_COUNT)) ## counts the instructions of the hot paths and compares them with tools/bench/counts
	@$(NEEDS_PYTHON)
	BUILDDIR='$(BUILDDIR)' CC='$(CC)' CFLAGS='$(strip $(CFLAGS))' \
		tools/bench/check $(CHECKFLAGS)

-include $(COUNT_SRC:%.c=$(OBJDIR)/%.d) $(STOCK_COUNT_OBJECTS:.o=.d)
