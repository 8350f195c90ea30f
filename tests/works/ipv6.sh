#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# ipv6.sh - a work of tests/bench, which reads it: the responder has an IPv6 address that leads
# nowhere, in every way, and an IPv4 address where it answers after 20 ms. Milliseconds from the
# moment on that HAProxy listens until the first certificate, and all of 100, have a response.
#
# Stock that was never done is not tried again.
# shellcheck disable=SC2034,SC2154 # what is not here is in bench

certs=${CERTS:-100}

# One run of HAProxy <$1>, noted as <$2>: the responder is <$3>, its name has the addresses <$4>.
ipv6_run() {
	local began

	lab_start "responder r $3" "name r.test a=127.0.0.1 $4" \
		"cert c n=$certs uri=http://r.test:%r/slow-20/"
	haproxy_start "$1" " crt $dir/lab/c"
	began=$(there_us)
	note "$2.first" "$(until_log "$began" 1 "c/[0-9]+.pem $ok")"
	note "$2.all" "$(until_log "$began" "$certs" "c/[0-9]+.pem $ok")"
	haproxy_stop
	lab_stop
}

# ipv6 <title> <responder words> <name words>
ipv6() {
	rm -f "$dir"/of.{ours,stock}.*
	for _ in $(seq "$runs"); do
		ipv6_run "$ours" ours "$2" "$3"
		[ "$3" ] || cp "$dir/of.ours.first" "$dir/of.v4.first"
		[ "$3" ] || cp "$dir/of.ours.all" "$dir/of.v4.all"
		again stock.all && ipv6_run "$stock" stock "$2" "$3"
	done
	ipv6_rows "$1" first 1
	ipv6_rows "$1" all "$certs"
}

# The rows of <$1>: the <$2> of them, which are <$3>.
ipv6_rows() {
	wanted=$3
	row "$1, $2" ours "ours.$2" "$(ratio "ours.$2" "v4.$2" 1 ' of IPv4 alone')"
	again "ours.$2" || failed "ours was never done: $1"
	row "$1, $2" stock "stock.$2" "$(ratio "stock.$2" "ours.$2" 1 ' of ours')"
}

head_row "ms until there is a staple, $certs certificates" "ratio"
ipv6 "IPv4 alone" "" ""
ipv6 "IPv6 refused" "v6=refuse" "aaaa=::1"
ipv6 "no route to IPv6" "" "aaaa=ff0e::1"
ipv6 "IPv6 black-holed" "v6=blackhole" "aaaa=::1"
ipv6 "IPv6 connects, accepted by nobody" "v6=silent" "aaaa=::1"
ipv6 "IPv6 connects and is silent" "v6=deaf" "aaaa=::1"
