# SPDX-License-Identifier: GPL-2.0-or-later
# Line coverage, of the core by the unit tests and of the module inside of HAProxy by the .vtc files:
# one more variant of the build, -cov. Included by the Makefile after the rules that it uses.

# Inlined and merged lines would be counted wrongly; threads count too.
SAN-cov = --coverage -O0 -fprofile-update=atomic
$(eval $(call core_rules,-cov))
$(eval $(call test_rules,-cov))

.PHONY: coverage coverage-haproxy coverage-programs
coverage-programs: $(UNIT:%=build/tests-cov/%)

coverage: need-test coverage-programs ## lines of src/*/*.c that the unit tests run, 95 % at least
	@tests/coverage core

coverage-haproxy: need-test haproxy-3.0-released-cov stock-3.0 build/tests/lab
coverage-haproxy: ## the same for src/haproxy by the .vtc files
	@tests/coverage haproxy
