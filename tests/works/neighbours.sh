#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# neighbours.sh - a work of tests/bench, which reads it: what certificates that cannot be updated do
# to the others. Of 1,000, 1, 10 and 50 % are on a responder of their own that does not answer as it
# should, or on the responder of the others, where they never get a good answer. Milliseconds from
# the moment on that HAProxy listens until each of the others has its response, 20 ms an answer.
#
# Beside it is what the same ones need alone; where the bad ones are on the same responder and take
# their share of it, as many good ones as there are in all.
#
# CERTS= says how many there are. Stock that was never done is not tried again.
# shellcheck disable=SC2034,SC2154 # what is not here is in bench

certs=${CERTS:-1000}

# One run of HAProxy <$1>, noted as <$2>; the lab does <$3...>, the certificates are those in a/,
# bad ones, and in b/.
neighbours_run() {
	local program=$1 name=$2 began crt=" crt $dir/lab/b"

	shift 2
	lab_start "responder r" "$@"
	[ ! -d "$dir/lab/a" ] || crt=" crt $dir/lab/a$crt"
	haproxy_start "$program" "$crt"
	began=$(there_us)
	note "$name" "$(until_log "$began" "$wanted" "b/[0-9]+.pem $ok")"
	haproxy_stop
	lab_stop
}

good="uri=http://127.0.0.1:%r/slow-20/"

# neighbours <title> <bad ones> <those that are compared with> <URI of bad ones> <lab commands>...
neighbours() {
	local title="$2 of $certs: $1" bad=$2 alone=$3 uri=$4

	shift 4
	rm -f "$dir"/of.*
	for _ in $(seq "$runs"); do
		wanted=$alone
		neighbours_run "$ours" alone "cert b n=$alone $good"
		wanted=$((certs - bad))
		neighbours_run "$ours" ours "$@" "cert a n=$bad uri=$uri" "cert b n=$wanted $good"
		again stock && neighbours_run "$stock" stock "$@" "cert a n=$bad uri=$uri" \
			"cert b n=$wanted $good"
	done
	row "$title" alone alone "$alone good ones"
	row "$title" ours ours "$(ratio ours alone 1 ' of alone (goal 1.10)')"
	again ours || failed "ours was never done: $title"
	row "$title" stock stock "$(ratio stock ours 1 ' of ours')"
}

# elsewhere <title> <lab commands about the responder bad>...
elsewhere() {
	local title=$1 part

	shift
	for part in 100 10 2; do
		neighbours "$title" $((certs / part)) $((certs - certs / part)) \
			"http://127.0.0.1:%bad/slow-20/" "$@"
	done
}

# same <title> <segment>
same() {
	local part

	for part in 100 10 2; do
		neighbours "$1" $((certs / part)) "$certs" "http://127.0.0.1:%r/$2/"
	done
}

head_row "ms until the others are there" "ratio"
elsewhere "black-holed" "responder bad v4=blackhole"
elsewhere "refused" "responder bad v4=refuse"
elsewhere "accepted, never answered" "responder bad v4=deaf"
elsewhere "10 a second pass, 429 for the rest" "responder bad" "limit bad rate=10 retry-after=1"
same "same responder: closes" close
same "same responder: says unauthorized" error-6
same "same responder: garbage" garbage-before
same "same responder: hangs" hang
