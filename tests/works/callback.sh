#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# callback.sh - a work of tests/bench, which reads it: the function that copies a response into a
# handshake, alone, called by all processors at once for one certificate. HAProxy 3.0 as released
# takes no lock there (a use after free), ours one of its own, upstream since July 2026 the one of
# the tree of all responses. ALSO='title=program ...' adds other HAProxies.

callback_ms=300

# Prints nanoseconds of a call and calls a second for <$1> threads, of the HAProxy that listens.
called() {
	local ns rate without

	echo "$1 $callback_ms" >&7
	read -r ns rate without <&6 || return 1
	[ "$without" = 0 ] && echo "$ns $rate"
}

# callback <title> <HAProxy>
callback() {
	local n i

	lab_start "responder r" "cert one uri=http://127.0.0.1:%r/ok/"
	mkfifo "$dir/in7" "$dir/out6"
	cat >"$dir/fe.cfg" <<-END
		global
		 ocsp-update.mode on
		frontend fe
		 mode http
		 timeout client 5s
		 bind unix@$dir/fe ssl crt $dir/lab/one.pem
	END
	LD_PRELOAD=$PWD/build/tests/works/callback.so CALLBACK_IN=$dir/in7 CALLBACK_OUT=$dir/out6 \
		"$2" -db -f "$dir/lab/lab.cfg" -f "$dir/fe.cfg" >"$dir/said" 2>&1 &
	pids=$!
	exec 7>"$dir/in7" 6<"$dir/out6"
	"$lab" ask "$dir/lab" "await-log 1 $ok" >/dev/null
	for n in $(seq "$(nproc)"); do
		: >"$dir/ns"
		for i in $(seq $((runs * 3))); do
			called "$n" >>"$dir/ns" || break
		done
		if [ "$(wc -l <"$dir/ns")" = $((runs * 3)) ]; then
			printf '%-40s %7d %10.0f %14.2f\n' "$1" "$n" \
				"$(awk '{ print $1 }' "$dir/ns" | median)" \
				"$(awk '{ print $2 / 1e6 }' "$dir/ns" | median)"
		else
			failed "$1: calls of the callback had no response; $(cat "$dir/said")"
			break
		fi
	done
	kill "$pids" 2>/dev/null
	wait "$pids" 2>/dev/null
	pids=
	exec 7>&- 6<&-
	rm -f "$dir/in7" "$dir/out6"
	lab_stop
}

printf '%-40s %7s %10s %14s\n' "the stapling callback alone" threads "ns a call" "million a s"
callback "3.0 stock, no lock" build/stock-3.0/haproxy
callback "3.0, patched" build/haproxy-3.0/haproxy
for also in ${ALSO:-}; do
	callback "${also%%=*}" "${also#*=}"
done
