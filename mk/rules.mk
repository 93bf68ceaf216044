# SPDX-License-Identifier: LGPL-3.0-or-later
# How things are made. Each list of the other parts goes through these rules.

OBJDIR := $(BUILDDIR)/obj
LIBDIR := $(BUILDDIR)/lib
BINDIR := $(BUILDDIR)/bin

LIBRARIES :=
PROGRAMS :=

ifeq ($(V),1)
Q :=
say = @:
else
Q := @
say = @printf '  %-5s %s\n'
endif

# Programs in the build tree find the libraries beside them, and so do the
# libraries each other.
PROGRAM_RPATH = -Wl,--disable-new-dtags -Wl,-rpath,'$$ORIGIN/../lib'

comma := ,
objects = $(patsubst %.c,$(OBJDIR)/%.o,$1)

# Compiler and flags of the last run: another choice makes everything anew.
FLAGS_FILE := $(BUILDDIR)/flags
FLAGS_NOW := $(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) $(BASE_CFLAGS) \
	$(LIB_CFLAGS) $(LIB_LDFLAGS)
ifneq ($(strip $(file <$(FLAGS_FILE))),$(strip $(FLAGS_NOW)))
$(FLAGS_FILE): always
endif
$(FLAGS_FILE):
	@mkdir -p $(@D)
	@printf '%s\n' '$(subst ','\'',$(strip $(FLAGS_NOW)))' >$@

.PHONY: always
always:

MAKE_PARTS := Makefile $(wildcard mk/*.mk)

# UNIT_CFLAGS is set per folder by the part that owns the folder.
$(OBJDIR)/%.o: %.c $(MAKE_PARTS) $(FLAGS_FILE)
	$(say) CC $<
	@mkdir -p $(@D)
	$(Q)$(CC) $(BASE_CFLAGS) $(UNIT_CFLAGS) $(CPPFLAGS) $(CFLAGS) \
		-MMD -MP -c -o $@ $<

# $(call library,NAME,FULL-VERSION,SOURCES,MAP,LIBS,PREREQUISITES)
define library
LIBRARIES += $$(LIBDIR)/lib$1.so.0 $$(LIBDIR)/lib$1.so $$(LIBDIR)/lib$1.a
DEPENDS += $$(patsubst %.o,%.d,$$(call objects,$3))

$$(LIBDIR)/lib$1.so.$2: $$(call objects,$3) $4 $6
	$$(say) LD $$@
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(BASE_LDFLAGS) $$(LIB_LDFLAGS) -Wl,-soname,lib$1.so.0 \
		-Wl,--version-script,$4 $$(CFLAGS) $$(LDFLAGS) -o $$@ \
		$$(call objects,$3) $5

$$(LIBDIR)/lib$1.so.0 $$(LIBDIR)/lib$1.so: $$(LIBDIR)/lib$1.so.$2
	$$(Q)ln -sf lib$1.so.$2 $$@

$$(LIBDIR)/lib$1.a: $$(call objects,$3)
	$$(say) AR $$@
	@mkdir -p $$(@D)
	$$(Q)rm -f $$@
	$$(Q)$$(AR) rcs $$@ $$^
endef

# $(call program,PATH,SOURCES,LIBS,LIBRARIES WAITED FOR)
define program
DEPENDS += $$(patsubst %.o,%.d,$$(call objects,$2))

$1: $$(call objects,$2) $4
	$$(say) LD $$@
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(BASE_LDFLAGS) $$(PROGRAM_RPATH) $$(CFLAGS) $$(LDFLAGS) \
		-o $$@ $$(call objects,$2) $3
endef
