#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# start.sh - a work of tests/bench, which reads it: the time from the start of HAProxy until
# certificates are stapled, stock beside ours in turns, with responders that answer and some that do
# not as they should.

show() {
	[ "$1" -ge $((limit * 1000)) ] && echo "never in $limit s" || echo "$1 ms"
}

# scenario <title> <lines> <path regex> <crt words> <lab commands>...
scenario() {
	local title=$1 lines=$2 regex=$3 crt=$4 i s o

	shift 4
	: >"$dir/stock"
	: >"$dir/ours"
	for i in $(seq "$runs"); do
		for b in stock ours; do
			lab_start "$@"
			case $b in
			stock) once build/stock-3.0/haproxy "$lines" "$regex" "$crt" ;;
			ours) once build/haproxy-3.0/haproxy "$lines" "$regex" "$crt" ;;
			esac >>"$dir/$b"
			lab_stop
		done
	done
	s=$(median <"$dir/stock")
	o=$(median <"$dir/ours")
	[ "$o" -lt $((limit * 1000)) ] || failed "ours never stapled: $title"
	printf '%-58s %16s %10s %6s\n' "$title" "$(show "$s")" "$(show "$o")" \
		"$(awk -v s="$s" -v o="$o" 'BEGIN { printf "%.1f", s / o }')"
}

printf '%-58s %16s %10s %6s\n' "medians of $runs runs" stock ours ratio
scenario "100 certificates, responder answers after 50 ms" 100 "c/[0-9]+.pem $ok" \
	" crt $dir/lab/c" "responder r" "cert c n=100 uri=http://127.0.0.1:%r/slow-50/"
scenario "1000 certificates, 20 ms" 1000 "c/[0-9]+.pem $ok" \
	" crt $dir/lab/c" "responder r" "cert c n=1000 uri=http://127.0.0.1:%r/slow-20/"
scenario "10 of 100 on a black-holed responder: the other 90" 90 "b/[0-9]+.pem $ok" \
	" crt $dir/lab/a crt $dir/lab/b" "responder r" "responder hole v4=blackhole" \
	"cert a n=10 uri=http://127.0.0.1:%hole/ok/" "cert b n=90 uri=http://127.0.0.1:%r/slow-20/"

# on one responder, two that are never answered as they should be, and 48 others
poisoned() {
	scenario "2 of 50 on one responder: $1; the other 48" 48 "b/[0-9]+.pem $ok" \
		" crt $dir/lab/a crt $dir/lab/b" "responder r" \
		"cert a n=2 uri=http://127.0.0.1:%r/$1/" "cert b n=48 uri=http://127.0.0.1:%r/ok/"
}
poisoned close
poisoned reset
poisoned garbage-before
poisoned hang

# the second URI answers after 20 ms, as in a scenario above; ours is to be held against that
second() {
	scenario "100 certificates, first URI $1, second 20 ms" 100 "c/[0-9]+.pem $ok" \
		" crt $dir/lab/c" "responder r" "responder bad $2" \
		"cert c n=100 uri=http://127.0.0.1:%bad/$3/ uri=http://127.0.0.1:%r/slow-20/"
}
scenario "100 certificates, 20 ms" 100 "c/[0-9]+.pem $ok" \
	" crt $dir/lab/c" "responder r" "cert c n=100 uri=http://127.0.0.1:%r/slow-20/"
second "status 500" v4=on status-500
second refused v4=refuse ok
second silent v4=deaf ok
second black-holed v4=blackhole ok

for how in status-429 status-503 error-3; do
	scenario "100 certificates, 10 a second pass, $how for the rest" 100 "c/[0-9]+.pem $ok" \
		" crt $dir/lab/c" "responder r" "limit r rate=10 answer=$how retry-after=1" \
		"cert c n=100 uri=http://127.0.0.1:%r/ok/"
done
scenario "responder has AAAA and A, IPv6 refused" 1 "c.pem $ok" " crt $dir/lab/c.pem" \
	"responder r" "name r.test a=127.0.0.1 aaaa=::1" "cert c uri=http://r.test:%r/ok/"
scenario "one certificate" 1 "c.pem $ok" " crt $dir/lab/c.pem" \
	"responder r" "cert c uri=http://127.0.0.1:%r/ok/"
scenario "responder has AAAA and A, IPv6 connects and is silent" 1 "c.pem $ok" \
	" crt $dir/lab/c.pem" "responder r v6=deaf" "name r.test a=127.0.0.1 aaaa=::1" \
	"cert c uri=http://r.test:%r/ok/"
scenario "four addresses, one accepts and never answers" 1 "c.pem $ok" " crt $dir/lab/c.pem" \
	"responder r v4=deaf 127.0.0.2=on 127.0.0.3=on 127.0.0.4=on" \
	"name r.test a=127.0.0.1,127.0.0.2,127.0.0.3,127.0.0.4" "cert c uri=http://r.test:%r/ok/"
