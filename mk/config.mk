# SPDX-License-Identifier: LGPL-3.0-or-later
# What may be chosen from outside, and what the system has.

# Versions of the libraries; the headers state the same (tests/install.t).
TEVENT_VERSION := 0.17.2
WEFT_VERSION := 0.1.0

VARIANT ?= release
BUILD ?= build
BUILDDIR ?= $(BUILD)/$(VARIANT)

ifeq ($(origin CC),default)
CC := gcc
endif
ifeq ($(origin AR),default)
AR := ar
endif
PKG_CONFIG ?= pkg-config
PROVE ?= prove
PROVEFLAGS ?= -j2

prefix ?= /usr/local
bindir ?= $(prefix)/bin
libdir ?= $(prefix)/lib
includedir ?= $(prefix)/include
mandir ?= $(prefix)/share/man
pkgconfigdir ?= $(libdir)/pkgconfig

# Ours in CFLAGS may be replaced; what the build needs stands elsewhere.
CFLAGS_release := -O2 -g
CFLAGS_debug := -Og -g3
CFLAGS_asan := -O1 -g
CFLAGS_tsan := -O1 -g
CFLAGS_cov := -O0 -g
# Of what hardens the libraries this costs no instruction, more would. Who brings
# flags brings theirs: docs/installing.md.
ifeq ($(origin CFLAGS)$(origin CPPFLAGS),undefinedundefined)
HARDENING_release := -D_FORTIFY_SOURCE=2
endif
CFLAGS ?= $(CFLAGS_$(VARIANT))

VARIANT_FLAGS_release :=
VARIANT_FLAGS_debug :=
VARIANT_FLAGS_asan := -fsanitize=address,undefined -fno-sanitize-recover=all \
	-fno-omit-frame-pointer
VARIANT_FLAGS_tsan := -fsanitize=thread -fno-omit-frame-pointer
VARIANT_FLAGS_cov := --coverage
ifeq ($(filter $(VARIANT),release debug asan tsan cov),)
$(error VARIANT is one of release debug asan tsan cov, not '$(VARIANT)')
endif
VARIANT_FLAGS := $(VARIANT_FLAGS_$(VARIANT))

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wold-style-definition -Wpointer-arith -Wcast-qual -Wwrite-strings \
	-Wundef -Wvla -Wformat=2 -Wimplicit-fallthrough -Wredundant-decls

# The folder that it is built in leaves no trace: tests/dist.t.
PLACELESS_release := -ffile-prefix-map='$(CURDIR)'=.

# Every object may end in a shared library.
BASE_CFLAGS := -std=gnu11 -D_GNU_SOURCE -I. -fno-common -fPIC -pthread \
	$(WARNINGS) $(VARIANT_FLAGS) $(PLACELESS_$(VARIANT))
BASE_LDFLAGS := -pthread $(VARIANT_FLAGS)

# The libraries: nothing is exported but what is marked; calls among their own
# functions and thread-local variables cost no look-up at run time. Calls of
# other libraries stay open to interposition. Neighbouring counters are not to be
# packed into one vector: they were stored one by one and are loaded at once.
LIB_CFLAGS := -fvisibility=hidden -fno-semantic-interposition -fno-plt \
	-fno-tree-slp-vectorize \
	-ftls-model=initial-exec $(HARDENING_$(VARIANT))
LIB_LDFLAGS := -shared -Wl,-Bsymbolic-functions -Wl,-z,now -Wl,-z,relro \
	-Wl,--as-needed -Wl,-O1
# A sanitizer's functions are only in the program.
ifeq ($(filter $(VARIANT),asan tsan),)
LIB_LDFLAGS += -Wl,-z,defs
endif

# Goals that compile nothing need nothing.
ifneq ($(filter-out clean help format,$(or $(MAKECMDGOALS),all)),)
ifeq ($(shell command -v $(firstword $(PKG_CONFIG))),)
$(error $(PKG_CONFIG) is missing: install the Debian package pkg-config)
endif
ifeq ($(shell command -v $(firstword $(CC))),)
$(error $(CC) is missing: install the Debian package $(firstword $(CC)))
endif

has = $(shell $(PKG_CONFIG) --exists $1 && echo yes)
need = $(if $(call has,$1),,\
	$(error $1 is missing: install the Debian package $2))
$(call need,talloc,libtalloc-dev)
$(call need,liburcu-bp,liburcu-dev)

cflags = $(shell $(PKG_CONFIG) --cflags $1)
libs = $(shell $(PKG_CONFIG) --libs $1)
TALLOC_CFLAGS := $(call cflags,talloc)
TALLOC_LIBS := $(call libs,talloc)
URCU_CFLAGS := $(call cflags,liburcu-bp)
URCU_LIBS := $(call libs,liburcu-bp)

# Only weft-shelf needs these; without them it is left out.
SHELF_MODULES := libmicrohttpd nettle libjpeg libargon2 jansson libmagic \
	libzstd sqlite3
SHELF_PACKAGES := libmicrohttpd-dev nettle-dev libjpeg-dev libargon2-dev \
	libjansson-dev libmagic-dev libzstd-dev libsqlite3-dev
HAVE_SHELF := $(call has,$(SHELF_MODULES))
ifeq ($(HAVE_SHELF),yes)
MHD_CFLAGS := $(call cflags,libmicrohttpd)
MHD_LIBS := $(call libs,libmicrohttpd)
NETTLE_CFLAGS := $(call cflags,nettle)
NETTLE_LIBS := $(call libs,nettle)
JPEG_CFLAGS := $(call cflags,libjpeg)
JPEG_LIBS := $(call libs,libjpeg)
ARGON2_CFLAGS := $(call cflags,libargon2)
ARGON2_LIBS := $(call libs,libargon2)
JANSSON_CFLAGS := $(call cflags,jansson)
JANSSON_LIBS := $(call libs,jansson)
MAGIC_CFLAGS := $(call cflags,libmagic)
MAGIC_LIBS := $(call libs,libmagic)
ZSTD_CFLAGS := $(call cflags,libzstd)
ZSTD_LIBS := $(call libs,libzstd)
SQLITE_CFLAGS := $(call cflags,sqlite3)
SQLITE_LIBS := $(call libs,sqlite3)
else
ifeq ($(MAKELEVEL),0)
$(info weft-shelf is left out; it needs the Debian packages $(SHELF_PACKAGES))
endif
endif
endif
