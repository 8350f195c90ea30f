# SPDX-License-Identifier: GPL-2.0-or-later
# apache.sh - Apache as a peer of tests/bench-peers.sh, which reads it, in its two ways: mod_ssl
# asks when a client comes, who waits for it; mod_md asks ahead, from a thread of its own.
# shellcheck shell=bash

apache_modules=/usr/lib/apache2/modules

apache_host() {
	cat <<-END
		<VirtualHost 127.0.0.1:$1>
			ServerName $2
			SSLEngine on
			SSLCertificateFile $3
		</VirtualHost>
	END
}

apache_config() {
	cat <<-END
		ServerRoot $dir/peer
		ServerName localhost
		Listen 127.0.0.1:$1
		PidFile $dir/peer/pid
		ErrorLog $dir/peer/errors
		DefaultRuntimeDir $dir/peer
		LoadModule mpm_event_module $apache_modules/mod_mpm_event.so
		LoadModule authz_core_module $apache_modules/mod_authz_core.so
		LoadModule socache_shmcb_module $apache_modules/mod_socache_shmcb.so
		LoadModule ssl_module $apache_modules/mod_ssl.so
	END
	[ "$(id -u)" != 0 ] || printf 'User www-data\nGroup www-data\n'
	peer_each apache_host "$1"
}

apache_ssl_config() {
	apache_config "$1"
	cat <<-END
		SSLUseStapling on
		SSLStaplingCache shmcb:$dir/peer/stapling(1000000)
		SSLStaplingReturnResponderErrors off
	END
}

apache_md_config() {
	echo "LoadModule md_module $apache_modules/mod_md.so"
	apache_config "$1"
	cat <<-END
		MDStoreDir $dir/peer/md
		MDStapling on
		MDStapleOthers on
	END
}

apache_run() { exec apache2 -DFOREGROUND -f "$1"; }

peer apache-mod_ssl apache2 "apache2" apache_ssl_config
apache-mod_ssl_run() { apache_run "$@"; }
peer apache-mod_md apache2 "apache2" apache_md_config
apache-mod_md_run() { apache_run "$@"; }
