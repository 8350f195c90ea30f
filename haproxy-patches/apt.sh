# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh disable=SC2154 # what is not here is in the scripts that read this
# apt.sh - reads the lists of other Debian suites with an apt of its own, from where the machine's
# apt takes Debian; for scripts that have $top, say and die. Leaves the machine's own configuration
# and lists as they are.

apt=$top/build/apt

# Runs the tool <$2...> on the lists <$1>. A mirror may be older than its lists wish to be: what is
# taken from there is pinned, or is what others have.
apt_private() {
	list=$1 tool=$2
	shift 2
	"$tool" -o Dir::Etc::sourcelist="$apt/$list.list" -o Dir::Etc::sourceparts=/dev/null \
		-o Dir::State::Lists="$apt/$list" -o Dir::Cache="$apt/cache" \
		-o APT::Sandbox::User=root -o Acquire::Check-Valid-Until=false "$@"
}

# Prints where the machine takes Debian's suite <$1> from, according to the lists in <$2>.
mirror() {
	apt-get -o Dir::State::Lists="$2" indextargets --format '$(REPO_URI)' \
		"Codename: $1" 'Origin: Debian' 'Component: main' 2>/dev/null | sort -u | head -n 1
}

# Sets <main> and <security> to the machine's own mirrors.
mirrors() {
	host=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	from=/var/lib/apt/lists
	if [ -z "$(mirror "$host" $from)" ]; then
		from=$apt/host
		mkdir -p "$from/partial"
		apt-get -qq -o Dir::State::Lists="$from" -o Dir::Cache="$apt/cache" \
			-o APT::Sandbox::User=root update >&2 || true
	fi
	main=$(mirror "$host" "$from")
	security=$(mirror "$host-security" "$from")
	[ -n "$main" ] || die "apt knows no Debian mirror on this machine; give HAPROXY_TARBALL="
}

# Reads the lists <$1>, unless that was done, from where lines "deb <URI> <suite>" say.
apt_setup() {
	key=/usr/share/keyrings/debian-archive-keyring.gpg
	mkdir -p "$apt/$1/partial" "$apt/cache/archives/partial"
	while read -r form uri suite_of; do
		echo "$form [signed-by=$key] $uri $suite_of main"
	done >"$apt/$1.list"
	say "reading the lists of Debian $1"
	apt_private "$1" apt-get -qq update >&2 || return 1
	: >"$apt/$1.ready"
}
