# SPDX-License-Identifier: GPL-2.0-or-later
# h2o.sh - h2o as a peer of tests/bench-peers.sh, which reads it. It runs a Perl script and the
# openssl program for each certificate, again and again.
# shellcheck shell=bash

h2o_host() {
	cat <<-END
		  "$2:$1":
		    listen:
		      host: 127.0.0.1
		      port: $1
		      ssl:
		        certificate-file: $3
		        key-file: $3
		    paths:
		      "/":
		        file.dir: $dir/peer
	END
}

h2o_config() {
	[ "$(id -u)" != 0 ] || echo 'user: nobody'
	echo 'num-threads: 1'
	echo 'hosts:'
	peer_each h2o_host "$1"
}

peer h2o h2o "h2o" h2o_config
h2o_run() { exec h2o -m worker -c "$1"; }
