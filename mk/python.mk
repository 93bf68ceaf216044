# SPDX-License-Identifier: LGPL-3.0-or-later
# The Python module tevent, where there is a Python with its headers.

PYTHON ?= python3
PYTHON_SRC := \
	tools/python/context.c \
	tools/python/event.c \
	tools/python/module.c \
	tools/python/queue.c \

PYTHONDIR := $(BUILDDIR)/python
PYTHON_MODULE := _tevent.abi3.so

# Goals that compile nothing need nothing.
ifneq ($(filter-out clean help format,$(or $(MAKECMDGOALS),all)),)
PYTHON_FOLDERS := $(shell $(PYTHON) tools/python/where.py '$(prefix)' \
	2>/dev/null)
PYTHON_CFLAGS := $(addprefix -isystem ,$(firstword $(PYTHON_FOLDERS))) \
	-DTEVENT_VERSION='"$(TEVENT_VERSION)"'
pythondir ?= $(lastword $(PYTHON_FOLDERS))

ifneq ($(PYTHON_FOLDERS),)
HAVE_PYTHON := yes
PROGRAMS += $(PYTHONDIR)/$(PYTHON_MODULE) $(PYTHONDIR)/tevent.py
PYTHON_INSTALLED := $(PYTHONDIR)/installed/$(PYTHON_MODULE) \
	$(PYTHONDIR)/tevent.py
else
HAVE_PYTHON :=
ifeq ($(MAKELEVEL),0)
$(info the Python module is left out; it needs the Debian package python3-dev)
endif
endif
endif

$(OBJDIR)/tools/python/%.o: UNIT_CFLAGS := -fvisibility=hidden -Iinclude \
	$(TALLOC_CFLAGS) $(PYTHON_CFLAGS)

# Python's functions are in the program that loads it. What is installed finds
# the library as any program does.
$(PYTHONDIR)/$(PYTHON_MODULE): PYTHON_RPATH = $(PROGRAM_RPATH)
$(PYTHONDIR)/installed/$(PYTHON_MODULE): PYTHON_RPATH :=
$(PYTHONDIR)/$(PYTHON_MODULE) $(PYTHONDIR)/installed/$(PYTHON_MODULE): \
		$(call objects,$(PYTHON_SRC)) $(LIBDIR)/libtevent.so \
		$(LIBDIR)/libtevent.so.0
	$(say) LD $@
	@mkdir -p $(@D)
	$(Q)$(CC) $(BASE_LDFLAGS) -shared -Wl,-z,now -Wl,-z,relro \
		$(PYTHON_RPATH) $(CFLAGS) $(LDFLAGS) -o $@ \
		$(call objects,$(PYTHON_SRC)) \
		-L$(LIBDIR) -ltevent $(TALLOC_LIBS) -lm

$(PYTHONDIR)/tevent.py: tools/python/tevent.py
	$(Q)$(INSTALL) -D -m 644 $< $@

DEPENDS += $(patsubst %.o,%.d,$(call objects,$(PYTHON_SRC)))
