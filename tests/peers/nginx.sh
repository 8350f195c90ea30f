# SPDX-License-Identifier: GPL-2.0-or-later
# nginx.sh - nginx as a peer of tests/bench-peers.sh, which reads it. It asks when a client comes,
# who gets no staple. Each worker asks for itself: there is one.
# shellcheck shell=bash

nginx_server() {
	cat <<-END
		server {
			listen 127.0.0.1:$1 ssl;
			server_name $2;
			ssl_certificate $3;
			ssl_certificate_key $3;
		}
	END
}

nginx_config() {
	cat <<-END
		daemon off;
		worker_processes 1;
		pid $dir/peer/pid;
		error_log stderr crit;
		events {
			worker_connections 1024;
		}
		http {
			access_log off;
			client_body_temp_path $dir/peer/body;
			proxy_temp_path $dir/peer/proxy;
			fastcgi_temp_path $dir/peer/fastcgi;
			uwsgi_temp_path $dir/peer/uwsgi;
			scgi_temp_path $dir/peer/scgi;
			ssl_stapling on;
	END
	peer_each nginx_server "$1"
	echo '}'
}

peer nginx nginx "nginx-light" nginx_config
nginx_run() { exec nginx -p "$dir/peer" -e stderr -c "$1"; }
