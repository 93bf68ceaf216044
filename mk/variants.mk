# SPDX-License-Identifier: LGPL-3.0-or-later
# Goals that are this same make with another VARIANT, and what those need.

# A report ends the program with a code that no test uses for anything else.
SANITIZER_ENV_asan := \
	ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1:$(ASAN_OPTIONS) \
	UBSAN_OPTIONS=print_stacktrace=1:$(UBSAN_OPTIONS)
SANITIZER_ENV_tsan := \
	TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:$(TSAN_OPTIONS)
SANITIZER_ENV := $(SANITIZER_ENV_$(VARIANT))

.PHONY: debug asan tsan cov valgrind

debug: ## builds with -Og and full debug information
	$(MAKE) VARIANT=debug all tests

asan: ## check under the address and undefined-behaviour sanitizers
	$(MAKE) VARIANT=asan check

tsan: ## check under the thread sanitizer
	$(MAKE) VARIANT=tsan check

cov: ## check with coverage; build/cov/coverage.txt has a line per source
	find $(BUILD)/cov -name '*.gcda' -delete 2>/dev/null || true
	$(MAKE) VARIANT=cov check
	tools/coverage $(BUILD)/cov >$(BUILD)/cov/coverage.txt
	@cat $(BUILD)/cov/coverage.txt

# Left out: what counts on queued signals coming at once. Valgrind hands them
# over one by one, at moments of its own.
VALGRIND_TESTS = $(filter-out $(TESTDIR)/signal_info.t,$(TEST_PROGRAMS))

valgrind: all tests ## the compiled tests under valgrind's memcheck
	@command -v valgrind >/dev/null || \
		{ echo 'valgrind: there is no valgrind: install it' >&2; exit 1; }
	@$(CHECK_ENV) TEST_SCALE=$(or $(TEST_SCALE),5) $(PROVE) $(PROVEFLAGS) \
		--exec tools/valgrind $(VALGRIND_TESTS)
