# SPDX-License-Identifier: GPL-2.0-or-later
# hitch.sh - hitch as a peer of tests/bench-peers.sh, which reads it. Its backend is not there: it
# is connected to after the handshake.
# shellcheck shell=bash

hitch_pem() { echo "pem-file = \"$3\""; }

hitch_config() {
	cat <<-END
		frontend = "[127.0.0.1]:$1"
		backend = "[127.0.0.1]:1"
		workers = 1
		ocsp-dir = "$dir/peer"
		daemon = off
		log-level = 0
	END
	[ "$(id -u)" != 0 ] || echo 'user = "nobody"'
	peer_each hitch_pem "$1"
}

peer hitch hitch "hitch" hitch_config
hitch_run() { exec hitch --config="$1"; }
