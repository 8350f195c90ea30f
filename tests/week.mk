# SPDX-License-Identifier: GPL-2.0-or-later
# A week of the schedule on a fake clock. Included by the Makefile after the rules that it uses.

CERTS = 100000

build/tests/week: build/tests/week.o build/tests/lib.a build/libocu.a
	$(CC) $(CFLAGS) -pthread $(LDFLAGS) -o $@ $^ $(TEST_LIBS)

-include build/tests/week.d

.PHONY: week
week: build/tests/week ## a week of the schedule on a fake clock: requests, peaks, ages (CERTS=100000)
	@rc=0; build/tests/week $(CERTS) build || rc=$$?; \
	if ! command -v gnuplot >/dev/null; then \
		echo "build/week.png was not drawn: gnuplot is not installed"; \
	elif gnuplot -e 'dir="build"' tests/week.plot; then \
		echo "build/week.png has the rates"; \
	fi; \
	exit $$rc
