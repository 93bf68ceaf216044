# SPDX-License-Identifier: LGPL-3.0-or-later
# TAP programs tests/NAME.t.c and scripts tests/NAME.t, run by prove.

# Scripts about the running libraries and programs: in every variant.
SCRIPT_TESTS := \
	bench \
	differ \
	echo \
	owner \
	plug \
	python \
	seeds \
	shelf \
	shelf_bad \
	shelf_busy \
	shelf_drain \
	shelf_idle \
	shelf_jobs \
	shelf_objects \
	shelf_oom \
	shelf_paths \
	shelf_resolve \
	shim \
	sweep \
	tools \
	top \
	tutorial \

# Scripts about the tree itself, or that count what others do: once, in the
# default variant.
TREE_TESTS := \
	bench_check \
	build \
	cmake \
	cplusplus \
	deb \
	dist \
	docs \
	fuzz \
	header_types \
	headers \
	install \
	layering \
	man \
	mutate \
	packages \
	pairs \
	probe \
	proof \
	readme \
	rules \
	style \
	symbols \
	syscalls \
	turns \
	valgrind \

TESTDIR := $(BUILDDIR)/tests
TEST_COMMON := tests/fixture.c tests/tap.c
TEST_LIBS := $(TALLOC_LIBS) -lrt

$(OBJDIR)/tests/%.o: UNIT_CFLAGS := -Iinclude $(TALLOC_CFLAGS) $(URCU_CFLAGS)

# $(call test,NAME,LIBS,LIBRARIES WAITED FOR)
test = $(call program,$(TESTDIR)/$1.t,tests/$1.t.c $(TEST_COMMON),\
	$2 $(TEST_LIBS),$3)

$(foreach name,$(ENGINE_TESTS),$(eval $(call test,$(name),\
	-L$(LIBDIR) -ltevent,$(LIBDIR)/libtevent.so $(LIBDIR)/libtevent.so.0)))
$(foreach name,$(POOL_TESTS),$(eval $(call test,$(name),\
	$(WEFT_LIBS),$(WEFT_FILES))))
# Private functions are only in the static libraries.
$(foreach name,$(ENGINE_UNIT_TESTS),$(eval $(call test,$(name),\
	$(LIBDIR)/libtevent.a,$(LIBDIR)/libtevent.a)))
$(foreach name,$(POOL_UNIT_TESTS),$(eval $(call test,$(name),\
	$(LIBDIR)/libweft.a -L$(LIBDIR) -ltevent $(URCU_LIBS),\
	$(LIBDIR)/libweft.a $(LIBDIR)/libtevent.so $(LIBDIR)/libtevent.so.0)))

ifeq ($(HAVE_SHELF),yes)
$(eval $(call program,$(TESTDIR)/shelf_scale.t,tests/shelf_scale.t.c \
	tools/shelf/scale.c $(TEST_COMMON),-L$(LIBDIR) -ltevent $(TEST_LIBS),\
	$(LIBDIR)/libtevent.so $(LIBDIR)/libtevent.so.0))
else
SHELF_TESTS :=
endif

TEST_NAMES := $(sort $(ENGINE_TESTS) $(ENGINE_UNIT_TESTS) $(POOL_TESTS) \
	$(POOL_UNIT_TESTS) $(SHELF_TESTS))
TEST_PROGRAMS := $(TEST_NAMES:%=$(TESTDIR)/%.t)

# The nested-request echo server that tests/echo.t is about.
ECHO_SRC := \
	tests/echo/echo.c \
	tests/echo/echo_server.c \
	tests/echo/server.c \
	tests/echo/socket.c \

ECHO_SERVER := $(TESTDIR)/echo_server
$(eval $(call program,$(ECHO_SERVER),$(ECHO_SRC),-L$(LIBDIR) -ltevent \
	$(TALLOC_LIBS),$(LIBDIR)/libtevent.so $(LIBDIR)/libtevent.so.0))

# What tests/owner.t runs under weft-owner.
OWNER_CASES_SRC := \
	tests/owner/act.c \
	tests/owner/between.c \
	tests/owner/main.c \
	tests/owner/right.c \

OWNER_CASES := $(TESTDIR)/owner_cases
$(eval $(call program,$(OWNER_CASES),$(OWNER_CASES_SRC),$(WEFT_LIBS),\
	$(WEFT_FILES)))

# The random walk that tools/differ takes on both libraries.
WALK_SRC := \
	tests/walk/base.c \
	tests/walk/fd.c \
	tests/walk/immediate.c \
	tests/walk/loop.c \
	tests/walk/main.c \
	tests/walk/program.c \
	tests/walk/proxy.c \
	tests/walk/queue.c \
	tests/walk/req.c \
	tests/walk/signal.c \
	tests/walk/timer.c \
	tests/walk/trace.c \
	tests/walk/wrap.c \

WALK := $(TESTDIR)/walk
$(eval $(call program,$(WALK),$(WALK_SRC),-L$(LIBDIR) -ltevent \
	$(TALLOC_LIBS),$(LIBDIR)/libtevent.so $(LIBDIR)/libtevent.so.0))

# Preloaded by tests that make the Nth allocation or system call fail, and by
# tools/sweep. The second one stands before functions of both libraries.
SHIM_SRC := \
	tests/shim/calls.c \
	tests/shim/memory.c \
	tests/shim/place.c \
	tests/shim/plan.c \
	tests/shim/told.c \

SHIM := $(TESTDIR)/shim.so $(TESTDIR)/told.so
$(TESTDIR)/shim.so: $(filter-out %/told.c,$(SHIM_SRC))
$(TESTDIR)/told.so: tests/shim/told.c
# Without the flags of the variant: a sanitizer comes after them.
$(SHIM): tests/shim.h tests/shim/inside.h $(MAKE_PARTS) $(FLAGS_FILE)
	$(say) LD $@
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE -I. -fPIC -pthread $(WARNINGS) \
		-O2 -g $(CPPFLAGS) $(LDFLAGS) -shared -o $@ $(filter %.c,$^) \
		-ldl -lgcc_s

# What plays stories of threads whose turns are chosen: mk/proof.mk.
TURN_SRC := \
	tests/turn/atomics.c \
	tests/turn/boxes.c \
	tests/turn/clock.c \
	tests/turn/jobs.c \
	tests/turn/locks.c \
	tests/turn/memory.c \
	tests/turn/play.c \
	tests/turn/report.c \
	tests/turn/rules.c \
	tests/turn/sched.c \
	tests/turn/stories.c \
	tests/turn/threads.c \
	tests/turn/timers.c \
	tests/turn/waits.c \
	tests/turn/wrong.c \

CHECK_SCRIPTS := $(SCRIPT_TESTS:%=tests/%.t) \
	$(if $(filter release,$(VARIANT)),$(TREE_TESTS:%=tests/%.t))
CHECK_ENV = BUILDDIR='$(BUILDDIR)' VARIANT='$(VARIANT)' CC='$(CC)' \
	PKG_CONFIG='$(PKG_CONFIG)' PYTHON='$(PYTHON)' MAKE='$(MAKE)' \
	VARIANT_FLAGS='$(VARIANT_FLAGS)' STOCK= MAKEFLAGS= MAKELEVEL=

.PHONY: tests check check-stock rules

tests: $(TEST_PROGRAMS) $(ECHO_SERVER) $(OWNER_CASES) $(SHIM) $(WALK) ## builds the tests

check: all tests ## builds and runs the tests
	@$(CHECK_ENV) $(SANITIZER_ENV) $(PROVE) $(PROVEFLAGS) \
		$(TEST_PROGRAMS) $(CHECK_SCRIPTS)

# The same tests against another libtevent: the system's, or the one below
# STOCK. Our headers lie in one folder with our tevent.h, so those of
# libweft are seen through a folder of its own, and so is libweft.
STOCKDIR := $(BUILDDIR)/stock
STOCK_CFLAGS := $(if $(STOCK),-I$(STOCK)/include) -I$(STOCKDIR)/include
STOCK_LIBS := -L$(STOCKDIR)/lib \
	$(if $(STOCK),-L$(STOCK)/lib -Wl$(comma)-rpath$(comma)$(STOCK)/lib) \
	-ltevent
STOCK_HEADER := $(or $(STOCK),/usr)/include/tevent.h
STOCK_OWN_HEADERS := $(STOCKDIR)/include/pthreadpool_tevent.h \
	$(STOCKDIR)/include/weft.h
STOCK_PROGRAMS := $(patsubst %,$(STOCKDIR)/tests/%.t,$(ENGINE_TESTS) \
	$(POOL_TESTS))
# These look at STOCK themselves.
STOCK_SCRIPTS := tests/echo.t tests/seeds.t tests/tutorial.t

$(STOCKDIR)/obj/%.o: %.c $(MAKE_PARTS) $(FLAGS_FILE) | $(STOCK_OWN_HEADERS)
	$(say) CC '$< (stock)'
	@mkdir -p $(@D)
	$(Q)$(CC) $(BASE_CFLAGS) -DTEST_ON_STOCK=1 $(STOCK_CFLAGS) \
		$(TALLOC_CFLAGS) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(STOCKDIR)/include/%.h:
	@mkdir -p $(@D)
	@ln -sf $(CURDIR)/include/$(@F) $@

$(STOCKDIR)/lib/libweft.so.0: $(LIBDIR)/libweft.so.0
	@mkdir -p $(@D)
	@ln -sf $(abspath $<) $@
	@ln -sf libweft.so.0 $(@D)/libweft.so

# $(call stock_test,NAME,LIBS,LIBRARIES WAITED FOR)
define stock_test
DEPENDS += $(STOCKDIR)/obj/tests/$1.t.d

$(STOCKDIR)/tests/$1.t: $(STOCKDIR)/obj/tests/$1.t.o \
		$(TEST_COMMON:%.c=$(STOCKDIR)/obj/%.o) $3
	$$(say) LD $$@
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(BASE_LDFLAGS) $$(PROGRAM_RPATH) $$(CFLAGS) $$(LDFLAGS) \
		-o $$@ $$(filter %.o,$$^) $2 $$(STOCK_LIBS) $$(TEST_LIBS)
endef

STOCK_ECHO := $(STOCKDIR)/tests/echo_server
DEPENDS += $(ECHO_SRC:%.c=$(STOCKDIR)/obj/%.d)

$(STOCK_ECHO): $(ECHO_SRC:%.c=$(STOCKDIR)/obj/%.o)
	$(say) LD $@
	@mkdir -p $(@D)
	$(Q)$(CC) $(BASE_LDFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $^ \
		$(STOCK_LIBS) $(TALLOC_LIBS)

$(foreach name,$(ENGINE_TESTS),$(eval $(call stock_test,$(name),,)))
$(foreach name,$(POOL_TESTS),$(eval $(call stock_test,$(name),\
	-L$(STOCKDIR)/lib -lweft,$(STOCKDIR)/lib/libweft.so.0)))

ifeq ($(wildcard $(STOCK_HEADER)),)
check-stock: ## runs the tests of tevent.h on the system's libtevent (or STOCK=)
	@echo 'check-stock: no $(STOCK_HEADER): install libtevent-dev'; exit 1
else
check-stock: $(STOCK_PROGRAMS) $(STOCK_ECHO)
	@$(CHECK_ENV) STOCK='$(or $(STOCK),/usr)' $(SANITIZER_ENV) \
		$(PROVE) $(PROVEFLAGS) $(STOCK_PROGRAMS) $(STOCK_SCRIPTS)
endif

STOCK_WALK := $(STOCKDIR)/tests/walk
DEPENDS += $(WALK_SRC:%.c=$(STOCKDIR)/obj/%.d)

$(STOCK_WALK): $(WALK_SRC:%.c=$(STOCKDIR)/obj/%.o)
	$(say) LD $@
	@mkdir -p $(@D)
	$(Q)$(CC) $(BASE_LDFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $^ \
		$(STOCK_LIBS) $(TALLOC_LIBS)

tests: $(if $(wildcard $(STOCK_HEADER)),$(STOCK_WALK))

# What both sides make of each rule; stock's side where its header is.
rules: $(if $(wildcard $(STOCK_HEADER)),$(ENGINE_TESTS:%=$(STOCKDIR)/tests/%.t))
rules: all tests ## runs what is cited in tests/rules.txt and reports rule by rule
	@$(CHECK_ENV) $(SANITIZER_ENV) tools/rules $(BUILDDIR)

-include $(DEPENDS) $(TEST_COMMON:%.c=$(STOCKDIR)/obj/%.d)
