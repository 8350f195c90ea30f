#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# traffic.sh - a work of tests/bench, which reads it: what updates do to handshakes. As many full
# handshakes with a status request as one thread of HAProxy can make, in slices without updates and
# slices with 1,000 a second in turns, in one process. Prints medians of the slices, and the median
# of the ratios of two that follow each other. With RSA-3072: where the processor helps with 2048
# bits a handshake costs the client as much as the server, and the client has to share a processor
# with all that makes updates.
#
# HAProxy's thread has the first processor to itself, all else has the others, so that what is seen
# is what updates cost that thread, or make it wait. Columns:
#   us      processor time of that thread for a handshake, all that it does for updates included
#   ran     the share of the slice in which it ran
#   could   and in which it could have run: if that is not nearly all, the client is the limit
#   client  the processors that the client used
# Two slices in which other programs took much of the processor are made again, up to a limit; if
# all are like that, all are taken: then only "us" tells something.
# In the end HAProxy has updates and no handshakes, which tells what an update costs the thread.
#
# Stock updates one certificate after the other, so it is given as many as it can do.
#
# THREADS=2 gives HAProxy so many threads, one on each processor, SLICE_MS= the length of a slice.

threads=${THREADS:-1}
slice_ms=${SLICE_MS:-2000}
pairs=$((runs * 2))
tries=$((pairs * 4))
connections=$((threads * 16))
certs=1500 # each is due again after 1.0 to 1.25 s, so that the responder sets the pace
rate=1000
updated="<OCSP-UPDATE>.*$ok"

ask() { "$lab" ask "$dir/lab" "$@"; }

# Makes handshakes for <$1> ms, and prints what came of it.
load() { "$lab" load "$dir/fe" "$1" $connections t; }

traffic_cfg() {
	# the number of threads has to come first
	printf 'global\n nbthread %d\n' "$threads" >"$dir/first.cfg"
	cat >"$dir/fe.cfg" <<-END
		global
		 cpu-map 1/1-$threads 0-$((threads - 1))
		 ocsp-update.mode on
		 ocsp-update.mindelay 1
		 ocsp-update.maxdelay 1
		frontend fe
		 mode http
		 timeout client 5s
		 bind unix@$dir/fe ssl crt $dir/lab/t.pem crt $dir/lab/c
	END
}

# Prints the microseconds that HAProxy's threads have run, and have waited for a processor, and the
# number of updates so far.
look() {
	local t

	for t in /proc/"$pids"/task/*; do
		[ "$(cat "$t/comm")" != haproxy ] || cat "$t/schedstat"
	done | awk '{ ran += $1; waited += $2 }
		END { printf "%d %d ", ran / 1000, waited / 1000 }'
	ask "count-log $updated"
}

now_us() { echo $(($(date +%s%N) / 1000)); }

# Does <$@> and prints how many microseconds that took, those that the threads ran and waited, how
# many updates there were, and what <$@> printed.
watched() {
	local began took ran waited n ran2 waited2 n2 line

	read -r ran waited n < <(look)
	began=$(now_us)
	line=$("$@") || return 1
	took=$(($(now_us) - began))
	read -r ran2 waited2 n2 < <(look)
	echo "$took $((ran2 - ran)) $((waited2 - waited)) $((n2 - n)) $line"
}

# The updates rest: the responder holds what it is asked. What is on its way ends before the slice.
idle_begin() {
	ask "play r hold-ok" && load 300 >/dev/null
}

# All are overdue after a rest. They are even when each was updated since.
busy_begin() {
	ask "play r ok" "release r" && load 500 >/dev/null
}

# Makes a slice <$1>. Prints: rate, p50, p99, updates a second, microseconds for a handshake, shares
# in which a thread ran and could have run, what the client used. Fails without a staple, too.
slice() {
	"$1_begin" || return 1
	watched load "$slice_ms" | tr '=' ' ' | awk -v threads="$threads" '
		{
			for (i = 5; i < NF; i += 2)
				v[$i] = $(i + 1)
			print v["rate"], v["p50"], v["p99"], $4 * 1e6 / $1, $2 / v["handshakes"],
				$2 / $1 / threads, ($2 + $3) / $1 / threads, v["cpu"]
			good = v["handshakes"] > 0 && v["stapled"] == v["handshakes"]
		}
		END { exit !good }'
}

# Whether HAProxy had the processor in the slices <$@> nearly whenever it wanted.
undisturbed() { awk '$6 < .98 * $7 { exit 1 }' "$@"; }

# Prints the median of column <$2> of the slices <$1>.
column() { awk -v c="$2" '{ print $c }' "$dir/$1" | median; }

# Prints what the slices <$2> were like, with <$1> in front.
row() {
	local i v=()

	for i in 1 4 2 3 5 6 7 8; do
		v+=("$(column "$2" $i)")
	done
	printf '%-34s %-5s %8.0f %9.1f %7.2f %7.2f %6.0f %5.2f %5.2f %6.2f\n' "$1" "$2" "${v[@]}"
}

ratios() {
	local i v=()

	paste -d ' ' "$dir/busy" "$dir/idle" >"$dir/both"
	for i in 1 2 3 5; do
		v+=("$(awk -v i=$i '{ print $i / $(i + 8) }' "$dir/both" | median)")
	done
	printf '%-34s %-5s %8.3f %9s %7.3f %7.3f %6.3f\n' \
		"    $(wc -l <"$dir/both") pairs$disturbed" ratio "${v[0]}" "" "${v[@]:1}"
}

# Makes pairs of slices until there are enough that were not disturbed.
slices() {
	local i good=0

	rm -f "$dir"/{idle,busy,all.idle,all.busy}
	for i in $(seq $tries); do
		[ $good -lt $pairs ] || break
		slice idle >"$dir/one" && slice busy >"$dir/two" || return 1
		cat "$dir/one" >>"$dir/all.idle"
		cat "$dir/two" >>"$dir/all.busy"
		undisturbed "$dir/one" "$dir/two" || continue
		good=$((good + 1))
		cat "$dir/one" >>"$dir/idle"
		cat "$dir/two" >>"$dir/busy"
	done
	disturbed=
	[ $good = 0 ] || return 0
	disturbed=', all disturbed'
	mv "$dir/all.idle" "$dir/idle" && mv "$dir/all.busy" "$dir/busy"
}

# Prints what an update costs the thread that has nothing else to do.
alone() {
	local n

	n=$(ask "count r requests")
	watched ask "await r $((n + rate)) requests" | awk '{
		printf "%-40s %17.1f %23.1f\n", "    without handshakes, us for an update",
			$4 * 1e6 / $1, $2 / $4 }'
}

# traffic <title> <HAProxy>
traffic() {
	lab_start "responder r" "pace r $rate" "cert t rsa-3072 uri=http://127.0.0.1:%r/ok/" \
		"cert c n=$certs uri=http://127.0.0.1:%r/ok/"
	traffic_cfg
	"$2" -db -f "$dir/first.cfg" -f "$dir/lab/lab.cfg" -f "$dir/fe.cfg" >"$dir/said" 2>&1 &
	pids=$!
	if ! ask "await-log $certs $updated" >/dev/null; then
		failed "$1: too few first responses; $(cat "$dir/said")"
	elif ! slices; then
		failed "$1: handshakes failed, or had no staple"
	else
		row "$1" idle && row "$1" busy && ratios && alone
	fi
	kill "$pids" 2>/dev/null
	wait "$pids" 2>/dev/null
	pids=
	lab_stop
}

if [ "$(nproc)" -ge 2 ] && [ "$(nproc)" -ge "$threads" ]; then
	others=$threads-$(($(nproc) - 1))
	[ "$(nproc)" -gt "$threads" ] || others=0-$((threads - 1))
	taskset -cp "$others" $$ >/dev/null # and what this starts, but for what cpu-map says
	printf '%-34s %-5s %8s %9s %7s %7s %6s %5s %5s %6s\n' "slices of $slice_ms ms" "" shakes/s \
		updates/s "p50 ms" "p99 ms" us ran could client
	traffic "3.0, patched" build/haproxy-3.0/haproxy
	traffic "3.0 as released, with the module" build/haproxy-3.0-released/haproxy
	traffic "3.0 stock" build/stock-3.0/haproxy
	taskset -cp "0-$(($(nproc --all) - 1))" $$ >/dev/null
else
	failed "traffic: there are only $(nproc) processors"
fi
