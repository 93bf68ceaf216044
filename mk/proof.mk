# SPDX-License-Identifier: LGPL-3.0-or-later
# What is looked for at length: see docs/testing.md.

.PHONY: sweep

SWEEP_SECONDS ?= 600
SWEEP_TESTS ?= $(TEST_NAMES)

sweep: all tests ## each call of the libraries fails, in each test, for SWEEP_SECONDS
	@BUILDDIR='$(BUILDDIR)' $(SANITIZER_ENV) tools/sweep \
		--seconds $(SWEEP_SECONDS) $(SWEEP_TESTS)

# Fuzzers, tools/fuzz/NAME.c: the libraries once more, by clang, with the
# sanitizers and the counters that libFuzzer steers by. Left out where clang has
# no libFuzzer.
FUZZ_CC ?= $(CLANG)
FUZZ_SECONDS ?= 60
FUZZ_LIBRARY := $(wildcard $(shell $(FUZZ_CC) -print-runtime-dir \
	2>/dev/null)/libclang_rt.fuzzer-*.a)

FUZZDIR := $(BUILDDIR)/fuzz
# The memory that liburcu gives to its readers is not aligned as it says.
FUZZ_FLAGS := -fsanitize=address,undefined -fno-sanitize=alignment \
	-fno-sanitize-recover=all -fno-omit-frame-pointer
FUZZ_CFLAGS := -std=gnu11 -D_GNU_SOURCE -I. -Iinclude -fno-common -pthread \
	$(WARNINGS) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link -O1 -g \
	$(TALLOC_CFLAGS) $(URCU_CFLAGS) $(MHD_CFLAGS) $(JANSSON_CFLAGS)
fuzz_objects = $(patsubst %.c,$(FUZZDIR)/obj/%.o,$1)

$(FUZZDIR)/obj/%.o: %.c $(MAKE_PARTS)
	$(say) CC '$< (fuzz)'
	@mkdir -p $(@D)
	$(Q)$(FUZZ_CC) $(FUZZ_CFLAGS) -MMD -MP -c -o $@ $<

# $(call fuzzer,NAME,SOURCES,LIBS)
define fuzzer
FUZZERS += $$(FUZZDIR)/$1
FUZZ_DEPENDS += $$(patsubst %.o,%.d,$$(call fuzz_objects,tools/fuzz/$1.c $2))

$$(FUZZDIR)/$1: $$(call fuzz_objects,tools/fuzz/$1.c $2)
	$$(say) LD $$@
	$$(Q)$$(FUZZ_CC) $$(FUZZ_FLAGS) -fsanitize=fuzzer -pthread -o $$@ $$^ $3
endef

$(eval $(call fuzzer,mailbox,$(ENGINE_SRC) $(POOL_SRC),\
	$(TALLOC_LIBS) $(URCU_LIBS)))
$(eval $(call fuzzer,walk,$(filter-out %/program.c,$(WALK_SRC)) $(ENGINE_SRC),\
	$(TALLOC_LIBS)))
ifeq ($(HAVE_SHELF),yes)
$(eval $(call fuzzer,shelf,$(addprefix tools/shelf/,answer.c exchange.c http.c \
	judge.c listen.c message.c) $(ENGINE_SRC),\
	$(TALLOC_LIBS) $(MHD_LIBS) $(JANSSON_LIBS)))
endif

.PHONY: fuzz fuzzers

ifneq ($(FUZZ_LIBRARY),)
fuzzers: $(FUZZERS)
else
fuzzers:
	@echo 'no fuzzers: $(FUZZ_CC) has no libFuzzer; install libclang-rt-14-dev'
endif

fuzz: fuzzers $(if $(wildcard $(STOCK_HEADER)),$(STOCK_WALK)) ## random bytes as API calls and as HTTP, FUZZ_SECONDS each
	@BUILDDIR='$(BUILDDIR)' tools/fuzz/run --seconds $(FUZZ_SECONDS)

# Their known inputs, in the default variant: tests/fuzz.t.
ifeq ($(VARIANT),release)
check: fuzzers
endif

-include $(FUZZ_DEPENDS)
