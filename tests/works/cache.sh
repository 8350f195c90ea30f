#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# cache.sh - a work of tests/bench, which reads it: bytes of a refresh, with answers that have an
# ETag and without, stock beside ours. Those with an ETag stay the same all the time. A response is
# signed by the issuer, or by a delegate whose RSA certificate comes with it (stock takes those only
# if the root is in the PEM file, too). What requests max-age saves takes days to see: `make week`
# prints it.

# Bytes are those of HTTP, headers included, without those of TCP and IP.
cache_certs=100
cache_rounds=5

cache_ask() { "$lab" ask "$dir/lab" "$@"; }

# Prints bytes sent and received by the responder, requests, answers that were 304.
cache_look() {
	cache_ask "count r bytes-out" "count r bytes-in" "count r requests" "count r not-modified" |
		tr '\n' ' '
	echo
}

# Waits until <$1> updates are in the log.
cache_await() { cache_ask "await-log $1 <OCSP-UPDATE>.*$ok" >/dev/null; }

# cache <title> <segment> <which HAProxy> <HAProxy>
cache() {
	lab_start "responder r" "cert c n=$cache_certs chain=root uri=http://127.0.0.1:%r/$2/"
	cat >"$dir/fe.cfg" <<-END
		global
		 ocsp-update.mode on
		 ocsp-update.mindelay 1
		 ocsp-update.maxdelay 1
		frontend fe
		 mode http
		 timeout client 5s
		 bind unix@$dir/fe ssl crt $dir/lab/c
	END
	"$4" -db -f "$dir/lab/lab.cfg" -f "$dir/fe.cfg" >"$dir/said" 2>&1 &
	pids=$!
	if cache_await $cache_certs && cache_look >"$dir/before" &&
		cache_await $((cache_certs * cache_rounds)) && cache_look >"$dir/after"; then
		paste -d ' ' "$dir/before" "$dir/after" | awk -v title="$1" -v which="$3" '{
			n = $7 - $3
			printf "%-44s %-6s %9.0f %9.0f %8.2f\n", title, which, ($5 - $1) / n,
				($6 - $2) / n, ($8 - $4) / n }'
	else
		failed "cache: $1, $3: too few updates; $(cat "$dir/said")"
	fi
	kill "$pids" 2>/dev/null
	wait "$pids" 2>/dev/null
	pids=
	lab_stop
}

printf '%-44s %-6s %9s %9s %8s\n' "a refresh" "" "answer B" "request B" 304
cache_both() {
	cache "$1" "$2" stock build/stock-3.0/haproxy
	cache "$1" "$2" ours build/haproxy-3.0/haproxy
}
cache_both "signed by the issuer, no validators" ok
cache_both "signed by the issuer, ETag" fresh-1
cache_both "signed by a delegate, no validators" delegate-rsa
cache_both "signed by a delegate, ETag" fresh-delegate-1
