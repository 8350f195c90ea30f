#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# processor.sh - a work of tests/bench, which reads it: the processor time of an update.

# What the loop thread needs for an update, the kernel's part and all that happens only once
# included, beside libcrypto parsing one response and checking its signature again and again.
processor() {
	local n=3000 b o

	: >"$dir/bare"
	: >"$dir/ours"
	for _ in $(seq "$runs"); do
		"$lab" bare $n >>"$dir/bare"
		lab_start "responder r" "cert c n=$n uri=http://127.0.0.1:%r/ok/"
		once build/haproxy-3.0/haproxy $n "$ok" " crt $dir/lab/c" >/dev/null
		awk -v n=$n '{ printf "%.1f\n", $1 / n }' "$dir/cpu" >>"$dir/ours"
		lab_stop
	done
	b=$(median <"$dir/bare")
	o=$(median <"$dir/ours")
	printf '%-58s %16s %10s %6s\n' "" bare ours ratio
	printf '%-58s %16s %10s %6s\n' "processor time of one of $n updates" "$b us" "$o us" \
		"$(awk -v b="$b" -v o="$o" 'BEGIN { printf "%.2f", o / b }')"
}
processor
