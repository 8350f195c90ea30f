#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# size.sh - a work of tests/bench, which reads it: what many certificates cost, in ours and in
# stock, which both have one thread and update all of them.
#
#   start       milliseconds from the start of the program until it listens
#   ... full    the same with a state directory that has all responses
#   memory      KiB of its own memory, when all have their response
#   table, JSON milliseconds of "show ssl ocsp-updates", as a table and as JSON. "held" is the
#               longest time that another client of the CLI waited for next to nothing meanwhile,
#               behind it what that is without the command
#   rest        times that its threads woke up, and milliseconds of processor time, in 10 s in
#               which nothing is due
#   reload      milliseconds from the start of the next process until it takes over (-x, -sf);
#               behind it the requests that this led to
#
# SIZES= says how many certificates there are; 100000 takes minutes for each start. REST_S= is the
# length of the rest.
# shellcheck disable=SC2034,SC2154 # what is not here is in bench

rest_s=${REST_S:-10}
export LAB_LIMIT_S=3600

# Waits until all have their response: <$1> more lines are in the log.
size_updated() {
	logged=$((logged + $1))
	ask "await-log $logged $ok" >/dev/null && return
	failed "not all of $1 certificates were updated"
	return 1
}

# Starts HAProxy <$1> with the lines <$3...> in "global", and notes as <$2> how long that took.
size_start() {
	local program=$1 name=$2 began

	shift 2
	began=$(now_us)
	haproxy_start "$program" " crt $dir/lab/c" "nbthread 1" "stats timeout 10m" "$@" || return 1
	note "$name.start" $((($(there_us) - began) / 1000))
}

# Prints how often its threads have waited, and their processor time in milliseconds.
size_looks() {
	cat /proc/"$pids"/task/*/status |
		awk '/^voluntary_ctxt_switches/ { n += $2 } END { printf "%d ", n }'
	cat /proc/"$pids"/task/*/schedstat | awk '{ n += $1 } END { printf "%.1f\n", n / 1e6 }'
}

# Lets it rest.
size_rest() {
	local woken ms woken2 ms2 _

	read -r woken ms < <(size_looks)
	read -rt "$rest_s" _ <&8 # the lab says nothing
	read -r woken2 ms2 < <(size_looks)
	note "$1.woken" $((woken2 - woken))
	note "$1.rested" "$(awk -v a="$ms" -v b="$ms2" 'BEGIN { printf "%.1f", b - a }')"
}

# Has what is run as <$1> list its responses by <$3>, noted as <$2>.
size_list() {
	"$lab" pings "$dir/cli" "$3" >"$dir/pings" || failed "$1: $3"
	note "$1.$2" "$(sed 's/ms=\([0-9.]*\).*/\1/' "$dir/pings")"
	note "$1.$2.held" "$(sed 's/.*longest=\([0-9.]*\).*/\1/' "$dir/pings")"
	note "$1.$2.quiet" "$(sed 's/.*quiet=\([0-9.]*\).*/\1/' "$dir/pings")"
}

# Starts the next process of <$1>, run as <$2>, which takes over.
size_reload() {
	local program=$1 old=$pids began requests us stopped='Proxy fe stopped'

	requests=$(ask "count r requests")
	stops=$((stops + 1))
	began=$(now_us)
	haproxy_run "$program" -x "$dir/cli" -sf "$old"
	us=$(ask "when-log $stops $stopped") || failed "$2: no reload; $(cat "$dir/said")"
	note "$2.reload" $(((us - began) / 1000))
	wait "$old" 2>/dev/null
	note "$2.asked" $(($(ask "count r requests") - requests))
}

# One round of HAProxy <$1> with <$3> certificates, run as <$2>.
size_round() {
	size_start "$1" "$2" && size_updated "$3" || return 1
	note "$2.memory" "$(awk '/^RssAnon/ { print $2 }' /proc/"$pids"/status)"
	size_list "$2" table "show ssl ocsp-updates"
	[ "$2" = stock ] || size_list "$2" json "show ssl ocsp-updates json"
	size_rest "$2"
	size_reload "$1" "$2"
	haproxy_stop
	stops=$(ask "count-log Proxy fe stopped")
	logged=$(ask "count-log $ok")
}

# Fills the state directory.
size_fill() {
	rm -rf "$dir/state"
	mkdir -m 700 "$dir/state"
	haproxy_start "$ours" " crt $dir/lab/c" "nbthread 1" "ocsp-update.state-dir $dir/state" &&
		size_updated "$1" && "$lab" wait names "$dir/state" "$1" '^[0-9a-f]'
	haproxy_stop
}

# One start with it.
size_full() {
	size_start "$ours" full "ocsp-update.state-dir $dir/state"
	haproxy_stop
	logged=$(ask "count-log $ok")
	stops=$(ask "count-log Proxy fe stopped")
}

# The rows of a measure <$1>, called <$2>, of ours and stock; behind ours is <$3>.
size_rows() {
	row "$2" ours "ours.$1" "$3"
	row "$2" stock "stock.$1" ""
}

# How long others were held while ours listed as <$1>.
size_held() {
	echo "held $(middle "ours.$1.held") ms (goal 5), without $(middle "ours.$1.quiet")"
}

# What a certificate has of memory beyond stock, of <$1>.
size_beyond() {
	awk -v a="$(middle ours.memory)" -v b="$(middle stock.memory)" -v n="$1" -v r="$bytes" \
		'BEGIN { printf "%d KiB beyond stock, %.2f a certificate (goal 1.5 + %d bytes)",
			a - b, (a - b) / n, r }'
}

# size <certificates>
size() {
	local logged=0 stops=0 bytes

	rm -f "$dir"/of.*
	lab_start "responder r" "cert c n=$1 one-key uri=http://127.0.0.1:%r/ok/" "ocsp o c/000 ok"
	bytes=$(stat -c %s "$dir/lab/o")
	size_fill "$1"
	for _ in $(seq "$runs"); do
		size_round "$ours" ours "$1" && size_round "$stock" stock "$1" && size_full || break
	done
	lab_stop
	[ -s "$dir/of.full.start" ] || return
	size_rows start "$1: start" "$(ratio ours.start stock.start 1 ' of stock (goal 1.03)')"
	row "$1: start, full" ours full.start "$(ratio full.start stock.start 1 \
		' of stock (goal 1.05)')"
	size_rows memory "$1: memory" "$(size_beyond "$1")"
	size_rows table "$1: table" "$(size_held table)"
	row "$1: JSON" ours ours.json "$(size_held json)"
	size_rows woken "$1: rest, woken" ""
	size_rows rested "$1: rest, processor" ""
	size_rows reload "$1: reload" "$(ratio ours.reload stock.reload 1 ' of stock, ')$(
		middle ours.asked) requests; stock $(middle stock.asked)"
}

head_row "certificates: what (ms, KiB, times)" ""
for n in ${SIZES:-100 10000}; do
	size "$n"
done
export LAB_LIMIT_S=$limit
