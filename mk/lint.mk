# SPDX-License-Identifier: LGPL-3.0-or-later
# What tools can say about the sources without running them.

CLANG ?= clang-14
CLANG_FORMAT ?= clang-format-14
CLANG_TIDY ?= clang-tidy-14
CPPCHECK ?= cppcheck
CODESPELL ?= codespell
SHELLCHECK ?= shellcheck

LINT_C := $(sort $(ENGINE_SRC) $(POOL_SRC) $(SHELF_SRC) $(STRESS_SRC) \
	$(BENCH_SRC) $(OWNER_SRC) $(OWNER_CASES_SRC) \
	$(PLUG_SRC) $(PYTHON_SRC) $(TOP_SRC) \
	$(TEST_COMMON) $(TEST_NAMES:%=tests/%.t.c) $(ECHO_SRC) \
	$(WALK_SRC) $(SHIM_SRC) $(TURN_SRC) \
	$(wildcard tests/tutorial/*.c tools/bench/*/*.c tools/fuzz/*.c))
LINT_H := $(sort $(wildcard include/*.h engine/*.h threadpool/*.h tests/*.h \
	tests/echo/*.h tests/owner/*.h tests/shim/*.h tests/turn/*.h tests/walk/*.h tools/bench/*.h \
	tools/bench/*/*.h tools/fuzz/*.h tools/owner/*.h tools/plug/*.h tools/python/*.h tools/shelf/*.h \
	tools/stress/*.h tools/top/*.h))
LINT_CXX := $(wildcard tests/cplusplus/*.cc)
SCRIPTS = $(sort .ci/run tools/dropin.d/case.sh tools/dropin.d/inside.sh \
	$(shell find tools tests mk/debian/tests -type f ! -name "*.[ch]" ! -path "tools/*.d/*" ! -path "tests/abi/*"))
LINT_SHELL = $(shell grep -lE '^\#!/bin/(ba)?sh|^\# shellcheck shell=' \
	$(SCRIPTS))
LINT_PERL = $(shell grep -l '^\#!.*perl' $(SCRIPTS))

LINT_CFLAGS := -std=gnu11 -D_GNU_SOURCE -I. -Iinclude $(TALLOC_CFLAGS) \
	$(URCU_CFLAGS) $(MHD_CFLAGS) $(NETTLE_CFLAGS) $(JPEG_CFLAGS) \
	$(ARGON2_CFLAGS) $(JANSSON_CFLAGS) $(MAGIC_CFLAGS) $(ZSTD_CFLAGS) \
	$(SQLITE_CFLAGS) $(PLUG_CFLAGS) $(PYTHON_CFLAGS) $(TOP_CFLAGS)

.PHONY: lint lint-all lint-format lint-tidy lint-cppcheck lint-spelling \
	lint-scripts lint-tree lint-headers lint-warnings format

lint: lint-all ## formatter, checkers, warnings as errors
	@echo 'lint: clean'

lint-all: lint-format lint-spelling lint-scripts lint-tree lint-headers \
	lint-cppcheck lint-warnings lint-tidy

format: ## lays all C sources out
	$(CLANG_FORMAT) -i $(LINT_C) $(LINT_CXX) $(LINT_H)

lint-format:
	$(say) LINT format
	$(Q)$(CLANG_FORMAT) --dry-run -Werror $(LINT_C) $(LINT_CXX) $(LINT_H)

lint-spelling:
	$(say) LINT spelling
	$(Q)$(CODESPELL) --quiet-level=2 README.md Makefile mk docs engine \
		threadpool include tests tools .ci

lint-scripts:
	$(say) LINT scripts
	$(Q)$(SHELLCHECK) -x $(LINT_SHELL)
	$(Q)for script in $(LINT_PERL); do \
		perl -wc $$script 2>&1 | grep -v "syntax OK$$" && exit 1; \
	done; true

lint-tree:
	$(say) LINT tree
	$(Q)tools/layering
	$(Q)tools/pairs
	$(Q)tools/style

lint-headers:
	$(say) LINT headers
	$(Q)tools/headers
	$(Q)CC=$(CLANG) tools/headers

# Headers are read through the sources that use them.
lint-cppcheck:
	$(say) LINT cppcheck
	$(Q)mkdir -p $(BUILD)/lint/cppcheck
	$(Q)$(CPPCHECK) --quiet --error-exitcode=1 --inline-suppr -j2 \
		--enable=warning,performance,portability \
		--cppcheck-build-dir=$(BUILD)/lint/cppcheck \
		-D_GNU_SOURCE -I. -Iinclude \
		$(LINT_C)

# Both compilers, all objects; the optimiser sees some mistakes first.
lint-warnings:
	$(say) LINT 'warnings of gcc'
	$(Q)$(MAKE) CC=gcc BUILDDIR=$(BUILD)/lint/gcc \
		CFLAGS='-O2 -g -Werror' all tests
	$(say) LINT 'warnings of clang'
	$(Q)$(MAKE) CC=$(CLANG) BUILDDIR=$(BUILD)/lint/clang \
		CFLAGS='-O2 -g -Werror' all tests

# A file each, so that only what has changed is looked at again.
TIDY_DONE := $(LINT_C:%.c=$(BUILD)/lint/tidy/%.ok)

$(BUILD)/lint/tidy/%.ok: %.c $(LINT_H) .clang-tidy tests/.clang-tidy
	$(say) TIDY $<
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG_TIDY) --quiet $< -- $(LINT_CFLAGS) >$@.log 2>&1 || \
		{ cat $@.log; exit 1; }
	$(Q)touch $@

lint-tidy: $(TIDY_DONE)
