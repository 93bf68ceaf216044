# SPDX-License-Identifier: LGPL-3.0-or-later
# What is looked for at length: see docs/testing.md.

.PHONY: sweep

SWEEP_SECONDS ?= 600
SWEEP_TESTS ?= $(TEST_NAMES)

sweep: all tests ## each call of the libraries fails, in each test, for SWEEP_SECONDS
	@BUILDDIR='$(BUILDDIR)' $(SANITIZER_ENV) tools/sweep \
		--seconds $(SWEEP_SECONDS) $(SWEEP_TESTS)

SIM_RUNS ?= 1000000

.PHONY: orders proof

orders: $(TESTDIR)/sim_pool.t ## a simulated program in SIM_RUNS orders
	@TEST_SCALE=10 SIM_RUNS=$(SIM_RUNS) $(TESTDIR)/sim_pool.t

# One after the other, and it goes on where it was: see tools/proof.
PROOF_MINUTES ?= 60
PROOF_PARTS ?=

proof: ## all that looks for mistakes at length, PROOF_MINUTES and more
	@BUILD='$(BUILD)' MAKE='$(MAKE)' MAKEFLAGS= tools/proof \
		--minutes $(PROOF_MINUTES) $(PROOF_PARTS)

.PHONY: mutate

mutate: ## each rule of docs/ordering.md is broken, one at a time: who notices
	@nice -n 10 tools/mutate --tree $(BUILD)/mutate \
		--markdown docs/mutations.md

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
	@BUILDDIR='$(BUILDDIR)' tools/fuzz/run --seconds $(FUZZ_SECONDS) \
		$(FUZZ_NAMES)

# Their known inputs, in the default variant: tests/fuzz.t.
ifeq ($(VARIANT),release)
check: fuzzers
endif

-include $(FUZZ_DEPENDS)

# Stories of real threads, of which a seed says who moves (tests/turn/sched.c):
# the libraries once more, as for ThreadSanitizer, but linked with functions of
# ours in place of its own. At fixed addresses, so that a run can be had again.
TURN_RUNS ?= 20000
TURNDIR := $(BUILDDIR)/turns
TURN_PROGRAMS := $(TURNDIR)/stories $(TURNDIR)/wrong
TURN_CFLAGS := -std=gnu11 -D_GNU_SOURCE -I. -Iinclude -fno-common -pthread \
	$(WARNINGS) $(TALLOC_CFLAGS) $(URCU_CFLAGS) -O1 -g
TURN_VOLATILE := $(if $(findstring clang,$(CC)),-mllvm \
	-tsan-distinguish-volatile,--param=tsan-distinguish-volatile=1)
TURN_LIBRARY_CFLAGS := $(TURN_CFLAGS) -fsanitize=thread $(TURN_VOLATILE) \
	-fvisibility=hidden
turn_objects = $(patsubst %.c,$(TURNDIR)/obj/%.o,$1)
TURN_STORIES := $(patsubst %,$(TURNDIR)/obj/tests/turn/%.o,boxes jobs stories)
TURN_WRONG := $(TURNDIR)/obj/tests/turn/wrong.o
TURN_OBJECTS := $(filter-out $(TURN_STORIES) $(TURN_WRONG),\
	$(call turn_objects,$(TURN_SRC)))
TURN_LINK := $(CC) -pthread -no-pie -rdynamic $(TURN_OBJECTS)
TURN_LIBS := -L$(TURNDIR) -lweft-turns $(TALLOC_LIBS) $(URCU_LIBS) -ldl

$(TURNDIR)/obj/%.o: %.c $(MAKE_PARTS) $(FLAGS_FILE)
	$(say) CC '$< (turns)'
	@mkdir -p $(@D)
	$(Q)$(CC) $(TURN_LIBRARY_CFLAGS) $(CPPFLAGS) -MMD -MP -c -o $@ $<

# What chooses is not chosen for; it defines what the compiler thinks it knows.
$(TURN_OBJECTS): TURN_LIBRARY_CFLAGS := \
	$(TURN_CFLAGS) -fno-builtin

$(TURNDIR)/libweft-turns.a: $(call turn_objects,$(ENGINE_SRC) $(POOL_SRC))
	$(say) AR $@
	$(Q)rm -f $@
	$(Q)$(AR) rcs $@ $^

# How a file is compiled and all is linked, for tools/turns.
$(TURNDIR)/how: $(MAKE_PARTS) $(FLAGS_FILE)
	@mkdir -p $(@D)
	@printf '%s\n' '$(CC) $(TURN_LIBRARY_CFLAGS) $(CPPFLAGS)' \
		'$(TURN_LINK) $(TURN_STORIES)' '$(TURN_LIBS)' >$@

$(TURNDIR)/stories: $(TURN_STORIES)
$(TURNDIR)/wrong: $(TURN_WRONG)
$(TURN_PROGRAMS): $(TURN_OBJECTS) $(TURNDIR)/libweft-turns.a $(TURNDIR)/how
	$(say) LD $@
	$(Q)$(TURN_LINK) $(filter-out $(TURN_OBJECTS),$(filter %.o,$^)) -o $@ \
		$(TURN_LIBS)

.PHONY: turns

turns: $(TURN_PROGRAMS) ## threads whose turns are chosen, TURN_RUNS seeds a story
	@BUILDDIR='$(BUILDDIR)' tools/turns --runs $(TURN_RUNS)

ifeq ($(VARIANT),release)
tests: $(TURN_PROGRAMS)
endif

-include $(patsubst %.o,%.d,$(TURN_OBJECTS) $(TURN_STORIES) $(TURN_WRONG) \
	$(call turn_objects,$(ENGINE_SRC) $(POOL_SRC)))
