# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# Shared by the commands here. Source it after set -euo pipefail.

# The distribution's tools, before any other of the same name.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

# shellcheck disable=SC2034 # used by those who source this
PYTHON=/usr/bin/python3

# What each step needs, as Debian names it.
# shellcheck disable=SC2034
PACKAGES_BUILD="gcc libc6-dev meson ninja-build pkgconf libdpdk-dev libevent-dev libnuma-dev
	libcmocka-dev"
# shellcheck disable=SC2034
PACKAGES_RUN="dpdk-dev python3"
# shellcheck disable=SC2034
PACKAGES_CHECK="clang clang-format shellcheck mandoc python3-pytest python3-scapy iproute2 iputils-ping
	valgrind qemu-system-x86 busybox-static cpio kmod xz-utils ethtool iperf3 tcpdump"
# shellcheck disable=SC2034
PACKAGES_BENCH="openvswitch-switch-dpdk python3-matplotlib valgrind"
# shellcheck disable=SC2034
PACKAGES_FULL="mmdebstrap"
# In the Debian 13 of the slow rigs, beside PACKAGES_BUILD; the second from its backports.
# shellcheck disable=SC2034
PACKAGES_DEBIAN13="dpdk-dev" BACKPORTS_DEBIAN13="qemu-system-x86"

say() { printf '%s\n' "$*"; }
die() {
	printf '%s: %s\n' "$(basename "$0")" "$*" >&2
	exit 1
}

# need_packages LOG PACKAGE...: install those that are missing.
need_packages() {
	local log=$1 package missing=()
	shift
	for package in "$@"; do
		# Looks for "ii": a package that was removed may still be known.
		[[ $(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null) == ii* ]] ||
			missing+=("$package")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	[ "$(id -u)" = 0 ] || die "not root, and these packages are missing: ${missing[*]}"
	say "installing ${missing[*]}"
	{
		apt_get update && apt_get install "${missing[@]}"
	} >"$log" 2>&1 </dev/null || {
		tail -n 15 "$log"
		die "cannot install packages; all of apt's output is in $log"
	}
}

apt_get() {
	DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends \
		-o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@"
}

# debian_mirror: the one that this system uses.
debian_mirror() {
	local mirror
	# shellcheck disable=SC2016 # apt expands it
	mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Component: main' \
		'Label: Debian' | head -n 1) || true
	echo "${mirror:-http://deb.debian.org/debian}"
}

# configure FOLDER [meson options]: the first time, or again.
configure() {
	local folder=$1
	shift
	if [ -f "$folder/build.ninja" ]; then
		meson setup --reconfigure "$folder" "$@"
	else
		meson setup "$folder" "$@"
	fi
}
