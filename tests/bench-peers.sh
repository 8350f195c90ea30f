#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# bench-peers.sh - HAProxy, stock and ours, beside other servers that staple: how long until 100
# certificates are stapled, and what clients get before. `make bench-peers` has tests/bench read it,
# as it reads the files of tests/works; asserts nothing.
#
# All servers are visited in the same way (`lab visit`), since some ask for a response only when a
# client comes: each name by a client of its own, every 250 ms until it gets a staple, from before
# the server is started. A file of tests/peers has the configuration and the start of a server; one
# that is not installed is left out, which is said. PEERS="nginx ours" names those to take.
# shellcheck disable=SC2154 # what tests/bench has

peers=
peer_limit=${LIMIT:-30} # seconds, after which it is "never"
peer_every=250

# peer <name> <program> <what to install> <function that prints the configuration for port $1>
# The function <name>_run becomes the server, with the file that has the configuration.
peer() {
	if [ -n "${PEERS:-}" ] && ! grep -qwF -- "$1" <<<"$PEERS"; then
		return
	elif PATH=$PATH:/usr/sbin command -v "$2" >/dev/null; then
		peers="$peers $1"
		eval "config_$(tr - _ <<<"$1")=$4"
	else
		echo "skipped $1: $2 is not installed ($3)"
	fi
}

# Prints <$1> for each directory of certificates.
peer_dirs() {
	local d

	for d in $peer_lists; do
		# shellcheck disable=SC2059 # it is a format
		printf "$1" "$dir/lab/$d"
	done
}

# Calls <$1> for each certificate: port <$2>, its server name, its file.
peer_each() {
	local d pem

	for d in $peer_lists; do
		for pem in "$dir/lab/$d"/*.pem; do
			"$1" "$2" "$d-$(basename "$pem" .pem)" "$pem"
		done
	done
}

# Prints a port that nobody has now.
free_port() {
	python3 -c '
import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])'
}

# Starts the server <$1>; $dir/seen is what its visitors of the lists <$2...> saw.
peer_once() {
	local name=$1 port config visit

	shift
	rm -rf "$dir/peer" "$dir/ended"
	mkdir -m 777 "$dir/peer"
	port=$(free_port)
	config=config_$(tr - _ <<<"$name")
	"${!config}" "$port" >"$dir/peer/config"
	"$lab" visit "127.0.0.1:$port" $((peer_limit * 1000)) $peer_every "$@" \
		>"$dir/seen" 2>"$dir/why" &
	visit=$!
	(PATH=$PATH:/usr/sbin "${name}_run" "$dir/peer/config") >"$dir/said" 2>&1 &
	pids=$!
	wait "$visit"
	kill "$pids" 2>/dev/null || echo "$name: $(head -n 5 "$dir/said")" >"$dir/ended"
	# one that still waits for a responder may be deaf to that
	timeout 5 tail --pid="$pids" -f /dev/null || kill -9 "$pids" 2>/dev/null
	wait "$pids" 2>/dev/null
	pids=
}

# One line of the table: <$1> server, <$2> how many are waited for; what was seen is read.
peer_row() {
	tr '=' ' ' | awk -v name="$1" -v want="$2" '{
		for (i = 1; i < NF; i += 2)
			v[$i] = $(i + 1)
		all = v["stapled"] == want
		printf "  %-16s %14s %8d %8d %10.2f\n", name,
			all ? sprintf("%.2f s", v["seconds"]) : v["stapled"] " of " want,
			v["bare"], v["failed"], v["longest"]
	}'
}

# peers_work <title> <lists, the first one is waited for> <lab commands>...
peers_work() {
	local title=$1 lists=$2 d n p args

	shift 2
	# in this order they are in the configuration: the bad ones come first
	peer_lists=$(tr ' ' '\n' <<<"$lists" | sort)
	printf '%-18s %14s %8s %8s %10s\n' "$title" stapled bare failed "longest s"
	for p in $peers; do
		lab_start "$@"
		args=()
		for d in $lists; do
			n=$(find "$dir/lab/$d" -name '*.pem' | wc -l)
			args+=("$d" "$n")
		done
		peer_once "$p" "${args[@]}"
		peer_row "$p" "${args[1]}" <"$dir/seen"
		[ ! -e "$dir/ended" ] || failed "ended by itself: $(cat "$dir/ended")"
		if [ "$p" = ours ] && ! grep -q "stapled=${args[1]} " "$dir/seen"; then
			failed "ours did not staple all: $(cat "$dir/why" "$dir/said")"
		fi
		lab_stop
	done
}

chmod 711 "$dir" # some servers drop root's rights before they read
for file in tests/peers/*.sh; do
	# shellcheck source=/dev/null
	. "$file"
done
echo "stapled: seconds until all are; bare: handshakes without a staple; longest: of a handshake"
for ms in 0 20 100; do
	peers_work "$ms ms an answer" c "responder r" \
		"cert c n=100 uri=http://127.0.0.1:%r/slow-$ms/"
done
peers_work "90, 10 at a hole" "b a" "responder r" "responder hole v4=blackhole" \
	"cert a n=10 uri=http://127.0.0.1:%hole/ok/" "cert b n=90 uri=http://127.0.0.1:%r/slow-20/"
