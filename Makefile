# SPDX-License-Identifier: GPL-2.0-or-later
# Builds the core into build/libocu.a and one patched HAProxy for each version in haproxy-patches.
# Changes nothing outside of build/, but for `deps`, `demo` and `test`, which as root install the
# packages that are missing, and `install`.

V = 3.0
PREFIX ?= /usr/local
CFLAGS ?= -O2 -g
HAPROXY_FLAGS ?= TARGET=linux-glibc USE_OPENSSL=1 USE_PCRE2=1 USE_ZLIB=1
export HAPROXY_FLAGS
JOBS ?= $(shell nproc)

# Where HAProxy's OpenSSL is: the core has to be compiled for the same one.
SSL_INC = $(patsubst SSL_INC=%,%,$(filter SSL_INC=%,$(HAPROXY_FLAGS)))

# HAProxy's make gets what its rule names and nothing else of this command line.
MAKEOVERRIDES =

SUITES = bullseye bookworm trixie sid experimental
BRANCHES := $(notdir $(wildcard haproxy-patches/[0-9]*))
WARN = -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wundef -Wvla -Werror
OCU_CFLAGS = -std=c11 -D_GNU_SOURCE -Iinclude $(SSL_INC:%=-I%) $(WARN) -fPIC -pthread -MMD -MP
OCU_LIBS = -lcares -lev

# A variant of the build is a suffix: nothing, -asan or -tsan.
SAN =
SAN-asan = -fsanitize=address,undefined -fno-omit-frame-pointer
SAN-tsan = -fsanitize=thread -fno-omit-frame-pointer
VARIANTS = -asan -tsan

LAYERS = pure net disk engine
CORE = $(sort $(wildcard $(LAYERS:%=src/%/*.c)))
AGENT = $(sort $(wildcard src/agent/*.c))
GLUE = $(sort $(wildcard src/haproxy/*.c))
GLUE_FILES = $(GLUE) $(wildcard src/haproxy/*.h)
# build/haproxy-3.0 is patched, haproxy-3.0-released is as HAProxy has released it, each has the
# module; haproxy-own is what HAPROXY_SRC= names.
branch = $(firstword $(subst -, ,$(1)))
san = $(filter $(VARIANTS) -cov,-$(lastword $(subst -, ,$(1))))
tree = $(if $(findstring -released,$(1)),tree $(call branch,$(1)) $(2),\
	$(if $(filter own%,$(1)),own $(2),tree $(call branch,$(1)) $(2) patched))
submake_jobs = $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(JOBS))
deps = .ci/deps
# HAProxy's own code has pointers that the two checks left out would report in every run.
sanitized = OPT_CFLAGS=-O1 CPU_CFLAGS=-O1 ARCH_FLAGS='-g $(SAN$(call san,$*)) \
	-fno-sanitize=alignment,null'
haproxy_make = $(MAKE) --no-print-directory $(submake_jobs) -C $(@D) CC='$(CC)$(1)' \
	$(HAPROXY_FLAGS)
glue_objects = $(GLUE:src/haproxy/%.c=addons/ocu/%.o)
glue_flags = $(if $(call san,$*),$(sanitized)) ADDINC=-I$(CURDIR)/include \
	EXTRA_OBJS='$(glue_objects) $(CURDIR)/build/libocu$(call san,$*).a' ADDLIB='$(OCU_LIBS)'

ifneq ($(words $(filter TARGET=%,$(HAPROXY_FLAGS))),1)
$(error HAPROXY_FLAGS has to have one TARGET=, as in 'TARGET=linux-glibc USE_OPENSSL=1')
endif
ifneq ($(filter ADDINC=% ADDLIB=% EXTRA_OBJS=%,$(HAPROXY_FLAGS)),)
$(error HAPROXY_FLAGS has ADDINC, ADDLIB or EXTRA_OBJS, which the module needs: try DEFINE, LDFLAGS)
endif

.SUFFIXES:
.SECONDARY:
.SECONDEXPANSION:
.DELETE_ON_ERROR:
.PHONY: all lib tools haproxy deps demo test bench bench-peers lint check-patches refresh install
.PHONY: clean help FORCE
.PHONY: need-build need-lint need-demo need-test need-bench test-programs

all: $(BRANCHES:%=haproxy-%) ## the patched HAProxy of every version (the default)

help: ## this list
	@sed -n 's/^\([a-z][-a-zA-Z0-9.%]*\):.*## \(.*\)/\1|\2/p' Makefile \
		$(wildcard tests/*.mk tests/*/*.mk) | \
		awk -F'|' '{ printf "%-16s %s\n", $$1, $$2 }'

deps: ## installs what is missing for the build, the demo and the tests (Debian, as root)
	@$(deps) install build lint demo test bench
	@echo "deps: everything is there"

# Packages are installed for whoever asks for one of these; others only hear what is missing.
INSTALLING = $(if $(filter deps demo test,$(MAKECMDGOALS)),install,check)
need-build need-lint need-demo need-test need-bench:
	@$(deps) $(INSTALLING) $(sort build $(@:need-%=%))

# What the build was configured with; each file changes only when its text does.
build/.flags: FORCE
	@mkdir -p build
	@echo '$(CC) $(CFLAGS) $(LDFLAGS) $(SSL_INC) $(HAPROXY_FLAGS)' >$@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

build/.source: FORCE
	@mkdir -p build
	@haproxy-patches/get given >$@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

# The core. Its directories are prerequisites so that a removed file is noticed.
lib: build/libocu.a ## build/libocu.a: the core without HAProxy

# A HAProxy that somebody brings is looked at before the core is compiled for it.
looked_at = $(if $(filter haproxy,$(MAKECMDGOALS)),build/haproxy-own/.fits)

define core_rules
build/obj$(1)/%.o: src/%.c build/.flags | need-build $(looked_at)
	@mkdir -p $$(@D)
	$$(CC) $$(CFLAGS) $$(OCU_CFLAGS) $$(SAN$(1)) -c -o $$@ $$<

build/libocu$(1).a: $$(CORE:src/%.c=build/obj$(1)/%.o) $$(sort $$(dir $$(CORE)))
	rm -f $$@
	$$(AR) rcs $$@ $$(filter %.o,$$^)

build/libagent$(1).a: $$(patsubst src/%.c,build/obj$(1)/%.o,$$(filter-out %/main.c,$$(AGENT)))
	rm -f $$@
	$$(AR) rcs $$@ $$^

build/ocu-agent$(1): build/obj$(1)/agent/main.o build/libagent$(1).a build/libocu$(1).a
	$$(CC) $$(CFLAGS) $$(SAN$(1)) -pthread $$(LDFLAGS) -o $$@ $$^ $$(OCU_LIBS) -lssl -lcrypto

-include $$(patsubst src/%.c,build/obj$(1)/%.d,$$(CORE) $$(AGENT))
endef
$(foreach v,none $(VARIANTS),$(eval $(call core_rules,$(v:none=))))

tools: build/ocu-agent ## build/ocu-agent, which keeps a HAProxy stapled that stays as it is

# HAProxy. A tree is unpacked anew when a patch changes, so a half-patched one is never built.
haproxy: build/haproxy-own/haproxy ## build/haproxy-own/haproxy: HAPROXY_SRC=<dir> (2.6, 2.8 to 3.5)
	@:
haproxy-%: build/haproxy-%/haproxy ## build/haproxy-%/haproxy (3.0, 3.0-released; -asan, -tsan)
	@:
stock-%: build/stock-%/haproxy ## build/stock-%/haproxy: as released, for comparisons
	@:

debian-%: build/debian-%/haproxy ## build/debian-%/haproxy: as Debian ships it in a suite
	@:

# It may be that it cannot be had: the tests say so.
build/debian-%/haproxy: tests/debian haproxy-patches/apt.sh | need-test
	@tests/debian $* $(@D) || [ $$? = 77 ]

build/haproxy-%/.patched: build/.source haproxy-patches/versions \
		$$(wildcard haproxy-patches/$$(call branch,$$*)) \
		$$(wildcard haproxy-patches/$$(call branch,$$*)/*.patch) | need-build
	haproxy-patches/get $(call tree,$*,$(@D))
	@touch $@

build/stock-%/.unpacked: build/.source haproxy-patches/versions | need-build
	haproxy-patches/get tree $(call branch,$*) $(@D)
	@touch $@

# The glue is linked into each tree file by file, so that its objects are per version; they are
# removed when a header changes, which HAProxy's own rules do not see.
build/haproxy-%/.glue: build/haproxy-%/.patched src/haproxy $$(GLUE_FILES) \
		$$(wildcard include/ocu/*.h)
	@rm -rf $(@D)/addons/ocu
	@mkdir -p $(@D)/addons/ocu
	@$(if $(GLUE),ln -s $(GLUE_FILES:%=../../../../%) $(@D)/addons/ocu/)
	@touch $@

# One file of the glue is compiled before the core and HAProxy are: it tells whether the module can
# be built with this HAProxy and these flags. When SSL_INC changes, which .fits has in it, HAProxy
# would compile nothing anew.
build/haproxy-%/.fits: build/haproxy-%/.glue build/.flags
	@[ "$$(cat $@ 2>/dev/null)" = '$(SSL_INC)' ] || find $(@D) -name '*.o' -delete
	+@$(call haproxy_make, -Wfatal-errors) $(firstword $(glue_objects)) $(glue_flags)
	@echo '$(SSL_INC)' >$@

build/haproxy-%/haproxy: build/haproxy-%/.fits build/libocu$$(call san,$$*).a
	+$(haproxy_make) haproxy $(glue_flags)
	@touch $@

build/stock-%/haproxy: build/stock-%/.unpacked build/.flags
	+$(haproxy_make) haproxy $(if $(call san,$*),$(sanitized))
	@touch $@

# Test programs: every file of tests/unit is one, tests/case.c lets them run one case, tests/lib is
# what they share, tests/lab.c serves the HAProxy tests and the demo.
UNIT = $(sort $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c)))
LIB = $(sort $(wildcard tests/lib/*.c))
TEST_LIBS = $(OCU_LIBS) -lssl -lcrypto
UNIT_THREADED = $(filter test_cert test_disk test_engine test_loop test_store,$(UNIT))
UNIT_PROGRAMS = $(UNIT:%=build/tests/%) $(UNIT:%=build/tests-asan/%) \
	$(UNIT_THREADED:%=build/tests-tsan/%)
LAB = $(patsubst tests/%.c,build/tests/%,$(wildcard tests/lab.c))

# nomem.c answers for the allocator, in the tests that ask for it.
WRAP = malloc calloc realloc strdup free
wrap = $(if $(shell grep -l nomem.h $(1)),$(WRAP:%=-Wl,--wrap=%))

define test_rules
build/tests$(1)/%.o: tests/%.c build/.flags | need-test
	@mkdir -p $$(@D)
	$$(CC) $$(CFLAGS) $$(OCU_CFLAGS) -Itests/lib -Isrc $$(SAN$(1)) -c -o $$@ $$<

build/tests$(1)/lib.a: $$(LIB:tests/%.c=build/tests$(1)/%.o) $$(wildcard tests/lib)
	@rm -f $$@
	$$(AR) rcs $$@ $$(filter %.o,$$^)

build/tests$(1)/test_%: build/tests$(1)/unit/test_%.o build/tests$(1)/case.o \
		build/tests$(1)/lib.a build/libagent$(1).a build/libocu$(1).a
	$$(CC) $$(CFLAGS) $$(SAN$(1)) -pthread $$(LDFLAGS) \
		$$(call wrap,tests/unit/test_$$*.c) -o $$@ $$^ -lcmocka $$(TEST_LIBS)

-include build/tests$(1)/case.d $$(LIB:tests/%.c=build/tests$(1)/%.d) \
	$$(UNIT:%=build/tests$(1)/unit/%.d)
endef
$(foreach v,none $(VARIANTS),$(eval $(call test_rules,$(v:none=))))

build/tests/lab: build/tests/lab.o build/tests/lib.a build/libocu.a
	$(CC) $(CFLAGS) -pthread $(LDFLAGS) -o $@ $^ $(TEST_LIBS)

-include build/tests/lab.d

build/tests/works/%.so: tests/works/%.c build/.flags | need-test
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(OCU_CFLAGS) $(LDFLAGS) -shared -o $@ $<

demo: ## stock and ours, responder with a dead IPv6 address (V=3.0); installs like deps
demo: need-demo build/haproxy-$(V)/haproxy build/stock-$(V)/haproxy
	@tests/demo $(V)

test-programs: $(UNIT_PROGRAMS) $(LAB)

test: ## lint, unit and HAProxy tests, fuzzing; installs like deps
test: need-lint need-test test-programs fuzz-programs lib build/ocu-agent build/ocu-agent-asan
test: $(foreach b,$(BRANCHES),haproxy-$(b) stock-$(b)) haproxy-3.0-released
test: $(SUITES:%=debian-%)
	@tests/run

bench: ## stock beside ours, in numbers (W=cold, one work of tests/works; RUNS=3)
bench: need-test need-bench haproxy-3.0 haproxy-3.0-released stock-3.0 build/tests/lab
bench: $(patsubst tests/%.c,build/tests/%.so,$(wildcard tests/works/*.c))
	@tests/bench $(W:%=-w %) $(RUNS)

bench-peers: ## beside other servers: those of nginx-light apache2 hitch caddy h2o that are there
bench-peers: need-test haproxy-3.0 stock-3.0 build/tests/lab
	@tests/bench -w ../bench-peers 1

lint: need-build need-lint lib ## the rules of the code that a script can check
	@tests/lint/lint.sh

check-patches: ## they apply on the pristine and on Debian's tree (SLOW=1: build after each)
check-patches: need-test all
	@haproxy-patches/check

refresh: need-test ## the patches as commits in build/refresh-3.0, then back again (V=3.0)
	@haproxy-patches/refresh $(V)

include tests/fuzz/fuzz.mk tests/coverage.mk tests/week.mk

DOC = $(DESTDIR)$(PREFIX)/share/doc/haproxy
MAN = $(DESTDIR)$(PREFIX)/share/man/man1

install: build/haproxy-$(V)/haproxy ## $(PREFIX)/sbin/haproxy and its docs (V=3.0, PREFIX, DESTDIR)
	install -D -m 755 $< $(DESTDIR)$(PREFIX)/sbin/haproxy
	install -D -m 644 $(<D)/doc/haproxy.1 $(MAN)/haproxy.1
	install -D -m 644 README.md $(DOC)/README.ocsp.md
	install -m 644 $(<D)/doc/configuration.txt $(<D)/doc/management.txt $(DOC)/

clean: ## removes build/
	rm -rf build
