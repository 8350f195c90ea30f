#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lint.sh - the rules of the code that a script can check, one TAP line for each.
# Changes nothing; does not look at how lines are broken.
set -u
cd "$(dirname "$0")/../.." || exit 1
lint=tests/lint
rc=0

find_files() { find "$@" -type f 2>/dev/null | sort; }
core=$(ls src/{pure,net,disk,engine}/*.c include/ocu/*.h 2>/dev/null)
glue=$(find_files src/haproxy src/agent -name '*.[ch]')
product="$core $glue"
test_c=$(find_files tests -name '*.[ch]')
scripts="$(grep -lE '^#!/' $(find_files tests .ci haproxy-patches) | grep -v '\.patch$')"
all="$product $test_c $scripts $(find_files tests -name '*.vtc') Makefile"
# base asks the clocks, for everybody else.
pure=$(for f in $(ls src/pure/*.c | grep -v /base.c); do
	echo "$f" "include/ocu/$(basename "${f%.c}").h"
done)

# Every rule is a function that prints what is wrong.
rule() {
	local wrong
	wrong=$("$2" 2>&1)
	if [ -z "$wrong" ]; then
		echo "ok - $1"
	else
		echo "not ok - $1"
		sed 's/^/# /' <<<"$wrong"
		rc=1
	fi
}

# Prints the lines of code of the files <$2...> that match <$1>.
in_code() {
	local re=$1
	shift
	[ $# = 0 ] || python3 $lint/code.py "$@" | grep -P "^[^:]*:\d+:.*$re"
}

level() { sed -n "s/^$1 //p" $lint/levels; }

# Checks that the file <$1> includes lower levels alone, of the names behind <$3>; their levels are
# in lines that begin with <$2>.
includes_lower() {
	local inc own mine theirs

	own=$(basename "${1%.[ch]}")
	mine=$(level "$2$own")
	[ -n "$mine" ] || echo "$1: has no line in $lint/levels"
	for inc in $(sed -n "s|^#include \"$3\([^/]*\)\.h\"|\1|p" "$1"); do
		theirs=$(level "$2$inc")
		[ "$inc" = "$own" ] || [ "${theirs:-99}" -lt "${mine:-0}" ] ||
			echo "$1: includes $3$inc.h, which is not of a lower level"
	done
}

levels() {
	local f
	for f in $core; do
		includes_lower "$f" '' ocu/
		grep -nH '^#include "' "$f" | grep -v '"ocu/'
	done
	for f in $(find_files src/agent -name '*.[ch]'); do
		includes_lower "$f" 'agent ' ''
	done
	in_code '#include *<haproxy/' $core $(find_files src/agent -name '*.[ch]')
	in_code '#include *<ares' $(grep -v '/ask\.c$' <<<"${product// /$'\n'}")
	in_code '\bev_(run|loop_new|default_loop)\b' \
		$(grep -vE '/loop\.c$|^src/agent/main\.c$' <<<"${product// /$'\n'}")
}

purity() {
	in_code '#include *<(ev|ares|unistd|sys/socket|netdb|pthread|stdio_ext)\.h>' $pure
	in_code '\b(time|clock_gettime|gettimeofday|ocu_now_ms|ocu_wall_s|OCSP_check_validity|X509_cmp_current_time|X509_time_adj|X509_gmtime_adj|rand|random)\(' \
		$pure
	in_code 'X509_cmp_time\([^;]*NULL\)' $pure
	grep -qE 'X509_(VERIFY_PARAM|STORE_CTX)_set_time' src/pure/ocsp.c ||
		echo "src/pure/ocsp.c: does not say at what time a chain is verified"
}

banned() {
	in_code '\b(strcpy|strcat|sprintf|vsprintf|strtok|atoi|atol|gets|gmtime|localtime|ctime|asctime|strerror|getaddrinfo|gethostbyname|alloca|setjmp|tmpnam|mktemp)\(' \
		$product $test_c
	in_code '\b(fprintf|fputs|vfprintf)\(.*\bstderr\b|\bperror\(' \
		$(grep -vE '^src/agent/(log|main)\.c$' <<<"${product// /$'\n'}")
	in_code '\brealloc\(' $(grep -v '^src/pure/buf\.c$' <<<"${product// /$'\n'}")
}

no_sleep() {
	in_code '\b(u|nano|clock_nano)?sleep\(' $test_c
	grep -nHE '(^|[^[:alnum:]_.-])(time\.)?u?sleep([^[:alnum:]_-]|$)' \
		$(find_files tests -not -name '*.[ch]' -not -path "$lint/*")
}

columns() {
	local f
	for f in $all; do
		# A string of a .vtc file cannot be broken.
		[ "${f%.vtc}" = "$f" ] || continue
		expand "$f" | awk -v f="$f" 'length > 100 { print f ":" NR ": " length " columns" }'
	done | grep -v "^$lint/lint.sh:"
}

blanks() {
	grep -nHE '[ 	]+$' $all
	grep -nHE '^        ' $product $test_c
}

openings() {
	local f n
	for f in $product $test_c; do
		n=$(basename "$f")
		[ "$(head -n 1 "$f")" = '/* SPDX-License-Identifier: GPL-2.0-or-later */' ] ||
			echo "$f: line 1 is not the SPDX line"
		sed -n 2p "$f" | grep -qF "/* $n - " || echo "$f: line 2 does not begin: /* $n -"
	done
	for f in $scripts; do
		head -n 3 "$f" | grep -q 'SPDX-License-Identifier: GPL-2.0-or-later' ||
			echo "$f: has no SPDX line"
	done
}

unfinished() {
	grep -nHE '\b(TODO|FIXME|XXX|HACK)\b' $(grep -v "^$lint/" <<<"${all// /$'\n'}")
}

comments() {
	local f
	for f in $product $test_c; do
		grep -nHP '(^|[;{}\s])//' "$f" | grep -vP '"[^"]*//[^"]*"|/?\*.*//'
	done
}

functions() { python3 -B $lint/fnlen.py $product $test_c; }

status_text() {
	local body
	body=$(sed -n '/^const char \*ocu_text/,/^}/p' src/pure/base.c)
	grep -q 'switch' <<<"$body" || echo "src/pure/base.c: ocu_text() has no switch"
	! grep -q 'default:' <<<"$body" || echo "src/pure/base.c: the switch of ocu_text() has a default"
}

names() {
	in_code 'typedef(?!.*\()' $product
	in_code '\bocu_\w+_(create|destroy|alloc|delete|release|ref|unref|setup|teardown|cleanup|acquire)\(' \
		$product
	[ ! -e build/libocu.a ] || nm -g --defined-only build/libocu.a 2>/dev/null |
		awk 'NF == 3 && $3 !~ /^ocu_/ { print "build/libocu.a: exports " $3 }'
}

scripts_parse() {
	local f
	for f in $scripts; do
		case $(head -n 1 "$f") in
		*bash) bash -n "$f" ;;
		*/sh) sh -n "$f" ;;
		*python3) python3 -c 'import ast, sys; ast.parse(open(sys.argv[1]).read())' "$f" ;;
		esac
	done
}

top_level() {
	local f
	for f in *; do
		case $f in
		src | include | tests | haproxy-patches | Makefile | README.md | LICENSE | build) ;;
		*) echo "$f: does not belong to the top level" ;;
		esac
	done
	[ ! -e README.md ] || [ "$(wc -l <README.md)" -le 215 ] || echo "README.md: over 215 lines"
}

patches() { haproxy-patches/check form | grep -v '^ok '; }

clang_clean() {
	local f
	for f in $(grep '\.c$' <<<"$core"); do
		clang -std=c11 -D_GNU_SOURCE -Iinclude -fsyntax-only -Wall -Wextra -Wshadow \
			-Wmissing-prototypes -Wstrict-prototypes -Wundef -Wvla "$f"
	done
}

rule "a file includes lower levels alone" levels
rule "src/pure is pure" purity
rule "no banned function" banned
rule "no sleep in tests" no_sleep
rule "at most 100 columns" columns
rule "tabs, and no blanks at line ends" blanks
rule "each file says what it does" openings
rule "nothing unfinished" unfinished
rule "comments are /* */" comments
rule "functions: length, labels, free, OCU_MUST" functions
rule "ocu_text() names every status" status_text
rule "names" names
rule "scripts parse" scripts_parse
rule "top level" top_level
rule "form of the patches" patches
if command -v clang >/dev/null; then
	rule "clang has no warning" clang_clean
else
	printf 'skip: clang is not installed\nok # SKIP clang has no warning\n'
fi
exit $rc
