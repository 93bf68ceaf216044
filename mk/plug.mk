# SPDX-License-Identifier: LGPL-3.0-or-later
# plug-NAME: programs with a loop of another library, where that is there.

PLUG_SRC := \
	tools/plug/glib.c \
	tools/plug/poll.c \
	tools/plug/sdevent.c \
	tools/plug/talk.c \
	tools/plug/uv.c \

# The module of pkg-config and the Debian package; poll(2) is always there.
PLUG_MODULE_glib := glib-2.0
PLUG_MODULE_sdevent := libsystemd
PLUG_MODULE_uv := libuv
PLUG_PACKAGE_glib := libglib2.0-dev
PLUG_PACKAGE_sdevent := libsystemd-dev
PLUG_PACKAGE_uv := libuv1-dev

# Goals that compile nothing need nothing.
ifneq ($(filter-out clean help format,$(or $(MAKECMDGOALS),all)),)
PLUGS := $(foreach name,glib sdevent uv,\
	$(if $(call has,$(PLUG_MODULE_$(name))),$(name)))
PLUGS_LEFT_OUT := $(filter-out $(PLUGS),glib sdevent uv)
# The headers of others are not ours to warn about.
PLUG_CFLAGS := $(patsubst -I%,-isystem %,\
	$(foreach name,$(PLUGS),$(call cflags,$(PLUG_MODULE_$(name)))))

$(OBJDIR)/tools/plug/%.o: UNIT_CFLAGS := -Iinclude $(TALLOC_CFLAGS) \
	$(PLUG_CFLAGS)

# $(call plug,NAME,LIBS)
define plug
PROGRAMS += $(BINDIR)/plug-$1
$(call program,$(BINDIR)/plug-$1,tools/plug/$1.c tools/plug/talk.c,\
	$2 $(WEFT_LIBS),$(WEFT_FILES))
endef

$(eval $(call plug,poll))
$(foreach name,$(PLUGS),$(eval $(call plug,$(name),\
	$(call libs,$(PLUG_MODULE_$(name))))))

ifneq ($(PLUGS_LEFT_OUT),)
ifeq ($(MAKELEVEL),0)
$(info $(PLUGS_LEFT_OUT:%=plug-%): left out; needed: Debian's \
	$(foreach name,$(PLUGS_LEFT_OUT),$(PLUG_PACKAGE_$(name))))
endif
endif
endif
