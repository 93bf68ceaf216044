# SPDX-License-Identifier: LGPL-3.0-or-later
# Programs: weft-owner, weft-shelf and weft-stress.

SHELF_SRC := \
	tools/shelf/answer.c \
	tools/shelf/exchange.c \
	tools/shelf/file.c \
	tools/shelf/get.c \
	tools/shelf/http.c \
	tools/shelf/jobs.c \
	tools/shelf/judge.c \
	tools/shelf/kit.c \
	tools/shelf/listen.c \
	tools/shelf/login.c \
	tools/shelf/main.c \
	tools/shelf/message.c \
	tools/shelf/options.c \
	tools/shelf/part.c \
	tools/shelf/put.c \
	tools/shelf/resolve.c \
	tools/shelf/route.c \
	tools/shelf/scale.c \
	tools/shelf/stats.c \
	tools/shelf/store.c \
	tools/shelf/sum.c \
	tools/shelf/thumb.c \
	tools/shelf/upload.c \
	tools/shelf/work.c

# Its parts that are tested alone.
SHELF_TESTS := \
	shelf_scale

# What weft-owner puts in front of a program.
OWNER_SRC := \
	tools/owner/flaw.c \
	tools/owner/next.c \
	tools/owner/owner.c \
	tools/owner/place.c \
	tools/owner/talloc.c \
	tools/owner/tevent.c \
	tools/owner/thread.c \

STRESS_SRC := \
	tools/stress/address.c \
	tools/stress/address_owner.c \
	tools/stress/calls.c \
	tools/stress/cancel.c \
	tools/stress/compat.c \
	tools/stress/expiry.c \
	tools/stress/fork.c \
	tools/stress/groups.c \
	tools/stress/jobs.c \
	tools/stress/kill.c \
	tools/stress/kill_jobs.c \
	tools/stress/kit.c \
	tools/stress/lanes.c \
	tools/stress/loops.c \
	tools/stress/mailbox.c \
	tools/stress/main.c \
	tools/stress/opens.c \
	tools/stress/pairs.c \
	tools/stress/proxy.c \
	tools/stress/serial.c \
	tools/stress/signals.c \
	tools/stress/streams.c \

WEFT_LIBS := -L$(LIBDIR) -lweft -ltevent $(TALLOC_LIBS)
WEFT_FILES := $(LIBDIR)/libweft.so.0 $(LIBDIR)/libweft.so \
	$(LIBDIR)/libtevent.so.0 $(LIBDIR)/libtevent.so
SHELF_LIBS := $(MHD_LIBS) $(NETTLE_LIBS) $(JPEG_LIBS) $(ARGON2_LIBS) \
	$(JANSSON_LIBS) $(MAGIC_LIBS) $(ZSTD_LIBS) $(SQLITE_LIBS)

$(OBJDIR)/tools/%.o: UNIT_CFLAGS := -Iinclude $(TALLOC_CFLAGS) \
	$(MHD_CFLAGS) $(NETTLE_CFLAGS) $(JPEG_CFLAGS) $(ARGON2_CFLAGS) \
	$(JANSSON_CFLAGS) $(MAGIC_CFLAGS) $(ZSTD_CFLAGS) $(SQLITE_CFLAGS)

ifeq ($(HAVE_SHELF),yes)
PROGRAMS += $(BINDIR)/weft-shelf
$(eval $(call program,$(BINDIR)/weft-shelf,$(SHELF_SRC),\
	$(SHELF_LIBS) $(WEFT_LIBS),$(WEFT_FILES)))
endif

# In front of a sanitizer's own functions it would stand in their way.
ifeq ($(filter asan tsan,$(VARIANT)),)
OWNER_LIBRARY := $(LIBDIR)/weft/libweft-owner.so
OWNER := $(BINDIR)/weft-owner
PROGRAMS += $(OWNER_LIBRARY) $(OWNER)
DEPENDS += $(patsubst %.o,%.d,$(call objects,$(OWNER_SRC)))

$(OBJDIR)/tools/owner/%.o: UNIT_CFLAGS := -fvisibility=hidden \
	-ftls-model=initial-exec -Iinclude $(TALLOC_CFLAGS)

# It is linked with none of the libraries that it looks at.
$(OWNER_LIBRARY): $(call objects,$(OWNER_SRC))
	$(say) LD $@
	@mkdir -p $(@D)
	$(Q)$(CC) $(BASE_LDFLAGS) -shared -Wl,-z,now -Wl,-z,relro -Wl,-z,defs \
		$(CFLAGS) $(LDFLAGS) -o $@ $^ -ldl

# $(call owner_script,FOLDER OF THE LIBRARY): with that in its place.
owner_script = sed 's|@libdir@|$1|' tools/owner/weft-owner

$(OWNER): tools/owner/weft-owner $(MAKE_PARTS)
	@mkdir -p $(@D)
	$(Q)$(call owner_script,$(abspath $(LIBDIR))) >$@
	$(Q)chmod +x $@
endif

PROGRAMS += $(BINDIR)/weft-stress
$(eval $(call program,$(BINDIR)/weft-stress,$(STRESS_SRC),\
	$(WEFT_LIBS) -lm,$(WEFT_FILES)))

.PHONY: differ dropin hazards stress strain model demo

STRESS_SECONDS ?= 60

stress: $(BINDIR)/weft-stress ## every protocol hammered for STRESS_SECONDS (STRESSFLAGS=--help)
	$(SANITIZER_ENV) $(BINDIR)/weft-stress --seconds $(STRESS_SECONDS) \
		$(STRESSFLAGS)

dropin: all ## Debian's own programs on this library and on the packaged one
	tools/dropin --library $(LIBDIR)/libtevent.so.0

differ: ## random walks on both libraries, compared
	BUILDDIR='$(BUILDDIR)' MAKE='$(MAKE)' MAKEFLAGS= tools/differ

hazards: ## what stock does where ours is safe, under valgrind
	BUILDDIR='$(BUILDDIR)' MAKE='$(MAKE)' MAKEFLAGS= tools/hazards

model: ## the Spin models of docs/models and their mutants
	tools/model

strain: ## weft-shelf beside look-ups that hang, and under ten times its load
	tools/strain

demo: ## tools/demo: the main job on real input, with its figures
	tools/demo
