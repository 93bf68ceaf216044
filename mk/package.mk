# SPDX-License-Identifier: LGPL-3.0-or-later
# For those who pass weft on: a tarball, Debian packages, a bill of materials.

REUSE ?= reuse

.PHONY: dist deb sbom

dist: ## build/dist/weft-VERSION.tar.gz of this tree
	tools/dist $(BUILD)/dist

deb: ## Debian packages of this tree, in build/deb
	tools/deb $(BUILD)/deb

sbom: ## build/weft.spdx: the licence of each file, as SPDX
	@mkdir -p $(BUILD)
	$(REUSE) lint
	$(REUSE) spdx -o $(BUILD)/weft.spdx
