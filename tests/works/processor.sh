#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# processor.sh - a work of tests/bench, which reads it: what an update costs, beside libcrypto
# parsing one response and checking its signature again and again.
#
#   processor time  that of the loop thread, the kernel's part and all that happens only once
#                   included
#   instructions,   as valgrind counts them, which sees nothing of the kernel: of the whole process,
#   allocations     so that HAProxy's part in the swap and the line of the log is in it. They are
#                   what further updates of the same certificates add
# shellcheck disable=SC2154 # what is not here is in bench

# Prints a row: <$1> of an update, bare <$2> and ours <$3>.
processor_row() {
	printf '%-50s %12s %12s %6s  %s\n' "$1" "$2" "$3" \
		"$(awk -v b="$2" -v o="$3" 'BEGIN { printf "%.2f", o / b }')" "${4:-}"
}

# Lets the loop thread do <$1> updates.
processor_time() {
	local n=$1

	for _ in $(seq "$runs"); do
		note bare "$("$lab" bare "$n")"
		lab_start "responder r" "cert c n=$n uri=http://127.0.0.1:%r/ok/"
		once "$ours" "$n" "$ok" " crt $dir/lab/c" >/dev/null
		note ours "$(awk -v n="$n" '{ printf "%.1f", $1 / n }' "$dir/cpu")"
		lab_stop
	done
	processor_row "processor time, us" "$(middle bare)" "$(middle ours)" '(goal 1.5)'
}

# Writes "$dir/counted": runs <$1> while valgrind's tool counts as <$2...> says.
processor_counted() {
	local program=$1

	shift
	printf '#!/bin/sh\nexec valgrind --log-file=%s %s %s "$@"\n' "$dir/valgrind" "$*" \
		"$program" >"$dir/counted"
	chmod +x "$dir/counted"
}

# Prints what was counted: instructions, or allocations.
processor_count() {
	sed -n 's/.*Collected : //p; s/.*total heap usage: \([0-9,]*\) allocs.*/\1/p' \
		"$dir/valgrind" | tr -d ,
}

# Lets HAProxy update <$1> certificates again and again until there were <$2> updates. Prints how
# many there were in the end, and what was counted.
processor_haproxy() {
	local before

	before=$(ask "count-log $ok")
	haproxy_start "$dir/counted" " crt $dir/lab/c" "ocsp-update.mindelay 1" \
		"ocsp-update.maxdelay 1" || return 1
	ask "await-log $((before + $2)) $ok" >/dev/null
	haproxy_stop
	echo "$(($(ask "count-log $ok") - before)) $(processor_count)"
}

# Prints what one update of <$1> certificates costs, if valgrind counts as <$2...> says.
processor_ours() {
	local n=$1 few few_cost many many_cost

	shift
	processor_counted "$ours" "$@"
	lab_start "responder r" "cert c n=$n one-key uri=http://127.0.0.1:%r/ok/"
	read -r few few_cost < <(processor_haproxy "$n" "$n")
	read -r many many_cost < <(processor_haproxy "$n" $((5 * n)))
	lab_stop
	echo $(((many_cost - few_cost) / (many - few)))
}

# Prints what <$1> checks cost, if valgrind counts as <$2...> says.
processor_bare() {
	local n=$1

	shift
	processor_counted "$lab" "$@"
	"$dir/counted" bare "$n" >/dev/null
	processor_count
}

processor_instructions() {
	local n=$1 tool=(--tool=callgrind --callgrind-out-file=/dev/null) bare

	bare=$(processor_bare "$n" "${tool[@]}" --toggle-collect=bare_check)
	processor_row instructions $((bare / n)) "$(processor_ours "$n" "${tool[@]}")" '(goal 1.5)'
}

processor_allocations() {
	local n=$1 one more

	one=$(processor_bare 1 --tool=memcheck)
	more=$(processor_bare $((n + 1)) --tool=memcheck)
	processor_row allocations $(((more - one) / n)) \
		"$(processor_ours "$n" --tool=memcheck)" '(goal 1.5)'
}

processor() {
	printf '%-50s %12s %12s %6s\n' "of an update" bare ours ratio
	processor_time 3000
	processor_instructions 200
	processor_allocations 200
}
processor
