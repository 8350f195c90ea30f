#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# cold.sh - a work of tests/bench, which reads it: nothing is held, all certificates have one
# responder, which takes its time for an answer. Milliseconds from the moment on that HAProxy
# listens until each has its response, beside the least that is possible: certificates x answer time
# / window.
#
# What the responder can do is seen in two ways: "bare" are as many requests by a client that does
# nothing else, over as many connections as the window; and behind it is how long the responder
# took for an answer by its own clock, while HAProxy asked.
#
# CERTS= says how many there are. Stock makes one request after the other: with 100 ms a tenth of
# the certificates tells its time.
# shellcheck disable=SC2034,SC2154 # what is not here is in bench

certs=${CERTS:-1000}
wanted=$certs

# One run of HAProxy <$1>: <$2> certificates, answers after <$3> ms, runs are noted as <$4>, the
# lines <$5...> in "global".
cold_run() {
	local program=$1 n=$2 ms=$3 name=$4 began answers us

	shift 4
	lab_start "responder r" "cert c n=$n uri=http://127.0.0.1:%r/slow-$ms/"
	haproxy_start "$program" " crt $dir/lab/c" "$@"
	began=$(there_us)
	note "$name" "$(until_log "$began" "$n" "c/[0-9]+.pem $ok")"
	haproxy_stop
	answers=$(ask "count r answers")
	us=$(ask "count r answer-us")
	note "$name.took" "$(awk -v us="$us" -v n="$answers" \
		'BEGIN { printf "%.1f", n ? us / n / 1e3 : 0 }')"
	lab_stop
}

# As many requests over <$2> connections, answers after <$1> ms.
cold_bare() {
	lab_start "responder r" "cert one uri=http://127.0.0.1:%r/slow-$1/"
	note "bare.$2" "$("$lab" drive "$dir/lab" "$(ask "port r")" "slow-$1" one "$certs" "$2")"
	lab_stop
}

# The rows of answers after <$1> ms and a window <$2>; stock's goal is to take <$3> times as long.
cold_rows() {
	local title="$certs certificates, $1 ms, window $2" goal=

	[ -z "$3" ] || goal=" (goal $3)"
	echo $((certs * $1 / $2)) >"$dir/of.least"
	[ "$1" = 0 ] || row "$title" least least ""
	row "$title" bare "bare.$2" "answer in $(middle "ours.$2.took") ms when ours asks"
	row "$title" ours "ours.$2" "$(ratio "ours.$2" least 1 ' of the least (goal 1.15), ')$(
		ratio "ours.$2" "bare.$2" 1 ' of bare')"
	again "ours.$2" || failed "ours was never done: $title"
	row "$title" stock stock "$few$(ratio stock "ours.$2" $((certs / n)) " of ours$goal")"
}

# Answers after <$1> ms; stock has <$2> certificates and is to take <$3> and <$4> times as long as
# ours with the smaller and the greater window.
cold() {
	local w n=$2 few=

	rm -f "$dir"/of.*
	for _ in $(seq "$runs"); do
		for w in 16 64; do
			cold_bare "$1" $w
			cold_run "$ours" "$certs" "$1" ours.$w "ocsp-update.maxconn 64" \
				"ocsp-update.host-maxconn $w"
		done
		again stock && cold_run "$stock" "$n" "$1" stock
	done
	wanted=$n
	[ "$n" = "$certs" ] || few="of $n certificates; x $((certs / n)): "
	cold_rows "$1" 16 "$3"
	cold_rows "$1" 64 "$4"
	wanted=$certs
}

head_row "ms until all are there" "ratio"
cold 0 "$certs" "" ""
cold 20 "$certs" 15 40
cold 100 $((certs / 10)) "" ""
