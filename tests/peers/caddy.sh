# SPDX-License-Identifier: GPL-2.0-or-later
# caddy.sh - Caddy as a peer of tests/bench-peers.sh, which reads it. It asks while it reads its
# configuration, before it listens.
# shellcheck shell=bash

caddy_site() { printf 'https://%s:%s {\n\tbind 127.0.0.1\n\ttls %s %s\n}\n' "$2" "$1" "$3" "$3"; }

caddy_config() {
	printf '{\n\tadmin off\n\tauto_https disable_redirects\n\tstorage file_system %s\n' \
		"$dir/peer/caddy"
	printf '\tlog {\n\t\tlevel ERROR\n\t}\n}\n'
	peer_each caddy_site "$1"
}

peer caddy caddy "caddy" caddy_config
caddy_run() { HOME=$dir/peer exec caddy run --adapter caddyfile --config "$1"; }
