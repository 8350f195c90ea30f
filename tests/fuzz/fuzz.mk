# SPDX-License-Identifier: GPL-2.0-or-later
# The fuzz targets: clang, its libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer. Included
# by the Makefile after the variables that it uses.

T = 60
FUZZ_CC = clang
FUZZ_CFLAGS = -O1 -g
FUZZ_SAN = -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

FUZZ = $(sort $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c)))
FUZZ_AGENT = src/agent/answer.c src/agent/pem.c
FUZZ_CORE = $(patsubst src/%.c,build/fuzz/core/%.o,$(CORE) $(FUZZ_AGENT))
FUZZ_LIB = $(LIB:tests/%.c=build/fuzz/%.o)
FUZZ_COMMON = build/fuzz/fuzz.o build/fuzz/fixed.o

# Only what is under test guides the fuzzer.
build/fuzz/core/%.o: src/%.c | need-test
	@mkdir -p $(@D)
	$(FUZZ_CC) $(FUZZ_CFLAGS) $(OCU_CFLAGS) $(FUZZ_SAN) -fsanitize=fuzzer-no-link -c -o $@ $<

build/fuzz/lib/%.o: tests/lib/%.c | need-test
	@mkdir -p $(@D)
	$(FUZZ_CC) $(FUZZ_CFLAGS) $(OCU_CFLAGS) -Itests/lib $(FUZZ_SAN) -c -o $@ $<

build/fuzz/%.o: tests/fuzz/%.c | need-test
	@mkdir -p $(@D)
	$(FUZZ_CC) $(FUZZ_CFLAGS) $(OCU_CFLAGS) -Isrc -Itests/lib $(FUZZ_SAN) -c -o $@ $<

build/fuzz/lib.a: $(FUZZ_CORE) $(FUZZ_LIB) $(FUZZ_COMMON)
	@rm -f $@
	$(AR) rcs $@ $^

$(FUZZ:%=build/fuzz/%): build/fuzz/%: build/fuzz/fuzz_%.o build/fuzz/lib.a
	$(FUZZ_CC) $(FUZZ_SAN) -fsanitize=fuzzer -pthread $(LDFLAGS) -o $@ $^ $(TEST_LIBS)

-include $(FUZZ_CORE:.o=.d) $(FUZZ_LIB:.o=.d) $(FUZZ_COMMON:.o=.d) $(FUZZ:%=build/fuzz/fuzz_%.d)

.PHONY: fuzz fuzz-programs fuzz-programs-all
fuzz-programs-all: $(FUZZ:%=build/fuzz/%)

# Whether there is a libFuzzer is known only after the packages were looked at.
fuzz-programs: need-test
	+@if tests/fuzz/run have $(FUZZ_CC); then \
		$(MAKE) --no-print-directory $(submake_jobs) FUZZ_CC=$(FUZZ_CC) $@-all; \
	fi

fuzz: fuzz-programs ## each fuzz target for so many seconds (T=60)
	@tests/fuzz/run $(T) $(FUZZ)
