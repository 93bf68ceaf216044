# SPDX-License-Identifier: LGPL-3.0-or-later
# One graph for both libraries, their tools and tests; mk/ has a part for each.
# `make help` lists the goals; everything that is made goes below build/.

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

include mk/config.mk
include mk/rules.mk
include mk/engine.mk
include mk/threadpool.mk
include mk/tools.mk
include mk/python.mk
include mk/plug.mk
include mk/top.mk
include mk/tests.mk
include mk/bench.mk
include mk/count.mk
include mk/install.mk
include mk/package.mk
include mk/variants.mk
include mk/lint.mk
include mk/proof.mk

.PHONY: all clean help

all: $(LIBRARIES) $(PROGRAMS) ## the libraries and the tools (default)

clean: ## removes build/
	rm -rf $(BUILD)

help: ## this list
	@echo 'make [GOAL]... [VARIANT=release|debug|asan|tsan|cov] [V=1]'
	@echo 'CC, CFLAGS, LDFLAGS, PKG_CONFIG, DESTDIR, prefix are honoured.'
	@awk -F ':.*## ' '/^[a-z][a-z -]*:.*## / { \
		printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
