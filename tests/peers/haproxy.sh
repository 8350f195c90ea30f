# SPDX-License-Identifier: GPL-2.0-or-later
# haproxy.sh - HAProxy as a peer of tests/bench-peers.sh, which reads it: stock, and ours.
# shellcheck shell=bash

haproxy_config() {
	printf 'global\n ocsp-update.mode on\nfrontend fe\n mode http\n timeout client 5s\n'
	printf ' bind 127.0.0.1:%s ssl%s\n' "$1" "$(peer_dirs ' crt %s')"
}

peer stock-haproxy build/stock-3.0/haproxy "make stock-3.0" haproxy_config
stock-haproxy_run() { exec build/stock-3.0/haproxy -db -f "$dir/lab/lab.cfg" -f "$1"; }

peer ours build/haproxy-3.0/haproxy "make haproxy-3.0" haproxy_config
ours_run() { exec build/haproxy-3.0/haproxy -db -f "$dir/lab/lab.cfg" -f "$1"; }
