# SPDX-License-Identifier: LGPL-3.0-or-later
# weft-top, where curses and jansson are.

TOP_SRC := \
	tools/top/link.c \
	tools/top/main.c \
	tools/top/page.c \
	tools/top/screen.c \
	tools/top/view.c \

TOP_MODULES := ncursesw jansson

# Goals that compile nothing need nothing.
ifneq ($(filter-out clean help format,$(or $(MAKECMDGOALS),all)),)
HAVE_TOP := $(call has,$(TOP_MODULES))
ifeq ($(HAVE_TOP),yes)
TOP := $(BINDIR)/weft-top
TOP_CFLAGS := $(call cflags,$(TOP_MODULES))
PROGRAMS += $(TOP)

$(OBJDIR)/tools/top/%.o: UNIT_CFLAGS := -Iinclude $(TALLOC_CFLAGS) \
	$(TOP_CFLAGS)

$(eval $(call program,$(TOP),$(TOP_SRC),$(call libs,$(TOP_MODULES)) \
	$(WEFT_LIBS),$(WEFT_FILES)))
else
ifeq ($(MAKELEVEL),0)
$(info weft-top is left out; it needs the Debian packages libncurses-dev \
	libjansson-dev)
endif
endif
endif
