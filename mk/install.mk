# SPDX-License-Identifier: LGPL-3.0-or-later
# Libraries, headers, files for pkg-config and CMake, man pages, tools and, where
# it is built, the Python module; nothing else is installed.

INSTALL ?= install
cmakedir ?= $(libdir)/cmake/weft
HEADERS := include/pthreadpool_tevent.h include/tevent.h include/weft.h
MAN3_PAGES := $(wildcard docs/man/*.3)
MAN7_PAGES := $(wildcard docs/man/*.7)
# "PAGE NAME": a page of functions has each of its names.
MAN3_NAMES := awk '$$1 == ".Nm" { print FILENAME, $$2 }' $(MAN3_PAGES)

define TEVENT_PC
prefix=$(prefix)
libdir=$(libdir)
includedir=$(includedir)

Name: tevent
Description: Event loop and asynchronous requests (weft $(WEFT_VERSION))
Version: $(TEVENT_VERSION)
Requires: talloc
Libs: -L$${libdir} -ltevent
Libs.private: -pthread
Cflags: -I$${includedir}
endef

define WEFT_PC
prefix=$(prefix)
libdir=$(libdir)
includedir=$(includedir)

Name: weft
Description: Many threads for programs that are written with tevent
Version: $(WEFT_VERSION)
Requires: tevent talloc
Requires.private: liburcu-bp
Libs: -L$${libdir} -lweft
Libs.private: -pthread
Cflags: -I$${includedir}
endef

export TEVENT_PC WEFT_PC

# The headers are found from where CMake's file lies.
CMAKE_FILES := weft-config.cmake weft-config-version.cmake
CMAKE_SED = sed -e 's|@WEFT_VERSION@|$(WEFT_VERSION)|' \
	-e "s|@include_from_cmake@|$$(realpath -sm \
		--relative-to='$(cmakedir)' '$(includedir)')|"

# What is installed finds the libraries as any program does, so it is linked
# once more, without the build tree's run path.
# $(call tool,NAME,SOURCES,LIBS)
TOOLS :=
define tool
TOOLS += $1
$$(BUILDDIR)/installed/$1: PROGRAM_RPATH :=
$$(BUILDDIR)/installed/$1: private LDFLAGS += -Wl,-z,relro -Wl,-z,now
$(call program,$$(BUILDDIR)/installed/$1,$2,$3,$$(WEFT_FILES))
endef

ifeq ($(HAVE_SHELF),yes)
$(eval $(call tool,weft-shelf,$(SHELF_SRC),$(SHELF_LIBS) $(WEFT_LIBS)))
endif
ifeq ($(HAVE_TOP),yes)
$(eval $(call tool,weft-top,$(TOP_SRC),$(call libs,$(TOP_MODULES)) \
	$(WEFT_LIBS)))
endif
INSTALLED_TOOLS := $(TOOLS:%=$(BUILDDIR)/installed/%)

# Tests that install would else make them, two at a time.
tests: $(INSTALLED_TOOLS)

# $(call install_library,NAME,FULL-VERSION)
define install_library
$(Q)$(INSTALL) -m 644 $(LIBDIR)/lib$1.a $(DESTDIR)$(libdir)/
$(Q)$(INSTALL) -m 755 $(LIBDIR)/lib$1.so.$2 $(DESTDIR)$(libdir)/
$(Q)ln -sf lib$1.so.$2 $(DESTDIR)$(libdir)/lib$1.so.0
$(Q)ln -sf lib$1.so.$2 $(DESTDIR)$(libdir)/lib$1.so
endef

.PHONY: install uninstall

install: $(LIBRARIES) $(OWNER_LIBRARY) $(INSTALLED_TOOLS) $(PYTHON_INSTALLED) ## below DESTDIR: libraries, headers, .pc files, man pages, ...
	$(say) INST '$(DESTDIR)$(prefix)'
	$(Q)mkdir -p $(DESTDIR)$(libdir) $(DESTDIR)$(includedir) \
		$(DESTDIR)$(pkgconfigdir) $(DESTDIR)$(cmakedir)
	$(call install_library,tevent,$(TEVENT_VERSION))
	$(call install_library,weft,$(WEFT_VERSION))
	$(Q)$(INSTALL) -m 644 $(HEADERS) $(DESTDIR)$(includedir)/
	$(Q)printf '%s\n' "$$TEVENT_PC" >$(DESTDIR)$(pkgconfigdir)/tevent.pc
	$(Q)printf '%s\n' "$$WEFT_PC" >$(DESTDIR)$(pkgconfigdir)/weft.pc
	$(Q)for name in $(CMAKE_FILES); do \
		$(CMAKE_SED) mk/$$name.in >$(DESTDIR)$(cmakedir)/$$name && \
		chmod 644 $(DESTDIR)$(cmakedir)/$$name || exit; \
	done
	$(Q)mkdir -p $(DESTDIR)$(mandir)/man3 $(DESTDIR)$(mandir)/man7
	$(Q)$(INSTALL) -m 644 $(MAN3_PAGES) $(DESTDIR)$(mandir)/man3/
	$(Q)$(MAN3_NAMES) | while read -r page name; do \
		[ "$${page##*/}" = "$$name.3" ] || ln -sf "$${page##*/}" \
			$(DESTDIR)$(mandir)/man3/"$$name.3"; \
	done
	$(Q)$(INSTALL) -m 644 $(MAN7_PAGES) $(DESTDIR)$(mandir)/man7/
ifneq ($(TOOLS),)
	$(Q)mkdir -p $(DESTDIR)$(bindir) $(DESTDIR)$(mandir)/man1
	$(Q)$(INSTALL) -m 755 $(INSTALLED_TOOLS) $(DESTDIR)$(bindir)/
	$(Q)$(INSTALL) -m 644 $(TOOLS:%=docs/man/%.1) $(DESTDIR)$(mandir)/man1/
endif
ifneq ($(OWNER_LIBRARY),)
	$(Q)mkdir -p $(DESTDIR)$(bindir) $(DESTDIR)$(libdir)/weft \
		$(DESTDIR)$(mandir)/man1
	$(Q)$(INSTALL) -m 755 $(OWNER_LIBRARY) $(DESTDIR)$(libdir)/weft/
	$(Q)$(call owner_script,$(libdir)) >$(DESTDIR)$(bindir)/weft-owner
	$(Q)chmod 755 $(DESTDIR)$(bindir)/weft-owner
	$(Q)$(INSTALL) -m 644 docs/man/weft-owner.1 \
		$(DESTDIR)$(mandir)/man1/
endif
ifeq ($(HAVE_PYTHON),yes)
	$(Q)mkdir -p $(DESTDIR)$(pythondir)
	$(Q)$(INSTALL) -m 644 $(PYTHON_INSTALLED) $(DESTDIR)$(pythondir)/
endif

uninstall: ## removes what install has put there
	$(Q)rm -f $(foreach name,tevent weft,\
		$(addprefix $(DESTDIR)$(libdir)/lib$(name),.a .so .so.0) \
		$(DESTDIR)$(pkgconfigdir)/$(name).pc)
	$(Q)rm -f $(CMAKE_FILES:%=$(DESTDIR)$(cmakedir)/%) \
		$(TOOLS:%=$(DESTDIR)$(bindir)/%) \
		$(TOOLS:%=$(DESTDIR)$(mandir)/man1/%.1)
	$(Q)rm -f $(DESTDIR)$(libdir)/libtevent.so.$(TEVENT_VERSION) \
		$(DESTDIR)$(libdir)/libweft.so.$(WEFT_VERSION)
	$(Q)rm -f $(HEADERS:include/%=$(DESTDIR)$(includedir)/%) \
		$(MAN7_PAGES:docs/man/%=$(DESTDIR)$(mandir)/man7/%)
	$(Q)$(MAN3_NAMES) | while read -r page name; do \
		rm -f $(DESTDIR)$(mandir)/man3/"$$name.3"; \
	done
	$(Q)rm -f $(DESTDIR)$(libdir)/weft/libweft-owner.so \
		$(DESTDIR)$(bindir)/weft-owner \
		$(DESTDIR)$(mandir)/man1/weft-owner.1
ifeq ($(HAVE_PYTHON),yes)
	$(Q)rm -f $(addprefix $(DESTDIR)$(pythondir)/,\
		$(notdir $(PYTHON_INSTALLED)) __pycache__/tevent.*.pyc)
endif
